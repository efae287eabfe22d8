"""Scores of any shape as log-odds: a rising curve per class, learned from ranks and labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from kit.core.formats import EqualByValue, Floats
from kit.data.predictions import to_logits, to_probs

# Standardized scores at which normal distributions are tabulated.
_GRID = np.linspace(-9, 14, 4601)
KNOTS = 48
# The separation of a class is shrunk towards the usual one with the weight of this many positives.
_SHRINK = 20
# Separations of scores without any information, and without any error, are kept finite.
_LEAST_AREA, _MOST_AREA = 0.51, 1 - 1e-4
# Scores above the highest knot rise by at most this much more, in log-odds.
_BEYOND = 3.0


@dataclass(frozen=True, eq=False)
class Scale(EqualByValue):
    """Scores and the log-odds they stand for: `raw` and `odds`, both (classes, knots), rising.

    Scores are probabilities that need not be calibrated; `raw` has their logits.
    """

    raw: Floats
    odds: Floats

    def apply(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities from scores, both (rows, classes): straight lines between the knots."""
        probs = np.empty(scores.shape, np.float32)
        for column, (raw, odds) in enumerate(zip(self.raw, self.odds, strict=True)):
            different = np.concatenate([[True], np.diff(raw) > 0])
            raw, odds = raw[different], odds[different]
            mine = to_logits(scores[:, column])
            found = np.interp(mine, raw, odds)
            if len(raw) > 1:
                slope = (odds[-1] - odds[-2]) / (raw[-1] - raw[-2])
                found += np.minimum(np.maximum(mine - raw[-1], 0) * slope, _BEYOND)
            probs[:, column] = to_probs(found)
        return probs

    @property
    def is_discrete(self) -> bool:
        """Whether the scores have few values, such as the votes of a few models."""
        return bool((np.diff(self.raw[:, -2:], axis=1) == 0).mean() > 0.5)

    def fits(self, classes: int) -> bool:
        """Whether it is for this number of classes, and rises."""
        rises = all((np.diff(one, axis=1) >= 0).all() for one in (self.raw, self.odds))
        return self.raw.shape == self.odds.shape == (classes, KNOTS) and bool(rises)

    def back(self, probs: NDArray[Any]) -> NDArray[np.float64]:
        """Scores from probabilities, or thresholds for scores: (..., classes).

        What is not between 0 and 1 stays.
        """
        found = np.array(probs, np.float64)
        for column, (raw, odds) in enumerate(zip(self.raw, self.odds, strict=True)):
            mine = found[..., column]
            inside = (mine > 0) & (mine < 1)
            place = expit(np.interp(logit(np.where(inside, mine, 0.5)), odds, raw))
            found[..., column] = np.where(inside, place, mine)
        return found


# One per model; None where its scores are log-odds already.
Scales = tuple[Scale | None, ...]


def scales_fit(scales: Scales, models: int, classes: int) -> bool:
    """Whether there are no scales, or one per model for this number of classes."""
    known = all(one is None or one.fits(classes) for one in scales)
    return known and len(scales) in (0, models)


def on_scales(scales: Scales, probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores (models, rows, classes) as probabilities; unchanged without scales."""
    if all(scale is None for scale in scales):
        return probs
    both = zip(scales, probs, strict=True)
    return np.stack([one if scale is None else scale.apply(one) for scale, one in both])


def learn_scale(labels: NDArray[np.uint8], scores: NDArray[np.float32]) -> Scale:
    """The scale on which the scores of either kind of rows are normal, with equal variances.

    `labels` and `scores` are (rows, classes). The binormal model (Dorfman and Alf 1969) depends on
    ranks alone: the share of rows below a score gives its place in the mixture, the area under the
    ROC curve the distance between the kinds, and log-odds are linear between normal kinds.
    """
    rows, classes = labels.shape
    rates = np.clip(labels.mean(axis=0), 0.5 / rows, 1 - 0.5 / rows)
    raw, odds = np.empty((classes, KNOTS)), np.empty((classes, KNOTS))
    for column, apart in enumerate(separations(labels, scores)):
        values, below = _knots(to_logits(scores[:, column]))
        mass = _mass(_GRID, rates[column], apart)
        place = np.interp(below, mass, _GRID)
        line = apart * place - apart**2 / 2 + logit(rates[column])
        filled = KNOTS - len(values)
        raw[column] = np.pad(values, (0, filled), mode="edge")
        odds[column] = np.pad(line, (0, filled), mode="edge")
    return Scale(np.maximum.accumulate(raw, axis=1), np.maximum.accumulate(odds, axis=1))


def _knots(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores to start from, and the share of rows below each; half of the tied ones count.

    All distinct scores if they are few, otherwise quantiles that are denser near the top.
    """
    rows = len(scores)
    values, counts = np.unique(scores, return_counts=True)
    below = (counts.cumsum() - counts / 2) / rows
    if len(values) <= KNOTS:
        return values, below
    low = np.linspace(0.5 / rows, 0.5, 9)[:-1]
    high = 1 - np.geomspace(0.5, 0.5 / rows, KNOTS - len(low))
    wanted = np.concatenate([low, high])
    return np.interp(wanted, below, values), wanted


def separations(labels: NDArray[np.uint8], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """The distance between rows with and without a label, in standard deviations, (classes,).

    From the area under the ROC curve; classes with few positives borrow from the others.
    """
    rows, classes = labels.shape
    positives = labels.sum(axis=0, dtype=np.float64)
    found = np.zeros(classes)
    for column in np.flatnonzero((positives > 0) & (positives < rows)):
        true = positives[column]
        ranks = rankdata(scores[:, column])[labels[:, column] == 1].sum()
        area = (ranks - true * (true + 1) / 2) / (true * (rows - true))
        found[column] = np.sqrt(2) * norm.ppf(np.clip(area, _LEAST_AREA, _MOST_AREA))
    weights = np.minimum(positives, _SHRINK)
    usual = np.average(found, weights=weights) if weights.any() else 0.0
    return (positives * found + _SHRINK * usual) / (positives + _SHRINK)


def binormal_cuts(
    shares: NDArray[np.float64], rates: NDArray[np.float64], separation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Standardized scores that this share of the rows exceeds, (classes, cuts)."""
    found = np.empty(shares.shape)
    for column, share in enumerate(shares):
        mass = _mass(_GRID, rates[column], separation[column])
        found[column] = np.interp(1 - share, mass, _GRID)
    return found


def _mass(places: NDArray[np.float64], rate: float, separation: float) -> NDArray[np.float64]:
    """The share of rows below each standardized score."""
    mass: NDArray[np.float64] = rate * norm.cdf(places - separation)
    return mass + (1 - rate) * norm.cdf(places)
