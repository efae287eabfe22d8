"""The thresholds that maximize macro-F1 on given rows: exactly, class by class, by one sort."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A threshold above every probability: the label is never set. JSON has no infinity.
NEVER = 2.0


@dataclass(frozen=True)
class ExactThresholds:
    """The optimal threshold of each class, and its F1 on the rows it was fitted on.

    Both are float64 (classes,). A label is set where the probability is at or above the threshold.
    A class without positives has the threshold NEVER and F1 zero.
    """

    thresholds: NDArray[np.float64]
    f1: NDArray[np.float64]


def exact_thresholds(
    labels: NDArray[np.uint8],
    probs: NDArray[np.float32],
    weights: NDArray[np.float64] | None = None,
) -> ExactThresholds:
    """Find each class's threshold with the highest F1 on these rows.

    `labels` is (rows, classes) of 0 or 1, `probs` (rows, classes) in 0..1, `weights` (rows,), not
    negative; equal by default. Macro-F1 is a mean over classes, so each class is solved alone: sort
    its scores in descending order; with k rows predicted, tp of them right and P positives, F1 is
    2 tp / (k + P). Thresholds are midpoints between adjacent distinct scores, or between the lowest
    score and 0 to predict every row; ties go to the highest threshold. Raises ValueError for NaN.
    """
    if np.isnan(probs).any():
        raise ValueError("exact thresholds need scores without NaN")
    if weights is not None:
        weights = weights.astype(np.float64)
        counted = weights > 0  # drop rows of weight zero
        labels, probs, weights = labels[counted], probs[counted], weights[counted]
    rows, classes = probs.shape
    if rows == 0:
        return ExactThresholds(np.full(classes, NEVER), np.zeros(classes))
    # One contiguous row per class: contiguous float32 sorts six times faster.
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
    # `f1_from_counts` without its copies and its guard for 0 / 0, which cannot occur here.
    f1 = np.divide(np.multiply(right, 2, out=right), size, out=size)
    # Rows with equal scores are predicted together: only the last of them is a boundary.
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
