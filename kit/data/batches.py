"""Rows of the store to batches: uint8 images with their symmetries, and multi-hot labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.augment import apply_symmetry, as_pixels


@dataclass(frozen=True)
class EpochPlan:
    """What one epoch shows: `rows` of the store in order, and a symmetry for each."""

    rows: NDArray[np.int64]
    symmetries: NDArray[np.int64]


def read_batch(
    images: NDArray[np.uint8], rows: NDArray[np.int64], symmetries: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Copy these rows of the store, each under its symmetry, to a uint8 batch.

    `images` is (n, size, size, channels); returns (rows, size, size, channels).
    """
    batch = np.empty((len(rows), *images.shape[1:]), np.uint8)
    source = as_pixels(images)
    target = as_pixels(batch) if source.ndim < images.ndim else batch
    for position, (row, symmetry) in enumerate(zip(rows, symmetries, strict=True)):
        target[position] = apply_symmetry(source[row], int(symmetry))
    return batch
