"""Which rows an epoch shows, and how often: rare classes come several times."""

import numpy as np
from numpy.typing import NDArray


def repeat_factors(labels: NDArray[np.uint8], threshold: float, cap: float) -> NDArray[np.float64]:
    """How often each row should come in an epoch, at least once and at most `cap` times.

    A class that holds in a share f of the rows has the factor max(1, sqrt(threshold / f)); a row
    has the largest factor of its classes. `labels` is (rows, classes); returns (rows,).

    Source: Gupta, Dollár and Girshick, LVIS (CVPR 2019), section 4.
    """
    share = labels.mean(axis=0)
    by_class = np.sqrt(threshold / np.maximum(share, 1 / (10 * len(labels))))
    by_class = np.clip(by_class, 1.0, cap)
    return np.max(np.where(labels > 0, by_class, 1.0), axis=1)


def epoch_rows(factors: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows of one epoch in their order, each about as often as its factor says.

    The whole part of a factor is certain; the rest is a chance, drawn anew each epoch. The rows
    follow from (seed, epoch) alone, so an interrupted training goes on with the same ones.
    """
    rng = np.random.Generator(np.random.PCG64([seed, epoch]))
    whole = np.floor(factors)
    times = (whole + (rng.random(len(factors)) < factors - whole)).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(factors)), times))
