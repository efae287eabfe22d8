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
    """The part of a recipe that defines the network; `Recipe` documents the fields."""

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
    """How many parameters a network has, and how many of them are trainable."""

    total: int
    trainable: int


def build_model(
    recipe: Architecture, channels: Sequence[str], classes: int, seed: int
) -> keras.Model:
    """Build the recipe's network, initialized from its `seed`.

    Takes (batch, size, size, len(channels)) in 0..255, uint8 or float, and returns float32 logits
    (batch, classes). The backbone is the layer "backbone". Raises UserError for unknown names, for
    settings that do not fit each other or the channels, and when weights cannot be downloaded. A
    weights file is not loaded here: `kit.models.weights.start_from` does that and reports how much
    of the file fits.
    """
    check_architecture(recipe, channels)
    return _assemble(recipe, channels, classes, recipe.weights, seed)


def build_front(recipe: Architecture, channels: Sequence[str]) -> keras.Model:
    """Build the layers between the image and the backbone: stem and normalization, as initialized.

    Takes (batch, size, size, len(channels)) in 0..255, and returns float32 of the same size with
    the stem's channels. Stops before a batch normalization, whose scale and offset are learned.
    Needs no weights. Raises UserError for an unknown stem or normalization, and for channels that
    do not fit the stem.
    """
    image = _image(recipe, channels)
    how = "scale" if recipe.normalize == "batch" else recipe.normalize
    return keras.Model(image, _front(image, recipe, channels, how), name="front")


def is_blue_first(recipe: Architecture, channels: Sequence[str]) -> bool:
    """Whether the backbone sees blue, green, red: the order in which its weights were trained."""
    preprocessing = backbones.get(recipe.backbone).preprocessing
    mixed = mixing_matrix(recipe.stem, channels).shape[1]
    is_ordered = recipe.normalize == "backbone" and mixed >= PRETRAINED_CHANNELS
    return is_ordered and preprocessing.order == "bgr"


def summarize(recipe: Architecture, channels: Sequence[str], classes: int, width: int) -> str:
    """Keras' summary of the recipe's network: layers, shapes, parameters, `width` characters wide.

    The backbone is one layer. Downloads nothing. Raises UserError as `build_model` does.
    """
    check_architecture(recipe, channels)
    model = _assemble(recipe, channels, classes, "none", recipe.seed)
    lines: list[str] = []
    model.summary(line_length=width, print_fn=lines.append)
    return "\n".join(lines).rstrip()


def count_parameters(recipe: Architecture, channels: Sequence[str], classes: int) -> ModelSize:
    """Count the parameters of the recipe's network; downloads nothing.

    Raises UserError as `build_model` does.
    """
    check_architecture(recipe, channels)
    return size_of(_assemble(recipe, channels, classes, "none", recipe.seed))


def size_of(model: keras.Model) -> ModelSize:
    """Count the parameters of a network."""
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return ModelSize(model.count_params(), trainable)


def check_architecture(recipe: Architecture, channels: Sequence[str]) -> None:
    """Raise UserError unless the recipe's settings are known and fit each other and the channels.

    Builds nothing, so that a mistake shows up before hours of work. Only building the network
    reveals how many feature maps the head gets. Weights may be an existing file; the caller
    replaces a run's name by one of its files first.
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
            f"The imagenet weights of '{backbone.name}' take {PRETRAINED_CHANNELS} channels, but "
            f"stem '{recipe.stem}' gives {seen}. Use --set stem={INFLATED} or stem={LEARNED} to "
            "keep all channels, or --set weights=none."
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
    image = _image(recipe, channels)
    seen = _front(image, recipe, channels, recipe.normalize)
    features = _build_backbone(backbone, tuple(seen.shape[1:]), weights, seed)
    maps = features(seen)
    maps = maps if isinstance(maps, list) else [maps]
    logits = build_head(recipe.head, maps, classes, recipe.dropout, seed)
    return keras.Model(image, logits, name=recipe.name)


def _image(recipe: Architecture, channels: Sequence[str]) -> keras.KerasTensor:
    # With a float32 input Keras casts uint8 on the device; a uint8 input would truncate floats.
    return keras.Input((recipe.size, recipe.size, len(channels)), name="image", dtype="float32")


def _front(
    image: keras.KerasTensor, recipe: Architecture, channels: Sequence[str], how: str
) -> keras.KerasTensor:
    """Stem and normalization `how`: from the image to what the backbone sees."""
    mixed = mix(image, mixing_matrix(recipe.stem, channels))
    seen = normalize(mixed, how, backbones.get(recipe.backbone).preprocessing)
    if recipe.stem == LEARNED:
        # After the normalization: on pixels in 0..255, each update of its weights would be huge.
        return learned_mixture(seen)
    return seen


def _build_backbone(backbone: Backbone, shape: Shape, weights: str, seed: int) -> keras.Model:
    height, width, channels = shape
    if weights not in backbone.weights:
        weights = "none"  # loaded from the file later
    if weights == "none" or channels == PRETRAINED_CHANNELS:
        return backbone.build(shape, weights, seed)
    pretrained = backbone.build((height, width, PRETRAINED_CHANNELS), weights, seed)
    widened = backbone.build(shape, "none", seed)
    inflate(pretrained, widened)
    return widened
