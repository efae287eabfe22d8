"""The honest score: by hand, blind to the fold it scores, and with an interval that means it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.metrics import macro_f1
from kit.core.errors import UserError
from kit.data.predictions import Predictions
from kit.ensemble.crossfit import bootstrap_interval, cross_fitted_decisions, honest_score

# Fold 0 alone would be cut at 0.75 and fold 1 alone at 0.45.
LABELS = np.array([[1], [0], [1], [1], [0]], np.uint8)
PROBS = np.array([[0.9], [0.6], [0.8], [0.7], [0.2]], np.float32)
OOF = Predictions(tuple("abcde"), PROBS, ("x",), np.array([0, 0, 1, 1, 1]))


def test_decisions_worked_out_by_hand() -> None:
    assert cross_fitted_decisions(LABELS, OOF).ravel().tolist() == [1, 1, 1, 0, 0]


def test_the_two_scores_worked_out_by_hand(shapes: Competition) -> None:
    score = honest_score(LABELS, OOF, OOF.ids, test_rows=5)
    assert score.fitted == 1.0
    assert score.cross_fitted == pytest.approx(2 * 2 / (3 + 3))
    assert score.test_rows == 5


def test_predictions_without_folds_cannot_be_scored_honestly() -> None:
    with pytest.raises(UserError, match="without a fold column cannot be cross-fitted"):
        cross_fitted_decisions(LABELS, replace(OOF, fold=None))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_decisions_on_a_fold_never_see_its_labels(seed: int, fold: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (12, 2), dtype=np.uint8)
    probs = rng.random((12, 2), np.float32)
    oof = Predictions(tuple("abcdefghijkl"), probs, ("x", "y"), np.arange(12) % 3)
    inside = np.arange(12) % 3 == fold
    changed = labels.copy()
    changed[inside] = rng.integers(0, 2, changed[inside].shape)
    before, after = (cross_fitted_decisions(truth, oof) for truth in (labels, changed))
    np.testing.assert_array_equal(before[inside], after[inside])


def test_noise_is_worth_less_cross_fitted_than_fitted(shapes: Competition) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 3)) < 0.1).astype(np.uint8)
    probs, ids = rng.random((200, 3), np.float32), tuple(map(str, range(200)))
    oof = Predictions(ids, probs, shapes.class_keys, np.arange(200) % 5)
    score = honest_score(labels, oof, ids, test_rows=200)
    assert score.cross_fitted < score.fitted


# The interval


def answers(rows: int, right: float = 0.8) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels, and decisions of which a share is right."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    return labels, np.where(rng.random(labels.shape) < right, labels, 1 - labels).astype(np.uint8)


def own_groups(rows: int) -> list[str]:
    return [str(row) for row in range(rows)]


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def test_the_interval_holds_the_score_and_is_the_same_each_time() -> None:
    labels, decisions = answers(500)
    interval = bootstrap_interval(labels, decisions, own_groups(500), 500)
    assert interval[0] < macro_f1(labels, decisions) < interval[1]
    assert interval == bootstrap_interval(labels, decisions, own_groups(500), 500)
    assert interval != bootstrap_interval(labels, decisions, own_groups(500), 500, seed=1)


def test_the_interval_is_as_wide_as_the_score_of_fresh_rows_scatters() -> None:
    labels, decisions = answers(4000)
    fresh = [
        macro_f1(labels[start : start + 100], decisions[start : start + 100])
        for start in range(0, 4000, 100)
    ]
    expected = 2 * 1.96 * float(np.std(fresh, ddof=1))
    found = width(bootstrap_interval(labels, decisions, own_groups(4000), 100))
    # Forty scores tell their spread to about a tenth; three times that is allowed.
    assert found == pytest.approx(expected, rel=0.35)


def test_fewer_test_rows_make_a_wider_interval() -> None:
    labels, decisions = answers(400)
    widths = [
        width(bootstrap_interval(labels, decisions, own_groups(400), rows))
        for rows in (1600, 400, 100)
    ]
    assert widths == sorted(widths)
    assert widths[2] == pytest.approx(4 * widths[0], rel=0.25)


def test_rows_that_repeat_each_other_count_once() -> None:
    labels, decisions = (np.repeat(table, 9, axis=0) for table in answers(50))
    groups = [str(row // 9) for row in range(450)]
    apart = width(bootstrap_interval(labels, decisions, own_groups(450), 450))
    together = width(bootstrap_interval(labels, decisions, groups, 450))
    assert together == pytest.approx(3 * apart, rel=0.25)
    alone = width(bootstrap_interval(labels[::9], decisions[::9], own_groups(50), 50))
    assert together == pytest.approx(alone, rel=0.1)


def test_the_order_of_the_rows_does_not_matter() -> None:
    labels, decisions = answers(60)
    groups = [f"{row // 3:02d}" for row in range(60)]
    order = np.random.default_rng(0).permutation(60)
    mixed = [groups[row] for row in order]
    assert bootstrap_interval(labels[order], decisions[order], mixed, 60) == pytest.approx(
        bootstrap_interval(labels, decisions, groups, 60)
    )


def test_perfect_and_useless_answers_have_no_scatter() -> None:
    labels = np.ones((20, 1), np.uint8)
    assert bootstrap_interval(labels, labels, own_groups(20), 20) == (1.0, 1.0)
    assert bootstrap_interval(labels, 1 - labels, own_groups(20), 20) == (0.0, 0.0)
