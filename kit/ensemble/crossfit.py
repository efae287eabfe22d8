"""The score that was not fitted on what it scores, and how far the test score may be from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import decide, exact_thresholds
from kit.competitions.metrics import f1_from_counts, macro_f1
from kit.core.errors import UserError
from kit.data.predictions import Predictions


@dataclass(frozen=True)
class HonestScore:
    """Two numbers, always together, and an interval.

    `fitted`: thresholds chosen on all rows, scored on the same rows; too good. `cross_fitted`:
    thresholds chosen on the other folds, scored on the fold left out. `interval`: where the score
    of a new set of `test_rows` rows falls 95 times in 100, as far as resampling can tell.
    """

    fitted: float
    cross_fitted: float
    interval: tuple[float, float]
    test_rows: int


def cross_fitted_decisions(labels: NDArray[np.uint8], oof: Predictions) -> NDArray[np.uint8]:
    """Decisions on every row by thresholds that were fitted without the row's fold.

    `labels` is uint8 (rows, classes) in the order of `oof`. Raises UserError without folds.
    """
    if oof.fold is None:
        raise UserError("Out-of-fold predictions without a fold column cannot be cross-fitted.")
    decisions = np.zeros_like(labels)
    for fold in np.unique(oof.fold):
        inside = oof.fold == fold
        fitted = exact_thresholds(labels[~inside], oof.probs[~inside])
        decisions[inside] = decide(oof.probs[inside], fitted.thresholds)
    return decisions


def bootstrap_interval(
    labels: NDArray[np.uint8],
    decisions: NDArray[np.uint8],
    groups: Sequence[str],
    rows: float,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float]:
    """The middle 95 % of macro-F1 over resampled sets of about `rows` rows.

    Whole groups are drawn with replacement, because rows of a group are right or wrong together
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). F1 of few positives is biased
    downwards, and the score of the rows at hand is so already: by how much, draws of their own
    number tell (chapter 10 there), and the interval is moved up by as much. `labels` and
    `decisions` are (rows, classes), `groups` names each row's group.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    # Right, predicted and true labels of each group, side by side: (groups, 3 * classes).
    counts = np.zeros((len(names), 3 * labels.shape[1]))
    np.add.at(counts, member, np.hstack([labels & decisions, decisions, labels]))
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = max(1, round(len(names) * rows / len(labels)))
    low, high = np.quantile(_resampled_scores(counts, drawn, rng, draws), [0.025, 0.975])
    score = _f1_of_totals(counts.sum(axis=0, keepdims=True)).mean()
    bias = _resampled_scores(counts, len(names), rng, draws).mean() - score
    return float(np.clip(low - bias, 0, 1)), float(np.clip(high - bias, 0, 1))


def _resampled_scores(
    counts: NDArray[np.float64], drawn: int, rng: np.random.Generator, draws: int
) -> NDArray[np.float64]:
    """Macro-F1 of `draws` sets of `drawn` groups each, float64 (draws,).

    A draw without a single positive of a class says nothing about the class, whose F1 over all
    groups then counts: test sets are taken to have every class that the training set has.
    """
    whole = _f1_of_totals(counts.sum(axis=0, keepdims=True))
    scores: list[NDArray[np.float64]] = []
    for start in range(0, draws, 100):  # a hundred at a time bounds the memory
        picks = rng.integers(0, len(counts), (min(100, draws - start), drawn))
        times = np.stack([np.bincount(pick, minlength=len(counts)) for pick in picks])
        totals = times.astype(np.float64) @ counts
        lacking = np.split(totals, 3, axis=1)[2] == 0
        scores.append(np.where(lacking, whole, _f1_of_totals(totals)).mean(axis=1))
    return np.concatenate(scores)


def _f1_of_totals(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 by class, (draws, classes), from right, predicted and true counts side by side."""
    right, predicted, true = np.split(totals, 3, axis=1)
    return f1_from_counts(right, predicted, true)


def honest_score(
    labels: NDArray[np.uint8],
    oof: Predictions,
    groups: Sequence[str],
    test_rows: int,
) -> HonestScore:
    """Score out-of-fold predictions under exact thresholds, fitted and cross-fitted.

    `labels` and `groups` are in the order of `oof`; `test_rows` is the size of the set whose score
    the interval is for. The score at hand is a sample as well as the one to come, and variances
    add, 1/n + 1/m: together they scatter like one sample of n m / (n + m) rows.
    """
    rows = len(labels) * test_rows / (len(labels) + test_rows)
    fitted = decide(oof.probs, exact_thresholds(labels, oof.probs).thresholds)
    held_out = cross_fitted_decisions(labels, oof)
    return HonestScore(
        fitted=macro_f1(labels, fitted),
        cross_fitted=macro_f1(labels, held_out),
        interval=bootstrap_interval(labels, held_out, groups, rows),
        test_rows=test_rows,
    )
