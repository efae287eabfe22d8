"""A recipe's network: image -> stem -> normalization -> backbone -> head -> logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import keras

from kit.core.errors import UserError, unknown
from kit.models.heads import build_head, find_head
from kit.models.registry import PRETRAINED_CHANNELS, Backbone, Shape, backbones
from kit.models.stems import (
    INFLATED,
    LEARNED,
    inflate,
    learned_mixture,
    mix,
    mixing_matrix,
    normalize,
)
from kit.models.weights import find_weights_file, is_weights_file


class Architecture(Protocol):
    """The part of a recipe that decides what the network is; their meanings are told there."""

    @property
    def name(self) -> str: ...
    @property
    def backbone(self) -> str: ...
    @property
    def stem(self) -> str: ...
    @property
    def normalize(self) -> str: ...
    @property
    def head(self) -> str: ...
    @property
    def dropout(self) -> float: ...
    @property
    def size(self) -> int: ...
    @property
    def weights(self) -> str: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class ModelSize:
    """How many parameters a network has, and how many of them training changes."""

    total: int
    trainable: int


def build_model(
    recipe: Architecture, channels: Sequence[str], classes: int, seed: int
) -> keras.Model:
    """The recipe's network, its initial values drawn from `seed`.

    Takes (batch, size, size, len(channels)) in 0..255, uint8 or float, and gives logits (batch,
    classes) in float32. The backbone is the layer called "backbone". Raises UserError for names
    that are not known, for choices that do not fit each other or the channels, and when weights
    cannot be downloaded. Weights that are a file are not loaded: `kit.models.weights.start_from`
    does that, and says how much of the file fits.
    """
    check_architecture(recipe, channels)
    return _assemble(recipe, channels, classes, recipe.weights, seed)


def count_parameters(recipe: Architecture, channels: Sequence[str], classes: int) -> ModelSize:
    """The number of parameters of the recipe's network; downloads nothing.

    Raises UserError as `build_model` does.
    """
    check_architecture(recipe, channels)
    model = _assemble(recipe, channels, classes, "none", recipe.seed)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return ModelSize(model.count_params(), trainable)


def check_architecture(recipe: Architecture, channels: Sequence[str]) -> None:
    """Raise UserError unless the recipe's choices are known, and fit each other and the channels.

    Builds nothing, so that a mistake shows before hours of work. How many feature maps the head
    gets is known only when the network is built. Weights may be a file, which must exist; a run's
    name is to be replaced by one of its files beforehand.
    """
    backbone = backbones.get(recipe.backbone)
    find_head(recipe.head)
    seen = _seen(recipe, channels)
    if is_weights_file(recipe.weights):
        find_weights_file(recipe.weights)
    elif recipe.weights not in backbone.weights:
        raise unknown(f"{backbone.name} weights", recipe.weights, backbone.weights)
    if recipe.size < backbone.min_size:
        raise UserError(
            f"Backbone '{backbone.name}' cannot be built for images of {recipe.size} pixels; "
            f"the smallest size is {backbone.min_size}."
        )
    if recipe.weights == "imagenet" and recipe.stem != INFLATED and seen != PRETRAINED_CHANNELS:
        raise UserError(
            f"The imagenet weights of '{backbone.name}' take {PRETRAINED_CHANNELS} channels, stem "
            f"'{recipe.stem}' gives {seen}. Take all: --set stem={INFLATED} or stem={LEARNED}; or "
            "--set weights=none."
        )


def _seen(recipe: Architecture, channels: Sequence[str]) -> int:
    """How many channels the backbone sees."""
    if recipe.stem == LEARNED:
        return PRETRAINED_CHANNELS
    return mixing_matrix(recipe.stem, channels).shape[1]


def _assemble(
    recipe: Architecture, channels: Sequence[str], classes: int, weights: str, seed: int
) -> keras.Model:
    backbone = backbones.get(recipe.backbone)
    # Declared as float32, Keras casts uint8 on the device; declared as uint8, it would cut floats.
    image = keras.Input((recipe.size, recipe.size, len(channels)), name="image", dtype="float32")
    mixed = mix(image, mixing_matrix(recipe.stem, channels))
    seen = normalize(mixed, recipe.normalize, backbone.preprocessing)
    if recipe.stem == LEARNED:
        # After the normalization: on pixels in 0..255 a step of its weights would be a leap.
        seen = learned_mixture(seen)
    features = _build_backbone(backbone, tuple(seen.shape[1:]), weights, seed)
    maps = features(seen)
    maps = maps if isinstance(maps, list) else [maps]
    logits = build_head(recipe.head, maps, classes, recipe.dropout, seed)
    return keras.Model(image, logits, name=recipe.name)


def _build_backbone(backbone: Backbone, shape: Shape, weights: str, seed: int) -> keras.Model:
    height, width, channels = shape
    if weights not in backbone.weights:
        weights = "none"  # a file fills it later
    if weights == "none" or channels == PRETRAINED_CHANNELS:
        return backbone.build(shape, weights, seed)
    pretrained = backbone.build((height, width, PRETRAINED_CHANNELS), weights, seed)
    widened = backbone.build(shape, "none", seed)
    inflate(pretrained, widened)
    return widened
