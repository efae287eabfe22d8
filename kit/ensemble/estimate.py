"""The estimate of what was chosen and fitted: made without each fold, and scored on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import decide
from kit.competitions.metrics import macro_f1
from kit.core.parallel import on_all_cores
from kit.ensemble.crossfit import choose_policy
from kit.ensemble.cuts import Thresholds
from kit.ensemble.extras import copy_labels, learn_finish
from kit.ensemble.honest import ClassScore, HonestScore
from kit.ensemble.interval import Counts, Interval, prediction_interval
from kit.ensemble.policies import Policy
from kit.ensemble.sample import Sample


@dataclass(frozen=True)
class Estimate:
    """An honest score, class by class as well, and what it was counted from."""

    score: HonestScore
    classes: tuple[ClassScore, ...]
    counts: Counts


@dataclass(frozen=True)
class Nested:
    """One fold of a nested cross-fit: the rows left out, and what was learned without them.

    `averaged` and `averaged_others` are the same rows with scores as the mean of all fold models
    would have given them.
    """

    inside: NDArray[np.bool_]
    rows: Sample
    others: Sample
    averaged: Sample
    averaged_others: Sample


def estimate(
    labels: NDArray[np.uint8],
    group: NDArray[np.int64],
    folds: list[Nested],
    policies: Sequence[Policy],
    fitted: float,
    test_rows: int,
    extras: Sequence[str] = (),
    copies: NDArray[np.int64] | None = None,
) -> Estimate:
    """Score what was chosen from the policies, and fitted, without each fold on that fold.

    `labels` (rows, classes) and `group` (rows,) are of all rows; `fitted` is the score on the rows
    of the fit, for comparison; `test_rows` is the size of the set whose score the interval is for.
    `extras` are learned without the fold as well; `copies` names for each row another one whose
    labels it takes, or -1, (rows,).
    """
    plain, expected = np.zeros_like(labels), np.zeros_like(labels)
    decided = on_all_cores(
        "estimating the score",
        partial(_decide, policies, extras),
        folds,
        labels.size * len(policies),
    )
    for fold, (as_single, as_averaged) in zip(folds, decided, strict=True):
        plain[fold.inside], expected[fold.inside] = as_single, as_averaged
    if copies is not None:
        plain, expected = (copy_labels(one, labels, copies) for one in (plain, expected))
    counts = Counts.of(labels, expected, group)
    around = prediction_interval(counts, test_rows / len(labels))
    score = HonestScore(
        fitted=fitted,
        cross_fitted=macro_f1(labels, plain),
        expected=around.mean,
        interval=around.macro,
        test_rows=test_rows,
    )
    return Estimate(score, _classes(labels, counts, around), counts)


def leave_each_out(sample: Sample, averaged: Sample) -> list[Nested]:
    """Each fold of predictions to which nothing but thresholds is fitted, and the other folds."""
    return [
        Nested(
            inside=sample.fold == fold,
            rows=sample.only(sample.fold == fold),
            others=sample.only(sample.fold != fold),
            averaged=averaged.only(sample.fold == fold),
            averaged_others=averaged.only(sample.fold != fold),
        )
        for fold in sample.folds
    ]


def fitted_score(sample: Sample, thresholds: Thresholds) -> float:
    """Macro-F1 of cuts on the very rows of the sample."""
    return macro_f1(sample.labels, decide(sample.probs, thresholds))


def _decide(
    policies: Sequence[Policy], extras: Sequence[str], fold: Nested
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decisions on a fold's rows by what the other folds chose: as they are, and averaged."""
    policy = choose_policy(fold.averaged_others, policies)
    averaged = _finished(policy, extras, fold.averaged_others, fold.averaged)
    if fold.averaged_others is fold.others:
        return averaged, averaged
    return _finished(policy, extras, fold.others, fold.rows), averaged


def _finished(
    policy: Policy, extras: Sequence[str], others: Sample, rows: Sample
) -> NDArray[np.uint8]:
    cuts = policy.fit(others)
    return learn_finish(extras, others, cuts).decide(rows.probs, cuts)


def _classes(labels: NDArray[np.uint8], counts: Counts, around: Interval) -> tuple[ClassScore, ...]:
    positives = labels.sum(axis=0, dtype=np.int64).tolist()
    scores = counts.f1().tolist()
    edges = around.by_class.tolist()
    return tuple(
        ClassScore(true, f1, (low, high))
        for true, f1, (low, high) in zip(positives, scores, edges, strict=True)
    )
