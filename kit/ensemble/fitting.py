"""Fit a decision: choose and fit method, policy and post-processing, and estimate the score."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.metrics import macro_f1
from kit.core.errors import UserError
from kit.core.parallel import on_all_cores
from kit.core.progress import SILENT, Reporter
from kit.ensemble.averaging import (
    carry,
    check_transfer,
    choose_transfer,
    classes_that_disagree,
    own_noise,
    sample_as_averaged,
)
from kit.ensemble.combine import Fits, combine_test, find_methods, folds_left_out
from kit.ensemble.decision import (
    Alone,
    Candidate,
    Choice,
    Decision,
    Difference,
    LabelCounts,
    Weighed,
    Worth,
)
from kit.ensemble.evaluate import (
    Choices,
    HeldOutFold,
    HonestScore,
    Judged,
    estimate,
    fitted_score,
    judge,
    judge_all,
    simplest_of_the_best,
    try_steps,
)
from kit.ensemble.interval import Counts
from kit.ensemble.oof import Members, Sample, Unseen
from kit.ensemble.postprocess import Twins, check_steps, copied, learn
from kit.ensemble.thresholds import find_policies, find_policy, fit_policy

# Methods are compared under the same policy, a stable one.
_TO_COMPARE = find_policy("fold-mean")


@dataclass(frozen=True)
class Options:
    """What to choose from: a method, policy and transfer, or `auto` to choose among all.

    Post-processing `steps` are tried, and used if they gain more than one standard error.
    `test_rows` is the size of the set whose score is estimated; by default the test set's, or that
    of the out-of-fold rows without one. `journal`, a file or a database's URL,
    stores the Optuna studies of the final fit of the policy `tuned`.
    """

    method: str = "auto"
    policy: str = "auto"
    transfer: str = "auto"
    steps: tuple[str, ...] = ()
    test_rows: int | None = None
    journal: Path | str | None = None


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
    are repeated and scored on that fold. The step `copies` needs `twins`. Raises UserError for
    options that are unknown or that the test set does not allow.
    """
    check_options(options)
    if unseen is not None and len(unseen.by_fold) not in (1, len(members.folds)):
        raise UserError(
            f"Test predictions of {len(unseen.by_fold)} models for {len(members.folds)} folds: "
            "give their average, or one per fold model."
        )
    candidates = _Candidates(members, unseen, options)
    candidates.fit(reporter)
    method = candidates.choose(frozenset())
    transfer, test = candidates.transfers[method], candidates.tests[method]
    if "rules" in options.steps and transfer == "rates":
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
    test_rows = options.test_rows or len(members.ids if unseen is None else unseen.ids)
    found = estimate(members, candidates.folds(), choices, test_rows, reporter)
    score = HonestScore(
        fitted=fitted_score(sample, policy, taken, twin_labels),
        cross_fitted=macro_f1(members.labels, found.labels),
        expected=found.around.mean,
        interval=found.around.macro,
        test_rows=test_rows,
    )
    carried = thresholds if test is None else carry(transfer, thresholds, averaged, test)
    keys = members.class_keys
    same = replace(options, policy=policy.title, test_rows=test_rows)
    alone = _fit_alone(members, unseen, same, reporter)
    rows_ratio = test_rows / len(members.ids)
    apart = [] if test is None else classes_that_disagree(thresholds, averaged, carried, test)
    decision = Decision(
        members=members.names,
        class_keys=keys,
        chosen=Choice(method, policy.title, transfer),
        combination=candidates.fits.combination(method),
        thresholds=carried,
        oof_thresholds=thresholds,
        postprocess=postprocess,
        worth=Worth(
            score=score,
            classes=dict(zip(keys, found.classes(members), strict=True)),
            alone={name: one for name, (one, _) in alone.items()},
            against_best=Difference.to_best(score, found.counts, alone, rows_ratio),
            out_of_fold=LabelCounts.of(postprocess.decide(averaged.probs, thresholds), keys),
            rates_disagree=tuple(keys[column] for column in apart),
        ),
        weighed=Weighed(
            methods=candidates.described(averaged, test_rows),
            policies=tuple(
                Candidate.of(one.policy.title, averaged, one, test_rows) for one in judged
            ),
            steps=tried,
        ),
    )
    return Fitted(decision, sample, found.labels, found.averaged, test)


