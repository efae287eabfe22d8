"""Exact thresholds: nothing that brute force finds is better."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kit.competitions.exact import NEVER, decide, exact_thresholds
from kit.competitions.metrics import f1_per_class, macro_f1


def brute_force(labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The best F1 of each class over the cut at every score and a cut above all."""
    best = np.zeros(labels.shape[1])
    for column in range(labels.shape[1]):
        for cut in [*np.unique(probs[:, column]), np.float32(NEVER)]:
            f1 = f1_per_class(labels[:, [column]], probs[:, [column]] >= cut)[0]
            best[column] = max(best[column], f1)
    return best


def test_thresholds_worked_out_by_hand() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], np.uint8)
    probs = np.array([[0.75, 0.5], [0.5, 0.25], [0.25, 0.5], [0.125, 0.125]], np.float32)
    found = exact_thresholds(labels, probs)
    # First class: F1 of the top 1, 2, 3, 4 is 2/3, 1/2, 4/5, 2/3. Second: 0.5 twice is one cut.
    np.testing.assert_allclose(found.f1, [4 / 5, 1 / 2])
    np.testing.assert_array_equal(found.thresholds, [(0.25 + 0.125) / 2, (0.25 + 0.125) / 2])


@pytest.mark.parametrize("seed", range(20))
def test_brute_force_finds_nothing_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        rows = int(rng.integers(1, 13))
        shape = (rows, 4)
        # Few distinct scores make ties; the shares make classes all negative and all positive.
        probs = (rng.integers(0, rng.integers(1, 10), shape) / 9).astype(np.float32)
        labels = (rng.random(shape) < rng.choice([0, 0.2, 0.7, 1], 4)).astype(np.uint8)
        found = exact_thresholds(labels, probs)
        decisions = decide(probs, found.thresholds)
        np.testing.assert_array_equal(found.f1, brute_force(labels, probs))
        np.testing.assert_array_equal(found.f1, f1_per_class(labels, decisions))
        np.testing.assert_array_equal(found.thresholds == NEVER, labels.sum(axis=0) == 0)


@given(
    arrays(np.float32, (6, 1), elements=st.floats(0, 1, width=32)),
    arrays(np.uint8, (6, 1), elements=st.integers(0, 1)),
)
def test_decisions_reach_the_promised_f1_at_any_spacing(
    probs: NDArray[np.float32], labels: NDArray[np.uint8]
) -> None:
    found = exact_thresholds(labels, probs)
    assert macro_f1(labels, decide(probs, found.thresholds)) == found.f1[0]


def test_neighbouring_float32_scores_are_told_apart() -> None:
    low = np.float32(0.3)
    probs = np.array([[low], [np.nextafter(low, np.float32(1))]], np.float32)
    labels = np.array([[0], [1]], np.uint8)
    found = exact_thresholds(labels, probs)
    assert decide(probs, found.thresholds).tolist() == [[0], [1]]


def test_of_equally_good_cuts_the_highest_is_taken() -> None:
    labels = np.array([[1], [0], [0], [1]], np.uint8)
    probs = np.array([[0.9], [0.8], [0.7], [0.6]], np.float32)
    # The top row alone and all four rows both have F1 2/3.
    assert exact_thresholds(labels, probs).thresholds[0] == pytest.approx(0.85)


def test_a_class_without_positives_is_never_on() -> None:
    labels = np.zeros((3, 1), np.uint8)
    probs = np.ones((3, 1), np.float32)
    found = exact_thresholds(labels, probs)
    assert found.thresholds.tolist() == [NEVER]
    assert found.f1.tolist() == [0.0]
    assert not decide(probs, found.thresholds).any()


def test_a_class_with_positives_only_is_always_on() -> None:
    found = exact_thresholds(np.ones((2, 1), np.uint8), np.zeros((2, 1), np.float32))
    assert found.thresholds.tolist() == [0.0]
    assert found.f1.tolist() == [1.0]


def test_every_threshold_can_be_written_as_json() -> None:
    labels = np.array([[0, 1]], np.uint8)
    found = exact_thresholds(labels, np.array([[0.5, 0.5]], np.float32))
    json.dumps(found.thresholds.tolist(), allow_nan=False)


def test_a_probability_at_the_threshold_is_on() -> None:
    assert decide(np.array([[0.5, 0.25]], np.float32), np.array([0.5, 0.5])).tolist() == [[1, 0]]
