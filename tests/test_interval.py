"""Intervals: as wide as scores of fresh rows scatter, by whole groups, and of differences."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.competitions.metrics import f1_per_class, macro_f1
from kit.ensemble.interval import (
    Counts,
    difference_interval,
    prediction_interval,
    standard_error,
)

Answers = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def answers(rows: int, right: float = 0.8, seed: int = 1) -> Answers:
    """Labels, and decisions of which a share is right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    return labels, np.where(rng.random(labels.shape) < right, labels, 1 - labels).astype(np.uint8)


def count(both: Answers, group: NDArray[np.int64] | None = None) -> Counts:
    """Counts by group, each row its own without."""
    return Counts.of(*both, np.arange(len(both[0])) if group is None else group)


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


# Counts


def test_counts_worked_out_by_hand() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1]], np.uint8)
    decisions = np.array([[1, 1], [0, 1], [0, 0]], np.uint8)
    counts = Counts.of(labels, decisions, np.array([1, 0, 1]))
    # Right, predicted and true, each by class; the first and the third row are one group.
    assert counts.by_group.tolist() == [[0, 1, 0, 1, 1, 1], [1, 0, 1, 1, 1, 1]]
    np.testing.assert_array_equal(counts.f1(), f1_per_class(labels, decisions))


def test_grouping_leaves_the_score_as_it_is() -> None:
    both = answers(90)
    grouped = count(both, np.arange(90) // 7)
    np.testing.assert_allclose(grouped.f1(), f1_per_class(*both), rtol=1e-12)


# The interval of a score


def test_the_interval_holds_the_score_and_is_the_same_each_time() -> None:
    both = answers(500)
    interval = prediction_interval(count(both), 1.0)
    assert interval.macro[0] < macro_f1(*both) < interval.macro[1]
    assert interval.macro == prediction_interval(count(both), 1.0).macro
    assert interval.macro != prediction_interval(count(both), 1.0, seed=1).macro


def test_each_class_has_an_interval_around_its_own_f1() -> None:
    labels, decisions = answers(300)
    decisions[:, 1] = labels[:, 1]
    decisions[:, 2] = 1 - labels[:, 2]
    found = prediction_interval(count((labels, decisions)), 1.0).by_class
    assert found.shape == (3, 2)
    assert found[0, 0] < f1_per_class(labels, decisions)[0] < found[0, 1]
    assert found[1:].tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_class_without_positives_scores_nothing_in_every_draw() -> None:
    nothing = np.zeros((20, 1), np.uint8)
    found = prediction_interval(count((nothing, nothing)), 0.5)
    assert found.macro == (0.0, 0.0)
    assert found.by_class.tolist() == [[0.0, 0.0]]


def test_perfect_and_useless_answers_have_no_scatter() -> None:
    labels = np.ones((20, 1), np.uint8)
    assert prediction_interval(count((labels, labels)), 1.0).macro == (1.0, 1.0)
    assert prediction_interval(count((labels, 1 - labels)), 1.0).macro == (0.0, 0.0)


def test_a_score_and_its_interval_stay_between_0_and_1() -> None:
    low, high = prediction_interval(count(answers(8, right=0.9)), 0.25).macro
    assert 0.0 <= low < high == 1.0


def test_the_interval_is_as_wide_as_the_score_at_hand_and_the_next_scatter_together() -> None:
    both = answers(4000)
    fresh = [
        macro_f1(*(table[start : start + 100] for table in both)) for start in range(0, 4000, 100)
    ]
    expected = 2 * 1.96 * float(np.std(fresh, ddof=1))
    # Beside four thousand rows a hundred scatter alone; of two hundreds both do.
    found = width(prediction_interval(count(both), 100 / 4000).macro)
    assert found == pytest.approx(expected, rel=0.35)  # forty scores tell spread to a tenth
    hundred = count((both[0][:100], both[1][:100]))
    found = width(prediction_interval(hundred, 1.0).macro)
    assert found == pytest.approx(np.sqrt(2) * expected, rel=0.35)


def test_more_test_rows_make_a_narrower_interval_down_to_what_is_known_here() -> None:
    counts = count(answers(400))
    widths = [width(prediction_interval(counts, ratio).macro) for ratio in (0.25, 1.0, 4.0, 100.0)]
    assert widths == sorted(widths, reverse=True)
    # Variances add up: 1 / 400 of the rows at hand, and 1 / 100, 1 / 400, ... of the new ones.
    shares = [np.sqrt(1 + 1 / ratio) for ratio in (0.25, 1.0, 4.0, 100.0)]
    np.testing.assert_allclose(widths, np.array(shares) * widths[-1] / shares[-1], rtol=0.15)


def test_rows_that_repeat_each_other_count_once() -> None:
    once = answers(50)
    nine: Answers = (np.repeat(once[0], 9, axis=0), np.repeat(once[1], 9, axis=0))
    apart = width(prediction_interval(count(nine), 1.0).macro)
    together = width(prediction_interval(count(nine, np.arange(450) // 9), 1.0).macro)
    assert together == pytest.approx(3 * apart, rel=0.25)
    assert together == pytest.approx(width(prediction_interval(count(once), 1.0).macro), rel=1e-6)


def test_the_order_of_the_rows_does_not_matter() -> None:
    labels, decisions = answers(60)
    group = np.arange(60) // 3
    order = np.random.default_rng(0).permutation(60)
    mixed = count((labels[order], decisions[order]), group[order])
    assert prediction_interval(mixed, 1.0).macro == pytest.approx(
        prediction_interval(count((labels, decisions), group), 1.0).macro
    )


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_fresh_scores_fall_inside_about_95_times_in_100(ratio: float) -> None:
    inside = 0
    for seed in range(200):
        low, high = prediction_interval(count(answers(120, seed=seed)), ratio).macro
        inside += low <= macro_f1(*answers(round(120 * ratio), seed=seed + 10_000)) <= high
    # Of 200 tries 190 are expected, give or take 3.
    assert 180 <= inside <= 199


def test_on_average_the_next_score_is_the_one_at_hand_if_as_many_rows_count() -> None:
    both = answers(400)
    found = prediction_interval(count(both), 1.0)
    assert found.mean == pytest.approx(macro_f1(*both), abs=0.005)
    assert found.macro[0] < found.mean < found.macro[1]


def test_a_class_that_a_small_sample_may_lack_is_expected_to_score_less_there() -> None:
    labels = (np.arange(400) < 4).astype(np.uint8)[:, None]
    counts = count((labels, labels))
    # Every answer is right, but of a hundred such rows 37 % have no positive, and 1.8 % of these.
    found = [prediction_interval(counts, ratio).mean for ratio in (0.25, 1.0)]
    assert found[0] == pytest.approx(1 - np.exp(-1) + np.exp(-4), abs=0.05)
    assert found[1] == pytest.approx(1.0, abs=0.02)


# Differences


def test_the_same_decisions_differ_by_nothing() -> None:
    counts = count(answers(100))
    assert difference_interval(counts, counts, 0.5) == (0.0, 0.0)
    assert standard_error(counts, counts) == 0.0


def changed(both: Answers, share: float) -> Answers:
    """The same labels, with a share of the decisions made wrong."""
    labels, decisions = both
    wrong = np.random.default_rng(2).random(labels.shape) < share
    return labels, np.where(wrong, 1 - labels, decisions).astype(np.uint8)


def test_a_difference_is_second_minus_first_and_the_other_way_round() -> None:
    good = answers(300, right=0.9)
    first, second = count(changed(good, 0.3)), count(good)
    low, high = difference_interval(first, second, 1.0)
    assert 0 < low < macro_f1(*good) - macro_f1(*changed(good, 0.3)) < high
    assert difference_interval(second, first, 1.0) == pytest.approx((-high, -low))


def test_what_is_hard_for_both_cancels() -> None:
    both = answers(300)
    first, second = count(changed(both, 0.03)), count(both)
    paired = width(difference_interval(first, second, 1.0))
    assert paired < width(prediction_interval(second, 1.0).macro) / 2
    # As if the two had been counted on rows that have nothing in common.
    other = count(changed(answers(300, seed=7), 0.03))
    assert paired < width(difference_interval(other, second, 1.0)) / 2


@pytest.mark.parametrize("size", [1, 4])
def test_the_standard_error_is_what_drawing_groups_again_gives(size: int) -> None:
    both = answers(400)
    other = changed(both, 0.1)
    group = np.arange(400) // size
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(600):
        picks = rng.integers(0, 400 // size, 400 // size)
        rows = (picks[:, None] * size + np.arange(size)).ravel()
        scores = [macro_f1(labels[rows], decisions[rows]) for labels, decisions in (both, other)]
        drawn.append(scores[1] - scores[0])
    found = standard_error(count(both, group), count(other, group))
    assert found == pytest.approx(float(np.std(drawn)), rel=0.12)  # 600 draws tell it to 3 %


def test_the_standard_error_of_one_changed_row_worked_out_by_hand() -> None:
    labels = np.ones((50, 1), np.uint8)
    missed = labels.copy()
    missed[0] = 0
    found = standard_error(count((labels, missed)), count((labels, labels)))
    # F1 is 98 / 99: the missed row moves it by 98 / 99², each of the other 49 by 2 / 99².
    assert found == pytest.approx(np.sqrt(98**2 + 49 * 2**2) / 99**2)


def test_a_group_number_without_rows_changes_no_standard_error() -> None:
    both = answers(40)
    spread = [count(one, 2 * np.arange(40)) for one in (both, changed(both, 0.2))]
    close = [count(one) for one in (both, changed(both, 0.2))]
    assert standard_error(*spread) == pytest.approx(standard_error(*close))


def test_the_interval_of_a_large_test_set_is_drawn_in_little_memory() -> None:
    counts = count(answers(50))
    tracemalloc.start()
    prediction_interval(counts, rows_ratio=2_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # all 100 draws of 100,000 rows at once take 80 MB
