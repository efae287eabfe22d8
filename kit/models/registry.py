"""Backbones by name, each with its facts and its factory, as in timm.

This module does not import Keras, so that listing names and facts is instant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kit.core.registry import Registry

if TYPE_CHECKING:
    import keras

# Height, width, channels.
Shape = tuple[int, int, int]
# (image shape, name of the weights, seed for the initialization) -> Keras model.
Build = Callable[[Shape, str, int], "keras.Model"]

# Of ImageNet's images, and therefore of all weights trained on them.
PRETRAINED_CHANNELS = 3


@dataclass(frozen=True)
class Preprocessing:
    """How pixels in 0..255 become a backbone's input: (pixels * scale - mean) / std.

    `order` is the backbone's channel order, and that of `mean` and `std`.
    `kit.models.stems.normalize` describes what happens with other channel counts than three.
    """

    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: Literal["rgb", "bgr"] = "rgb"


# Pixels in 0..1, the default.
UNIT_RANGE = Preprocessing()


@dataclass(frozen=True)
class Backbone:
    """A network without a head, and the facts needed to choose it.

    `build` returns a model called "backbone" from (height, width, channels) floats to one or
    several feature maps; without weights it takes any number of channels, with ImageNet's three.
    `native_size` and `min_size` are sides in pixels: the published size and the smallest possible.
    `parameters` counts the network for three channels, without a head. `preprocessing` is what
    `normalize="backbone"` applies.
    """

    name: str
    source: str
    native_size: int
    min_size: int
    parameters: int
    weights: tuple[str, ...]
    preprocessing: Preprocessing
    build: Build


backbones: Registry[Backbone] = Registry("backbone", "kit.models.backbones")


def backbone(
    name: str,
    *,
    source: str,
    native_size: int,
    min_size: int,
    parameters: int,
    weights: tuple[str, ...] = ("none",),
    preprocessing: Preprocessing = UNIT_RANGE,
) -> Callable[[Build], Backbone]:
    """Decorator that registers a model factory, with its facts, as the backbone `name`."""

    def add(build: Build) -> Backbone:
        entry = Backbone(
            name, source, native_size, min_size, parameters, weights, preprocessing, build
        )
        return backbones.register(name)(entry)

    return add
