"""Stems: which channels the backbone sees, and in what range."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, unknown
from kit.models.registry import PRETRAINED_CHANNELS, Preprocessing

# The mixture for each channel that the backbone sees. Outputs are in the order red, green, blue,
# in which ImageNet's weights were trained. None: all channels unchanged; `learned_mixture` or
# `inflate` may have to follow.
Mixture = dict[str, float]
STEMS: dict[str, tuple[Mixture, ...] | None] = {
    "as_is": None,
    "drop_yellow": ({"red": 1.0}, {"green": 1.0}, {"blue": 1.0}),
    "mix_half_yellow": (
        {"red": 0.5, "yellow": 0.5},
        {"green": 0.5, "yellow": 0.5},
        {"blue": 0.5},
    ),
    # Reaches 4/3 of the pixel range where a channel and yellow are both saturated.
    "mix_third_yellow": (
        {"red": 1.0, "yellow": 1 / 3},
        {"green": 1.0, "yellow": 1 / 3},
        {"blue": 1.0, "yellow": 1 / 3},
    ),
    "conv1x1": None,
    "inflate": None,
}
LEARNED = "conv1x1"
INFLATED = "inflate"


def mixing_matrix(stem: str, channels: Sequence[str]) -> NDArray[np.float32]:
    """The weights from the competition's channels to the stem's: float32 (in, out).

    Raises UserError for an unknown stem, and for channels that do not fit the stem.
    """
    if stem not in STEMS:
        raise unknown("stem", stem, STEMS)
    mixtures = STEMS[stem]
    if mixtures is None:
        return np.eye(len(channels), dtype=np.float32)
    needed = list(dict.fromkeys(name for mixture in mixtures for name in mixture))
    if not set(needed) <= set(channels):
        raise UserError(
            f"Stem '{stem}' needs the channels {', '.join(needed)}; this competition has "
            f"{', '.join(channels)}. Use them unchanged: --set stem=as_is."
        )
    weights = [[mixture.get(name, 0.0) for mixture in mixtures] for name in channels]
    return np.array(weights, dtype=np.float32)


def mix(images: keras.KerasTensor, weights: NDArray[np.float32]) -> keras.KerasTensor:
    """Mix the channels of images by a `mixing_matrix`; the identity returns them unchanged."""
    if np.array_equal(weights, np.eye(len(weights))):
        return images
    return keras.ops.matmul(images, weights)


def learned_mixture(images: keras.KerasTensor) -> keras.KerasTensor:
    """Any number of channels -> three, by a 1x1 convolution trained with the head.

    Initially it passes the first three channels through and adds a third of each further one to
    all three. One or two channels start as their mean in all three.
    """
    channels = images.shape[-1]
    kernel = np.full((channels, PRETRAINED_CHANNELS), 1 / min(channels, 3), np.float32)
    if channels >= PRETRAINED_CHANNELS:
        kernel[:PRETRAINED_CHANNELS] = np.eye(PRETRAINED_CHANNELS)
    convolution = keras.layers.Conv2D(PRETRAINED_CHANNELS, 1, use_bias=False, name="stem")
    mixed = convolution(images)
    convolution.set_weights([kernel[None, None]])
    return mixed


def inflate(pretrained: keras.Model, widened: keras.Model) -> None:
    """Copy the weights of a three-channel backbone to the same backbone for other channels.

    The kernels of the first convolution are extended by the mean of the three and then multiplied
    by 3/channels, so that a grey image gives the same result as with three channels (Carreira and
    Zisserman 2017, arXiv:1705.07750, did this along time). Means and variances of an inner
    normalization are extended; everything else is copied.
    """
    for old, new in zip(pretrained.weights, widened.weights, strict=True):
        new.assign(inflated(np.asarray(keras.ops.convert_to_numpy(old)), tuple(new.shape)))
    finish_normalization(widened)


def inflated(value: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Extend one weight of a three-channel backbone to `shape`, as `inflate` does.

    `value` is a kernel (height, width, 3, filters), or the three means or variances of a
    normalization. A value that already has the shape is returned unchanged.
    """
    if value.shape == shape:
        return value
    if value.ndim == 1:
        return _extended(value, shape[0])
    return _extended(value, shape[-2], axis=-2) * np.float32(PRETRAINED_CHANNELS / shape[-2])


def finish_normalization(model: keras.Model) -> None:
    """Make a backbone's normalization layers use the weights that were assigned to them.

    They cache the divisor separately from their weights, and only loading a file refreshes it.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _extended(three: NDArray[np.float32], channels: int, axis: int = 0) -> NDArray[np.float32]:
    """Extend values for red, green and blue: further channels get the mean of the three.

    With one or two channels, whose colours are unknown, each gets the mean.
    """
    known = PRETRAINED_CHANNELS if channels >= PRETRAINED_CHANNELS else 0
    first = np.take(three, range(known), axis)
    mean = three.mean(axis, keepdims=True)
    return np.concatenate([first, np.repeat(mean, channels - known, axis)], axis)


def normalize(
    images: keras.KerasTensor, how: str, preprocessing: Preprocessing
) -> keras.KerasTensor:
    """Pixels in 0..255 -> the range that the backbone sees.

    "scale" divides by 255. On top of that, "batch" normalizes each channel over the batch and
    learns a scale and an offset; "image" gives each channel of each image zero mean and unit
    variance, and a constant channel zeros. "backbone" applies `preprocessing`; channels after the
    third use the mean of the three, and so do one or two channels. Raises UserError for another
    name.
    """
    if how == "backbone":
        return _preprocess(images, preprocessing)
    scaled = keras.layers.Rescaling(1 / 255, dtype="float32")(images)
    if how == "scale":
        return scaled
    if how == "batch":
        return keras.layers.BatchNormalization()(scaled)
    if how == "image":
        # One group per channel is instance normalization. The epsilon is the variance of one grey
        # level: negligible for an image with content, enough to keep a constant one at zero.
        # Keras' default of 1e-3 would more than halve the contrast of dim images.
        return keras.layers.GroupNormalization(
            groups=-1, epsilon=1 / 255**2, center=False, scale=False, dtype="float32"
        )(scaled)
    raise unknown("normalization", how, ("scale", "batch", "image", "backbone"))


def _preprocess(images: keras.KerasTensor, facts: Preprocessing) -> keras.KerasTensor:
    channels = images.shape[-1]
    mean = _extended(np.array(facts.mean), channels)
    std = _extended(np.array(facts.std), channels)
    if facts.order == "bgr" and channels >= PRETRAINED_CHANNELS:
        images = keras.ops.take(images, [2, 1, 0, *range(3, channels)], axis=-1)
    return keras.layers.Rescaling(
        (facts.scale / std).tolist(), offset=(-mean / std).tolist(), dtype="float32"
    )(images)
