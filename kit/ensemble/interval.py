"""Confidence intervals of future scores, by bootstrapping whole groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.metrics import f1_from_counts

DRAWS = 1000
_AT_A_TIME = 100  # bounds the memory
_MOST_KEPT = 100_000  # groups whose draws are kept: 200 MB


@dataclass(frozen=True)
class Counts:
    """Correct, predicted and true labels per group, side by side: (groups, 3 * classes).

    Whole groups are resampled, because errors within a group are correlated.
    """

    by_group: NDArray[np.float64]

    @classmethod
    def of(
        cls, labels: NDArray[np.uint8], decisions: NDArray[np.uint8], group: NDArray[np.int64]
    ) -> "Counts":
        """Count `labels` and `decisions`, (rows, classes), by group numbers from 0, (rows,)."""
        counted = np.hstack([labels & decisions, decisions, labels]).T
        return cls(np.stack([np.bincount(group, one) for one in counted], axis=1))

    def f1(self) -> NDArray[np.float64]:
        """F1 of each class over all groups, (classes,)."""
        return _f1(self.by_group.sum(axis=0))


@dataclass(frozen=True)
class Interval:
    """95% CIs of a score: of macro-F1 and, (classes, 2), of the F1 per class.

    `mean` is the expected macro-F1.
    """

    mean: float
    macro: tuple[float, float]
    by_class: NDArray[np.float64]


def prediction_interval(counts: Counts, rows_ratio: float, seed: int = 0) -> Interval:
    """The 95% CI of the score on a new sample `rows_ratio` times as large as this one.

    Both the current and the future score are random: each draw resamples groups with replacement,
    once at each size, and adds the difference between the two scores to the current score (Efron
    and Tibshirani, An Introduction to the Bootstrap, 1993). F1 is biased low with few positives;
    that bias is in both draws, so only its difference counts: a smaller sample loses more. A class
    without positives in a draw scores 0, as the grader gives it.
    """
    here, there = zip(*_draws([counts], rows_ratio, seed), strict=True)
    spread = np.concatenate([new[0] - old[0] for old, new in zip(here, there, strict=True)])
    scores = counts.f1() + spread
    each = scores.mean(axis=1)
    macro = np.quantile(each, [0.025, 0.975])
    by_class = np.quantile(scores, [0.025, 0.975], axis=0).T
    low, high = np.clip(macro, 0, 1)
    return Interval(
        float(np.clip(each.mean(), 0, 1)), (float(low), float(high)), np.clip(by_class, 0, 1)
    )


def difference_interval(
    first: Counts, second: Counts, rows_ratio: float, seed: int = 0
) -> tuple[float, float]:
    """The 95% CI of second minus first in macro-F1 on one new sample, as above.

    Both use the same draws, so what is hard for both cancels. Both must count the same groups.
    """
    differences = []
    for old, new in _draws([first, second], rows_ratio, seed):
        for_each = [side[1].mean(axis=1) - side[0].mean(axis=1) for side in (old, new)]
        differences.append(for_each[1] - for_each[0])
    at_hand = float(second.f1().mean() - first.f1().mean())
    low, high = np.quantile(np.concatenate(differences), [0.025, 0.975])
    return at_hand + float(low), at_hand + float(high)


def standard_error(first: Counts, second: Counts) -> float:
    """The standard error of the difference in macro-F1 between two labellings of the same rows.

    By the delta method: the root of the sum of squared influences of the groups.
    """
    moved = _influence(second) - _influence(first)
    return float(np.sqrt((moved**2).sum()))


def _influence(counts: Counts) -> NDArray[np.float64]:
    """The influence of each group on macro-F1, (groups,): first derivative of 2 tp / (k + P)."""
    right, predicted, true = np.split(counts.by_group, 3, axis=1)
    size = predicted.sum(axis=0) + true.sum(axis=0)
    moved = 2 * right - counts.f1() * (predicted + true)
    return (moved / np.maximum(size, 1)).mean(axis=1)


def _draws(
    several: list[Counts], rows_ratio: float, seed: int
) -> Iterator[tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]]:
    """Pairs of draws, at the current and the new size: F1 (draws, classes) of each counts."""
    groups = len(several[0].by_group)
    new = max(1, round(groups * rows_ratio))
    # Single precision is faster, and exact while all numbers are whole and below 2^24.
    most = max(groups, new) * max(counts.by_group.max() for counts in several)
    precision = np.float32 if most < 2**24 else np.float64
    by_group: list[NDArray[Any]] = [one.by_group.astype(precision) for one in several]
    picks = _kept_picks if groups <= _MOST_KEPT else _picks
    for here, there in picks(groups, new, seed):
        yield (
            [_f1((here.astype(precision) @ one).astype(np.float64)) for one in by_group],
            [_f1((there.astype(precision) @ one).astype(np.float64)) for one in by_group],
        )


@lru_cache(maxsize=2)  # drawing takes longer than counting, and the scores to compare share draws
def _kept_picks(groups: int, new: int, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    return list(_picks(groups, new, seed))


def _picks(groups: int, new: int, seed: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """How often each draw takes each group, at both sizes: blocks of (draws, groups)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, DRAWS, _AT_A_TIME):
        draws = min(_AT_A_TIME, DRAWS - start)
        here, there = (_times(rng, groups, drawn, draws) for drawn in (groups, new))
        yield here, there


def _times(rng: np.random.Generator, groups: int, drawn: int, draws: int) -> NDArray[Any]:
    picks = (rng.integers(0, groups, drawn) for _ in range(draws))  # one at a time: memory
    times = np.stack([np.bincount(pick, minlength=groups) for pick in picks])
    return times.astype(np.min_scalar_type(times.max()))


def _f1(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 per class from correct, predicted and true counts, side by side in the last axis."""
    right, predicted, true = np.split(totals, 3, axis=-1)
    return f1_from_counts(right, predicted, true)
