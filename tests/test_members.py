"""Members and their combinations: applied by hand, and the same after a way through JSON."""

import json

import numpy as np
import pytest
from kit.ensemble.members import Average, Combination, Members, Stack, combination_from
from kit.ensemble.methods import METHODS, Fits, find_methods, folds_left_out, logit_mean, mean
from numpy.typing import NDArray
from simulation import simulate_members

from kit.core.errors import UserError
from kit.data.predictions import to_logits, to_probs

# Two models, one row, two classes: odds of 9 and 1, and of 1 and 1/4.
PROBS = np.array([[[0.9, 0.5]], [[0.5, 0.2]]], np.float32)


def through_json(combination: Combination, names: tuple[str, ...]) -> Combination:
    text = json.dumps(combination.described(names), allow_nan=False)
    return combination_from(json.loads(text), names)


# Members


def test_a_part_of_the_members_keeps_its_rows_together() -> None:
    members = simulate_members(12, [[[2.0]], [[1.0]]])
    rows = np.arange(12) % 4 == 1
    part = members.only(rows)
    assert part.probs.shape == (2, 3, 3)
    np.testing.assert_array_equal(part.probs, members.probs[:, [1, 5, 9]])
    np.testing.assert_array_equal(part.labels, members.labels[[1, 5, 9]])
    assert part.fold.tolist() == [1, 2, 0]
    assert part.group.tolist() == [1, 5, 9]
    assert part.folds.tolist() == [0, 1, 2]


def test_a_blend_of_the_members_is_a_sample_of_their_rows() -> None:
    members = simulate_members(6, [[[2.0]]])
    sample = members.sample(members.probs[0])
    assert sample.labels is members.labels
    assert sample.fold is members.fold
    assert sample.group is members.group


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


# As text


@pytest.mark.parametrize(
    "combination",
    [
        Average(np.array([0.3, 0.7])),
        Average(np.array([1 / 3, 2 / 3]), in_logits=False),
        Stack(np.array([[0.1, 0.2], [0.3, 1 / 3]]), np.zeros((2, 2)), np.array([0.0, -1 / 7])),
        Stack(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[0.0, 0.1], [0.0, 0.2]]), np.ones(2)),
    ],
    ids=["logits", "probabilities", "stack", "cross-stack"],
)
def test_a_combination_reads_back_as_it_was_described(combination: Combination) -> None:
    probs = np.random.default_rng(0).random((2, 9, 2)).astype(np.float32)
    back = through_json(combination, ("one", "two"))
    assert type(back) is type(combination)
    np.testing.assert_array_equal(back.apply(probs), combination.apply(probs))


def test_weights_follow_their_models_and_not_their_order() -> None:
    described = Average(np.array([0.25, 0.75])).described(("one", "two"))
    assert described == {"mean of": "logits", "weights": {"one": 0.25, "two": 0.75}}
    back = combination_from(described, ("two", "one"))
    assert isinstance(back, Average)
    assert back.weights.tolist() == [0.75, 0.25]


def test_a_weight_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Average(np.array([0.25, 0.75])).described(("one",))


# Methods


@pytest.mark.parametrize("name", METHODS)
def test_every_method_fits_and_blends_to_probabilities(name: str) -> None:
    members = simulate_members(90, [[[2.0]], [[1.0]]])
    labels = members.labels.copy()
    labels[:, 1] = 0
    members = Members(labels, members.probs, members.fold, members.group)
    made = METHODS[name](members)
    blended = made.apply(members.probs)
    assert (blended.dtype, blended.shape) == (np.float32, (90, 3))
    assert ((blended >= 0) & (blended <= 1)).all()
    again = through_json(METHODS[name](members), ("one", "two"))
    np.testing.assert_array_equal(again.apply(members.probs), blended)


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
        return Stack(np.zeros((3, 1)), np.zeros((3, 3)), np.full(3, told))

    monkeypatch.setitem(METHODS, "by folds", by_folds)
    found = held_out_weights(simulate_members(30, [[[2.0]]]), frozenset(without))
    assert found == {fold: [value] for fold, value in expected.items()}


def test_blended_rows_stay_in_their_order() -> None:
    members = simulate_members(31, [[[2.0]], [[1.0]]])
    expected: NDArray[np.float32] = logit_mean(members).apply(members.probs)
    sample = Fits(members).sample("logit-mean")
    np.testing.assert_array_equal(sample.probs, expected)
    np.testing.assert_array_equal(sample.labels, members.labels)
