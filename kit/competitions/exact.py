"""The thresholds that maximise macro-F1 on given rows: exactly, class by class, by one sort."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A cut above every probability: the label is never on. JSON has no infinity.
NEVER = 2.0


@dataclass(frozen=True)
class ExactThresholds:
    """For each class the best cut and the F1 that it reaches on the rows it was chosen on.

    Both are float64 (classes,). A label is on where the probability is at or above the cut. A
    class without positives has the cut NEVER and F1 zero.
    """

    thresholds: NDArray[np.float64]
    f1: NDArray[np.float64]


def exact_thresholds(
    labels: NDArray[np.uint8],
    probs: NDArray[np.float32],
    weights: NDArray[np.float64] | None = None,
) -> ExactThresholds:
    """Find, for each class, the cut with the highest F1 on these rows.

    `labels` (rows, classes) of 0 or 1, `probs` (rows, classes) in 0..1, `weights` how much each
    row counts, (rows,), not negative; all the same without. Macro-F1 is a mean over classes, so
    each class is solved alone: sort its scores downwards; with k rows on, tp of them right and P
    positives, F1 is 2 tp / (k + P). Cuts lie half way between neighbouring distinct scores, or
    between the lowest score and 0 for everything; of equal ones the highest is taken. Raises
    ValueError for NaN.
    """
    if np.isnan(probs).any():
        raise ValueError("exact thresholds of scores that are not numbers")
    if weights is not None:
        weights = weights.astype(np.float64)
        counted = weights > 0  # a row that does not count is as if it were not there
        labels, probs, weights = labels[counted], probs[counted], weights[counted]
    rows, classes = probs.shape
    if rows == 0:
        return ExactThresholds(np.full(classes, NEVER), np.zeros(classes))
    # A class a row of contiguous memory: float32 side by side sorts six times faster.
    by_class = np.ascontiguousarray(probs.T)
    order = np.argsort(by_class, axis=1)[:, ::-1]
    scores = np.take_along_axis(by_class, order, axis=1)
    hits = np.take_along_axis(np.ascontiguousarray(labels.T), order, axis=1)
    if weights is None:
        right = hits.cumsum(axis=1, dtype=np.float64)
        size = np.arange(1.0, rows + 1) + right[:, -1:]
    else:
        right = (hits * weights[order]).cumsum(axis=1)
        size = weights[order].cumsum(axis=1) + right[:, -1:]
    nothing = right[:, -1] == 0
    # `f1_from_counts` without its care for 0 / 0, which cannot be here, and without its copies.
    f1 = np.divide(np.multiply(right, 2, out=right), size, out=size)
    # Rows with one score are on or off together: only the last of them is a boundary.
    np.copyto(f1[:, :-1], -1.0, where=scores[:, :-1] == scores[:, 1:])

    best = np.argmax(f1, axis=1)
    column = np.arange(classes)
    lowest_on = scores[column, best].astype(np.float64)
    highest_off = scores[column, np.minimum(best + 1, rows - 1)].astype(np.float64)
    cuts = np.where(best + 1 < rows, (lowest_on + highest_off) / 2, lowest_on / 2)
    return ExactThresholds(
        thresholds=np.where(nothing, NEVER, cuts),
        f1=np.where(nothing, 0.0, f1[column, best]),
    )


def decide(probs: NDArray[np.float32], thresholds: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Labels from probabilities: 1 where the probability is at or above its class's threshold."""
    return (probs.astype(np.float64) >= thresholds).astype(np.uint8)
