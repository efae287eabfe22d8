"""From members to a finished blend: what is chosen, what it is worth, blind to left-out rows."""

from dataclasses import replace

import numpy as np
import pytest
from kit.ensemble.cuts import rate_thresholds
from kit.ensemble.members import Average, Members, Tests, blended_test
from kit.ensemble.methods import METHODS
from kit.ensemble.policies import find_policy
from kit.ensemble.solve import Solved, solve
from numpy.typing import ArrayLike, NDArray
from simulation import simulate_members, with_guesses

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import macro_f1
from kit.core.errors import UserError
from kit.data.predictions import to_logits, to_probs

TWO = [[[2.0]], [[1.5]]]
EXACT = (find_policy("exact"),)
SEVERAL = (find_policy("fold-mean"), find_policy("exact"), find_policy("fixed=0.5"))


def as_tests(members: Members, folds: int, own: float = 0.3, seed: int = 9) -> Tests:
    """The scores of these rows by the models of each fold, which differ by noise of their own."""
    rng = np.random.default_rng(seed)
    logits = to_logits(members.probs)
    return [to_probs(logits + rng.normal(0, own, logits.shape)) for _ in range(folds)]


def averaged_tests(rows: int = 80, strength: ArrayLike = TWO) -> Tests:
    """One set of test predictions, averaged by whoever made it."""
    return [simulate_members(rows, strength, seed=99).probs]


def decisions(solved: Solved) -> NDArray[np.float64]:
    """The nested decisions on every training row, each its own group."""
    return np.split(solved.estimate.counts.by_group, 3, axis=1)[1]


# The whole


def test_a_blend_is_solved_from_end_to_end() -> None:
    members = simulate_members(240, TWO)
    tests = as_tests(simulate_members(100, TWO, seed=1), folds=3)
    solved = solve(members, tests, ("logit-mean", "mean", "stack"), SEVERAL, test_rows=70)
    assert solved.method in ("logit-mean", "mean", "stack")
    assert solved.policy.title in ("fold-mean", "exact", "fixed=0.5")
    assert solved.transfer == "averaged"
    assert [name for name, _ in solved.methods] == ["logit-mean", "mean", "stack"]
    assert [one.policy.title for one in solved.policies] == ["fold-mean", "exact", "fixed=0.5"]
    assert solved.test.shape == (100, 3)
    assert solved.test.dtype == np.float32
    np.testing.assert_array_equal(solved.test, blended_test(solved.combination, tests))
    np.testing.assert_array_equal(solved.cuts, solved.policy.fit(solved.averaged))
    score = solved.estimate.score
    assert score.test_rows == 70
    assert score.interval[0] < score.expected < score.interval[1]
    fitted = decide(solved.sample.probs, solved.policy.fit(solved.sample))
    assert score.fitted == macro_f1(members.labels, fitted)
    assert [one.positives for one in solved.estimate.classes] == members.labels.sum(0).tolist()
    assert len(solved.alone) == 2
    for one in solved.alone:
        assert one.cuts.shape == (3,)
        assert one.estimate.score.test_rows == 70


def test_it_is_the_same_each_time() -> None:
    members, tests = simulate_members(90, TWO), averaged_tests()
    first, second = (solve(members, tests, ("logit-mean", "greedy"), SEVERAL, 80) for _ in range(2))
    assert first.estimate.score == second.estimate.score
    assert (first.method, first.policy.title) == (second.method, second.policy.title)
    np.testing.assert_array_equal(first.cuts, second.cuts)
    np.testing.assert_array_equal(first.test, second.test)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_asked_for_alone(method: str) -> None:
    solved = solve(simulate_members(90, TWO), averaged_tests(), (method,), EXACT, 80)
    assert solved.method == method
    assert [name for name, _ in solved.methods] == [method]
    assert 0.5 < solved.estimate.score.expected <= 1


