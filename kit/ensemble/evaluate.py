"""Score choices on rows they were not made on: cross-fitting, nesting, the estimate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import decide
from kit.competitions.metrics import macro_f1
from kit.core.parallel import on_all_cores
from kit.core.progress import SILENT, Reporter
from kit.ensemble.interval import Counts, Interval, prediction_interval, standard_error
from kit.ensemble.postprocess import TwinLabels, learn
from kit.ensemble.thresholds import Policy
from kit.scores.oof import Rows, Sample

# A class's F1 is unreliable if its CI extends by at least this share of it to either side.
UNRELIABLE = 0.5


@dataclass(frozen=True)
class HonestScore:
    """Three macro-F1 scores and an interval, always reported together.

    `fitted`: thresholds fitted on all rows, scored on the same rows; optimistic. `cross_fitted`:
    every choice and fit on the other folds, scored on the held-out one. `expected`: the same,
    corrected for a test set of `test_rows` rows, and for averaging over the fold models if the test
    predictions are. `interval`: the 95% CI of that set's score. `at_least`: by how much averaging
    improves the test scores is unknown, so the score may be higher than all of these.
    """

    fitted: float
    cross_fitted: float
    expected: float
    interval: tuple[float, float]
    test_rows: int
    at_least: bool = False

    @property
    def gap(self) -> float:
        """Expected minus cross-fitted score: the effect of averaging and of the test set's size."""
        return self.expected - self.cross_fitted


@dataclass(frozen=True)
class ClassScore:
    """One class: its number of positives, its expected F1, and the 95% CI on the test set."""

    positives: int
    f1: float
    interval: tuple[float, float]

    @property
    def unreliable(self) -> bool:
        """Whether the CI is too wide for the F1 to support any conclusion."""
        low, high = self.interval
        return max(self.f1 - low, high - self.f1) >= UNRELIABLE * self.f1


# Comparing candidates


@dataclass(frozen=True)
class Judged:
    """A policy and its macro-F1: fitted on all rows, and held out.

    `decisions` are the held-out labels, uint8 (rows, classes).
    """

    policy: Policy
    fitted: float
    held_out: float
    decisions: NDArray[np.uint8]


def cross_fit(sample: Sample, choose: Callable[[Sample], Policy]) -> NDArray[np.uint8]:
    """Label each fold with the policy chosen, and the thresholds fitted, on the other folds."""
    decisions = np.zeros_like(sample.labels)
    for fold in sample.folds:
        inside = sample.fold == fold
        others = sample.only(~inside)
        decisions[inside] = decide(sample.probs[inside], choose(others).fit(others))
    return decisions


def judge(sample: Sample, policy: Policy) -> Judged:
    """Score one policy, fitted and held out."""
    fitted = decide(sample.probs, policy.fit(sample))
    decisions = cross_fit(sample, lambda _: policy)
    return Judged(
        policy, macro_f1(sample.labels, fitted), macro_f1(sample.labels, decisions), decisions
    )


def judge_all(
    sample: Sample, policies: Sequence[Policy], reporter: Reporter = SILENT
) -> list[Judged]:
    """Score several policies on the same rows."""
    work = sample.labels.size * len(sample.folds)
    return on_all_cores("trying policies", partial(judge, sample), policies, work, reporter)


def simplest_of_the_best(sample: Sample, judged: Sequence[Judged]) -> Judged:
    """The first candidate within one standard error of the best; pass the simplest first.

    The one-standard-error rule (Breiman et al. 1984), with the standard error of the difference
    between two candidates on the same rows.
    """
    best = max(judged, key=lambda one: one.held_out)
    of_best = Counts.of(sample.labels, best.decisions, sample.group)
    for one in judged:
        counts = Counts.of(sample.labels, one.decisions, sample.group)
        if best.held_out - one.held_out <= standard_error(counts, of_best):
            return one
    return best


def choose_policy(sample: Sample, policies: Sequence[Policy]) -> Policy:
    """The simplest of the best policies on this sample, scored held out.

    With a single fold nothing can be held out, and the first policy is returned.
    """
    if len(policies) == 1 or len(sample.folds) < 2:
        return policies[0]
    return simplest_of_the_best(sample, [judge(sample, policy) for policy in policies]).policy


# Post-processing


@dataclass(frozen=True)
class JudgedStep:
    """A post-processing step: its held-out gain in macro-F1, and the standard error of that."""

    name: str
    gain: float
    error: float

    @property
    def taken(self) -> bool:
        """Whether the step is used: it gains more than one standard error."""
        return self.gain > self.error


def try_steps(
    names: Sequence[str], sample: Sample, policy: Policy, twins: TwinLabels | None
) -> tuple[JudgedStep, ...]:
    """Compare labels with and without each step, learned without each fold and applied to it.

    With a single fold nothing can be held out, and nothing is tried.
    """
    if len(sample.folds) < 2:
        return ()
    return tuple(_try_step(name, sample, policy, twins) for name in names)


