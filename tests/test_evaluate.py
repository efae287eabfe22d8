"""Cross-fitting and the estimate: by hand, blind to the fold held out, the simplest of a tie."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from simulation import as_sample, simulate

from kit.competitions.metrics import macro_f1
from kit.ensemble.evaluate import (
    Choices,
    HeldOutFold,
    Judged,
    choose_policy,
    cross_fit,
    estimate,
    judge,
    judge_all,
    simplest_of_the_best,
    try_steps,
)
from kit.ensemble.postprocess import TwinLabels, learn
from kit.ensemble.thresholds import Policy, Thresholds, find_policy
from kit.scores.oof import Sample

# Fold 0 alone would have the threshold 0.75, fold 1 alone 0.45.
LABELS = np.array([[1], [0], [1], [1], [0]], np.uint8)
PROBS = np.array([[0.9], [0.6], [0.8], [0.7], [0.2]], np.float32)
SAMPLE = as_sample(LABELS, PROBS, np.array([0, 0, 1, 1, 1]), np.arange(5))
EXACT = find_policy("exact")


# Cross-fitting


def test_decisions_worked_out_by_hand() -> None:
    assert cross_fit(SAMPLE, lambda _: EXACT).ravel().tolist() == [1, 1, 1, 0, 0]


def test_both_scores_worked_out_by_hand() -> None:
    judged = judge(SAMPLE, EXACT)
    assert judged.fitted == 1.0
    assert judged.held_out == pytest.approx(2 * 2 / (3 + 3))
    assert judged.decisions.ravel().tolist() == [1, 1, 1, 0, 0]
    assert judged.policy is EXACT


def test_a_policy_is_chosen_and_fitted_on_the_other_folds_alone() -> None:
    chosen_on: list[list[int]] = []
    fitted_on: list[list[int]] = []

    def fit(sample: Sample) -> Thresholds:
        fitted_on.append(sample.folds.tolist())
        return np.full(1, 0.5)

    def choose(sample: Sample) -> Policy:
        chosen_on.append(sample.folds.tolist())
        return Policy("noting", fit)

    cross_fit(replace(SAMPLE, fold=np.array([0, 2, 1, 1, 2])), choose)
    assert chosen_on == fitted_on == [[1, 2], [0, 2], [0, 1]]


def test_several_policies_are_judged_in_their_order() -> None:
    policies = [find_policy("fixed=0.65"), EXACT]
    for judged, policy in zip(judge_all(SAMPLE, policies), policies, strict=True):
        assert judged.policy is policy
        np.testing.assert_array_equal(judged.decisions, judge(SAMPLE, policy).decisions)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2),
    st.sampled_from(["calibrated", "fold-mean", "split-mean", "shrunk", "exact", "constant"]),
)
def test_decisions_on_a_fold_never_see_its_labels(seed: int, fold: int, title: str) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (12, 2), dtype=np.uint8)
    sample = as_sample(labels, rng.random((12, 2), np.float32), np.arange(12) % 3, np.arange(12))
    inside = sample.fold == fold
    other = labels.copy()
    other[inside] = rng.integers(0, 2, other[inside].shape)
    changed = replace(sample, labels=other)
    policies = [find_policy("fixed=0.5"), find_policy(title)]
    for choose in (lambda _: policies[1], lambda others: choose_policy(others, policies)):
        before, after = (cross_fit(one, choose)[inside] for one in (sample, changed))
        np.testing.assert_array_equal(before, after)


def test_noise_is_worth_less_cross_fitted_than_fitted() -> None:
    noise = np.random.default_rng(0).random((200, 3), np.float32)
    judged = judge(simulate(200, rates=(0.1, 0.1, 0.1)).with_probs(noise), EXACT)
    assert judged.held_out < judged.fitted


# Choosing


def having_errors(labels: NDArray[np.uint8], rows: range) -> Judged:
    """A candidate that is right on all rows but these."""
    decisions = labels.copy()
    decisions[rows] ^= 1
    score = macro_f1(labels, decisions)
    return Judged(find_policy(f"shrunk={len(rows)}"), score, score, decisions)


@pytest.mark.parametrize(
    ("errors", "taken"),
    [
        ((9, 8), 0),  # as good as the best, and simpler
        ((8, 9), 0),
        ((40, 8), 1),  # clearly worse
        ((40, 9, 8), 1),
        ((8,), 0),
    ],
)
def test_of_those_that_tie_with_the_best_the_first_is_taken(
    errors: tuple[int, ...], taken: int
) -> None:
    labels = (np.arange(200) % 2).astype(np.uint8)[:, None]
    sample = as_sample(labels, labels.astype(np.float32), np.arange(200) % 2, np.arange(200))
    starts = np.cumsum([0, *errors]).tolist()
    judged = [
        having_errors(labels, range(start, start + count))
        for start, count in zip(starts, errors, strict=False)
    ]
    assert simplest_of_the_best(sample, judged) is judged[taken]


def test_rows_that_go_together_make_a_tie_of_what_rows_alone_tell_apart() -> None:
    labels = np.ones((200, 1), np.uint8)
    alone = as_sample(labels, labels.astype(np.float32), np.arange(200) % 2, np.arange(200))
    together = replace(alone, group=np.arange(200) // 20)
    # All errors of the first are in one group of twenty rows, all of the second in another.
    judged = [having_errors(labels, range(20)), having_errors(labels, range(100, 112))]
    assert simplest_of_the_best(alone, judged) is judged[1]
    assert simplest_of_the_best(together, judged) is judged[0]


def test_one_policy_is_not_tried_at_all() -> None:
    def fit(sample: Sample) -> Thresholds:
        raise AssertionError("tried")

    only = Policy("only", fit)
    assert choose_policy(SAMPLE, [only]) is only
    one_fold = replace(SAMPLE, fold=np.zeros(5, np.int64))
    assert choose_policy(one_fold, [only, EXACT]) is only


def test_a_policy_that_wins_clearly_is_chosen_wherever_it_stands() -> None:
    sample = simulate(600)
    good, bad = find_policy("fold-mean"), find_policy("fixed=0.99")
    assert choose_policy(sample, [bad, good]) is good
    assert choose_policy(sample, [good, bad]) is good


# Post-processing, chosen without the fold that it is scored on

HALF = find_policy("fixed=0.5")


def held_out(sample: Sample) -> list[HeldOutFold]:
    """Each fold of scores to which nothing but thresholds is fitted."""
    folds = []
    for fold in sample.folds:
        inside = sample.fold == fold
        rows, others = sample.only(inside), sample.only(~inside)
        folds.append(HeldOutFold(inside, rows, others, rows, others))
    return folds


def chosen_on_all(sample: Sample, step: str) -> NDArray[np.uint8]:
    """Labels by a step chosen on all folds at once, and learned without each: optimistic."""
    (trial,) = try_steps([step], sample, HALF, None)
    labels = np.zeros_like(sample.labels)
    for fold in held_out(sample):
        thresholds = HALF.fit(fold.others)
        steps = learn([step] if trial.taken else [], fold.others, thresholds)
        labels[fold.inside] = steps.decide(fold.rows.probs, thresholds)
    return labels


def test_a_step_that_gains_in_one_fold_alone_gains_nothing_there() -> None:
    # In each fold twenty rows are clear. Forty more, left empty, have the label in fold 0; ten
    # more, left empty, do not have it in folds 1 and 2.
    empty = np.array([40, 10, 10])
    fold = np.concatenate([np.repeat(np.arange(3), 20), np.repeat(np.arange(3), empty)])
    labels = np.repeat([1, 1, 0], [60, 40, 20]).astype(np.uint8)[:, None]
    probs = np.repeat([0.9, 0.2], [60, 60]).astype(np.float32)[:, None]
    sample = as_sample(labels, probs, fold, np.arange(120))
    (trial,) = try_steps(["fill"], sample, HALF, None)
    assert trial.gain == pytest.approx(200 / 220 - 120 / 160)
    assert trial.taken
    assert macro_f1(labels, chosen_on_all(sample, "fill")) == pytest.approx(200 / 220)
    # Fold 0 is not filled, for the others lose by it; they are, for fold 0 gains by it.
    found = estimate(sample, held_out(sample), Choices((HALF,), ("fill",)), 120)
    assert found.averaged[fold == 0].ravel().tolist() == [1] * 20 + [0] * 40
    assert found.averaged[fold != 0].all()
    np.testing.assert_array_equal(found.labels, found.averaged)
    assert found.counts.f1().tolist() == [pytest.approx(2 * 60 / (80 + 100))]


def test_a_step_that_gains_by_chance_is_not_expected_to_gain() -> None:
    by_choice, nested = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        clear = np.arange(90) % 2 == 0
        # Filling a row changes F1 by nothing on average where it is right as often as F1 / 2.
        labels = (clear | (rng.random(90) < 0.413)).astype(np.uint8)[:, None]
        probs = np.where(clear, 0.9, 0.2).astype(np.float32)[:, None]
        sample = as_sample(labels, probs, rng.permutation(90) % 3, np.arange(90))
        without = macro_f1(labels, clear[:, None].astype(np.uint8))
        found = estimate(sample, held_out(sample), Choices((HALF,), ("fill",)), 90)
        by_choice.append(macro_f1(labels, chosen_on_all(sample, "fill")) - without)
        nested.append(macro_f1(labels, found.averaged) - without)
    assert np.mean(by_choice) > 0.005
    assert np.mean(nested) < 0.001


def test_a_step_is_tried_on_rows_held_out_and_of_one_fold_not_at_all() -> None:
    sample = replace(SAMPLE, fold=np.zeros(5, np.int64))
    assert try_steps(["fill", "rules"], sample, HALF, None) == ()
    trials = try_steps(["fill", "rules"], SAMPLE, HALF, None)
    assert [(one.name, one.taken) for one in trials] == [("fill", False), ("rules", False)]


def copied_world() -> tuple[Sample, NDArray[np.int64]]:
    """Scores that know nothing, and twins: of folds 1 and 2 in fold 0, and of fold 0 in fold 1."""
    rng = np.random.default_rng(0)
    fold = np.repeat(np.arange(3), 40)
    labels = np.tile((rng.random((40, 2)) < 0.5).astype(np.uint8), (3, 1))
    probs = rng.random((120, 2), np.float32)
    twins = np.tile(np.arange(40), 3)
    twins[:40] += 40
    return as_sample(labels, probs, fold, np.arange(120)), twins


def test_a_twin_in_the_fold_held_out_does_not_help_to_choose() -> None:
    sample, twins = copied_world()
    choices = Choices((HALF,), ("copies",), twins)
    found = estimate(sample, held_out(sample), choices, 120).averaged
    # Without fold 0 no row has a twin, and copying is not taken, right as it would be.
    np.testing.assert_array_equal(found[:40], sample.probs[:40] >= 0.5)
    assert (found[:40] != sample.labels[:40]).any()
    # Without fold 1, or 2, the other one's twins in fold 0 show that it pays.
    np.testing.assert_array_equal(found[40:], sample.labels[40:])
    everywhere = TwinLabels.of(sample.labels, twins, np.ones(120, bool))
    (trial,) = try_steps(["copies"], sample, HALF, everywhere)
    assert trial.taken


def test_decisions_on_a_fold_never_see_its_labels_through_twins() -> None:
    sample, twins = copied_world()
    choices = Choices((HALF,), ("copies",), twins)
    labels = sample.labels.copy()
    labels[:40] ^= 1
    changed = replace(sample, labels=labels)
    before, after = (
        estimate(one, held_out(one), choices, 120).averaged for one in (sample, changed)
    )
    np.testing.assert_array_equal(before[:40], after[:40])
    assert (before[40:] != after[40:]).any()
