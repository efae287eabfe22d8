"""Ways to choose thresholds from out-of-fold predictions, from the simplest to the freest."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kit.competitions.exact import NEVER, exact_thresholds
from kit.competitions.metrics import f1_from_counts
from kit.data.predictions import EPSILON
from kit.ensemble.calibrate import EDGES, calibrate, histograms, plug_in_thresholds
from kit.ensemble.sample import Sample

Thresholds = NDArray[np.float64]

# Enough for the mean to settle: ten more splits move it by less than one split scatters by 3 %.
SPLITS = 10
# The share of the groups that one repeated split fits on: as much as four of five folds.
SPLIT_SHARE = 0.8


def fixed(sample: Sample, value: float) -> Thresholds:
    """The same given cut for every class: what many teams submit with."""
    return np.full(sample.labels.shape[1], value)


def constant(sample: Sample) -> Thresholds:
    """One cut for all classes, the best of the edges between binned logits."""
    hits, counts = histograms(sample.probs, sample.labels), histograms(sample.probs)
    above = [binned[:, ::-1].cumsum(axis=1)[:, ::-1] for binned in (hits, counts)]
    f1 = f1_from_counts(above[0], above[1], hits.sum(axis=1, keepdims=True))
    cut = expit(EDGES[int(np.argmax(f1.mean(axis=0)))])
    return np.where(hits.any(axis=1), cut, NEVER)


def calibrated(sample: Sample) -> Thresholds:
    """The best cut if each class's scores are calibrated by a curve pooled over classes.

    See `calibrate` and `plug_in_thresholds` for the sources.
    """
    return plug_in_thresholds(sample.probs, calibrate(sample.labels, sample.probs))


def class_rate(sample: Sample) -> Thresholds:
    """The cut above which as many rows lie as have the label: the winner's way in this contest.

    Bestfitting (first of the Human Protein Atlas competition, 2019) matched class rates like so.
    """
    return rate_thresholds(sample.probs, sample.labels.mean(axis=0))


def exact(sample: Sample) -> Thresholds:
    """The best cut of each class on the very rows at hand: the freest and most optimistic."""
    return exact_thresholds(sample.labels, sample.probs).thresholds


def scaled(sample: Sample, value: float) -> Thresholds:
    """The exact cuts times a number: the second of the competition took 0.7."""
    cuts = exact(sample)
    return np.where(cuts < NEVER, cuts * value, NEVER)


def floored(sample: Sample, value: float) -> Thresholds:
    """The exact cuts, none below a floor: the fifth of the competition took 0.15."""
    return np.maximum(exact(sample), value)


def shrunk(sample: Sample, value: float) -> Thresholds:
    """Exact cuts drawn towards class-rate matching, the more so the fewer positives there are.

    In logits, with weight P / (P + value) on the exact cut of a class of P positives.
    """
    positives = sample.labels.sum(axis=0, dtype=np.int64)
    weight = positives / np.maximum(positives + value, 1e-12)
    own, rate = _logits(exact(sample)), _logits(class_rate(sample))
    return np.where(positives > 0, expit(weight * own + (1 - weight) * rate), NEVER)


def fold_mean(sample: Sample) -> Thresholds:
    """The mean, in logits, of the exact cuts without each fold in turn."""
    return mean_thresholds(
        [exact(sample.only(sample.fold != fold)) for fold in sample.folds], exact(sample)
    )


def split_mean(sample: Sample) -> Thresholds:
    """The mean, in logits, of the exact cuts on many random parts of the groups.

    Subagging (Bühlmann and Yu 2002); the eighth of the competition averaged 20 times 5 folds. The
    parts follow from a fixed seed.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    groups = int(sample.group.max()) + 1
    parts = [rng.random(groups)[sample.group] < SPLIT_SHARE for _ in range(SPLITS)]
    return mean_thresholds([exact(sample.only(part)) for part in parts], exact(sample))


def rate_thresholds(probs: NDArray[np.float32], rates: NDArray[np.float64]) -> Thresholds:
    """The cuts above which the given share of the rows lies, class by class.

    Half way between the last row on and the first row off; NEVER where the share is less than
    half a row. Rows of equal score at the cut are on or off together.
    """
    scores = -np.sort(-np.ascontiguousarray(probs.T), axis=1).astype(np.float64)
    classes, rows = scores.shape
    taken = np.rint(rates * rows).astype(np.int64)
    column = np.arange(classes)
    last_on = scores[column, np.clip(taken - 1, 0, rows - 1)]
    first_off = np.where(taken < rows, scores[column, np.clip(taken, 0, rows - 1)], 0.0)
    return np.where(taken > 0, (last_on + first_off) / 2, NEVER)


def mean_thresholds(several: list[Thresholds], fallback: Thresholds) -> Thresholds:
    """The mean in logits of several cuts a class, those that are NEVER left out.

    A class whose positives are too few to be in any of the parts keeps its `fallback`.
    """
    cuts = np.stack(several)
    known = cuts < NEVER
    total = np.where(known, _logits(cuts), 0.0).sum(axis=0)
    mean = expit(total / np.maximum(known.sum(axis=0), 1))
    return np.where(known.any(axis=0), mean, fallback)


def _logits(cuts: Thresholds) -> NDArray[np.float64]:
    return logit(np.clip(cuts, EPSILON, 1 - EPSILON))
