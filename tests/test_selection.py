"""Macro-F1 of a blend, counted fast: the exact one, from few of the rows."""

from dataclasses import replace

import numpy as np
import pytest
from simulation import simulate_members

from kit.competitions.exact import exact_thresholds
from kit.ensemble.combine import Average
from kit.ensemble.selection import FastF1
from kit.scores.oof import Members

THREE = [[[2.0]], [[1.5]], [[1.5]]]


def exact_score(members: Members, weights: np.ndarray) -> float:
    """Macro-F1 under exact thresholds, counted on every row."""
    blended = Average(weights / weights.sum()).apply(members.probs)
    return float(exact_thresholds(members.labels, blended).f1.mean())


def score(rows: FastF1, weights: np.ndarray) -> float:
    return float(rows.scores(weights[None])[0])


@pytest.mark.parametrize("seed", range(20))
def test_the_fast_score_is_the_exact_one(seed: int) -> None:
    members = simulate_members(60, THREE, seed)
    weights = np.random.default_rng(seed).random(3)
    assert score(FastF1.of(members), weights) == pytest.approx(exact_score(members, weights))


def test_rows_that_rank_too_low_are_sampled() -> None:
    members = simulate_members(4000, [[[3.0]], [[2.5]]], rates=(0.3, 0.02))
    rows = FastF1.of(members)
    positives = members.labels.sum(axis=0, dtype=int)
    assert [one.logits.shape[1] for one in rows.rows] == [4000, 9 * positives[1] + 200]
    counted = [one.logits.shape[1] + one.drawn * (one.stands_for - 1) for one in rows.rows]
    assert counted == pytest.approx([4000, 4000])
    assert [one.positives for one in rows.rows] == positives.tolist()
    for weights in (np.array([1.0, 1.0]), np.array([0.2, 0.8]), np.array([1.0, 0.0])):
        assert score(rows, weights) == pytest.approx(exact_score(members, weights))


def test_a_weak_model_of_a_rare_class_is_scored_as_it_is() -> None:
    members = simulate_members(10_000, [[[1.0]], [[1.0]]], rates=(0.005,))
    rows = FastF1.of(members)
    for weights in (np.array([1.0, 0.0]), np.array([0.5, 0.5])):
        assert score(rows, weights) == pytest.approx(exact_score(members, weights), abs=0.05)


def test_only_the_proportions_of_the_weights_count() -> None:
    rows = FastF1.of(simulate_members(200, THREE))
    weights = np.array([0.5, 0.25, 0.25])
    assert score(rows, 8 * weights) == score(rows, weights)


def test_a_class_without_positives_scores_nothing() -> None:
    members = simulate_members(50, [[[9.0]]], rates=(0.5, 0.1))
    members.labels[:, 1] = 0
    assert score(FastF1.of(members), np.ones(1)) == pytest.approx(0.5)


def test_several_means_are_scored_as_each_alone() -> None:
    rows = FastF1.of(simulate_members(4000, THREE, 1))
    weights = np.random.default_rng(0).random((5, 3))
    alone = [score(rows, one) for one in weights]
    assert rows.scores(weights).tolist() == pytest.approx(alone)


@pytest.mark.parametrize("seed", range(5))
def test_tied_scores_are_labelled_together(seed: int) -> None:
    members = simulate_members(300, THREE, seed)
    votes = replace(members, probs=np.round(members.probs, 1))
    for weights in (np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.25, 0.25])):
        assert score(FastF1.of(votes), weights) == pytest.approx(exact_score(votes, weights))
