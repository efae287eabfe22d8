"""Predictions: ids travel with the numbers, on disk and off, and nothing is joined by order."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.data.predictions import (
    PROVENANCE_KEY,
    Predictions,
    concatenate,
    mean_of_logits,
    read_predictions,
    to_logits,
    to_probs,
    write_predictions,
)

KEYS = ("x", "y")


def predictions(
    probs: list[list[float]], ids: str | None = None, fold: list[int] | None = None
) -> Predictions:
    """Predictions for the ids a, b, c, … or those given, a letter each."""
    table = np.array(probs, np.float32)
    folds = None if fold is None else np.array(fold)
    return Predictions(tuple(ids or "abcdef"[: len(table)]), table, KEYS, folds)


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


# What Predictions are


@pytest.mark.parametrize("bad", [float("nan"), -0.01, 1.01, float("inf")])
def test_what_is_no_probability_is_refused_with_its_place(bad: float) -> None:
    with pytest.raises(UserError, match=r"A probability is .*, for id b, class y; expected a num"):
        predictions([[0.0, 1.0], [0.5, bad]])


def test_duplicate_ids_are_named() -> None:
    with pytest.raises(UserError, match=r"Ids predicted more than once: a\."):
        predictions([[0, 0]] * 3, ids="aba")


@pytest.mark.parametrize("shape", [(2, 2), (3, 1), (3,)])
def test_a_table_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="for 3 ids and 2 classes"):
        Predictions(("a", "b", "c"), np.zeros(shape, np.float32), KEYS)


def test_folds_for_other_rows_are_refused() -> None:
    with pytest.raises(UserError, match=r"Folds of shape \(1,\) for 2 ids"):
        predictions([[0, 0], [0, 0]], fold=[1])


# Joining


@given(st.permutations("abcd"))
def test_taking_rows_follows_the_ids_and_not_the_order(order: list[str]) -> None:
    probs = {"a": [0.1, 0.2], "b": [0.3, 0.4], "c": [0.5, 0.6], "d": [0.7, 0.8]}
    fold = {"a": 0, "b": 1, "c": 2, "d": 0}
    stored = predictions(
        [probs[name] for name in order], "".join(order), [fold[name] for name in order]
    )
    taken = stored.take("cadb")
    assert taken.ids == ("c", "a", "d", "b")
    np.testing.assert_array_equal(
        taken.probs, np.array([probs[name] for name in "cadb"], np.float32)
    )
    assert taken.fold is not None
    assert taken.fold.tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("abd", r"Ids without a prediction: d\."),
        ("a", r"Predictions for unexpected ids: b, c\."),
        ("abca", r"Ids predicted more than once: a\."),
    ],
)
def test_ids_that_do_not_match_are_named(ids: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        predictions([[0, 0]] * 3).take(ids)


def test_folds_are_joined_by_id() -> None:
    parts = [
        predictions([[0.1, 0.1], [0.4, 0.4]], "ad", [0, 0]),
        predictions([[0.3, 0.3], [0.2, 0.2]], "cb", [1, 1]),
    ]
    whole = concatenate(parts)
    assert whole.ids == ("a", "b", "c", "d")
    np.testing.assert_array_equal(whole.probs[:, 0], np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    assert whole.fold is not None
    assert whole.fold.tolist() == [0, 1, 1, 0]


def test_folds_that_overlap_or_are_not_named_cannot_be_joined() -> None:
    part = predictions([[0, 0]], "a", [0])
    with pytest.raises(UserError, match=r"Ids predicted more than once: a\."):
        concatenate([part, part])
    with pytest.raises(UserError, match=r"Cannot join .* without a fold column"):
        concatenate([part, predictions([[0, 0]], "b")])


# Logits


@given(st.floats(-13, 13))
def test_probabilities_and_logits_undo_each_other(value: float) -> None:
    probs = to_probs(np.array([[value]]))
    np.testing.assert_allclose(to_probs(to_logits(probs)), probs, rtol=1e-6)


def test_certainty_has_a_finite_logit() -> None:
    logits = to_logits(np.array([0.0, 1.0, 0.5], np.float32))
    np.testing.assert_allclose(logits, [-13.8155096, 13.8155096, 0.0], rtol=1e-6)


def test_the_mean_is_taken_in_logits() -> None:
    first, second = predictions([[0.9, 0.5]]), predictions([[0.5, 0.2]])
    # Odds of 9 and 1 have the geometric mean 3; odds of 1 and 1/4 have 1/2.
    np.testing.assert_allclose(mean_of_logits([first, second]).probs, [[3 / 4, 1 / 3]], rtol=1e-6)


def test_weights_are_scaled_to_one() -> None:
    members = [predictions([[0.9, 0.5]]), predictions([[0.5, 0.2]])]
    expected = to_probs(np.array([[0.75 * logit(0.9), 0.25 * logit(0.2)]]))
    for weights in ([3, 1], [0.75, 0.25]):
        np.testing.assert_allclose(mean_of_logits(members, weights).probs, expected, rtol=1e-6)
    np.testing.assert_allclose(mean_of_logits(members, [0, 1]).probs, members[1].probs, rtol=1e-6)


def test_the_mean_of_one_is_itself_within_rounding() -> None:
    only = predictions([[0.001, 0.7]])
    np.testing.assert_allclose(mean_of_logits([only]).probs, only.probs, rtol=1e-6)


def test_members_are_matched_by_id() -> None:
    first = predictions([[0.9, 0.9], [0.1, 0.1]], "ab", [0, 1])
    second = predictions([[0.1, 0.1], [0.9, 0.9]], "ba", [1, 0])
    mean = mean_of_logits([first, second])
    assert mean.ids == first.ids
    np.testing.assert_allclose(mean.probs, first.probs, rtol=1e-6)


@pytest.mark.parametrize("fold", [[1, 0], None])
def test_members_on_other_folds_are_refused(fold: list[int] | None) -> None:
    probs = [[0.5, 0.5], [0.5, 0.5]]
    members = [predictions(probs, fold=[0, 1]), predictions(probs, fold=fold)]
    for order in (members, members[::-1]):
        with pytest.raises(UserError, match=r"Cannot blend .* different folds"):
            mean_of_logits(order)


# On disk


@pytest.mark.parametrize("fold", [[2, 0, 1], None])
def test_a_file_reads_back_as_written(tmp_path: Path, fold: list[int] | None) -> None:
    path = tmp_path / "p.parquet"
    written = predictions([[0.1, 0.2], [0.3, 1.0], [0.0, 1e-7]], "cab", fold)
    write_predictions(path, written, {})
    back = read_predictions(path, KEYS)
    assert (back.ids, back.class_keys) == (written.ids, KEYS)
    np.testing.assert_array_equal(back.probs, written.probs)
    assert back.probs.dtype == np.float32
    assert (None if back.fold is None else back.fold.tolist()) == fold


def test_a_file_says_what_made_it(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", predictions([[0, 0]]), {"run": "r", "fold": 0})
    metadata = pq.read_schema(tmp_path / "p.parquet").metadata
    assert json.loads(metadata[PROVENANCE_KEY]) == {"run": "r", "fold": 0}


def put(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_file_from_elsewhere_may_have_wider_types_and_another_order(tmp_path: Path) -> None:
    path = put(tmp_path / "p.parquet", y=np.array([0.25, 1.0]), fold=[1, 0], x=[1, 0], Id=[7, 8])
    back = read_predictions(path, KEYS)
    assert back.ids == ("7", "8")
    assert back.probs.tolist() == [[1.0, 0.25], [0.0, 1.0]]
    assert back.fold is not None
    assert back.fold.tolist() == [1, 0]


ONE: NDArray[np.float32] = np.ones(1, np.float32)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"Id": ["a"], "x": ONE}, "lacks class columns: y"),
        ({"x": ONE, "y": ONE}, r"lacks an id column, named Id\. It has 'x', 'y'"),
        ({"Id": ["a"], "x": ONE, "y": ONE, "z": ONE}, "has unexpected columns: 'z'"),
        ({"Id": ["a"], "x": ONE, "y": 2 * ONE}, "2 for id a, class y, is not a probability"),
        ({"Id": ["a"], "x": ONE, "y": np.nan * ONE}, "NaN for id a, class y; 1 of 2 values"),
        ({"Id": ["a", "a"], "x": [0, 1], "y": [0, 1]}, "Ids predicted more than once: a"),
        ({"Id": ["a"], "x": [None], "y": ONE}, "the column 'x' has empty cells"),
        ({"Id": [None], "x": ONE, "y": ONE}, "the column 'Id' has empty cells"),
        ({"Id": ["a"], "x": ["yes"], "y": ONE}, "the column 'x' cannot be read as float"),
        ({"Id": ["a"], "x": ONE, "y": ONE, "fold": [0.5]}, "the column 'fold' cannot be read as"),
    ],
)
def test_a_file_with_wrong_columns_is_refused(
    tmp_path: Path, columns: dict[str, object], message: str
) -> None:
    path = put(tmp_path / "p.parquet", **columns)
    with pytest.raises(UserError, match=message) as raised:
        read_predictions(path, KEYS)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("left", [0, 20, 200, -1])
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, left: int) -> None:
    path = tmp_path / "p.parquet"
    write_predictions(path, predictions([[0, 0]]), {})
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match=r"p\.parquet is not a (complete )?Parquet file") as raised:
        read_predictions(path, KEYS)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"p\.parquet does not exist"):
        read_predictions(tmp_path / "p.parquet", KEYS)
