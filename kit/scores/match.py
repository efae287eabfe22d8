"""How far must out-of-fold scores be drawn together to look like the test scores?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.data.predictions import to_logits
from kit.scores.averaging import MOST_REMOVED, Averaging, Kinds, before_mean_of_probs
from kit.scores.oof import Sample

# Distributions are compared near the thresholds: at cuts that label this many times as many rows as
# have the label.
_CUTS = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
# Classes with fewer positives say little about distributions.
_LEAST_POSITIVES = 5
# Fewer rows than this between two cuts are not distributed normally.
_LEAST_EXPECTED = 3
# No class counts for more misfit per cut: single classes may be degenerate.
_MOST_MISFIT = 8.0
# Above this the distributions differ by more than any averaging explains. For distributions that
# differ by a given share, chi-squared grows with the rows, here for a thousand on either side.
_TOO_DIFFERENT = 1.2
# And chi-squared is this many standard deviations above its mean.
_SURE = 6.0
_SHARES = np.linspace(0, MOST_REMOVED, 41)
# How the variance between averaged probabilities compares with what averaging removes from a blend:
# 0 if logits were averaged, 1 for a single model, more for a blend, whose members average again.
_WIDTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
# Blends of the same members differ by no more than this in the share that averaging removes.
_ABOUT = 0.03
_STRENGTHS = np.linspace(0, 1.5, 31)
# A class borrows from the others with the weight of this many positives.
_BORROWED = 20
# Another strength must explain more than half of the misfit of the measured one, beyond chance.
_EXPLAINED, _CHANCE = 0.5, 0.1
# The 95% quantile of chi-squared with one degree of freedom.
_CLOSE = 3.84


@dataclass(frozen=True)
class Near:
    """Out-of-fold and test scores near the thresholds, ready to be compared.

    Only of the classes with several positives, `columns`: `cuts` (columns, cuts), in logits,
    descending, and `test`, the shares of test rows between them, (columns, cuts + 1). `scores` has
    the sorted logits of the out-of-fold rows without and with the label, by column.
    """

    columns: NDArray[np.int64]
    kinds: Kinds
    cuts: NDArray[np.float64]
    test: NDArray[np.float64]
    scores: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
    rows: int
    test_rows: int
    rows_per_group: float

    @classmethod
    def of(cls, sample: Sample, test: NDArray[np.float32]) -> "Near":
        """Compare a sample with test scores, (test rows, classes).

        Rows of a group are correlated, so that they count as one; test rows are assumed to be
        grouped in the same way.
        """
        labels, probs = sample.labels, sample.probs
        columns = np.flatnonzero(labels.sum(axis=0) >= _LEAST_POSITIVES)
        labels = labels[:, columns]
        logits, there = to_logits(probs[:, columns]), to_logits(test[:, columns])
        levels = np.clip(labels.mean(axis=0)[:, None] * _CUTS, 0, 0.98)
        cuts, scores = np.empty(levels.shape), []
        for column, level in enumerate(levels):
            with_it = labels[:, column] == 1
            scores.append((np.sort(logits[~with_it, column]), np.sort(logits[with_it, column])))
            both = np.concatenate([logits[:, column], there[:, column]])
            cuts[column] = np.quantile(both, 1 - level)
        above = np.stack([(there >= cut).mean(axis=0) for cut in cuts.T], axis=1)
        kinds = Kinds.of(labels, logits)
        sizes = len(logits), len(there), len(logits) / len(np.unique(sample.group))
        return cls(columns, kinds, cuts, _between(above), tuple(scores), *sizes)

    def misfit(self, averaging: Averaging) -> float:
        """Chi-squared, per degree of freedom, between averaged out-of-fold and test scores."""
        if not len(self.columns):
            return 0.0
        factors = self.kinds.factors(averaging.removed[self.columns], averaging.least)
        cuts = before_mean_of_probs(self.cuts, averaging.widened[self.columns])
        above = np.zeros(cuts.shape)
        for column, both in enumerate(self.scores):
            for kind, scores in enumerate(both):
                middle = self.kinds.middle[kind, column]
                cut = middle + (cuts[column] - middle) / factors[kind, column]
                above[column] += len(scores) - np.searchsorted(scores, cut)
        here = _between(above / self.rows)
        rows = self.rows + self.test_rows
        share = (here * self.rows + self.test * self.test_rows) / rows
        share = np.maximum(share, _LEAST_EXPECTED / rows)
        apart = ((here - self.test) ** 2 / share).sum(axis=1) * self._size
        return float(np.minimum(apart, _MOST_MISFIT * len(_CUTS)).sum() / self._free)

    def too_different(self, misfit: float) -> bool:
        """Whether distributions with this misfit are of different kinds, beyond chance."""
        chance = _SURE * np.sqrt(2 / max(self._free, 1))
        return bool(misfit > 1 + max(_TOO_DIFFERENT * max(self._size / 1000, 1.0), chance))

    def usual(self, classes: int) -> NDArray[np.float64]:
        """The usual variance of the scores of each class of the competition, (classes,)."""
        usual = np.full(classes, np.median(self.kinds.usual) if len(self.columns) else 0.0)
        usual[self.columns] = self.kinds.usual
        return usual

    @property
    def _size(self) -> float:
        return 1 / (1 / self.rows + 1 / self.test_rows) / self.rows_per_group

    @property
    def _free(self) -> int:
        return len(self.columns) * len(_CUTS)

    def chance(self, misfit: float) -> float:
        """How much larger than the least misfit that of the truth is by chance, 95 times of 100."""
        return _CLOSE * max(misfit, 1.0) / max(self._free, 1)

    def choose(self, candidates: Sequence[Averaging]) -> "Matched":
        """The candidate that fits best."""
        misfits = [self.misfit(one) for one in candidates]
        best = int(np.argmin(misfits))
        # Some misfit stays where the description is not exact: then others may be as good.
        tolerated = misfits[best] + self.chance(misfits[best]) + max(misfits[best] - 1, 0) / 2
        close = [
            one for one, misfit in zip(candidates, misfits, strict=True) if misfit <= tolerated
        ]
        return Matched(candidates[best], misfits[best], tuple(close))


def _between(above: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares between cuts, (classes, cuts + 1), from shares above them."""
    edge = np.zeros((len(above), 1))
    return np.diff(np.concatenate([edge, above, edge + 1], axis=1), axis=1)


