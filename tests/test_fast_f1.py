"""Macro-F1 of a blend, counted fast: the exact one, from few of the rows."""

import numpy as np
import pytest
from simulation import simulate_members

from kit.competitions.exact import exact_thresholds
from kit.ensemble.combine import Average
from kit.ensemble.fast_f1 import FastF1
from kit.ensemble.oof import Members

THREE = [[[2.0]], [[1.5]], [[1.5]]]


def exact_score(members: Members, weights: np.ndarray) -> float:
    """Macro-F1 under exact thresholds, counted on every row."""
    blended = Average(weights / weights.sum()).apply(members.probs)
    return float(exact_thresholds(members.labels, blended).f1.mean())


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
