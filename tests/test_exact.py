"""Exact thresholds: nothing that brute force finds is better."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kit.competitions.exact import NEVER, Ranked, decide, exact_thresholds
from kit.competitions.metrics import f1_from_counts, f1_per_class, macro_f1


def brute_force(
    labels: NDArray[np.uint8], probs: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The highest of the best thresholds of each class and its F1, by trying one at every score."""
    on = probs[None, :, :] >= probs[:, None, :]  # (threshold, row, class)
    tried = f1_from_counts((on & (labels == 1)).sum(axis=1), on.sum(axis=1), labels.sum(axis=0))
    best = tried.max(axis=0)
    lowest_on = np.where(tried == best, probs.astype(np.float64), -1.0).max(axis=0)
    below = np.where(probs < lowest_on, probs.astype(np.float64), -1.0).max(axis=0)
    thresholds = np.where(below < 0, lowest_on / 2, (lowest_on + below) / 2)
    return np.where(labels.any(axis=0), thresholds, NEVER), best


def test_thresholds_worked_out_by_hand() -> None:
    labels = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], np.uint8)
    probs = np.array([[0.75, 0.5], [0.5, 0.25], [0.25, 0.5], [0.125, 0.125]], np.float32)
    found = exact_thresholds(labels, probs)
    # First class: F1 of the top 1, 2, 3, 4 is 2/3, 1/2, 4/5, 2/3. Second: both 0.5 go together.
    np.testing.assert_allclose(found.f1, [4 / 5, 1 / 2])
    np.testing.assert_array_equal(found.thresholds, [(0.25 + 0.125) / 2, (0.25 + 0.125) / 2])


def random_cases(rows: int, cases: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Labels and probabilities, (rows, cases): each column is a case of its own."""
    rng = np.random.default_rng(rows)
    # Few distinct scores make ties; the shares make classes all negative and all positive.
    levels = rng.choice([1, 2, 3, 5, 9, 10_000], cases)
    probs = (rng.integers(0, levels, (rows, cases)) / levels).astype(np.float32)
    labels = (rng.random((rows, cases)) < rng.choice([0, 0.2, 0.7, 1], cases)).astype(np.uint8)
    return labels, probs


def test_ten_thousand_cases_are_what_brute_force_finds() -> None:
    tried = 0
    for rows in range(1, 21):
        labels, probs = random_cases(rows, 500)
        found = exact_thresholds(labels, probs)
        thresholds, best = brute_force(labels, probs)
        np.testing.assert_array_equal(found.f1, best)
        np.testing.assert_array_equal(found.thresholds, thresholds)
        np.testing.assert_array_equal(found.f1, f1_per_class(labels, decide(probs, thresholds)))
        np.testing.assert_array_equal(found.thresholds == NEVER, labels.sum(axis=0) == 0)
        tried += labels.shape[1]
    assert tried == 10_000


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


def test_of_equally_good_thresholds_the_highest_is_taken() -> None:
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


@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_not_a_number_is_refused(weighted: bool) -> None:
    probs = np.array([[0.5, 0.5], [0.5, np.nan]], np.float32)
    weights = np.array([1.0, 0.0]) if weighted else None
    with pytest.raises(ValueError, match="without NaN"):
        exact_thresholds(np.ones((2, 2), np.uint8), probs, weights)


@pytest.mark.parametrize("weights", [None, np.zeros(0)])
def test_without_rows_nothing_is_ever_on(weights: NDArray[np.float64] | None) -> None:
    found = exact_thresholds(np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.float32), weights)
    assert found.thresholds.tolist() == [NEVER] * 3
    assert found.f1.tolist() == [0.0] * 3


def test_weights_worked_out_by_hand() -> None:
    labels = np.array([[1], [0], [1]], np.uint8)
    probs = np.array([[0.75], [0.5], [0.25]], np.float32)
    # Of 1.5 positives in 4.5, the top 1, 2, 3 reach 2 / (1 + 1.5), 2 / (4 + 1.5), 3 / (4.5 + 1.5).
    found = exact_thresholds(labels, probs, np.array([1.0, 3.0, 0.5]))
    assert found.f1.tolist() == [pytest.approx(0.8)]
    assert found.thresholds.tolist() == [(0.75 + 0.5) / 2]
    # With the last row heavier than the others together, it is worth the row in between.
    found = exact_thresholds(labels, probs, np.array([1.0, 3.0, 5.0]))
    assert found.f1.tolist() == [pytest.approx(2 * 6 / (9 + 6))]
    assert found.thresholds.tolist() == [0.125]


@pytest.mark.parametrize("rows", range(1, 13))
def test_whole_weights_are_rows_repeated(rows: int) -> None:
    labels, probs = random_cases(rows, 100)
    times = np.random.default_rng(rows).integers(0, 4, rows)  # none at all is among them
    weighted = exact_thresholds(labels, probs, times.astype(np.float64))
    repeated = exact_thresholds(np.repeat(labels, times, axis=0), np.repeat(probs, times, axis=0))
    np.testing.assert_array_equal(weighted.thresholds, repeated.thresholds)
    np.testing.assert_array_equal(weighted.f1, repeated.f1)


def test_the_unit_of_the_weights_does_not_matter() -> None:
    labels, probs = random_cases(12, 100)
    found = exact_thresholds(labels, probs)
    same = exact_thresholds(labels, probs, np.full(12, 0.25))
    np.testing.assert_array_equal(found.thresholds, same.thresholds)
    np.testing.assert_array_equal(found.f1, same.f1)


@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_parts_of_sorted_rows_give_what_sorting_the_parts_gives(rows: int) -> None:
    labels, probs = random_cases(rows, 200)
    rng = np.random.default_rng(rows)
    ranked = Ranked.of(labels, probs)
    for share in (0.0, 0.3, 0.8, 1.0):
        part = rng.random(rows) < share
        own = exact_thresholds(labels[part], probs[part])
        inside = rng.random(int(part.sum())) < 0.5
        both = exact_thresholds(labels[part][inside], probs[part][inside])
        for found, expected in (
            (ranked.exact(part), own),
            (ranked.only(part).exact(), own),
            (ranked.only(part).exact(inside), both),
            (ranked.only(part).only(inside).exact(), both),
        ):
            np.testing.assert_array_equal(found.thresholds, expected.thresholds)
            np.testing.assert_array_equal(found.f1, expected.f1)
