"""Ways to combine models: by hand, weights that are shares, stacks that trust whom they should."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter
from simulation import as_members, simulate_members, with_guesses

from kit.competitions.exact import exact_thresholds
from kit.core.errors import UserError
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.combine import (
    METHODS,
    Average,
    Combination,
    Fits,
    Stack,
    combine_test,
    cross_stack,
    find_methods,
    folds_left_out,
    greedy,
    logit_mean,
    mean,
    stack,
    tuned_weights,
)
from kit.ensemble.selection import FastF1
from kit.scores.oof import Members, Unseen

# Two models, one row, two classes: odds of 9 and 1, and of 1 and 1/4.
PROBS = np.array([[[0.9, 0.5]], [[0.5, 0.2]]], np.float32)


def through_json(combination: Combination) -> Combination:
    """A combination as it is read back from a file."""
    adapter: TypeAdapter[Combination] = TypeAdapter(Combination)
    text = json.dumps(adapter.dump_python(combination, mode="json"), allow_nan=False)
    return adapter.validate_python(json.loads(text))


# Averages


def test_a_mean_in_logits_worked_out_by_hand() -> None:
    blended = Average(np.array([0.5, 0.5])).apply(PROBS)
    assert (blended.dtype, blended.shape) == (np.float32, (1, 2))
    np.testing.assert_allclose(blended, [[3 / 4, 1 / 3]], rtol=1e-6)
    blended = Average(np.array([0.75, 0.25])).apply(PROBS)
    odds = 9**0.75
    np.testing.assert_allclose(blended[0, 0], odds / (1 + odds), rtol=1e-6)


def test_a_mean_in_probabilities_worked_out_by_hand() -> None:
    blended = Average(np.array([0.75, 0.25]), in_logits=False).apply(PROBS)
    assert blended.dtype == np.float32
    np.testing.assert_allclose(blended, [[0.8, 0.425]], rtol=1e-6)


def test_the_plain_means_weigh_all_models_the_same() -> None:
    members = simulate_members(5, [[[1.0]]] * 4)
    for method, in_logits in ((mean, False), (logit_mean, True)):
        assert method(members).weights.tolist() == [0.25] * 4
        assert method(members).in_logits is in_logits


# Stacks


def test_a_stack_worked_out_by_hand() -> None:
    stack = Stack(
        own=np.array([[1.0, 0.0], [0.5, 2.0]]),
        across=np.array([[0.0, 0.0], [1.0, 0.0]]),
        intercept=np.array([0.0, -1.0]),
    )
    first = np.log(9)
    means = np.array([np.log(9) + np.log(1), np.log(1) + np.log(0.25)]) / 2
    second = 0.5 * np.log(1) + 2 * np.log(0.25) + means[0] - 1.0
    blended = stack.apply(PROBS)
    assert blended.dtype == np.float32
    np.testing.assert_allclose(blended, to_probs(np.array([[first, second]])), rtol=1e-6)
    alone = replace(stack, across=None).apply(PROBS)
    second -= means[0]
    np.testing.assert_allclose(alone, to_probs(np.array([[first, second]])), rtol=1e-6)


# As text


@pytest.mark.parametrize(
    "combination",
    [
        Average(np.array([0.3, 0.7])),
        Average(np.array([1 / 3, 2 / 3]), in_logits=False),
        Stack(np.array([[0.1, 0.2], [0.3, 1 / 3]]), None, np.array([0.0, -1 / 7])),
        Stack(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[0.0, 0.1], [0.0, 0.2]]), np.ones(2)),
    ],
    ids=["logits", "probabilities", "stack", "cross-stack"],
)
def test_a_combination_reads_back_as_it_was_written(combination: Combination) -> None:
    probs = np.random.default_rng(0).random((2, 9, 2)).astype(np.float32)
    back = through_json(combination)
    assert type(back) is type(combination)
    assert vars(back).keys() == vars(combination).keys()
    np.testing.assert_array_equal(back.apply(probs), combination.apply(probs))


# Methods


@pytest.mark.parametrize("name", METHODS)
def test_every_method_fits_and_blends_to_probabilities(name: str) -> None:
    members = simulate_members(90, [[[2.0]], [[1.0]]])
    labels = members.labels.copy()
    labels[:, 1] = 0
    members = replace(members, labels=labels)
    made = METHODS[name](members)
    blended = made.apply(members.probs)
    assert (blended.dtype, blended.shape) == (np.float32, (90, 3))
    assert ((blended >= 0) & (blended <= 1)).all()
    np.testing.assert_array_equal(METHODS[name](members).apply(members.probs), blended)
    np.testing.assert_array_equal(through_json(made).apply(members.probs), blended)


def test_auto_is_every_method_and_any_other_name_is_one() -> None:
    assert find_methods("auto") == tuple(METHODS)
    assert find_methods("greedy") == ("greedy",)
    with pytest.raises(UserError, match=r"No method 'stak'\. Known: .*Did you mean 'stack'\?"):
        find_methods("stak")


# Fits without folds


def left_out(*folds: list[int]) -> list[frozenset[int]]:
    return [frozenset(one) for one in folds]


def test_each_fold_and_each_pair_is_left_out_once() -> None:
    assert folds_left_out(np.array([0, 1, 4])) == left_out(
        [], [0], [1], [4], [0, 1], [0, 4], [1, 4]
    )
    assert folds_left_out(np.array([0, 1])) == left_out([], [0], [1])


def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """A method called `noting` in place of the plain mean: notes the folds that it is fitted on."""
    fitted: list[list[int]] = []

    def note(members: Members) -> Average:
        fitted.append(members.folds.tolist())
        return logit_mean(members)

    monkeypatch.setitem(METHODS, "noting", note)
    return fitted


def test_what_was_fitted_once_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = counted(monkeypatch)
    fits = Fits(simulate_members(30, [[[2.0]]]))
    wanted = [("noting", out) for out in left_out([], [0], [0, 1], [0])]
    fits.make(wanted)
    assert fitted == [[0, 1, 2], [1, 2], [2]]
    fits.make(wanted)
    fits.sample("noting", frozenset({1}))  # needs the fits without 1 and 0, and without 1 and 2
    assert fitted == [[0, 1, 2], [1, 2], [2], [0]]


def held_out_weights(members: Members, without: frozenset[int]) -> dict[int, list[float]]:
    """For each fold that is left the weights it was blended with: models say what they weigh."""
    fits = Fits(members)
    found = {}
    sample = fits.sample("by folds", without)
    for fold in sample.folds.tolist():
        found[fold] = np.unique(to_logits(sample.probs[sample.fold == fold]).round(3)).tolist()
    return found


@pytest.mark.parametrize(
    ("without", "expected"),
    [([], {0: 6.0, 1: 5.0, 2: 3.0}), ([1], {0: 4.0, 2: 1.0}), ([0, 1], {2: 4.0})],
)
def test_each_fold_is_blended_by_a_fit_that_has_not_seen_it(
    monkeypatch: pytest.MonkeyPatch, without: list[int], expected: dict[int, float]
) -> None:
    def by_folds(members: Members) -> Stack:
        # The intercept tells the folds of the fit: 1 for fold 0, 2 for fold 1, 4 for fold 2.
        told = float((2**members.folds).sum())
        return Stack(np.zeros((3, 1)), None, np.full(3, told))

    monkeypatch.setitem(METHODS, "by folds", by_folds)
    found = held_out_weights(simulate_members(30, [[[2.0]]]), frozenset(without))
    assert found == {fold: [value] for fold, value in expected.items()}


def test_blended_rows_stay_in_their_order() -> None:
    members = simulate_members(31, [[[2.0]], [[1.0]]])
    expected: NDArray[np.float32] = logit_mean(members).apply(members.probs)
    sample = Fits(members).sample("logit-mean")
    np.testing.assert_array_equal(sample.probs, expected)
    np.testing.assert_array_equal(sample.labels, members.labels)


# The test set


def test_the_test_set_is_the_mean_over_folds_in_logits() -> None:
    made = Average(np.array([0.5, 0.5]))
    other = PROBS[:, :, ::-1]
    by_fold = combine_test(made, Unseen(np.array(["row0"], dtype=object), (PROBS, other)))
    # Odds of 3 and 1/2 for each class: their geometric mean.
    expected = np.sqrt(3 / 2) / (1 + np.sqrt(3 / 2))
    assert by_fold.dtype == np.float32
    np.testing.assert_allclose(by_fold, [[expected, expected]], rtol=1e-6)
    once = combine_test(made, Unseen(np.array(["row0"], dtype=object), (PROBS,)))
    np.testing.assert_array_equal(once, made.apply(PROBS))


def test_a_single_model_passes_through_every_mean_bit_for_bit() -> None:
    probs = np.array([[[0.0, 1.0, 0.3], [1e-30, 1 - 1e-7, 0.5]]], np.float32)
    for in_logits in (True, False):
        np.testing.assert_array_equal(Average(np.ones(1), in_logits).apply(probs), probs[0])


# One weight a model

THREE = [[[2.0]], [[1.5]], [[1.5]]]

Search = Callable[[Members], Average]
searches = pytest.mark.parametrize("search", [greedy, tuned_weights])


@searches
@pytest.mark.parametrize("seed", range(3))
def test_weights_are_shares_and_next_to_none_for_a_model_that_guesses(
    search: Search, seed: int
) -> None:
    made = search(with_guesses(simulate_members(600, THREE, seed), model=2))
    assert made.in_logits
    assert (made.weights >= 0).all()
    assert made.weights.sum() == pytest.approx(1)
    assert made.weights[2] < 0.2
    assert made.weights[2] < made.weights[:2].min()


@searches
def test_weights_are_the_same_each_time(search: Search) -> None:
    members = simulate_members(120, THREE)
    np.testing.assert_array_equal(search(members).weights, search(members).weights)


@searches
def test_one_model_has_all_the_weight(search: Search) -> None:
    assert search(simulate_members(60, [[[1.0]]])).weights.tolist() == [1.0]


@searches
def test_the_fitted_score_is_no_worse_than_that_of_equal_weights(search: Search) -> None:
    members = with_guesses(simulate_members(400, THREE), model=1)
    rows = FastF1.of(members)
    searched, equal = rows.scores(np.stack([search(members).weights, np.ones(3)]))
    assert searched > equal


@searches
@pytest.mark.parametrize("rows", [1, 2])
def test_next_to_no_rows_are_enough(search: Search, rows: int) -> None:
    made = search(simulate_members(rows, THREE))
    assert made.weights.sum() == pytest.approx(1)
    assert (made.weights >= 0).all()


@searches
def test_without_any_positive_the_weights_are_still_shares(search: Search) -> None:
    members = simulate_members(40, THREE)
    nothing = replace(members, labels=np.zeros_like(members.labels))
    assert search(nothing).weights.sum() == pytest.approx(1)


def test_rows_of_a_group_are_in_a_bag_together() -> None:
    once = simulate_members(50, THREE)
    rows = np.repeat(np.arange(50), 3)
    grouped = as_members(once.labels[rows], once.probs[:, rows], once.fold[rows], rows)
    np.testing.assert_allclose(greedy(grouped).weights, greedy(once).weights)


# A model a class: stacks

Fit = Callable[[Members], Stack]
stacks = pytest.mark.parametrize("fit", [stack, cross_stack])


def relabelled(members: Members, column: int, value: int) -> Members:
    labels = members.labels.copy()
    labels[:, column] = value
    return replace(members, labels=labels)


@stacks
def test_where_a_fit_starts_changes_nothing(fit: Fit) -> None:
    members = simulate_members(400, THREE)
    fits, name = Fits(members), fit.__name__.replace("_", "-")
    fits.make([(name, frozenset()), (name, frozenset({0}))])
    warm, cold = fits.combination(name, frozenset({0})), fit(members.only(members.fold != 0))
    np.testing.assert_allclose(warm.apply(members.probs), cold.apply(members.probs), atol=1e-6)


@stacks
def test_of_models_that_are_alike_it_ranks_rows_as_the_mean_does(fit: Fit) -> None:
    members = simulate_members(3000, [[[2.0]]] * 3)
    stacked, plain = fit(members).apply(members.probs), logit_mean(members).apply(members.probs)
    for column in range(3):
        alike = np.corrcoef(to_logits(stacked)[:, column], to_logits(plain)[:, column])[0, 1]
        assert alike > 0.99
    f1 = [exact_thresholds(members.labels, probs).f1.mean() for probs in (stacked, plain)]
    assert f1[0] == pytest.approx(f1[1], abs=0.02)


@stacks
def test_it_learns_which_model_knows_which_class(fit: Fit) -> None:
    members = simulate_members(2000, [[[2.0]], [[2.0]]])
    own = fit(with_guesses(with_guesses(members, 1, column=0), 0, column=1)).own
    assert own[0, 0] > 3 * abs(own[0, 1])
    assert own[1, 1] > 3 * abs(own[1, 0])
    assert own[2, 0] == pytest.approx(own[2, 1], rel=0.5)


def test_it_beats_the_mean_on_fresh_rows_where_models_know_different_classes() -> None:
    def draw(seed: int) -> Members:
        members = simulate_members(2000, [[[2.0]], [[2.0]]], seed)
        return with_guesses(with_guesses(members, 1, column=0), 0, column=1)

    made, fresh = stack(draw(seed=0)), draw(seed=1)
    f1 = [
        exact_thresholds(fresh.labels, one.apply(fresh.probs)).f1.mean()
        for one in (made, logit_mean(fresh))
    ]
    assert f1[0] > f1[1] + 0.02


def test_another_class_helps_only_across() -> None:
    members = simulate_members(1500, [[[3.0, 0.5]]], rates=(0.3, 0.3))
    # The second class is the first one: its own scores know less of it than those of the first.
    labels = members.labels[:, [0, 0]]
    same = replace(members, labels=labels)
    assert stack(same).across is None
    across = cross_stack(same).across
    assert across is not None
    assert across[1, 0] > 0.2
    f1 = [
        exact_thresholds(labels, fit(same).apply(same.probs)).f1[1] for fit in (stack, cross_stack)
    ]
    assert f1[1] > f1[0] + 0.1


@stacks
@pytest.mark.parametrize("value", [0, 1])
def test_a_class_that_is_never_or_always_there_keeps_the_mean(fit: Fit, value: int) -> None:
    members = relabelled(simulate_members(120, [[[2.0]], [[1.0]]]), 1, value)
    made = fit(members)
    assert made.own[1].tolist() == [0.5, 0.5]
    assert made.intercept[1] == 0.0
    assert made.across is None or not made.across[1].any()
    blended = made.apply(members.probs)
    expected = logit_mean(members).apply(members.probs)[:, 1]
    np.testing.assert_allclose(blended[:, 1], expected, rtol=1e-6)


@stacks
def test_one_positive_moves_it_little(fit: Fit) -> None:
    members = relabelled(simulate_members(300, [[[2.0]], [[2.0]]]), 0, 0)
    members.labels[7, 0] = 1
    own = fit(members).own[0]
    assert np.abs(own - own.mean()).max() < 0.3


@stacks
def test_one_model_keeps_its_ranking(fit: Fit) -> None:
    members = simulate_members(400, [[[2.0]]], rates=(0.4,))
    blended = fit(members).apply(members.probs)[:, 0]
    order = np.argsort(members.probs[0, :, 0])
    assert (np.diff(blended[order]) >= 0).all()


@stacks
def test_it_is_the_same_each_time(fit: Fit) -> None:
    members = simulate_members(200, [[[2.0]], [[1.0]]])
    first, second = fit(members), fit(members)
    np.testing.assert_array_equal(first.own, second.own)
    assert (first.across is None) == (second.across is None)
    if first.across is not None:
        np.testing.assert_array_equal(first.across, second.across)
    np.testing.assert_array_equal(first.intercept, second.intercept)


@stacks
def test_scores_that_never_change_and_certain_ones_are_handled(fit: Fit) -> None:
    members = simulate_members(60, [[[2.0]], [[1.0]]])
    members.probs[0, :, 0] = 0.5
    members.probs[1, :, 1] = members.labels[:, 1]  # zeros and ones, all right
    made = fit(members)
    for part in (made.own, made.across, made.intercept):
        assert part is None or np.isfinite(part).all()