def test_a_method_that_knows_whom_to_trust_is_chosen_over_the_mean() -> None:
    def draw(seed: int) -> Members:
        members = simulate_members(600, [[[2.5]], [[2.5]]], seed)
        return with_guesses(with_guesses(members, 1, column=0), 0, column=1)

    solved = solve(draw(0), [draw(1).probs], ("logit-mean", "stack"), EXACT, 600)
    assert solved.method == "stack"
    judged = dict(solved.methods)
    assert judged["stack"].cross_fitted > judged["logit-mean"].cross_fitted + 0.05


def test_of_models_that_are_alike_the_plain_mean_is_taken() -> None:
    solved = solve(simulate_members(300, TWO), averaged_tests(), ("logit-mean", "stack"), EXACT, 80)
    assert solved.method == "logit-mean"
    assert isinstance(solved.combination, Average)


# Small and awkward


@pytest.mark.parametrize("method", METHODS)
def test_one_model_is_enough(method: str) -> None:
    one = [[[2.0]]]
    solved = solve(simulate_members(90, one), averaged_tests(strength=one), (method,), EXACT, 80)
    blend, alone = solved.estimate.score, solved.alone[0].estimate.score
    if method in ("logit-mean", "greedy", "weights"):
        assert blend == alone
    assert alone.cross_fitted > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_two_folds_are_enough(method: str) -> None:
    members = simulate_members(80, TWO, folds=2)
    tests = as_tests(simulate_members(40, TWO, seed=1), folds=2)
    solved = solve(members, tests, ("logit-mean", method), SEVERAL, 40)
    assert len(solved.sample.folds) == 2
    assert 0.3 < solved.estimate.score.expected <= 1


@pytest.mark.parametrize("method", METHODS)
def test_classes_with_positives_in_few_folds_or_none_are_borne(method: str) -> None:
    members = simulate_members(90, TWO, rates=(0.5, 0.25, 0.3, 0.3))
    labels = members.labels.copy()
    labels[members.fold != 1, 1] = 0
    labels[:, 2] = 0
    labels[:, 3] = np.arange(90) == 4
    members = replace(members, labels=labels)
    tests = as_tests(members, folds=3)
    solved = solve(members, tests, (method,), SEVERAL[:2], 90)
    assert solved.cuts[2] == NEVER
    assert np.isfinite(solved.cuts).all()
    assert [one.positives for one in solved.estimate.classes][2:] == [0, 1]
    assert solved.estimate.classes[2].f1 == 0.0
    assert solved.estimate.classes[2].noisy
    assert np.isfinite(solved.test).all()


@pytest.mark.parametrize("transfer", ["auto", "averaged", "thresholds", "rates"])
def test_one_test_row_is_enough(transfer: str) -> None:
    members = simulate_members(60, TWO)
    tests = as_tests(simulate_members(1, TWO, seed=1), folds=3)
    solved = solve(members, tests, ("logit-mean",), EXACT, 1, transfer)
    assert solved.test.shape == (1, 3)
    assert np.isfinite(solved.cuts).all()
    low, high = solved.estimate.score.interval
    assert 0 <= low <= high <= 1


def test_rows_of_a_group_widen_the_interval() -> None:
    once = simulate_members(60, TWO)
    rows = np.repeat(np.arange(60), 4)
    members = Members(once.labels[rows], once.probs[:, rows], once.fold[rows], rows)
    apart = replace(members, group=np.arange(240))
    widths = []
    for one in (members, apart):
        fixed = (find_policy("fixed=0.5"),)
        low, high = solve(one, averaged_tests(), ("mean",), fixed, 240).estimate.score.interval
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1]


# Test predictions


@pytest.mark.parametrize("transfer", ["thresholds", "rates"])
def test_without_averaging_what_is_expected_is_what_was_cross_fitted(transfer: str) -> None:
    members = simulate_members(400, TWO)
    tests = as_tests(simulate_members(50, TWO, seed=1), folds=3)
    found = solve(members, tests, ("mean",), SEVERAL, 400, transfer).estimate
    assert found.counts.f1().mean() == pytest.approx(found.score.cross_fitted)
    assert found.score.expected == pytest.approx(found.score.cross_fitted, abs=0.01)
    assert found.score.gap == found.score.expected - found.score.cross_fitted


