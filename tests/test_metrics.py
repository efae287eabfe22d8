"""The metric: by hand, against scikit-learn, and its edges."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from kit.competitions.metrics import (
    accuracy,
    batch_f1,
    exact_match,
    f1_from_counts,
    f1_per_class,
    macro_f1,
)

TABLES = st.tuples(st.integers(1, 8), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 1))] * 2)
)


def test_a_score_worked_out_by_hand() -> None:
    labels = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    decisions = [[1, 0, 0, 1], [1, 0, 0, 0], [1, 1, 0, 0]]
    # 2 right of 3 said and 2 true; 1 of 1 and 2; nothing said or true; said and never true.
    expected = [4 / 5, 2 / 3, 0.0, 0.0]
    np.testing.assert_allclose(f1_per_class(labels, decisions), expected)
    assert macro_f1(labels, decisions) == pytest.approx((4 / 5 + 2 / 3) / 4)


@given(TABLES)
def test_macro_f1_is_scikit_learns(tables: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    labels, decisions = tables
    by_class = [
        f1_score(labels[:, column], decisions[:, column], average="binary", zero_division=0)
        for column in range(labels.shape[1])
    ]
    np.testing.assert_allclose(f1_per_class(labels, decisions), by_class)
    if labels.shape[1] > 1:
        theirs = f1_score(labels, decisions, average="macro", zero_division=0)
        assert macro_f1(labels, decisions) == pytest.approx(theirs)


@given(TABLES)
def test_f1_is_symmetric_and_between_0_and_1(
    tables: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    labels, decisions = tables
    f1 = f1_per_class(labels, decisions)
    assert ((f1 >= 0) & (f1 <= 1)).all()
    np.testing.assert_array_equal(f1, f1_per_class(decisions, labels))


def test_a_perfect_answer_scores_1_only_where_something_is_true() -> None:
    labels = np.array([[1, 0], [0, 0]])
    assert macro_f1(labels, labels) == 0.5


def test_truth_may_be_any_numbers_that_mean_yes_and_no() -> None:
    assert macro_f1(np.array([[1.0], [0.0]]), np.array([[True], [False]])) == 1.0


@pytest.mark.parametrize(
    ("labels", "decisions"), [((3, 2), (3, 1)), ((3, 2), (2, 2)), ((3,), (3,))]
)
def test_tables_of_other_shapes_are_refused(
    labels: tuple[int, ...], decisions: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="must be one shape"):
        f1_per_class(np.zeros(labels), np.zeros(decisions))


def test_counts_of_any_shape() -> None:
    f1 = f1_from_counts([[2, 0], [1, 0]], [[3, 1], [1, 0]], [[2, 0], [2, 0]])
    np.testing.assert_allclose(f1, [[0.8, 0.0], [2 / 3, 0.0]])


def test_accuracies_worked_out_by_hand() -> None:
    labels = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    decisions = [[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert accuracy(labels, decisions) == 10 / 12
    assert exact_match(labels, decisions) == 2 / 3
    # Rare labels: high without a single one predicted, unless every entry of a row counts.
    assert accuracy(labels, np.zeros((3, 4))) == 9 / 12
    assert exact_match(labels, np.zeros((3, 4))) == 1 / 3


@given(TABLES)
def test_accuracies_are_scikit_learns(
    tables: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    labels, decisions = tables
    assert accuracy(labels, decisions) == pytest.approx(
        accuracy_score(labels.ravel(), decisions.ravel())
    )
    assert exact_match(labels, decisions) == pytest.approx(accuracy_score(labels, decisions))


@pytest.mark.parametrize("score", [accuracy, exact_match])
def test_accuracies_refuse_other_shapes_and_no_rows(score: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="must be one shape"):
        score(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="at least one row"):
        score(np.zeros((0, 2)), np.zeros((0, 2)))


def test_batch_f1_worked_out_by_hand() -> None:
    labels = [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    decisions = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 1, 1]]
    # Two of three said, of three true; nothing right of one true; one right of three said.
    expected = [4 / 6, 0, 2 / 4]
    assert batch_f1(labels, decisions, 2) == pytest.approx(np.mean(expected))


@given(TABLES)
def test_batch_f1_of_all_rows_is_micro_f1(
    tables: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    labels, decisions = tables
    micro = f1_score(labels.ravel(), decisions.ravel(), zero_division=0)
    assert batch_f1(labels, decisions, len(labels)) == pytest.approx(micro)
    assert batch_f1(labels, decisions, 100) == pytest.approx(micro)


def test_batch_f1_depends_on_the_batches() -> None:
    labels = np.array([[1], [0], [1], [0]])
    decisions = np.array([[1], [1], [0], [0]])
    assert batch_f1(labels, decisions, 4) == 0.5
    assert batch_f1(labels, decisions, 1) == 0.25


@pytest.mark.parametrize(
    ("labels", "decisions", "batch", "message"),
    [
        ((3, 2), (3, 1), 2, "must be one shape"),
        ((3,), (3,), 2, "must be one shape"),
        ((0, 2), (0, 2), 2, "0 rows in batches of 2; both must be at least 1"),
        ((3, 2), (3, 2), 0, "3 rows in batches of 0; both must be at least 1"),
    ],
)
def test_batch_f1_refuses_what_has_no_batches(
    labels: tuple[int, ...], decisions: tuple[int, ...], batch: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        batch_f1(np.zeros(labels), np.zeros(decisions), batch)