def _try_step(name: str, sample: Sample, policy: Policy, twins: TwinLabels | None) -> JudgedStep:
    without, with_it = np.zeros_like(sample.labels), np.zeros_like(sample.labels)
    for fold in sample.folds:
        inside = sample.fold == fold
        others, probs = sample.only(~inside), sample.probs[inside]
        thresholds = policy.fit(others)
        without[inside] = decide(probs, thresholds)
        with_it[inside] = learn([name], others, thresholds).decide(probs, thresholds)
    if name == "copies" and twins is not None:
        with_it = twins.replace(with_it)
    before, after = (Counts.of(sample.labels, one, sample.group) for one in (without, with_it))
    gain = float(after.f1().mean() - before.f1().mean())
    return JudgedStep(name, gain, standard_error(before, after))


# The estimate: every choice repeated without each fold


def fitted_score(
    sample: Sample, policy: Policy, taken: Sequence[str], twins: TwinLabels | None
) -> float:
    """Macro-F1 on the fitting rows, post-processing included."""
    thresholds = policy.fit(sample)
    labels = learn(taken, sample, thresholds).decide(sample.probs, thresholds)
    if twins is not None and "copies" in taken:
        labels = twins.replace(labels)
    return macro_f1(sample.labels, labels)


@dataclass(frozen=True)
class HeldOutFold:
    """One fold of nested cross-fitting: the held-out rows, and the others.

    `inside` marks the held-out rows among all rows. `averaged` and `averaged_others` are the same
    rows as `rows` and `others`, with scores as the mean of all fold models would give them.
    """

    inside: NDArray[np.bool_]
    rows: Sample
    others: Sample
    averaged: Sample
    averaged_others: Sample


@dataclass(frozen=True)
class Choices:
    """What every fold chooses from: policies and post-processing steps, with known twins.

    `twins` is (rows,): for each row another one whose labels it may copy, or -1.
    """

    policies: tuple[Policy, ...]
    steps: tuple[str, ...] = ()
    twins: NDArray[np.int64] | None = None

    def twin_labels(
        self, labels: NDArray[np.uint8], usable: NDArray[np.bool_] | None = None
    ) -> TwinLabels | None:
        """The labels that each row may copy from all rows, or from the `usable` ones.

        `labels` are those of all rows, (rows, classes).
        """
        if self.twins is None:
            return None
        everywhere = np.ones(len(labels), dtype=bool)
        return TwinLabels.of(labels, self.twins, everywhere if usable is None else usable)


@dataclass(frozen=True)
class Estimate:
    """Cross-fitted labels of all rows, uint8 (rows, classes), and the expected test score.

    `labels` come from scores by single models, `averaged` from scores as averaged over the fold
    models.
    """

    labels: NDArray[np.uint8]
    averaged: NDArray[np.uint8]
    counts: Counts
    around: Interval

    def classes(self, rows: Rows) -> tuple[ClassScore, ...]:
        """The score of each class, in column order."""
        positives = rows.labels.sum(axis=0, dtype=np.int64).tolist()
        edges = self.around.by_class.tolist()
        return tuple(
            ClassScore(true, f1, (low, high))
            for true, f1, (low, high) in zip(
                positives, self.counts.f1().tolist(), edges, strict=True
            )
        )


def estimate(
    rows: Rows,
    folds: Sequence[HeldOutFold],
    choices: Choices,
    test_rows: int,
    reporter: Reporter = SILENT,
) -> Estimate:
    """For each fold, choose and fit policy and post-processing on the others, and label the fold.

    `rows` are all rows; `test_rows` is the size of the set that the interval is for.
    """
    labels, averaged = np.zeros_like(rows.labels), np.zeros_like(rows.labels)
    work = rows.labels.size * len(choices.policies)
    decide_one = partial(_decide_fold, rows.labels, choices)
    decided = on_all_cores("estimating the score", decide_one, folds, work, reporter)
    for fold, (by_one, by_mean) in zip(folds, decided, strict=True):
        labels[fold.inside], averaged[fold.inside] = by_one, by_mean
    counts = Counts.of(rows.labels, averaged, rows.group)
    around = prediction_interval(counts, test_rows / len(rows.labels))
    return Estimate(labels, averaged, counts, around)


def _decide_fold(
    labels: NDArray[np.uint8], choices: Choices, fold: HeldOutFold
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels of a fold's rows by the other folds' choices: from single and from averaged scores."""
    policy = choose_policy(fold.averaged_others, choices.policies)
    twins, without = choices.twin_labels(labels), choices.twin_labels(labels, ~fold.inside)
    known = None if without is None else without.only(~fold.inside)
    tried = try_steps(choices.steps, fold.averaged_others, policy, known)
    taken = [one.name for one in tried if one.taken]

    def decided(others: Sample, rows: Sample) -> NDArray[np.uint8]:
        thresholds = policy.fit(others)
        found = learn(taken, others, thresholds).decide(rows.probs, thresholds)
        if twins is not None and "copies" in taken:
            return twins.only(fold.inside).replace(found)
        return found

    averaged = decided(fold.averaged_others, fold.averaged)
    if fold.averaged_others is fold.others:
        return averaged, averaged
    return decided(fold.others, fold.rows), averaged
