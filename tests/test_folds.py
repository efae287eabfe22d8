"""Folds: disjoint, covering, even in every label, groups whole; and refused when tampered with."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import read_json, write_text
from kit.core.errors import UserError
from kit.core.paths import Workspace, provenance_of
from kit.data.folds import (
    Folds,
    count_labels,
    digest_labels,
    make_folds,
    read_folds,
    read_groups,
    write_folds,
)
from kit.data.folds_stage import fold_stage

# Positives of each class among the 31,072 training rows of the Human Protein Atlas competition.
HPA_COUNTS = (
    (12885, 1254, 3621, 1561, 1858, 2513, 1008, 2822, 53, 45, 28, 1093, 688, 537)
    + (1066, 21, 530, 210, 902, 1482, 172, 3777, 802, 2965, 322, 8228, 328, 11)
)  # fmt: skip
HPA_ROWS = 31_072


@cache
def hpa_like() -> LabelTable:
    """As many rows, and as many positives a class, as the competition has; drawn at random."""
    rng = np.random.default_rng(0)
    labels = np.zeros((HPA_ROWS, len(HPA_COUNTS)), np.uint8)
    for column, count in enumerate(HPA_COUNTS):
        labels[rng.choice(HPA_ROWS, count, replace=False), column] = 1
    return LabelTable(tuple(f"{row:05d}" for row in range(HPA_ROWS)), labels)


@cache
def hpa_like_folds() -> Folds:
    return make_folds(hpa_like(), 5, seed=0)


def small_table(rows: int = 12, classes: int = 2) -> LabelTable:
    labels = np.arange(rows)[:, None] % np.arange(2, 2 + classes) == 0
    return LabelTable(tuple(f"{row:02d}" for row in range(rows)), labels.astype(np.uint8))


def shuffled(table: LabelTable, seed: int = 1) -> LabelTable:
    order = np.random.default_rng(seed).permutation(len(table.ids))
    return LabelTable(tuple(table.ids[row] for row in order), table.labels[order])


def spread(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each class the most positives in a fold less the fewest: (classes,)."""
    return counts.max(axis=1) - counts.min(axis=1)


def test_every_class_is_shared_out_evenly() -> None:
    counts = count_labels(hpa_like_folds(), hpa_like())
    positives = np.array(HPA_COUNTS)
    np.testing.assert_array_equal(counts.sum(axis=1), positives)
    assert (spread(counts) <= np.where(positives <= 60, 1, 0.02 * positives)).all()
    assert (counts[27] >= 2).all()


def test_folds_are_disjoint_and_cover_every_image_once() -> None:
    folds = hpa_like_folds()
    assert folds.ids == hpa_like().ids
    sizes = np.bincount(folds.fold)
    assert sizes.sum() == HPA_ROWS
    assert sizes.max() - sizes.min() <= 1
    assert folds.group == folds.ids


def test_the_order_of_the_rows_changes_no_byte(tmp_path: Path) -> None:
    for name, table in (("a.csv", hpa_like()), ("b.csv", shuffled(hpa_like()))):
        provenance = {"labels_digest": digest_labels(table)}
        write_folds(tmp_path / name, make_folds(table, 5, seed=0), provenance)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("grouped", [False, True])
def test_the_seed_alone_decides(grouped: bool) -> None:
    table = small_table(60, 3)
    groups = {image_id: f"{int(image_id) // 2}" for image_id in table.ids} if grouped else None
    first, again, other = (make_folds(table, 3, seed, groups) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.fold, again.fold)
    assert (first.fold != other.fold).any()


def test_groups_stay_whole_and_labels_even() -> None:
    table = hpa_like()
    rng = np.random.default_rng(2)
    groups = {image_id: f"g{rng.integers(12_000)}" for image_id in table.ids}
    folds = make_folds(table, 5, 0, groups)
    members = {name: set[int]() for name in folds.group}
    for name, fold in zip(folds.group, folds.fold.tolist(), strict=True):
        members[name].add(fold)
    assert all(len(in_folds) == 1 for in_folds in members.values())

    # Whole groups dealt out at random, for comparison.
    dealt = {name: int(rng.integers(5)) for name in members}
    naive = replace(folds, fold=np.array([dealt[name] for name in folds.group]))
    ours, theirs = (spread(count_labels(which, table)) for which in (folds, naive))
    assert ours.max() <= 3
    assert theirs.max() > 100
    assert np.bincount(folds.fold).max() - np.bincount(folds.fold).min() <= 2


