"""Rows with ids, labels, folds and groups: what belongs to a row stays with it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from simulation import simulate_members

from kit.core.errors import UserError
from kit.data.frames import align, as_probs
from kit.data.predictions import Predictions, to_logits, to_probs
from kit.ensemble.fitting import Options, fit_decision
from kit.scores.oof import Members, Unseen, make_members, make_unseen, number_groups, to_unseen

LABELS = np.array([[1], [0], [1], [1], [0]], np.uint8)
PROBS = np.array([[0.9], [0.6], [0.8], [0.7], [0.2]], np.float32)
HALVED = (PROBS / 2).astype(np.float32)
OOF = Predictions(tuple("abcde"), PROBS, ("x",), np.array([0, 0, 1, 1, 1]))
ONE = make_members(LABELS, [OOF], ["one"])
SAMPLE = ONE.with_probs(PROBS)
KEYS = ("x", "y")
TWO = [[[2.0]], [[1.5]]]


# Parts


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 1], r"lack ids: 000, 001\. The ids were read as numbers.*Found '0', expected '000'"),
        (["000.png", "001.png"], "leave folders and endings off"),
        (["a", "b"], r"lack ids: 000, 001\.$"),
    ],
)
def test_ids_of_a_frame_that_do_not_match_are_explained(index: list[Any], message: str) -> None:
    frame = pd.DataFrame(np.zeros((2, 2)), index=index)
    with pytest.raises(UserError, match=message):
        align(frame, np.array(["000", "001"], dtype=object), "probabilities")


def test_numbers_and_text_are_told_apart() -> None:
    frame = pd.DataFrame(np.zeros((2, 2)), index=[7, 8])
    with pytest.raises(UserError, match=r"in one and text in the other: convert both with astype"):
        align(frame, np.array(["7", "8"], dtype=object), "probabilities")


def test_a_part_of_the_members_keeps_its_rows_together() -> None:
    members = simulate_members(12, [[[2.0]], [[1.0]]])
    rows = np.arange(12) % 4 == 1
    part = members.only(rows)
    assert part.probs.shape == (2, 3, 3)
    np.testing.assert_array_equal(part.probs, members.probs[:, [1, 5, 9]])
    np.testing.assert_array_equal(part.labels, members.labels[[1, 5, 9]])
    assert part.fold.tolist() == [1, 2, 0]
    assert part.group.tolist() == [1, 5, 9]
    assert part.folds.tolist() == [0, 1, 2]
    assert part.ids.tolist() == ["row1", "row5", "row9"]
    assert (part.names, part.class_keys) == (members.names, members.class_keys)


def test_a_blend_of_the_members_is_a_sample_of_their_rows() -> None:
    members = simulate_members(6, [[[2.0]]])
    sample = members.with_probs(members.probs[0])
    assert sample.labels is members.labels
    assert sample.fold is members.fold
    assert sample.group is members.group
    assert sample.ids is members.ids


def test_one_of_the_members_has_the_same_rows() -> None:
    members = simulate_members(6, [[[2.0]], [[1.0]]])
    one = members.one(1)
    assert one.names == ("model1",)
    np.testing.assert_array_equal(one.probs, members.probs[1:])
    assert one.labels is members.labels
    assert one.ids is members.ids


def test_each_row_is_its_own_group_unless_groups_are_named() -> None:
    assert len(set(SAMPLE.group.tolist())) == 5
    grouped = make_members(LABELS, [OOF], ["one"], ("q", "p", "q", "p", "r")).group
    assert grouped.tolist() == [1, 0, 1, 0, 2]


def test_a_part_of_a_sample_keeps_its_rows_together() -> None:
    part = SAMPLE.only(np.array([False, True, False, False, True]))
    assert part.labels.ravel().tolist() == [0, 0]
    np.testing.assert_array_equal(part.probs, PROBS[[1, 4]])
    assert part.fold.tolist() == [0, 1]
    assert part.group.tolist() == SAMPLE.group[[1, 4]].tolist()
    assert SAMPLE.folds.tolist() == [0, 1]
    assert part.ids.tolist() == ["b", "e"]


def test_a_part_of_a_sorted_sample_is_sorted() -> None:
    rows = np.array([True, False, True, True, False])
    sample = SAMPLE.with_probs(PROBS)
    assert "ranked" not in vars(sample.only(rows))
    sorted_anew = sample.only(rows).ranked
    assert sample.ranked.scores.tolist() == [sorted(PROBS[:, 0].tolist(), reverse=True)]
    part = sample.only(rows)
    assert "ranked" in vars(part)
    for name in ("order", "scores", "hits"):
        np.testing.assert_array_equal(getattr(part.ranked, name), getattr(sorted_anew, name))


def test_other_probabilities_leave_the_rest_as_it_is() -> None:
    other = SAMPLE.with_probs(1 - PROBS)
    np.testing.assert_array_equal(other.probs, 1 - PROBS)
    assert other.labels is SAMPLE.labels
    assert other.fold is SAMPLE.fold


def test_predictions_without_folds_cannot_be_cross_fitted() -> None:
    with pytest.raises(UserError, match="without a fold column cannot be cross-fitted"):
        make_members(LABELS, [replace(OOF, fold=None)], ["one"])


def test_of_one_fold_nothing_can_be_held_out() -> None:
    with pytest.raises(UserError, match="of a single fold: nothing can be held out"):
        make_members(LABELS, [replace(OOF, fold=np.full(5, 3))], ["one"])


# Groups


def test_groups_are_numbered_by_their_texts_whatever_they_are() -> None:
    assert number_groups(["b", "a", "b"]).tolist() == [1, 0, 1]
    huge = np.array([10**15, 7, 10**15])
    assert number_groups(huge).tolist() == number_groups(["1000000000000000", "7"] * 2)[:3].tolist()
    assert number_groups(huge).dtype == np.int64
    assert number_groups([("a", 1), None, ("a", 1)]).tolist() == [0, 1, 0]


# Members


def test_members_come_in_the_order_of_the_first_whatever_their_own() -> None:
    other = replace(OOF, probs=HALVED)
    order = np.array([3, 1, 4, 0, 2])
    assert OOF.fold is not None
    shuffled = Predictions(tuple("dbeac"), other.probs[order], ("x",), OOF.fold[order])
    members = make_members(LABELS, [OOF, shuffled], ["one", "other"])
    assert members.ids.tolist() == list("abcde")
    np.testing.assert_array_equal(members.probs, [PROBS, HALVED])
    assert members.names == ("one", "other")


def test_members_of_other_folds_or_ids_are_refused() -> None:
    with pytest.raises(UserError, match=r"^two and one were trained on different folds"):
        make_members(LABELS, [OOF, replace(OOF, fold=np.arange(5))], ["one", "two"])
    with pytest.raises(UserError, match="two and one were trained on different folds"):
        make_members(LABELS, [OOF, replace(OOF, fold=None)], ["one", "two"])
    with pytest.raises(UserError, match="Ids without a prediction: e"):
        make_members(LABELS, [OOF, replace(OOF, ids=tuple("abcdf"))], ["one", "two"])


def test_a_test_set_comes_in_the_order_of_the_first_prediction() -> None:
    first = Predictions(("p", "q"), np.array([[0.1], [0.2]], np.float32), ("x",))
    swapped = Predictions(("q", "p"), np.array([[0.3], [0.4]], np.float32), ("x",))
    unseen = make_unseen([[first, swapped], [swapped, first]])
    assert unseen.ids.tolist() == ["p", "q"]
    assert [probs.shape for probs in unseen.by_fold] == [(2, 2, 1)] * 2
    here, there = first.probs[:, 0], swapped.probs[::-1, 0]
    np.testing.assert_array_equal(unseen.by_fold[0][:, :, 0], [here, there])
    np.testing.assert_array_equal(unseen.by_fold[1][:, :, 0], [there, here])
    assert [probs.shape for probs in unseen.one(1).by_fold] == [(1, 2, 1)] * 2
    np.testing.assert_array_equal(unseen.one(1).by_fold[0], unseen.by_fold[0][1:])


# Arrays and frames as people have them


def draw(rows: int = 4, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((rows, 2), np.float32)


def as_frame(probs: NDArray[np.float32], ids: str = "pqrs") -> pd.DataFrame:
    return pd.DataFrame(probs, index=list(ids), columns=list(KEYS))


def test_an_array_is_one_member_and_one_fold() -> None:
    unseen = to_unseen(draw(), 1, KEYS)
    assert unseen.ids.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(unseen.by_fold, [[draw()]])
    assert to_unseen(unseen, 1, KEYS) is unseen


def test_a_list_is_the_folds_of_a_single_member_and_the_members_of_several() -> None:
    two = [draw(), draw(seed=1)]
    folds, members = to_unseen(two, 1, KEYS), to_unseen(two, 2, KEYS)
    assert [probs.shape for probs in folds.by_fold] == [(1, 4, 2)] * 2
    assert [probs.shape for probs in members.by_fold] == [(2, 4, 2)]
    np.testing.assert_array_equal(members.by_fold[0], two)
    both = to_unseen([two, two[::-1]], 2, KEYS)
    np.testing.assert_array_equal(both.by_fold[0], two)
    np.testing.assert_array_equal(both.by_fold[1], two[::-1])


def test_frames_are_aligned_by_ids_and_class_names() -> None:
    first, second = as_frame(draw()), as_frame(draw(seed=1))
    mixed = second.iloc[[2, 0, 3, 1]][["y", "x"]]
    unseen = to_unseen([first, mixed], 2, KEYS)
    assert unseen.ids.tolist() == list("pqrs")
    np.testing.assert_array_equal(unseen.by_fold[0], [draw(), draw(seed=1)])


def test_columns_are_taken_by_name_and_by_place_only_where_there_are_no_names() -> None:
    frame = as_frame(draw())
    np.testing.assert_array_equal(as_probs(frame[["y", "x"]], KEYS, None), draw())
    np.testing.assert_array_equal(as_probs(pd.DataFrame(draw()), KEYS, None), draw())
    np.testing.assert_array_equal(as_probs(frame, ("0", "1"), None), draw())
    numbered = pd.DataFrame(draw()[:, ::-1], columns=[1, 0])
    np.testing.assert_array_equal(as_probs(numbered, ("0", "1"), None), draw())
    with pytest.raises(UserError, match="Columns x, z for the classes x, y: no column for y"):
        as_probs(frame.rename(columns={"y": "z"}), KEYS, None)


@pytest.mark.parametrize(
    ("tests", "members", "message"),
    [
        ([draw(), draw()], 3, "Test predictions of 2 members, expected 3: give a list with"),
        (draw(), 2, "Test predictions of 1 members, expected 2"),
        ([[draw()], [draw(), draw()]], 2, "fold models: give the same number for each"),
        ([[], []], 2, "Members with test predictions of 0 fold models"),
        ([draw(), draw(5)], 1, r"different shapes: \(\d, 2\), \(\d, 2\)"),
        (draw()[:, :1], 1, r"Probabilities of shape \(4, 1\) for 2 classes"),
        (draw() * 9 - 4, 1, "is not a probability; .* They look like logits: apply a sigmoid"),
        (np.full((4, 2), np.nan, np.float32), 1, "NaN for id 0, class x; 8 of 8 values are NaN"),
        (np.full((4, 2), "a"), 1, "Probabilities of type <U1: expected numbers from 0 to 1"),
        ([as_frame(draw()), as_frame(draw(), "pqrt")], 2, "The probabilities lack ids: s"),
        (
            [as_frame(draw()), as_frame(draw(), "pqrr")],
            2,
            "The probabilities have duplicate ids: r",
        ),
        (
            [as_frame(draw(3), "pqr"), as_frame(draw())],
            2,
            "The probabilities have ids that the others lack: s",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    tests: object, members: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        to_unseen(tests, members, KEYS)
    assert "\n" not in str(raised.value)


def test_rounding_errors_beyond_0_and_1_are_cut_off_and_nothing_else() -> None:
    probs = np.array([[-1e-8, 1 + 1e-8], [0.0, 1.0]])
    np.testing.assert_array_equal(as_probs(probs, KEYS, None), [[0, 1], [0, 1]])


def test_an_array_has_no_ids_to_align_by() -> None:
    ids = np.array(["p", "q", "r", "s"], dtype=object)
    np.testing.assert_array_equal(align(draw(), ids, "probabilities"), draw())
    assert isinstance(to_unseen([as_frame(draw()), draw(seed=1)], 2, KEYS), Unseen)


# A whole fit


def test_the_order_of_a_members_rows_changes_nothing() -> None:
    members, tests = simulate_members(90, TWO), simulate_members(40, TWO, seed=1)
    test_logits = to_logits(tests.probs)
    rng = np.random.default_rng(0)

    def predictions(shuffled: int | None) -> tuple[Members, Unseen]:
        """Members and test set, with one model's rows in an order of its own everywhere."""
        oofs, unseen = [], []
        for model, probs in enumerate(members.probs):
            order = rng.permutation(90) if model == shuffled else np.arange(90)
            ids = tuple(members.ids[order])
            keys = members.class_keys
            oofs.append(Predictions(ids, probs[order], keys, members.fold[order]))
            by_fold = []
            for fold in range(3):
                order = rng.permutation(40) if model == shuffled else np.arange(40)
                moved = to_probs(test_logits[model] + 0.1 * fold)[order]
                by_fold.append(Predictions(tuple(tests.ids[order]), moved, keys))
            unseen.append(by_fold)
        # The first model's order is the rows' order: labels follow it.
        position = {one: row for row, one in enumerate(members.ids)}
        labels = members.labels[[position[one] for one in oofs[0].ids]]
        return make_members(labels, oofs, members.names), make_unseen(unseen)

    options = Options("stack", "fold-mean")
    expected, second = (fit_decision(*predictions(one), options) for one in (None, 1))
    assert second.decision == expected.decision
    np.testing.assert_array_equal(second.labels, expected.labels)
    assert expected.test is not None
    assert second.test is not None
    np.testing.assert_array_equal(second.test, expected.test)
    # With the first model's rows all rows move: the decision is the same but for rounding.
    moved, unseen = predictions(0)
    first = fit_decision(moved, unseen, options)
    np.testing.assert_allclose(first.decision.thresholds, expected.decision.thresholds, rtol=1e-6)
    assert first.decision.cross_fitted == pytest.approx(expected.decision.cross_fitted)
    labels = dict(zip(unseen.ids, first.decision.decide(unseen).tolist(), strict=True))
    there = expected.decision.decide(predictions(None)[1]).tolist()
    assert [labels[one] for one in tests.ids] == there
