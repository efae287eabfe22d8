"""Backbones by name, with what is known about each beside its factory, as timm does.

This module does not import Keras, so that names and facts can be listed at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kit.core.registry import Registry

if TYPE_CHECKING:
    import keras

# Height, width, channels.
Shape = tuple[int, int, int]
# (shape of the images, name of the weights, seed of the initial values) -> Keras model.
Build = Callable[[Shape, str, int], "keras.Model"]
# Images of floats in 0..1 -> images as the pretrained weights expect them.
Preprocess = Callable[["keras.KerasTensor"], "keras.KerasTensor"]


def unchanged(images: "keras.KerasTensor") -> "keras.KerasTensor":
    """The preprocessing of backbones that take pixels in 0..1 as they are."""
    return images


@dataclass(frozen=True)
class Backbone:
    """A network without its head, and the facts by which one chooses it.

    `build` returns a model called "backbone" from (height, width, channels) floats to one or
    several feature maps. `native_size` and `min_size` are sides in pixels: what it was published
    with, and the least it can be built for. `channels` is the number that its pretrained weights
    and its preprocessing demand, None for any; without both of them every number will do.
    `preprocess` is what a recipe means by `normalize="backbone"`.
    """

    name: str
    source: str
    native_size: int
    min_size: int
    weights: tuple[str, ...]
    channels: int | None
    preprocess: Preprocess
    build: Build


backbones: Registry[Backbone] = Registry("backbone", "kit.models.backbones")


def backbone(
    name: str,
    *,
    source: str,
    native_size: int,
    min_size: int,
    weights: tuple[str, ...] = ("none",),
    channels: int | None = None,
    preprocess: Preprocess = unchanged,
) -> Callable[[Build], Backbone]:
    """Decorator that files a factory of models, with its facts, as the backbone `name`."""

    def add(build: Build) -> Backbone:
        entry = Backbone(name, source, native_size, min_size, weights, channels, preprocess, build)
        return backbones.register(name)(entry)

    return add
