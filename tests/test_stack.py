"""The stack: near the mean when models are alike, and trusts each where it knows more."""

from collections.abc import Callable

import numpy as np
import pytest
from kit.ensemble.members import Members, Stack
from kit.ensemble.methods import logit_mean
from kit.ensemble.stack import cross_stack, stack
from simulation import simulate_members, with_guesses

from kit.competitions.exact import exact_thresholds
from kit.data.predictions import to_logits

Fit = Callable[[Members], Stack]
both = pytest.mark.parametrize("fit", [stack, cross_stack])


def relabelled(members: Members, column: int, value: int) -> Members:
    labels = members.labels.copy()
    labels[:, column] = value
    return Members(labels, members.probs, members.fold, members.group)


@both
def test_of_models_that_are_alike_it_ranks_rows_as_the_mean_does(fit: Fit) -> None:
    members = simulate_members(3000, [[[2.0]]] * 3)
    stacked, plain = fit(members).apply(members.probs), logit_mean(members).apply(members.probs)
    for column in range(3):
        alike = np.corrcoef(to_logits(stacked)[:, column], to_logits(plain)[:, column])[0, 1]
        assert alike > 0.99
    f1 = [exact_thresholds(members.labels, probs).f1.mean() for probs in (stacked, plain)]
    assert f1[0] == pytest.approx(f1[1], abs=0.02)


@both
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
    same = Members(labels, members.probs, members.fold, members.group)
    assert not stack(same).across.any()
    assert cross_stack(same).across[1, 0] > 0.2
    f1 = [
        exact_thresholds(labels, fit(same).apply(same.probs)).f1[1] for fit in (stack, cross_stack)
    ]
    assert f1[1] > f1[0] + 0.1


@both
@pytest.mark.parametrize("value", [0, 1])
def test_a_class_that_is_never_or_always_there_keeps_the_mean(fit: Fit, value: int) -> None:
    members = relabelled(simulate_members(120, [[[2.0]], [[1.0]]]), 1, value)
    made = fit(members)
    assert made.own[1].tolist() == [0.5, 0.5]
    assert made.intercept[1] == 0.0
    assert not made.across[1].any()
    blended = made.apply(members.probs)
    expected = logit_mean(members).apply(members.probs)[:, 1]
    np.testing.assert_allclose(blended[:, 1], expected, rtol=1e-6)


@both
def test_one_positive_moves_it_little(fit: Fit) -> None:
    members = relabelled(simulate_members(300, [[[2.0]], [[2.0]]]), 0, 0)
    members.labels[7, 0] = 1
    own = fit(members).own[0]
    assert np.abs(own - own.mean()).max() < 0.3


@both
def test_one_model_keeps_its_ranking(fit: Fit) -> None:
    members = simulate_members(400, [[[2.0]]], rates=(0.4,))
    blended = fit(members).apply(members.probs)[:, 0]
    order = np.argsort(members.probs[0, :, 0])
    assert (np.diff(blended[order]) >= 0).all()


@both
def test_it_is_the_same_each_time(fit: Fit) -> None:
    members = simulate_members(200, [[[2.0]], [[1.0]]])
    first, second = fit(members), fit(members)
    np.testing.assert_array_equal(first.own, second.own)
    np.testing.assert_array_equal(first.across, second.across)
    np.testing.assert_array_equal(first.intercept, second.intercept)


@both
def test_scores_that_never_change_and_certain_ones_are_borne(fit: Fit) -> None:
    members = simulate_members(60, [[[2.0]], [[1.0]]])
    members.probs[0, :, 0] = 0.5
    members.probs[1, :, 1] = members.labels[:, 1]  # zeros and ones, all right
    made = fit(members)
    for part in (made.own, made.across, made.intercept):
        assert np.isfinite(part).all()
