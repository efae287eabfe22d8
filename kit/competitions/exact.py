"""The thresholds that maximize macro-F1 on given rows: exactly, class by class, by one sort."""

from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Ranked:
    """The rows of each class by falling score; sorting takes longest, so parts are not sorted anew.

    All three are (classes, rows): `order` has the rows' numbers, int32, `scores` their scores,
    float32, and `hits` their labels, uint8.
    """

    order: NDArray[np.int32]
    scores: NDArray[np.float32]
    hits: NDArray[np.uint8]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> "Ranked":
        """Sort `labels` and `probs`, both (rows, classes); ValueError for NaN."""
        if np.isnan(probs).any():
            raise ValueError("exact thresholds need scores without NaN")
        # One contiguous row per class: contiguous float32 sorts six times faster.
        by_class = np.ascontiguousarray(probs.T)
        order = np.argsort(by_class, axis=1)[:, ::-1].astype(np.int32)
        return cls(
            order,
            np.take_along_axis(by_class, order, axis=1),
            np.take_along_axis(np.ascontiguousarray(labels.T), order, axis=1),
        )

    def only(self, rows: NDArray[np.bool_]) -> "Ranked":
        """The rows where `rows`, bool (rows,), is true, numbered among themselves."""
        kept = rows[self.order]
        number = rows.cumsum(dtype=np.int32) - np.int32(1)
        return Ranked(number[_where(kept, self.order)], *self._only(kept))

    def exact(self, rows: NDArray[np.bool_] | None = None) -> ExactThresholds:
        """As `exact_thresholds`, on all rows or where `rows`, bool (rows,), is true."""
        scores, hits = self.scores, self.hits
        if rows is not None:
            scores, hits = self._only(rows[self.order])
        if scores.shape[1] == 0:
            return ExactThresholds(np.full(len(scores), NEVER), np.zeros(len(scores)))
        right = hits.cumsum(axis=1, dtype=np.float64)
        return _best(scores, right, np.arange(1.0, scores.shape[1] + 1) + right[:, -1:])

    def _only(self, kept: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return _where(kept, self.scores), _where(kept, self.hits)


def _where(kept: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """The kept values of each class, which are equally many."""
    return values[kept].reshape(len(values), -1)


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
    ranked = Ranked.of(labels, probs)
    if weights is None:
        return ranked.exact()
    ranked, weights = ranked.only(weights > 0), weights[weights > 0].astype(np.float64)
    if len(weights) == 0:
        return ranked.exact()
    weighed = weights[ranked.order]
    right = (ranked.hits * weighed).cumsum(axis=1)
    return _best(ranked.scores, right, weighed.cumsum(axis=1) + right[:, -1:])


def _best(
    scores: NDArray[np.float32], right: NDArray[np.float64], size: NDArray[np.float64]
) -> ExactThresholds:
    """The best cut of each class, from falling scores, hits so far, and predicted plus positives.

    All are (classes, rows); the last two are overwritten.
    """
    nothing = right[:, -1] == 0
    # `f1_from_counts` without its copies and its guard for 0 / 0, which cannot occur here.
    f1 = np.divide(np.multiply(right, 2, out=right), size, out=size)
    # Rows with equal scores are predicted together: only the last of them is a boundary.
    np.copyto(f1[:, :-1], -1.0, where=scores[:, :-1] == scores[:, 1:])

    best = np.argmax(f1, axis=1)
    rows, column = scores.shape[1], np.arange(len(scores))
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


def rate_thresholds(probs: NDArray[np.float32], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """The thresholds that label a given share of the rows, per class.

    Halfway between the last labelled row and the next one; NEVER if the share is less than half a
    row. Rows with tied scores at the threshold get the same label.
    """
    return cuts_at_rates(-np.sort(-np.ascontiguousarray(probs.T), axis=1), rates)


def cuts_at_rates(scores: NDArray[np.float32], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `rate_thresholds`, from scores (classes, rows) in falling order."""
    classes, rows = scores.shape
    taken = np.rint(rates * rows).astype(np.int64)
    column = np.arange(classes)
    last_on = scores[column, np.clip(taken - 1, 0, rows - 1)].astype(np.float64)
    last_off = scores[column, np.clip(taken, 0, rows - 1)].astype(np.float64)
    first_off = np.where(taken < rows, last_off, 0.0)
    return np.where(taken > 0, (last_on + first_off) / 2, NEVER)