@dataclass(frozen=True)
class Matched:
    """How the test scores are averaged.

    `misfit` is chi-squared per degree of freedom between the averaged out-of-fold scores and the
    test scores; `close` are other strengths of averaging that fit almost as well.
    """

    averaging: Averaging
    misfit: float
    close: tuple[Averaging, ...] = ()

    def share(self, near: Near) -> float:
        """The share of the variance that averaging removes, in most classes."""
        usual = near.usual(len(self.averaging.removed))
        return float(np.median(self.averaging.removed / np.maximum(usual, 1e-12)))


def match_folds(near: Near, measured: Averaging, exact: bool) -> Matched:
    """The averaging as `measured` between fold models; with another strength if that fits better.

    Scores that are no log-odds, or fold models whose scales differ, make the measured noise too
    large. Unless the scores are `exact`, the strength that fits best is taken in any case.
    """
    measured = replace(measured, removed=_shrunk(near, measured))
    misfit = near.misfit(measured)
    found = near.choose([replace(measured, removed=one * measured.removed) for one in _STRENGTHS])
    chance = max(_CHANCE, 3 * near.chance(1.0))
    unexplained = max(found.misfit - 1, 0) / _EXPLAINED + chance
    return Matched(measured, misfit) if exact and misfit - 1 <= unexplained else found


def _shrunk(near: Near, measured: Averaging) -> NDArray[np.float64]:
    """The variance that averaging removes, (classes,), the rare classes' nearer to the usual share.

    A few positives that are drawn together too far would all be on one side of a threshold.
    """
    usual = near.usual(len(measured.removed))
    share = np.minimum(measured.removed / np.maximum(usual, 1e-12), 1 - measured.least)
    positives = np.zeros(len(share))
    positives[near.columns] = [len(with_it) for _, with_it in near.scores]
    if not positives.any():
        return measured.removed
    middle = np.median(share[near.columns])
    shrunk: NDArray[np.float64] = (positives * share + _BORROWED * middle) / (positives + _BORROWED)
    return shrunk * usual


def match_file(near: Near, classes: int, about: float | None = None) -> Matched:
    """The averaging of one file of test scores, from how they are distributed.

    The share of the variance that averaging removed is the same for all classes, so that the rare
    ones borrow from the frequent ones. None is removed unless the test scores show that some was.
    If the share is known to be `about` something, only shares near that are tried.
    """
    usual, least = near.usual(classes), 1 - MOST_REMOVED
    shares = _SHARES if about is None else _SHARES[np.abs(_SHARES - about) <= _ABOUT]
    by_width = [
        near.choose([Averaging(share * usual, least, width * share * usual) for share in shares])
        for width in _WIDTHS
    ]
    best = min(by_width, key=lambda one: one.misfit)
    nothing = Averaging(np.zeros(classes), least, np.zeros(classes))
    misfit = near.misfit(nothing)
    if misfit <= best.misfit + near.chance(best.misfit):
        return Matched(nothing, misfit, best.close)
    return best
