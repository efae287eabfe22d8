"""Backbones by name, with what is known about each beside its factory, as timm does.

This module does not import Keras, so that names and facts can be listed at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kit.core.registry import Registry

if TYPE_CHECKING:
    import keras

# Height, width, channels.
Shape = tuple[int, int, int]
# (shape of the images, name of the weights, seed of the initial values) -> Keras model.
Build = Callable[[Shape, str, int], "keras.Model"]

# Of ImageNet's images, and so of all weights that were trained on them.
PRETRAINED_CHANNELS = 3


@dataclass(frozen=True)
class Preprocessing:
    """How pixels in 0..255 become what a backbone expects: (pixels * scale - mean) / std.

    `order` is the one in which the backbone sees red, green and blue; `mean` and `std` are in
    that order. `kit.models.stems.normalize` says what becomes of another number of channels.
    """

    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: Literal["rgb", "bgr"] = "rgb"


# Pixels in 0..1, for the backbones that ask for nothing else.
UNIT_RANGE = Preprocessing()


@dataclass(frozen=True)
class Backbone:
    """A network without its head, and the facts by which one chooses it.

    `build` returns a model called "backbone" from (height, width, channels) floats to one or
    several feature maps; without weights it takes any number of channels, with ImageNet's three.
    `native_size` and `min_size` are sides in pixels: what it was published with, and the least it
    can be built for. `parameters` are those of the network for three channels, without a head.
    `preprocessing` is what a recipe means by `normalize="backbone"`.
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
    """Decorator that files a factory of models, with its facts, as the backbone `name`."""

    def add(build: Build) -> Backbone:
        entry = Backbone(
            name, source, native_size, min_size, parameters, weights, preprocessing, build
        )
        return backbones.register(name)(entry)

    return add