def test_averaging_fold_models_is_expected_to_gain() -> None:
    members = simulate_members(900, [[[1.5]]])
    tests = as_tests(simulate_members(400, [[[1.5]]], seed=1), folds=3, own=1.2)
    solved = solve(members, tests, ("logit-mean",), EXACT, 400)
    assert solved.transfer == "averaged"
    assert solved.estimate.score.gap > 0.02
    assert solved.averaged.probs is not solved.sample.probs


def test_fold_models_that_agree_change_nothing() -> None:
    members = simulate_members(150, TWO)
    test = simulate_members(60, TWO, seed=1).probs
    by_fold = solve(members, [test] * 3, ("logit-mean",), SEVERAL, 60)
    once = solve(members, [test], ("logit-mean",), SEVERAL, 60, "thresholds")
    assert by_fold.transfer == "averaged"
    np.testing.assert_allclose(by_fold.test, once.test, rtol=1e-5)
    np.testing.assert_allclose(by_fold.cuts, once.cuts, rtol=1e-4)
    assert by_fold.estimate.score.expected == pytest.approx(once.estimate.score.expected)


def test_narrower_test_scores_are_cut_at_the_same_rates() -> None:
    members = simulate_members(600, TWO)
    logits = to_logits(simulate_members(500, TWO, seed=1).probs)
    narrow = to_probs(logits.mean(axis=1, keepdims=True) * 0.4 + logits * 0.6)
    solved = solve(members, [narrow], ("logit-mean",), EXACT, 500)
    assert solved.transfer == "rates"
    out_of_fold = EXACT[0].fit(solved.averaged)
    rates = decide(solved.sample.probs, out_of_fold).mean(axis=0)
    np.testing.assert_array_equal(solved.cuts, rate_thresholds(solved.test, rates))


def test_what_is_averaged_already_cannot_be_averaged() -> None:
    with pytest.raises(UserError, match="averaged already"):
        solve(simulate_members(60, TWO), averaged_tests(), ("mean",), EXACT, 80, "averaged")


# Honest


@pytest.mark.parametrize("fold", range(3))
def test_decisions_on_a_fold_never_see_its_labels(fold: int) -> None:
    members = simulate_members(90, TWO)
    inside = members.fold == fold
    labels = members.labels.copy()
    labels[inside] = np.random.default_rng(fold).integers(0, 2, labels[inside].shape)
    changed = replace(members, labels=labels)
    methods = ("logit-mean", "greedy", "stack", "cross-stack")
    before, after = (
        decisions(solve(one, averaged_tests(), methods, SEVERAL, 80, "thresholds"))
        for one in (members, changed)
    )
    np.testing.assert_array_equal(before[inside], after[inside])
    assert (before[~inside] != after[~inside]).any()  # the others are fitted on them


def test_noise_is_worth_no_more_than_noise() -> None:
    members = simulate_members(150, TWO)
    for model in (0, 1):
        members = with_guesses(members, model)
    # Ten more models that guess: there is much to fit, and nothing to learn.
    more = np.stack([np.roll(members.probs[0], 11 * shift, axis=0) for shift in range(2, 12)])
    members = replace(members, probs=np.concatenate([members.probs, more]))
    solved = solve(members, [members.probs], ("greedy",), EXACT, 150)
    guess = 2 * members.labels.mean(axis=0) / (1 + members.labels.mean(axis=0))  # all rows on
    score = solved.estimate.score
    assert score.fitted > guess.mean() + 0.02
    assert score.cross_fitted < guess.mean() + 0.02


def test_the_estimate_foretells_the_score_of_fresh_rows() -> None:
    inside, missed = 0, []
    for seed in range(12):
        members = simulate_members(200, TWO, seed)
        fresh = simulate_members(200, TWO, seed + 100)
        solved = solve(members, [fresh.probs], ("logit-mean", "mean"), SEVERAL, 200, "thresholds")
        got = macro_f1(fresh.labels, decide(solved.test, solved.cuts))
        low, high = solved.estimate.score.interval
        inside += low <= got <= high
        missed.append(got - solved.estimate.score.expected)
    assert inside >= 10
    assert abs(np.mean(missed)) < 0.03
