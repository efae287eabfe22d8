"""From rows of the store to batches: uint8 images under their symmetries and variations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.augment import Augmentation, apply_symmetry, as_pixels, variation_rng
from kit.data.stacked import Images


@dataclass(frozen=True)
class EpochPlan:
    """What one epoch shows: `rows` of the store in order, a symmetry for each, and its variation.

    The variation of an image depends on (seed, epoch, its position in the epoch) alone.
    """

    rows: NDArray[np.int64]
    symmetries: NDArray[np.int64]
    augmentation: Augmentation
    seed: int
    epoch: int

    @classmethod
    def unchanged(cls, rows: NDArray[np.int64]) -> "EpochPlan":
        """These rows in order, unchanged."""
        return cls(rows, np.zeros(len(rows), np.int64), Augmentation(), seed=0, epoch=0)


def read_batch(
    images: Images, rows: NDArray[np.int64], symmetries: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Copy rows, each under its symmetry, to a uint8 batch (rows, size, size, channels)."""
    batch = np.empty((len(rows), *images.shape[1:]), np.uint8)
    pixels = as_pixels(batch)
    for position, (row, symmetry) in enumerate(zip(rows, symmetries, strict=True)):
        source = as_pixels(images[row])
        # A row that is not contiguous has no view as pixels.
        target = pixels if source.ndim == pixels.ndim - 1 else batch
        target[position] = apply_symmetry(source, int(symmetry))
    return batch


def read_planned(images: Images, plan: EpochPlan, part: slice) -> NDArray[np.uint8]:
    """The images at these positions of an epoch, uint8 (positions, size, size, channels)."""
    batch = read_batch(images, plan.rows[part], plan.symmetries[part])
    if plan.augmentation.varies:
        for number, position in enumerate(range(len(plan.rows))[part]):
            rng = variation_rng(plan.seed, plan.epoch, position)
            batch[number] = plan.augmentation.vary(batch[number], rng)
    return batch
