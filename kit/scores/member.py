"""What a member's scores are, before anything is fitted to them: their scale, and their honesty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from kit.data.predictions import to_logits, to_probs
from kit.scores.averaging import mean_of_probs
from kit.scores.leak import Head, head_start
from kit.scores.match import Near, match_file
from kit.scores.oof import Sample
from kit.scores.scale import Scale, learn_scale

# Classes with fewer positives say little about a curve.
_LEAST_POSITIVES = 20
_STEPS, _CONVERGED = 15, 1e-3
# Scores whose quantiles are within this of an even spread are ranks.
_EVEN = 0.02
# One file of averaged scores shows a head start only as what averaging cannot explain, and what it
# does is described less well the more it does.
_TOLERATED, _PER_SHARE, _PER_MISFIT = 0.18, 0.15, 0.05
_UNLIKE = 1.0


@dataclass(frozen=True)
class Examined:
    """A member's scale of log-odds, and its head start, None without test scores.

    `loss` is that of a logistic regression on the member's scores as they are, in nats, and `gain`
    by how much it is lower on the scale. Ranks are not on the scale of any probability.
    """

    scale: Scale | None
    gain: float
    loss: float
    head: Head | None
    are_ranks: bool


def examine(sample: Sample, tests: Sequence[NDArray[np.float32]]) -> Examined:
    """Examine one member: its out-of-fold sample, and its test scores, (test rows, classes).

    `tests` has one array per fold model in the order of the folds, a single one if they are
    averaged, or none.
    """
    labels, scores = sample.labels, sample.probs
    scale = learn_scale(labels, scores)
    probs = scale.apply(scores)
    loss = log_loss(labels, scores)
    gain = loss - log_loss(labels, probs)
    head = None
    if len(tests) > 1:
        head = head_start(sample, tests)
    elif tests and gain > 0:
        head = _head_start_of_averaged(sample.with_probs(probs), scale.apply(tests[0]))
    elif tests:
        head = _head_start_of_averaged(sample, tests[0])
    return Examined(scale, gain, loss, head, _are_ranks(scores))


def _are_ranks(scores: NDArray[np.float32]) -> bool:
    """Whether the scores of most classes are spread evenly from 0 to 1."""
    levels = np.linspace(0.05, 0.95, 19)
    apart = np.abs(np.quantile(scores, levels, axis=0) - levels[:, None]).max(axis=0)
    return bool(np.median(apart) < _EVEN)


def _head_start_of_averaged(sample: Sample, test: NDArray[np.float32]) -> Head:
    """The head start over one file of averaged scores: what no averaging explains."""
    near = Near.of(sample, test)
    found = match_file(near, sample.labels.shape[1])
    logits = to_logits(found.averaging.apply(sample.labels, sample.probs))
    averaged = to_probs(mean_of_probs(logits, found.averaging.widened))
    head = head_start(sample.with_probs(averaged), [test])
    tolerated = _TOLERATED + _PER_SHARE * found.share(near) + _PER_MISFIT * max(found.misfit - 1, 0)
    return replace(head, tolerated=min(tolerated, _UNLIKE))


def log_loss(labels: NDArray[np.uint8], scores: NDArray[np.float32]) -> float:
    """The loss, in nats, of a logistic regression on the logits of each class."""
    used = labels.sum(axis=0) >= _LEAST_POSITIVES
    if not used.any():
        return 0.0
    true = labels[:, used].astype(np.float64)
    logits = to_logits(scores[:, used])
    x = (logits - logits.mean(axis=0)) / np.maximum(logits.std(axis=0), 1e-9)
    slope, intercept = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    rate = true.mean(axis=0)
    intercept += np.log(rate / np.maximum(1 - rate, 1e-9))
    for _ in range(_STEPS):  # Newton's method, with a weak prior on the slope
        found = expit(intercept + slope * x)
        weight = found * (1 - found) + 1e-9
        wrong = true - found
        first = wrong.sum(axis=0), (wrong * x).sum(axis=0) - 1e-3 * slope
        second = weight.sum(axis=0), (weight * x).sum(axis=0), (weight * x * x).sum(axis=0) + 1e-3
        size = second[0] * second[2] - second[1] ** 2
        steps = np.stack(
            [
                second[2] * first[0] - second[1] * first[1],
                second[0] * first[1] - second[1] * first[0],
            ]
        )
        steps = np.clip(steps / size, -2, 2)
        intercept, slope = intercept + steps[0], slope + steps[1]
        if np.abs(steps).max() < _CONVERGED:
            break
    line = intercept + slope * x
    return float((np.logaddexp(0, line) - true * line).sum())
