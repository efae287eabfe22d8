"""Decisions on every row by thresholds that were fitted without the row's fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import decide
from kit.competitions.metrics import macro_f1
from kit.core.parallel import on_all_cores
from kit.ensemble.interval import Counts, standard_error
from kit.ensemble.policies import Policy
from kit.ensemble.sample import Sample

Choose = Callable[[Sample], Policy]


@dataclass(frozen=True)
class Judged:
    """A policy and what it is worth: fitted on all rows, and on rows it was not fitted on.

    `decisions` are the cross-fitted ones, uint8 (rows, classes).
    """

    policy: Policy
    fitted: float
    cross_fitted: float
    decisions: NDArray[np.uint8]


def cross_fit(sample: Sample, choose: Choose) -> NDArray[np.uint8]:
    """Decide each fold by the policy chosen, and the cuts fitted, on the other folds alone."""
    decisions = np.zeros_like(sample.labels)
    for fold in sample.folds:
        inside = sample.fold == fold
        others = sample.only(~inside)
        decisions[inside] = decide(sample.probs[inside], choose(others).fit(others))
    return decisions


def judge(sample: Sample, policy: Policy) -> Judged:
    """Score one policy, fitted and cross-fitted."""
    fitted = decide(sample.probs, policy.fit(sample))
    decisions = cross_fit(sample, lambda _: policy)
    return Judged(
        policy, macro_f1(sample.labels, fitted), macro_f1(sample.labels, decisions), decisions
    )


def judge_all(sample: Sample, policies: Sequence[Policy]) -> list[Judged]:
    """Score several policies on the same rows."""
    work = sample.labels.size * len(sample.folds)
    return on_all_cores("trying policies", partial(judge, sample), policies, work)


def simplest_of_the_best(sample: Sample, judged: Sequence[Judged]) -> Judged:
    """The first, in the order given, that is within one standard error of the best.

    The one-standard-error rule (Breiman et al. 1984), with the error of the difference between two
    candidates on the same rows. Give the simplest first.
    """
    best = max(judged, key=lambda one: one.cross_fitted)
    of_best = Counts.of(sample.labels, best.decisions, sample.group)
    for one in judged:
        counts = Counts.of(sample.labels, one.decisions, sample.group)
        if best.cross_fitted - one.cross_fitted <= standard_error(counts, of_best):
            return one
    return best


def choose_policy(sample: Sample, policies: Sequence[Policy]) -> Policy:
    """The simplest of the best policies on this sample, judged by cross-fitting.

    With a sample of one fold nothing can be held out, and the first policy is taken.
    """
    if len(policies) == 1 or len(sample.folds) < 2:
        return policies[0]
    return simplest_of_the_best(sample, [judge(sample, policy) for policy in policies]).policy
