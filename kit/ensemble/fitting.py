"""Fit a decision: choose and fit method, policy and post-processing, and estimate the score."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.metrics import macro_f1
from kit.core.errors import UserError, unknown
from kit.core.parallel import on_all_cores
from kit.core.progress import SILENT, Reporter
from kit.ensemble.candidates import Candidates
from kit.ensemble.combine import find_methods
from kit.ensemble.decision import Decision
from kit.ensemble.evaluate import (
    Choices,
    HonestScore,
    estimate,
    fitted_score,
    judge_all,
    simplest_of_the_best,
    try_steps,
)
from kit.ensemble.interval import Counts, Interval, prediction_interval
from kit.ensemble.postprocess import Twins, check_steps, copied, learn
from kit.ensemble.thresholds import find_policies, fit_policy
from kit.ensemble.worth import (
    Alone,
    Candidate,
    Choice,
    Difference,
    LabelCounts,
    PublicScore,
    Suspect,
    Weighed,
    Worth,
)
from kit.scores import Inputs, Transfer, check_transfer, classes_that_disagree, prepare
from kit.scores.oof import Members, Sample, Unseen

_UNLIKE = (
    "The test scores are not distributed like out-of-fold scores, averaged or not: what averaging "
    "over the fold models gains is unknown."
)


@dataclass(frozen=True)
class Options:
    """What to choose from: a method, policy and transfer, or `auto` to choose among all.

    Post-processing `steps` are tried, and used if they gain more than one standard error.
    `test_rows` is the size of the set whose score is estimated; by default the test set's, or that
    of the out-of-fold rows without one. `journal`, a file or a database's URL,
    stores the Optuna studies of the final fit of the policy `tuned`. `public_rows` is the size of
    the part of the test set that is scored before the deadline. Members that know the labels
    too well are left out, unless they are named in `trust`.
    """

    method: str = "auto"
    policy: str = "auto"
    transfer: str = "auto"
    steps: tuple[str, ...] = ()
    test_rows: int | None = None
    journal: Path | str | None = None
    trust: tuple[str, ...] = ()
    public_rows: int | None = None


ALL_AUTO = Options()


@dataclass(frozen=True)
class Fitted:
    """A decision, and its results on the fitting rows.

    `sample` has the out-of-fold rows with combined probabilities. `labels` are their cross-fitted
    labels from scores by single models, `averaged` those from scores as averaged over the fold
    models, both uint8 (rows, classes). `test` has the combined test probabilities, (test rows,
    classes), or None without a test set.
    """

    decision: Decision
    sample: Sample
    labels: NDArray[np.uint8]
    averaged: NDArray[np.uint8]
    test: NDArray[np.float32] | None


def check_options(options: Options) -> None:
    """Raise UserError for an unknown method, policy, transfer or post-processing step."""
    check_steps(options.steps)
    check_transfer(options.transfer)
    find_methods(options.method)
    find_policies(options.policy)
    if options.test_rows is not None and options.test_rows < 1:
        raise UserError(f"test_rows {options.test_rows}: must be at least 1.")


def fit_decision(
    members: Members,
    unseen: Unseen | None = None,
    options: Options = ALL_AUTO,
    twins: Twins | None = None,
    reporter: Reporter = SILENT,
) -> Fitted:
    """Choose a method and a policy, fit both on all rows, and estimate the score by nested folds.

    Without each fold in turn, all choices and fits (method, policy, post-processing, thresholds)
    are repeated and scored on that fold. Members whose out-of-fold scores know the labels better
    than their test scores can are left out. The step `copies` needs `twins`. Raises UserError for
    options that are unknown or that the test set does not allow.
    """
    check_options(options)
    if unseen is not None and len(unseen.by_fold) not in (1, len(members.folds)):
        raise UserError(
            f"Test predictions of {len(unseen.by_fold)} models for {len(members.folds)} folds: "
            "give their average, or one per fold model."
        )
    if strangers := [name for name in options.trust if name not in members.names]:
        raise unknown("member", strangers[0], members.names)
    inputs = prepare(members, unseen, reporter)
    suspects = tuple(
        Suspect(name, head.shift, head.error, name in options.trust)
        for name, head in inputs.odd.items()
    )
    left_out = {one.name for one in suspects if not one.trusted}
    test_rows = options.test_rows or len(members.ids if unseen is None else unseen.ids)
    options = replace(options, test_rows=test_rows)
    fitted = _fit(inputs.without(left_out), options, twins, reporter)
    made = fitted.decision
    alone = _fit_alone(inputs, replace(options, policy=made.chosen.policy), reporter)
    counts = Counts.of(members.labels, fitted.averaged, members.group)
    used = {name: one for name, one in alone.items() if name not in left_out}
    if trusted := [one.name for one in suspects if one.trusted]:
        beside = _fit(inputs.without({*left_out, *trusted}), options, twins, reporter).decision
        suspects = tuple(
            replace(one, without=beside.worth.score) if one.trusted else one for one in suspects
        )
    worth = replace(
        made.worth,
        alone={name: one for name, (one, _) in alone.items()},
        against_best=Difference.to_best(
            made.worth.score, counts, used, test_rows / len(members.ids)
        ),
        suspects=suspects,
        doubts=(*inputs.doubts, *made.worth.doubts),
    )
    return replace(fitted, decision=replace(made, members=members.names, worth=worth))


def _fit(inputs: Inputs, options: Options, twins: Twins | None, reporter: Reporter) -> Fitted:
    """Fit a decision to the members as they are."""
    members, unseen = inputs.members, inputs.unseen
    candidates = Candidates(inputs, options.method, options.transfer)
    candidates.fit(reporter)
    method = candidates.choose(frozenset())
    transfer, test = candidates.transfers[method], candidates.tests[method]
    if "rules" in options.steps and transfer.rescales:
        raise UserError(
            "--postprocess rules: the rules' thresholds are for out-of-fold scores, but the test "
            "scores are on another scale. Omit it, or give each fold's test predictions."
        )
    sample = candidates.fits.sample(method)
    averaged = candidates.averaged(method, sample)
    choices = Choices(
        find_policies(options.policy), options.steps, None if twins is None else twins.train
    )
    judged = judge_all(averaged, choices.policies, reporter) if len(choices.policies) > 1 else []
    policy = simplest_of_the_best(averaged, judged).policy if judged else choices.policies[0]
    thresholds = fit_policy(policy, averaged, options.journal, reporter)
    twin_labels = choices.twin_labels(members.labels)
    tried = try_steps(options.steps, averaged, policy, twin_labels)
    taken = [one.name for one in tried if one.taken]
    postprocess = learn(taken, averaged, thresholds)
    if "copies" in taken and twins is not None and unseen is not None:
        copies = copied(members.labels, members.ids, unseen.ids, twins)
        postprocess = replace(postprocess, copies=copies)
    test_rows = options.test_rows or len(members.ids)
    found = estimate(members, candidates.folds(), choices, test_rows, reporter)
    score = HonestScore(
        fitted=fitted_score(sample, policy, taken, twin_labels),
        cross_fitted=macro_f1(members.labels, found.labels),
        expected=found.around.mean,
        interval=_widened(found.around, sample, transfer),
        test_rows=test_rows,
        at_least=transfer.unlike and transfer.averaging is None,
    )
    carried = thresholds if test is None else transfer.carry(thresholds, averaged, test)
    apart = [] if test is None else classes_that_disagree(thresholds, averaged, carried, test)
    keys = members.class_keys
    decision = Decision(
        members=members.names,
        class_keys=keys,
        chosen=Choice(method, policy.title, transfer.name),
        combination=replace(candidates.fits.combination(method), scales=inputs.scales),
        thresholds=carried,
        oof_thresholds=thresholds,
        postprocess=postprocess,
        worth=Worth(
            score=score,
            classes=dict(zip(keys, found.classes(members), strict=True)),
            alone={},
            against_best=None,
            out_of_fold=LabelCounts.of(postprocess.decide(averaged.probs, thresholds), keys),
            rates_disagree=tuple(keys[column] for column in apart),
            doubts=(_UNLIKE,) if transfer.unlike else (),
            public=_public_score(found.counts, options.public_rows, sample, transfer),
        ),
        weighed=Weighed(
            methods=candidates.described(averaged, test_rows),
            policies=tuple(
                Candidate.of(one.policy.title, averaged, one, test_rows) for one in judged
            ),
            steps=tried,
        ),
    )
    return _on_own_scale(Fitted(decision, sample, found.labels, found.averaged, test), inputs)


def _public_score(
    counts: Counts, rows: int | None, sample: Sample, transfer: Transfer
) -> PublicScore | None:
    """The score to expect on a part of the test set of so many rows."""
    if rows is None:
        return None
    around = prediction_interval(counts, rows / len(sample.ids))
    return PublicScore(rows, around.mean, _widened(around, sample, transfer))


def _widened(around: Interval, sample: Sample, transfer: Transfer) -> tuple[float, float]:
    """The interval of the score, wider where the strength of averaging is uncertain."""
    low, high = around.macro
    ends = [_best_f1(sample, replace(transfer, averaging=one)) for one in transfer.close]
    if not ends:
        return low, high
    middle = around.mean
    chosen = _best_f1(sample, transfer)
    down, up = chosen - min(ends), max(ends) - chosen
    low, high = middle - np.hypot(middle - low, down), middle + np.hypot(high - middle, up)
    return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))


def _best_f1(sample: Sample, transfer: Transfer) -> float:
    return float(transfer.averaged(sample).ranked.exact().f1.mean())


def _on_own_scale(fitted: Fitted, inputs: Inputs) -> Fitted:
    """With a single member, thresholds and scores are on the scale of its own scores."""
    scale = inputs.scales[0] if len(inputs.scales) == 1 else None
    if scale is None:
        return fitted
    made, sample = fitted.decision, fitted.sample
    thresholds, for_oof = (scale.back(one) for one in (made.thresholds, made.oof_thresholds))
    decision = replace(made, thresholds=thresholds, oof_thresholds=for_oof)
    sample = sample.with_probs(scale.back(sample.probs).astype(np.float32))
    test = None if fitted.test is None else scale.back(fitted.test).astype(np.float32)
    return replace(fitted, decision=decision, sample=sample, test=test)


def _fit_alone(
    inputs: Inputs, options: Options, reporter: Reporter
) -> dict[str, tuple[Alone, Counts]]:
    """Each member as its own decision, without post-processing; empty for a single member."""
    members = inputs.members
    if len(members.names) == 1:
        return {}
    options = replace(options, method="auto", steps=(), journal=None, public_rows=None)
    jobs = [inputs.one(one) for one in range(len(members.names))]
    work = members.labels.size * len(members.folds)
    fit = partial(_alone, options)
    fitted = on_all_cores("fitting each member alone", fit, jobs, work, reporter)
    return dict(zip(members.names, fitted, strict=True))


def _alone(options: Options, inputs: Inputs) -> tuple[Alone, Counts]:
    fitted = _fit(inputs, options, None, SILENT)
    made, members = fitted.decision, inputs.members
    counts = Counts.of(members.labels, fitted.averaged, members.group)
    return Alone(made.worth.score, made.thresholds), counts
