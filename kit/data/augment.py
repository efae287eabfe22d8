"""The eight symmetries of the square: the augmentation that changes no biology."""

import numpy as np
from numpy.typing import NDArray

SYMMETRIES = 8


def apply_symmetry(image: NDArray[np.uint8], symmetry: int) -> NDArray[np.uint8]:
    """One of the eight symmetries of a square image (size, size, ...), as a view.

    Bit 0 flips left to right, bit 1 flips up to down, bit 2 swaps the axes, in this order;
    together they make every turn by a quarter and every mirror image.
    """
    if symmetry & 1:
        image = image[:, ::-1]
    if symmetry & 2:
        image = image[::-1]
    if symmetry & 4:
        image = image.swapaxes(0, 1)
    return image


def draw_symmetries(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A symmetry for each of the `count` images of an epoch, from (seed, epoch) alone: (count,)."""
    rng = np.random.Generator(np.random.PCG64([seed, epoch, 8]))
    return rng.integers(0, SYMMETRIES, count)


def as_pixels(images: NDArray[np.uint8]) -> NDArray[np.generic]:
    """The same memory with a pixel's four channels as one uint32, where there are four.

    Takes (..., size, size, 4) and gives (..., size, size). Whole pixels are copied several times as
    fast as their bytes, in loops over rows of pixels instead of loops over four bytes;
    `bench/speed.py` has the rate. Other numbers of channels come back as they are.
    """
    if images.shape[-1] == 4 and images.flags.c_contiguous:
        return images.view(np.uint32)[..., 0]
    return images
