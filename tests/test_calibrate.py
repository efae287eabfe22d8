"""Calibration: finds what scores were made with, lends to rare classes, finds the threshold."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from simulation import simulate

from kit.competitions.exact import NEVER, exact_thresholds
from kit.data.predictions import EPSILON, to_probs
from kit.scores.calibrate import (
    BINS,
    CENTERS,
    EDGES,
    calibrate,
    histograms,
    plug_in_thresholds,
)


def draw(
    rows: int, coefficients: list[tuple[float, float]], seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Labels that are as likely as a line through the logits says, a class a line."""
    rng = np.random.default_rng(seed)
    intercept, slope = np.array(coefficients).T
    logits = rng.normal(0, 2, (rows, len(coefficients)))
    labels = (rng.random(logits.shape) < expit(intercept + slope * logits)).astype(np.uint8)
    return labels, to_probs(logits)


# Bins


def test_rows_are_counted_where_their_logits_are() -> None:
    probs = np.array([[0.0, 0.5], [1.0, 0.5], [EPSILON / 9, 0.6]], np.float32)
    labels = np.array([[0, 1], [1, 0], [1, 1]], np.uint8)
    counts, hits = histograms(probs), histograms(probs, labels)
    assert (counts.shape, counts.sum(axis=1).tolist()) == ((2, BINS), [3.0, 3.0])
    assert counts[0, [0, -1]].tolist() == [2.0, 1.0]
    assert hits[0, [0, -1]].tolist() == [1.0, 1.0]
    middle = np.searchsorted(EDGES, 0.0, side="right") - 1
    assert (counts[1, middle], hits[1, middle]) == (2.0, 1.0)
    assert hits.sum(axis=1).tolist() == [2.0, 2.0]


def test_the_bins_cover_every_logit_there_is() -> None:
    assert EDGES[0] == pytest.approx(np.log(EPSILON / (1 - EPSILON)))
    assert CENTERS[0] == pytest.approx(EDGES[0] + (EDGES[1] - EDGES[0]) / 2)
    assert CENTERS[-1] == pytest.approx(-CENTERS[0])


# The line


def test_intercept_and_slope_are_found_again() -> None:
    made = [(0.0, 1.0), (-1.0, 0.5), (1.0, 2.0), (-3.0, 1.5)]
    found = calibrate(*draw(50_000, made))
    np.testing.assert_allclose(found, made, atol=0.1)


def test_scores_that_are_right_are_left_as_they_are() -> None:
    sample = simulate(50_000)
    found = calibrate(sample.labels, sample.probs)
    np.testing.assert_allclose(found, [[0.0, 1.0]] * 3, atol=0.06)


def test_a_class_of_few_positives_is_pulled_to_the_others() -> None:
    rng = np.random.default_rng(0)
    labels, probs = draw(4000, [(0.0, 1.0)] * 6)
    # Of the last class three rows are true whatever their score says: a line without a slope.
    labels[:, 5] = 0
    labels[rng.choice(4000, 3, replace=False), 5] = 1
    together = calibrate(labels, probs)[5]
    alone = calibrate(labels[:, 5:], probs[:, 5:])[0]
    assert abs(alone[1]) < 0.4
    assert alone[1] + 0.1 < together[1] < 1.0
    # Of thousands of positives, the others move nothing.
    own = calibrate(labels[:, :1], probs[:, :1])[0]
    np.testing.assert_allclose(calibrate(labels, probs)[0], own, atol=0.02)


def test_a_class_without_positives_has_no_line_and_is_never_on() -> None:
    labels, probs = draw(200, [(0.0, 1.0)] * 2)
    labels[:, 0] = 0
    found = calibrate(labels, probs)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], calibrate(labels[:, 1:], probs[:, 1:])[0])
    assert plug_in_thresholds(probs, found)[0] == NEVER
    labels[:] = 0
    assert plug_in_thresholds(probs, calibrate(labels, probs)).tolist() == [NEVER] * 2


def test_scores_that_tell_all_apart_have_a_finite_line() -> None:
    labels = np.array([[0], [0], [1], [1]], np.uint8)
    probs = np.array([[0.0], [0.1], [0.9], [1.0]], np.float32)
    found = calibrate(labels, probs)
    assert np.isfinite(found).all()
    assert found[0, 1] > 0
    assert 0.1 < plug_in_thresholds(probs, found)[0] < 0.9


def test_rows_twice_as_many_are_twice_as_sure() -> None:
    labels, probs = draw(100, [(0.5, 2.0), (0.0, 1.0)])
    once = calibrate(labels, probs)
    often = calibrate(np.repeat(labels, 50, axis=0), np.repeat(probs, 50, axis=0))
    assert np.abs(often - once).max() < 0.5
    assert (once != often).any()


# The threshold


def test_the_threshold_is_half_the_best_f1_of_scores_that_are_right() -> None:
    sample = simulate(100_000, seed=1)
    right = np.array([[0.0, 1.0]] * 3)
    thresholds = plug_in_thresholds(sample.probs, right)
    best = exact_thresholds(sample.labels, sample.probs)
    np.testing.assert_allclose(thresholds, best.f1 / 2, atol=0.01)
    np.testing.assert_allclose(thresholds, best.thresholds, atol=0.05)


def test_the_line_moves_the_threshold_and_not_the_decisions() -> None:
    labels, probs = draw(30_000, [(-1.5, 0.6)])
    thresholds = plug_in_thresholds(probs, np.array([[-1.5, 0.6]]))
    logits = np.log(probs / (1 - probs)).astype(np.float64)
    straight = to_probs(-1.5 + 0.6 * logits)
    expected = plug_in_thresholds(straight, np.array([[0.0, 1.0]]))
    agree = (probs >= thresholds) == (straight >= expected)
    assert agree.mean() > 0.995
    assert exact_thresholds(labels, probs).thresholds[0] == pytest.approx(thresholds[0], abs=0.06)


@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_of_scores_that_say_the_opposite_all_rows_are_taken(slope: float) -> None:
    _, probs = draw(200, [(0.0, 1.0)])
    assert plug_in_thresholds(probs, np.array([[0.0, slope]])).tolist() == [0.0]
    labels, probs = draw(2000, [(0.0, -1.0)])
    assert plug_in_thresholds(probs, calibrate(labels, probs)).tolist() == [0.0]
