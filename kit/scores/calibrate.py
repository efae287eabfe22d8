"""Calibrated probabilities per class, and the threshold that is optimal under them."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kit.competitions.exact import NEVER
from kit.data.predictions import EPSILON, to_logits

# Scores are binned by logit, 0.014 apart: far finer than the precision of any calibration.
BINS = 2048
EDGE = float(logit(1 - EPSILON))
EDGES = np.arange(BINS) / BINS * 2 * EDGE - EDGE  # the lower edge of each bin
CENTERS = EDGES + EDGE / BINS

# The vague prior of a class alone: intercept 0 +- 30, slope 1 +- 10.
_VAGUE = np.array([[1e-3, 1e-2]])
# Prior variance even where all classes look alike: one may differ from the others by about 0.2.
_LEAST_VARIANCE = 0.05


def histograms(
    probs: NDArray[np.float32], weights: NDArray[np.uint8] | None = None
) -> NDArray[np.float64]:
    """Histogram of logits per class, (classes, bins); each row counts `weights` times."""
    place = (to_logits(probs) + EDGE) * (BINS / (2 * EDGE))
    binned = np.clip(place.astype(np.int64), 0, BINS - 1)
    columns = range(probs.shape[1])
    return np.stack(
        [
            np.bincount(
                binned[:, column],
                None if weights is None else weights[:, column].astype(np.float64),
                minlength=BINS,
            ).astype(np.float64)
            for column in columns
        ]
    )


def calibrate(labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intercept and slope of P(label | logit) = sigmoid(intercept + slope * logit), by class.

    Shapes (rows, classes); returns float64 (classes, 2), NaN for a class without positives. Each
    class is fitted by penalized maximum likelihood around the median of all classes (Platt 1999,
    with an empirical Bayes prior after Efron and Morris 1975), so that a class with ten positives
    borrows its slope from the others.
    """
    counts = histograms(probs)
    hits = histograms(probs, labels)
    some = hits.sum(axis=1) > 0
    found = np.full((labels.shape[1], 2), np.nan)
    if some.any():
        alone = _fit(hits[some], counts[some], np.array([[0.0, 1.0]]), _VAGUE)
        pooled = np.median(alone, axis=0, keepdims=True)
        variance = alone.var(axis=0, keepdims=True) + _LEAST_VARIANCE
        found[some] = _fit(hits[some], counts[some], pooled, 1 / variance)
    return found


def plug_in_thresholds(
    probs: NDArray[np.float32], calibration: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The threshold per class with the highest expected F1 if the calibration is correct.

    It is where the calibrated probability equals half the F1 reached (Lipton, Elkan and
    Naryanaswamy 2014). `probs` are the scores of the rows to label, (rows, classes); returns
    float64 (classes,), NEVER for a class without a calibration.
    """
    counts = histograms(probs)
    thresholds = np.full(len(calibration), NEVER)
    for column, (intercept, slope) in enumerate(calibration):
        if np.isnan(intercept):
            continue
        if slope <= 0:  # inverted scores: label all rows or none, and all is never worse
            thresholds[column] = 0.0
            continue
        chance = expit(intercept + slope * CENTERS)[::-1]
        rows = counts[column, ::-1]
        best = float((2 * (rows * chance).cumsum() / (rows.cumsum() + rows @ chance)).max())
        thresholds[column] = expit((logit(best / 2) - intercept) / slope)
    return thresholds


def _fit(
    hits: NDArray[np.float64],
    counts: NDArray[np.float64],
    prior: NDArray[np.float64],
    precision: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Newton's method for all classes at once: (classes, 2) from histograms (classes, bins)."""
    found = np.repeat(prior, len(hits), axis=0)
    for _ in range(100):
        chance = expit(found[:, :1] + found[:, 1:] * CENTERS)
        excess = counts * chance - hits
        spread = counts * chance * (1 - chance)
        gradient = np.stack([excess.sum(axis=1), excess @ CENTERS], axis=1)
        gradient += precision * (found - prior)
        cross = spread @ CENTERS
        hessian = np.stack([spread.sum(axis=1), cross, cross, spread @ CENTERS**2], axis=1)
        hessian = hessian.reshape(-1, 2, 2) + np.eye(2) * precision[:, None, :]
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        # Long steps may leave the region where the quadratic model holds: at most 2 per coordinate.
        step *= np.minimum(1, 2 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-12))
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    return found
