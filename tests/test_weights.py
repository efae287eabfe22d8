"""One weight a model: counted fast and right, never negative, and none for what only guesses."""

from collections.abc import Callable

import numpy as np
import pytest
from kit.ensemble.members import Average, Members
from kit.ensemble.weights import greedy, searched
from simulation import simulate_members, with_guesses

from kit.competitions.exact import exact_thresholds
from kit.ensemble.fast_f1 import FastF1

THREE = [[[2.0]], [[1.5]], [[1.5]]]

Search = Callable[[Members], Average]
both = pytest.mark.parametrize("search", [greedy, searched])


def exact_score(members: Members, weights: np.ndarray) -> float:
    """Macro-F1 under exact cuts, counted on every row."""
    blended = Average(weights / weights.sum()).apply(members.probs)
    return float(exact_thresholds(members.labels, blended).f1.mean())


# Counting


@pytest.mark.parametrize("seed", range(20))
def test_the_fast_score_is_the_exact_one(seed: int) -> None:
    members = simulate_members(60, THREE, seed)
    weights = np.random.default_rng(seed).random(3)
    assert FastF1.of(members).score(weights) == pytest.approx(exact_score(members, weights))


def test_rows_that_rank_too_low_are_sampled() -> None:
    members = simulate_members(4000, [[[3.0]], [[2.5]]], rates=(0.3, 0.02))
    rows = FastF1.of(members)
    positives = members.labels.sum(axis=0, dtype=int)
    assert [len(hits) for hits in rows.hits] == [4000, 9 * positives[1] + 200]
    assert [weights.sum() for weights in rows.weights] == pytest.approx([4000, 4000])
    assert [int(hits.sum()) for hits in rows.hits] == positives.tolist()
    for weights in (np.array([1.0, 1.0]), np.array([0.2, 0.8]), np.array([1.0, 0.0])):
        assert rows.score(weights) == pytest.approx(exact_score(members, weights))


def test_a_weak_model_of_a_rare_class_is_scored_as_it_is() -> None:
    members = simulate_members(10_000, [[[1.0]], [[1.0]]], rates=(0.005,))
    rows = FastF1.of(members)
    for weights in (np.array([1.0, 0.0]), np.array([0.5, 0.5])):
        assert rows.score(weights) == pytest.approx(exact_score(members, weights), abs=0.05)


def test_only_the_proportions_of_the_weights_count() -> None:
    rows = FastF1.of(simulate_members(200, THREE))
    weights = np.array([0.5, 0.25, 0.25])
    assert rows.score(8 * weights) == rows.score(weights)


def test_a_class_without_positives_scores_nothing() -> None:
    members = simulate_members(50, [[[9.0]]], rates=(0.5, 0.1))
    members.labels[:, 1] = 0
    assert FastF1.of(members).score(np.ones(1)) == pytest.approx(0.5)


# Weighing


@both
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


@both
def test_weights_are_the_same_each_time(search: Search) -> None:
    members = simulate_members(120, THREE)
    np.testing.assert_array_equal(search(members).weights, search(members).weights)


@both
def test_one_model_has_all_the_weight(search: Search) -> None:
    assert search(simulate_members(60, [[[1.0]]])).weights.tolist() == [1.0]


@both
def test_the_fitted_score_is_no_worse_than_that_of_equal_weights(search: Search) -> None:
    members = with_guesses(simulate_members(400, THREE), model=1)
    rows = FastF1.of(members)
    assert rows.score(search(members).weights) > rows.score(np.ones(3))


@both
@pytest.mark.parametrize("rows", [1, 2])
def test_next_to_no_rows_are_enough(search: Search, rows: int) -> None:
    made = search(simulate_members(rows, THREE))
    assert made.weights.sum() == pytest.approx(1)
    assert (made.weights >= 0).all()


@both
def test_without_any_positive_the_weights_are_still_shares(search: Search) -> None:
    members = simulate_members(40, THREE)
    nothing = Members(np.zeros_like(members.labels), members.probs, members.fold, members.group)
    assert search(nothing).weights.sum() == pytest.approx(1)


def test_rows_of_a_group_are_in_a_bag_together() -> None:
    once = simulate_members(50, THREE)
    rows = np.repeat(np.arange(50), 3)
    grouped = Members(once.labels[rows], once.probs[:, rows], once.fold[rows], rows)
    np.testing.assert_allclose(greedy(grouped).weights, greedy(once).weights)