class _Candidates:
    """Several methods on the same members, fitted without each fold and each pair of folds."""

    def __init__(self, members: Members, unseen: Unseen | None, options: Options) -> None:
        methods = find_methods(options.method)
        # With a single member there is nothing to combine.
        alone = len(members.names) == 1 and options.method == "auto"
        self.methods = methods[:1] if alone else methods
        self.fits = Fits(members)
        self.tests: dict[str, NDArray[np.float32] | None] = {}
        self.transfers: dict[str, str] = {}
        self._unseen = unseen
        self._transfer = options.transfer
        self._noise: dict[str, NDArray[np.float64] | None] = {}
        self._judged: dict[frozenset[int], dict[str, Judged]] = {}
        self._models = 0 if unseen is None else len(unseen.by_fold)

    def fit(self, reporter: Reporter) -> None:
        """Fit every method, and choose how its thresholds transfer to the test set."""
        left_out = folds_left_out(self.fits.members.folds)
        self.fits.make([(name, out) for name in self.methods for out in left_out], reporter)
        by_fold = () if self._unseen is None else self._unseen.by_fold
        for name in self.methods:
            made = self.fits.combination(name)
            test = None if self._unseen is None else combine_test(made, self._unseen)
            sample = self.fits.sample(name)
            transfer = choose_transfer(self._transfer, sample, test, self._models)
            self.tests[name], self.transfers[name], self._noise[name] = test, transfer, None
            if transfer == "averaged":
                tests = [made.apply(probs) for probs in by_fold]
                self._noise[name] = own_noise(sample.labels.mean(axis=0), tests)
        self._judge(reporter)

    def averaged(self, name: str, sample: Sample) -> Sample:
        """Out-of-fold rows with scores averaged in the same way as the method's test scores."""
        return sample_as_averaged(sample, self._noise[name], self._models)

    def choose(self, without: frozenset[int]) -> str:
        """The best method on the rows of the other folds."""
        if len(self.methods) == 1 or len(self.fits.members.folds) - len(without) < 2:
            return self.methods[0]
        judged = self._judged[without]
        sample = self.fits.sample(self.methods[0], without)
        best = simplest_of_the_best(sample, list(judged.values()))
        return next(name for name, one in judged.items() if one is best)

    def _judge(self, reporter: Reporter) -> None:
        """Score each method on all rows, and on those of all folds but one, under one policy."""
        if len(self.methods) == 1:
            return
        folds = self.fits.members.folds.tolist()
        outs = [frozenset(), *(frozenset({fold}) for fold in folds if len(folds) > 2)]
        jobs = [(name, out) for out in outs for name in self.methods]
        judge_one = partial(_judge_method, self.fits, self._noise, self._models)
        work = self.fits.members.labels.size * len(folds)
        judged = on_all_cores("comparing methods", judge_one, jobs, work, reporter)
        for (name, out), one in zip(jobs, judged, strict=True):
            self._judged.setdefault(out, {})[name] = one

    def described(self, rows: Sample, test_rows: int) -> tuple[Candidate, ...]:
        """The methods as candidates; none if there was no choice."""
        judged = self._judged.get(frozenset(), {})
        return tuple(Candidate.of(name, rows, one, test_rows) for name, one in judged.items())

    def folds(self) -> list[HeldOutFold]:
        """Every fold, with what is fitted without it."""
        return [self._without(fold) for fold in self.fits.members.folds.tolist()]

    def _without(self, fold: int) -> HeldOutFold:
        """One fold, with what is fitted without it."""
        out = frozenset({fold})
        method = self.choose(out)
        inside = self.fits.members.fold == fold
        rows, others = self.fits.sample(method), self.fits.sample(method, out)
        averaged = self.averaged(method, rows)
        same = len(self.fits.members.names) == 1 and averaged is not rows  # as nothing is fitted
        averaged_others = averaged.only(~inside) if same else self.averaged(method, others)
        return HeldOutFold(
            inside, rows.only(inside), others, averaged.only(inside), averaged_others
        )


def _judge_method(
    fits: Fits,
    noise: Mapping[str, NDArray[np.float64] | None],
    models: int,
    job: tuple[str, frozenset[int]],
) -> Judged:
    name, without = job
    sample = fits.sample(name, without)
    return judge(sample_as_averaged(sample, noise[name], models), _TO_COMPARE)


def _fit_alone(
    members: Members, unseen: Unseen | None, options: Options, reporter: Reporter
) -> dict[str, tuple[Alone, Counts]]:
    """Each member as its own decision, without post-processing; empty for a single member."""
    if len(members.names) == 1:
        return {}
    options = replace(options, method="auto", steps=(), journal=None)
    models = range(len(members.names))
    jobs = [(members.one(one), None if unseen is None else unseen.one(one)) for one in models]
    work = members.labels.size * len(members.folds)
    fit = partial(_alone, options)
    fitted = on_all_cores("fitting each member alone", fit, jobs, work, reporter)
    return dict(zip(members.names, fitted, strict=True))


def _alone(options: Options, one: tuple[Members, Unseen | None]) -> tuple[Alone, Counts]:
    members, unseen = one
    fitted = fit_decision(members, unseen, options)
    made, counts = fitted.decision, Counts.of(members.labels, fitted.averaged, members.group)
    return Alone(made.worth.score, made.thresholds), counts
