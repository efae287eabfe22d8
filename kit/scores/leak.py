"""Out-of-fold scores that know the labels better than the test scores can."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from kit.scores.oof import Sample
from kit.scores.scale import binormal_cuts, separations

# Distributions are compared at cuts that label this many times as many rows as have the label.
_CUTS = np.array([0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0])
_LEAST_POSITIVES = 5
# Of 10,000 clean members, fewer than one is this many standard errors from zero by chance.
_SURE = 4.0
# Early stopping on the held-out fold moves scores by less.
TOLERATED = 0.1


@dataclass(frozen=True)
class Head:
    """How far ahead of the test scores the out-of-fold scores of positives are.

    `shift` is in standard deviations of the scores of rows without the label; `error` is its
    standard error. Less than `tolerated` says nothing.
    """

    shift: float
    error: float
    tolerated: float = TOLERATED

    @property
    def too_good(self) -> bool:
        """Whether the out-of-fold scores have seen labels, beyond chance."""
        return self.shift > max(_SURE * self.error, self.tolerated)


def head_start(sample: Sample, tests: Sequence[NDArray[np.float32]]) -> Head:
    """Compare out-of-fold scores with test scores of the same models, fold by fold.

    `tests` are those of each fold's model, in the order of the folds, (test rows, classes), or a
    single file. A two-sample score test: how the shares of rows above each cut change when the
    scores of positives rise, under normal scores of either kind; by class, pooled. Scores of a
    fold's model are compared with its own test scores, because fold models differ in scale. Rows of
    a group count as one.
    """
    labels, scores, fold, group = sample.labels, sample.probs, sample.fold, sample.group
    columns = np.flatnonzero(labels.sum(axis=0) >= _LEAST_POSITIVES)
    if not len(columns):
        return Head(0.0, np.inf)
    labels, scores = labels[:, columns], scores[:, columns]
    rows, test_rows = len(labels), len(tests[0])
    rates = labels.mean(axis=0)
    levels = np.clip(rates[:, None] * _CUTS, 0, 0.9)
    apart, share = np.zeros(levels.shape), np.zeros(levels.shape)
    folds = np.unique(fold) if len(tests) > 1 else [None]
    for number, test in zip(folds, tests, strict=True):
        inside = np.ones(rows, bool) if number is None else fold == number
        here, there = _above(scores[inside], test[:, columns], levels)
        apart += (here - there) * inside.mean()
        share += (here + there) / 2 * inside.mean()
    separation = separations(labels, scores)
    cuts = binormal_cuts(np.maximum(share, 1e-7), rates, separation)
    moved = rates[:, None] * norm.pdf(cuts - separation[:, None])
    middle = _between(share, 1.0)
    used = middle > 1e-5
    middle = np.where(used, middle, 1.0)
    apart, moved = (np.where(used, _between(one, 0.0), 0.0) for one in (apart, moved))
    information = float((moved**2 / middle).sum())
    if information <= 0:
        return Head(0.0, np.inf)
    correlated = len(group) / max(len(np.unique(group)), 1)
    error = np.sqrt((1 / rows + 1 / test_rows) * correlated / information)
    return Head(float((apart * moved / middle).sum()) / information, float(error))


def _above(
    here: NDArray[np.float32], there: NDArray[np.float32], levels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The shares of either side's rows at or above cuts with given mean shares, (classes, cuts)."""
    both = np.concatenate([here, there])
    weight = np.repeat([0.5 / len(here), 0.5 / len(there)], [len(here), len(there)])
    found = np.empty((2, *levels.shape))
    for column in range(levels.shape[0]):
        order = np.argsort(-both[:, column])
        place = np.searchsorted(weight[order].cumsum(), levels[column]).clip(0, len(order) - 1)
        cuts = both[order[place], column]
        for side, scores in enumerate((here, there)):
            rising = np.sort(scores[:, column])
            found[side, column] = 1 - np.searchsorted(rising, cuts) / len(rising)
    return found[0], found[1]


def _between(above: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    start, stop = np.zeros((len(above), 1)), np.full((len(above), 1), end)
    return np.diff(np.concatenate([start, above, stop], axis=1), axis=1)
