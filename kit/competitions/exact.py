"""The thresholds that maximise macro-F1 on given rows: exactly, class by class, by one sort."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.metrics import f1_from_counts

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


def exact_thresholds(labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> ExactThresholds:
    """Find, for each class, the cut with the highest F1 on these rows.

    `labels` (rows, classes) of 0 or 1, `probs` (rows, classes) in 0..1 without NaN. Macro-F1 is
    a mean over classes, so each class is solved alone: sort its scores downwards; with k rows on,
    tp of them right and P positives, F1 is 2 tp / (k + P). Cuts lie half way between neighbouring
    distinct scores, below the lowest score for everything; of equal ones the highest is taken.
    """
    order = np.argsort(-probs, axis=0, kind="stable")
    scores = np.take_along_axis(probs, order, axis=0).astype(np.float64)
    hits = np.take_along_axis(labels, order, axis=0).astype(np.int64)
    rows, classes = probs.shape
    positives = hits.sum(axis=0)
    taken = np.arange(1, rows + 1)[:, None]
    f1 = f1_from_counts(hits.cumsum(axis=0), np.broadcast_to(taken, hits.shape), positives)
    # Rows with one score are on or off together: only the last of them is a boundary.
    below = np.vstack([scores[1:], np.full((1, classes), -np.inf)])
    f1 = np.where(scores > below, f1, -1.0)

    best = np.argmax(f1, axis=0)
    column = np.arange(classes)
    lowest_on, highest_off = scores[best, column], below[best, column]
    cuts = np.where(np.isfinite(highest_off), (lowest_on + highest_off) / 2, 0.0)
    nothing = positives == 0
    return ExactThresholds(
        thresholds=np.where(nothing, NEVER, cuts),
        f1=np.where(nothing, 0.0, f1[best, column]),
    )


def decide(probs: NDArray[np.float32], thresholds: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Labels from probabilities: 1 where the probability is at or above its class's threshold."""
    return (probs.astype(np.float64) >= thresholds).astype(np.uint8)
