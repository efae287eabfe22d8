"""Scores by one model, drawn together as the mean of several models would give them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from kit.data.predictions import to_logits, to_probs

# Noise is measured near the thresholds: among the highest test scores, on this many times as many
# rows as have the label. Far below, fold models disagree more, without effect on labels: on
# synthetic cells, noise measured over all rows predicted twice the gain that averaging brought.
NEAR = 4
# Fewer rows than this are too few to measure the noise of a class.
LEAST_ROWS = 20
# With at most this many rows of a kind, the standard deviation over all rows is used.
HANDFUL = 5
# With one file of averaged scores the number of models is unknown: at most this share is removed.
MOST_REMOVED = 0.8
# Nodes and weights of the mean over a normal distribution.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_GRID = np.linspace(-16, 16, 321)


@dataclass(frozen=True)
class Kinds:
    """Middle and variance of the logits of rows without and with each label, (2, classes) each.

    An infinite variance is unknown: these rows stay where they are.
    """

    middle: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], logits: NDArray[np.float64]) -> "Kinds":
        """Measure them on `labels` and `logits`, both (rows, classes)."""
        classes = labels.shape[1]
        middle, spread = np.zeros((2, classes)), np.full((2, classes), np.inf)
        for column in range(classes):
            for kind in (0, 1):
                scores = logits[labels[:, column] == kind, column]
                if len(scores) == 0:
                    continue
                middle[kind, column] = scores.mean()
                spread[kind, column] = logits[:, column].std(ddof=1)
                if len(scores) > HANDFUL:
                    spread[kind, column] = scores.std(ddof=1)
                if kind == 0 and len(scores) >= LEAST_ROWS:
                    middle[kind, column], spread[kind, column] = _upper_half(scores)
        return cls(middle, np.maximum(spread**2, 1e-12))

    @cached_property
    def usual(self) -> NDArray[np.float64]:
        """The mean variance of both kinds, or of the one that is known, (classes,)."""
        known = np.isfinite(self.variance)
        total = np.where(known, self.variance, 0.0).sum(axis=0)
        usual: NDArray[np.float64] = total / np.maximum(known.sum(axis=0), 1)
        return usual

    def factors(self, removed: NDArray[np.float64], least: float) -> NDArray[np.float64]:
        """By how much the distance from the middle shrinks, (2, classes).

        `removed` is the variance that averaging removes, (classes,); `least` the share of the
        variance that is kept at least.
        """
        return np.sqrt(np.maximum(1 - removed / self.variance, least))


@dataclass(frozen=True)
class Averaging:
    """What averaging over the fold models does to scores.

    A score is signal plus model-specific noise, and the mean over K models keeps 1/K of the noise's
    variance. `removed` is the variance that is lost, in logits, (classes,), and `least` the share
    of a kind's variance that remains at least. If probabilities were averaged and not logits, their
    mean is nearer to one half: `widened` is the variance between the models, (classes,), else 0.
    """

    removed: NDArray[np.float64]
    least: float
    widened: NDArray[np.float64]

    @classmethod
    def measured(cls, noise: NDArray[np.float64], models: int) -> "Averaging":
        """The mean of logits of `models` models that differ by `noise` on one image, (classes,)."""
        return cls((1 - 1 / models) * noise, 1 / models, np.zeros(len(noise)))

    @classmethod
    def between(
        cls, rates: NDArray[np.float64], fold_tests: Sequence[NDArray[np.float32]]
    ) -> "Averaging":
        """The mean of logits of these models; arguments as of `own_noise`."""
        return cls.measured(own_noise(rates, fold_tests), len(fold_tests))

    def apply(self, labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores by one model as the mean of logits of several models would give them.

        Scores of rows with a label, and of rows without it, are shrunk towards the mean of their
        kind until their variance is lower by what averaging removes: exact if both are normal,
        otherwise correct in the first two moments. Shapes (rows, classes).
        """
        logits = to_logits(probs)
        kinds = Kinds.of(labels, logits)
        factors = kinds.factors(self.removed, self.least)
        moved = np.empty_like(logits)
        for column in range(logits.shape[1]):
            kind = labels[:, column]
            middle, factor = kinds.middle[kind, column], factors[kind, column]
            moved[:, column] = middle + factor * (logits[:, column] - middle)
        return to_probs(moved)

    def carry(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Thresholds for means of logits, as thresholds for the test scores, (classes,)."""
        if not self.widened.any():
            return thresholds
        inside = (thresholds > 0) & (thresholds < 1)
        logits = logit(np.where(inside, thresholds, 0.5))
        return np.where(inside, expit(mean_of_probs(logits, self.widened)), thresholds)


def mean_of_probs(
    logits: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The logit of the mean probability of logits that scatter normally around these, same shape.

    `variance` has the shape of the logits' last axes. Gauss-Hermite quadrature.
    """
    apart = np.sqrt(variance)
    both = zip(_NODES, _WEIGHTS, strict=True)
    mean = sum(weight * expit(logits + node * apart) for node, weight in both)
    return logit(np.clip(mean, 1e-12, 1 - 1e-12))


def before_mean_of_probs(
    logits: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The inverse of `mean_of_probs`: `logits` (classes, levels), `variance` (classes,)."""
    found = np.array(logits)
    for column in np.flatnonzero(variance > 0):
        means = mean_of_probs(_GRID, np.full(_GRID.shape, variance[column]))
        found[column] = np.interp(logits[column], means, _GRID)
    return found


def mean_over_folds(by_fold: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of logits of combined probabilities, one array (rows, classes) per fold model."""
    if len(by_fold) == 1:
        return by_fold[0]
    return to_probs(np.mean([to_logits(probs) for probs in by_fold], axis=0))


def own_noise(
    rates: NDArray[np.float64], fold_tests: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """The variance, in logits, between the models of different folds on one image, by class.

    `rates` is the share of rows with each label, (classes,); `fold_tests` are the probabilities
    of each fold's model for the same test rows, (rows, classes). Returns float64 (classes,).
    """
    logits = np.stack([to_logits(probs) for probs in fold_tests])
    variance, mean = logits.var(axis=0, ddof=1), logits.mean(axis=0)
    rows = mean.shape[0]
    near = np.clip(np.rint(NEAR * rates * rows), LEAST_ROWS, rows).astype(np.int64)
    noise = np.empty(mean.shape[1])
    for column, count in enumerate(near):
        highest = np.argpartition(-mean[:, column], count - 1)[:count]
        noise[column] = variance[highest, column].mean()
    return noise


def _upper_half(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of the normal distribution with the scores' upper tail.

    From two quantiles one standard deviation apart. The lower one is at +1 standard deviation, or
    higher if that is among the clipped logits: most rows without a rare label are clipped, and
    their spread affects no label. If too few rows remain above, the spread is unknown: it is
    returned as infinite, so that nothing moves.
    """
    cut_off = float((scores <= scores.min()).mean())
    lower = max(1.0, float(norm.ppf(cut_off)))
    if len(scores) * norm.sf(lower + 1) < HANDFUL:
        return float(scores.mean()), np.inf
    one, two = np.quantile(scores, [norm.cdf(lower), norm.cdf(lower + 1)])
    return float(one - lower * (two - one)), float(two - one)
