"""Between the stored pixels and the backbone: which channels it sees, and in what range."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, unknown
from kit.models.registry import Preprocess

# What each channel that the backbone sees is made of. The outputs are in the order red, green,
# blue, because that is the order in which ImageNet's weights were trained.
Mixture = dict[str, float]
STEMS: dict[str, tuple[Mixture, ...] | None] = {
    "as_is": None,
    "drop_yellow": ({"red": 1.0}, {"green": 1.0}, {"blue": 1.0}),
    "mix_half_yellow": (
        {"red": 0.5, "yellow": 0.5},
        {"green": 0.5, "yellow": 0.5},
        {"blue": 0.5},
    ),
    # Reaches 4/3 of the pixels' range where a channel and yellow are both saturated.
    "mix_third_yellow": (
        {"red": 1.0, "yellow": 1 / 3},
        {"green": 1.0, "yellow": 1 / 3},
        {"blue": 1.0, "yellow": 1 / 3},
    ),
}


def mixing_matrix(stem: str, channels: Sequence[str]) -> NDArray[np.float32]:
    """The weights by which a stem makes its channels of the competition's: float32 (in, out).

    Raises UserError for an unknown stem, and for channels that the stem does not fit.
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
            f"{', '.join(channels)}. Take them as they are: --set stem=as_is."
        )
    weights = [[mixture.get(name, 0.0) for mixture in mixtures] for name in channels]
    return np.array(weights, dtype=np.float32)


def mix(images: keras.KerasTensor, weights: NDArray[np.float32]) -> keras.KerasTensor:
    """Images with the channels mixed by a `mixing_matrix`; equal when that changes nothing."""
    if np.array_equal(weights, np.eye(len(weights))):
        return images
    return keras.ops.matmul(images, weights)


def normalize(images: keras.KerasTensor, how: str, preprocess: Preprocess) -> keras.KerasTensor:
    """Pixels in 0..255 -> the range that the backbone sees.

    "scale" divides by 255. After that, "batch" normalizes each channel over the batch and learns
    a scale and an offset; "image" gives each channel of each image zero mean and unit variance,
    and a constant one zeros; "backbone" applies `preprocess`. Raises UserError for another name.
    """
    scaled = keras.layers.Rescaling(1 / 255, dtype="float32")(images)
    if how == "scale":
        return scaled
    if how == "batch":
        return keras.layers.BatchNormalization()(scaled)
    if how == "image":
        # A group a channel is instance normalization. The variance gets that of one grey level
        # added: nothing to an image with content, and enough that a constant one stays at zero.
        # Keras' usual 1e-3 would more than halve the contrast of dim images.
        return keras.layers.GroupNormalization(
            groups=-1, epsilon=1 / 255**2, center=False, scale=False, dtype="float32"
        )(scaled)
    if how == "backbone":
        return preprocess(scaled)
    raise unknown("normalization", how, ("scale", "batch", "image", "backbone"))
