"""From members to a finished blend: which method, which thresholds, and what both are worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import decide
from kit.core.errors import UserError
from kit.ensemble.blends import Blends
from kit.ensemble.crossfit import Judged, judge_all, simplest_of_the_best
from kit.ensemble.cuts import Thresholds
from kit.ensemble.estimate import Estimate, Nested, estimate, fitted_score, leave_each_out
from kit.ensemble.extras import Finish, copy_labels, learn_finish
from kit.ensemble.interval import Counts, standard_error
from kit.ensemble.members import Combination, Members, Tests
from kit.ensemble.policies import Policy
from kit.ensemble.sample import Sample
from kit.ensemble.transfer import carry


@dataclass(frozen=True)
class Solved:
    """A blend with everything that was chosen, fitted and found out about it.

    `sample` are the out-of-fold rows under the blend, `averaged` the same as test predictions
    would be, and `oof_cuts` the thresholds found on those; `test` the blend's test probabilities,
    (rows, classes), and `cuts` the thresholds for them. `methods` and `policies` are what was
    chosen from, the blend's own among them; `alone` is what each model is worth by itself under the
    same policy.
    """

    method: str
    combination: Combination
    policy: Policy
    transfer: str
    sample: Sample
    averaged: Sample
    test: NDArray[np.float32]
    oof_cuts: Thresholds
    cuts: Thresholds
    estimate: Estimate
    methods: tuple[tuple[str, Judged], ...]
    policies: tuple[Judged, ...]
    finish: Finish
    extras: tuple["JudgedExtra", ...]
    alone: tuple["Alone", ...]


@dataclass(frozen=True)
class JudgedExtra:
    """An extra that was asked for, what it gains cross-fitted, and the error of that."""

    name: str
    gain: float
    error: float

    @property
    def taken(self) -> bool:
        """Whether it gains more than one standard error."""
        return self.gain > self.error


@dataclass(frozen=True)
class Alone:
    """One model without the others: what it is worth, and its cuts for the test set."""

    estimate: Estimate
    cuts: Thresholds


def solve(
    members: Members,
    tests: Tests,
    methods: Sequence[str],
    policies: Sequence[Policy],
    test_rows: int,
    transfer: str = "auto",
    extras: Sequence[str] = (),
    copies: NDArray[np.int64] | None = None,
) -> Solved:
    """Choose a method and a policy, fit both on all rows, and estimate the whole by nested folds.

    The choice of method, the fit of the blend, the choice of policy and the cuts are all made
    again without each fold, and scored on it. `tests` is (models, rows, classes) for each fold's
    models, or one such array of predictions that are averaged already. `test_rows` is the size of
    the set whose score is to be foretold. Of the `extras` those are taken that gain more than one
    standard error; "copies" wants `copies`, for each row another one that it is a copy of, or -1.
    """
    blends = Blends(members, tests, methods, transfer)
    method = blends.choose(frozenset())
    sample = blends.fits.sample(method)
    averaged = blends.averaged(method, sample)
    judged = tuple(judge_all(averaged, policies))
    policy = simplest_of_the_best(averaged, judged).policy if len(judged) > 1 else policies[0]
    cuts = policy.fit(averaged)
    test = blends.test(method)
    if "rules" in extras and blends.transfers[method] == "rates":
        raise UserError(
            "--extra rules: the rules' cuts are for out-of-fold scores, and the test scores here "
            "are on another scale. Leave it out, or give the test predictions of each fold."
        )
    tried = tuple(_try_extra(name, averaged, policy, copies) for name in extras)
    taken = [one.name for one in tried if one.taken]
    folds = [_without(blends, fold) for fold in members.folds.tolist()]
    return Solved(
        method=method,
        combination=blends.fits.combination(method),
        policy=policy,
        transfer=blends.transfers[method],
        sample=sample,
        averaged=averaged,
        test=test,
        oof_cuts=cuts,
        cuts=carry(blends.transfers[method], cuts, averaged, test),
        estimate=estimate(
            members.labels,
            members.group,
            folds,
            policies,
            fitted_score(sample, cuts if averaged is sample else policy.fit(sample)),
            test_rows,
            taken,
            copies if "copies" in taken else None,
        ),
        finish=learn_finish(taken, averaged, cuts),
        extras=tried,
        methods=tuple(blends.judged()),
        policies=judged,
        alone=tuple(
            _alone(members, tests, transfer, model, policy, test_rows)
            for model in range(len(members.probs))
        ),
    )


def _try_extra(
    name: str, sample: Sample, policy: Policy, copies: NDArray[np.int64] | None
) -> JudgedExtra:
    """Hold decisions with an extra, learned without each fold, against those without it."""
    without, with_it = np.zeros_like(sample.labels), np.zeros_like(sample.labels)
    for fold in leave_each_out(sample, sample):
        cuts = policy.fit(fold.others)
        without[fold.inside] = decide(fold.rows.probs, cuts)
        finish = learn_finish([name], fold.others, cuts)
        with_it[fold.inside] = finish.decide(fold.rows.probs, cuts)
    if name == "copies":
        assert copies is not None
        with_it = copy_labels(with_it, sample.labels, copies)
    both = [Counts.of(sample.labels, one, sample.group) for one in (without, with_it)]
    gain = float(both[1].f1().mean() - both[0].f1().mean())
    return JudgedExtra(name, gain, standard_error(both[0], both[1]))


def _alone(
    members: Members, tests: Tests, transfer: str, model: int, policy: Policy, test_rows: int
) -> Alone:
    """Fit and estimate one model by itself, under the policy of the blend."""
    one = replace(members, probs=members.probs[[model]])
    blends = Blends(one, [test[[model]] for test in tests], ["logit-mean"], transfer)
    sample = blends.fits.sample("logit-mean")
    averaged = blends.averaged("logit-mean", sample)
    worth = estimate(
        members.labels,
        members.group,
        leave_each_out(sample, averaged),
        [policy],
        fitted_score(sample, policy.fit(sample)),
        test_rows,
    )
    carried = carry(
        blends.transfers["logit-mean"], policy.fit(averaged), averaged, blends.test("logit-mean")
    )
    return Alone(worth, carried)


def _without(blends: Blends, fold: int) -> Nested:
    """What can be learned without a fold, and the fold itself."""
    out = frozenset({fold})
    members = blends.fits.members
    method = blends.choose(out)
    inside = members.fold == fold
    others = blends.fits.sample(method, out)
    rows = blends.fits.sample(method)
    return Nested(
        inside=inside,
        rows=rows.only(inside),
        others=others,
        averaged=blends.averaged(method, rows).only(inside),
        averaged_others=blends.averaged(method, others),
    )