def test_big_groups_with_rare_labels_are_spread_first() -> None:
    # Five groups hold the rare label twice each, in between many plain single rows.
    labels = np.zeros((60, 1), np.uint8)
    labels[:10] = 1
    ids = tuple(f"{row:02d}" for row in range(60))
    groups = {name: f"pair{row // 2}" if row < 10 else name for row, name in enumerate(ids)}
    table = LabelTable(ids, labels)
    assert count_labels(make_folds(table, 5, 0, groups), table).tolist() == [[2] * 5]


def test_one_label_column_is_split_evenly() -> None:
    table = LabelTable(
        tuple(f"{row:02d}" for row in range(50)), (np.arange(50) < 10)[:, None].astype(np.uint8)
    )
    folds = make_folds(table, 5, seed=0)
    assert count_labels(folds, table).tolist() == [[2] * 5]
    assert np.bincount(folds.fold).tolist() == [10] * 5


@pytest.mark.parametrize(
    ("n", "seed", "groups", "message"),
    [
        (1, 0, None, "--n 1: from 2 to 12 folds"),
        (13, 0, None, "--n 13: from 2 to 12 folds"),
        (2, -1, None, "--seed -1: a seed is a number from 0"),
        (2, 0, {"00": "x"}, "Ids without a group: 01, 02, 03, 04, 05 and 6 more"),
        (3, 0, {f"{row:02d}": str(row % 2) for row in range(12)}, "3 folds .* made of 2 groups"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(
    n: int, seed: int, groups: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_folds(small_table(), n, seed, groups)


def test_a_fold_is_looked_up_by_id() -> None:
    folds = Folds(("a", "b"), np.array([1, 0]), ("a", "b"))
    assert folds.of(("b", "a", "b")).tolist() == [0, 1, 0]
    with pytest.raises(UserError, match=r"Ids that are in no fold: c\."):
        folds.of(("a", "c"))


# On disk


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The folds of `small_table`, on disk with their provenance."""
    table = small_table()
    provenance = {"labels_digest": digest_labels(table)}
    write_folds(tmp_path / "shapes.csv", make_folds(table, 3, 0), provenance)
    return tmp_path / "shapes.csv"


def test_a_table_reads_back_as_written(written: Path) -> None:
    folds = make_folds(small_table(), 3, 0)
    back = read_folds(written, shuffled(small_table()))
    assert (back.ids, back.group, back.n, back.digest) == (folds.ids, folds.group, 3, folds.digest)
    assert written.read_text().startswith("Id,fold,group\n00,")


def test_ids_that_need_quotes_read_back(tmp_path: Path) -> None:
    folds = Folds(("a,b", 'c"d'), np.array([0, 1]), ("x,y", "z"))
    write_folds(tmp_path / "f.csv", folds, {})
    assert read_folds(tmp_path / "f.csv").ids == folds.ids


def test_an_editor_that_saves_with_windows_newlines_does_no_harm(written: Path) -> None:
    text = "\ufeff" + written.read_text().replace("\n", "\r\n")
    written.write_bytes(text.encode())
    assert read_folds(written, small_table()).n == 3


def test_a_missing_table_comes_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Make it: kit folds --competition shapes"):
        read_folds(tmp_path / "shapes.csv")


def change_label(table: LabelTable) -> LabelTable:
    labels = table.labels.copy()
    labels[0, 0] ^= 1
    return replace(table, labels=labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_label, "The labels have changed since .* was made. Make the folds again"),
        (lambda t: LabelTable(t.ids[1:], t.labels[1:]), "has ids without labels: 00"),
        (lambda t: LabelTable((*t.ids[1:], "new"), t.labels), "lacks ids of .*: new"),
    ],
)
def test_folds_of_other_labels_are_refused(
    written: Path, change: Callable[[LabelTable], LabelTable], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_folds(written, change(small_table()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wants rows under the header 'Id,fold,group'"),
        ("Id,fold\na,0\nb,1\n", "wants rows under the header 'Id,fold,group'"),
        ("Id,fold,group\na,0,a\n", "wants rows under the header 'Id,fold,group'"),
        ("Id,fold,group\na,0,a\nb,one,b\n", "line 3: wants an id, a fold and a group"),
        ("Id,fold,group\na,0,a\nb,1\n", "line 3: wants an id, a fold and a group"),
        ("Id,fold,group\na,0,a\nb,-1,b\n", "line 3: wants an id, a fold and a group"),
        ("Id,fold,group\na,0,a\nb,9999999999999999999999,b\n", "line 3: wants an id, a fold"),
        ("Id,fold,group\na,0,a\nb,2,b\n", "numbered 0 to n - 1, none empty"),
        ("Id,fold,group\na,0,a\nb,0,b\n", "two at least"),
        ("Id,fold,group\na,0,a\na,1,b\nb,0,c\n", "an id stands there twice"),
        ("Id,fold,group\na,0,g\nb,1,g\n", "group 'g' lies in folds 0 and 1"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_folds(tmp_path / "f.csv")


def test_a_table_edited_by_hand_is_refused_until_its_provenance_goes(written: Path) -> None:
    lines = written.read_text().splitlines()
    lines[1] = "00,2,00" if lines[1] != "00,2,00" else "00,1,00"
    written.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"is not the table that .*shapes\.json describes"):
        read_folds(written)
    provenance_of(written).unlink()
    assert read_folds(written, small_table()).n == 3


# Groups


def test_groups_are_read_by_id(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("Id,group\nb,x\n\na,y\n")
    assert read_groups(tmp_path / "g.csv") == {"b": "x", "a": "y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,g\na,x\n", "wants two columns with the header 'Id,group'"),
        ("Id,group\na,x\nb\n", r"line 3: wants an id and its group, got \['b'\]"),
        ("Id,group\na,\n", "line 2: wants an id and its group"),
        ("Id,group\na,x\na,y\n", "line 3: id 'a' has a group already"),
        (None, r"g\.csv does not exist"),
    ],
)
def test_a_wrong_table_of_groups_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "g.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_groups(tmp_path / "g.csv")


# The stage


def put_labels(shapes: Competition, workspace: Workspace) -> LabelTable:
    table = small_table(12, 3)
    text = shapes.label_format.text(table, shapes.class_keys)
    write_text(workspace.source / shapes.label_table, text)
    return table


def test_the_stage_writes_the_table_and_how_it_was_made(
    shapes: Competition, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    table = put_labels(shapes, workspace)
    folds = fold_stage(shapes, workspace, n=3, seed=7)
    assert read_folds(workspace.folds, table).digest == folds.digest
    said = read_json(provenance_of(workspace.folds))
    assert said["method"].startswith("MultilabelStratifiedKFold")
    assert (said["n"], said["seed"], said["rows"], said["groups"]) == (3, 7, 12, 12)
    assert (said["labels_digest"], said["folds_digest"]) == (digest_labels(table), folds.digest)
    assert "circle Circle" in capsys.readouterr().out


def test_the_stage_uses_the_competitions_own_groups(
    shapes: Competition, workspace: Workspace
) -> None:
    put_labels(shapes, workspace)
    grouped = replace(shapes, group_table="groups.csv")
    with pytest.raises(UserError, match=r"groups\.csv does not exist\. Draw them\."):
        fold_stage(grouped, workspace, n=2, seed=0)
    rows = "".join(f"{row:02d},{row // 3}\n" for row in range(12))
    (workspace.source / "groups.csv").write_text("Id,group\n" + rows)
    folds = fold_stage(grouped, workspace, n=2, seed=0)
    assert len(set(folds.group)) == 4
    assert read_json(provenance_of(workspace.folds))["groups"] == 4
