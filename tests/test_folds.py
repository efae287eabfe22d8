"""Folds: disjoint, covering, even in every label, groups whole; and refused when tampered with."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from kit.cli import main
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import read_json, write_text
from kit.core.errors import UserError
from kit.core.paths import Workspace, provenance_of
from kit.core.suggest import Typed
from kit.data.fold_table import FoldOptions
from kit.data.folds import (
    Folds,
    count_labels,
    digest_labels,
    make_folds,
    read_folds,
    write_folds,
)
from kit.data.group_folds import read_groups
from kit.stages.folds import fold_stage, missing_classes

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
        (1, 0, None, "--n 1: 12 rows allow 2 to 12 folds"),
        (13, 0, None, "--n 13: 12 rows allow 2 to 12 folds"),
        (2, -1, None, "--seed -1: a seed is an integer from 0"),
        (2, 0, {"00": "x"}, "Ids without a group: 01, 02, 03, 04, 05 and 6 more"),
        (
            3,
            0,
            {f"{row:02d}": str(row % 2) for row in range(12)},
            "2 groups are too few for 3 folds",
        ),
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
    with pytest.raises(UserError, match=r"Ids without a fold: c\."):
        folds.of(("a", "c"))


# At random


def test_a_random_split_covers_every_image_once_in_folds_of_one_size() -> None:
    folds = make_folds(hpa_like(), 5, seed=0, how="random")
    assert (folds.ids, folds.group) == (hpa_like().ids, hpa_like().ids)
    sizes = np.bincount(folds.fold)
    assert sizes.tolist() == [6215, 6215, 6214, 6214, 6214]  # fold 0: the usual 20% split


def test_a_random_split_does_not_even_out_the_classes() -> None:
    random = make_folds(hpa_like(), 5, seed=0, how="random")
    even = count_labels(hpa_like_folds(), hpa_like())
    assert spread(count_labels(random, hpa_like())).sum() > 20 * spread(even).sum()


def test_a_random_split_leaves_rare_classes_to_chance() -> None:
    # All eight positives of a class in one of two folds: 2 of 256 ways; never in even folds.
    labels = np.arange(64)[:, None] < 8
    table = LabelTable(tuple(f"{row:02d}" for row in range(64)), labels.astype(np.uint8))
    counts = [count_labels(make_folds(table, 2, s, how="random"), table) for s in range(400)]
    assert min(int(count.min()) for count in counts) == 0
    assert np.mean([count[0, 0] for count in counts]) == pytest.approx(4, abs=0.3)


def test_the_labels_change_nothing_in_a_random_split() -> None:
    table = small_table()
    flipped = replace(table, labels=1 - table.labels)
    first, again = (make_folds(each, 3, 1, how="random") for each in (table, flipped))
    np.testing.assert_array_equal(first.fold, again.fold)
    assert (first.fold != make_folds(table, 3, 2, how="random").fold).any()


# 31,072 rows as in the competition; sizes that 1/n does not divide, or only when rounded.
@pytest.mark.parametrize("rows", [2, 3, 12, 49, 103, HPA_ROWS])
@pytest.mark.parametrize("seed", [0, 101, 2**32 - 1])
def test_fold_0_of_a_random_split_is_the_test_part_of_scikit_learn(rows: int, seed: int) -> None:
    table = shuffled(small_table(rows), seed=3)
    assert rows < 12 or list(table.ids) != sorted(table.ids)
    for n in (n for n in (2, 3, 4, 5, 7, 49) if n <= rows):
        folds = make_folds(table, n, seed, how="random")
        rest, test, *_ = train_test_split(
            table.ids, table.labels, random_state=seed, test_size=1 / n, shuffle=True
        )
        assert set(test) == {folds.ids[row] for row in np.flatnonzero(folds.fold == 0)}
        # The others are dealt in the shuffled order of the train part, like cards.
        dealt = [1 + place % (n - 1) for place in range(len(rest))]
        assert folds.of(tuple(rest)).tolist() == dealt


def test_the_students_validation_rows_are_fold_0_of_5() -> None:
    table = shuffled(hpa_like())
    folds = make_folds(table, 5, seed=101, how="random")
    _, validation, _, _ = train_test_split(
        table.ids, table.labels, random_state=101, test_size=0.2, shuffle=True
    )
    assert sorted(validation) == [folds.ids[row] for row in np.flatnonzero(folds.fold == 0)]


def test_a_random_split_of_few_rows_has_no_empty_fold() -> None:
    for rows in range(2, 41):
        for n in range(2, rows + 1):
            sizes = np.bincount(make_folds(small_table(rows), n, 0, how="random").fold, minlength=n)
            assert sizes.min() >= 1
            assert sizes[1:].max() - sizes[1:].min() <= 1


def test_a_random_split_depends_on_the_order_of_the_table() -> None:
    table = small_table(60)
    first, other = (make_folds(each, 3, 1, how="random") for each in (table, shuffled(table)))
    assert first.ids == other.ids
    assert (first.fold != other.fold).any()


def test_groups_stay_whole_in_a_random_split_too() -> None:
    table = small_table(60, 3)
    groups = {image_id: f"g{int(image_id) // 4}" for image_id in table.ids}
    folds = make_folds(table, 5, 0, groups, how="random")
    in_fold = {(group, fold) for group, fold in zip(folds.group, folds.fold.tolist(), strict=True)}
    assert len(in_fold) == 15
    assert np.bincount(folds.fold).tolist() == [12] * 5


def test_another_way_to_split_is_refused() -> None:
    with pytest.raises(UserError, match=r"No split 'shuffled'\. Known: random, stratified\."):
        make_folds(small_table(), 3, 0, how="shuffled")


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
    path = tmp_path / "shapes.csv"
    with pytest.raises(UserError, match=r"not exist\. Make it: kit folds -c my/shapes\.py$"):
        read_folds(path, typed=Typed("my/shapes.py"))
    with pytest.raises(UserError, match=r"shapes\.csv does not exist\.$"):
        read_folds(path)


def change_label(table: LabelTable) -> LabelTable:
    labels = table.labels.copy()
    labels[0, 0] ^= 1
    return replace(table, labels=labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            change_label,
            "The labels have changed since .* was made. Restore the old labels",
        ),
        (lambda t: LabelTable(t.ids[1:], t.labels[1:]), "has ids without labels: 00"),
        (lambda t: LabelTable((*t.ids[1:], "new"), t.labels), "has no fold for ids of .*: new"),
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
        ("", "expected rows under the header 'Id,fold,group'"),
        ("Id,fold\na,0\nb,1\n", "expected rows under the header 'Id,fold,group'"),
        ("Id,fold,group\na,0,a\n", "expected rows under the header 'Id,fold,group'"),
        ("Id,fold,group\na,0,a\nb,one,b\n", "line 3: expected an id, a fold and a group"),
        ("Id,fold,group\na,0,a\nb,1\n", "line 3: expected an id, a fold and a group"),
        ("Id,fold,group\na,0,a\nb,-1,b\n", "line 3: expected an id, a fold and a group"),
        ("Id,fold,group\na,0,a\nb,9999999999999999999999,b\n", "line 3: expected an id, a fold"),
        ("Id,fold,group\na,0,a\nb,2,b\n", "numbered 0 to n - 1, none empty"),
        ("Id,fold,group\na,0,a\nb,0,b\n", "at least two"),
        ("Id,fold,group\na,0,a\na,1,b\nb,0,c\n", "an id appears twice"),
        ("Id,fold,group\na,0,g\nb,1,g\n", "group 'g' is in folds 0 and 1"),
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
        ("id,g\na,x\n", "expected two columns with the header 'Id,group'"),
        ("Id,group\na,x\nb\n", r"line 3: expected an id and its group, got \['b'\]"),
        ("Id,group\na,\n", "line 2: expected an id and its group"),
        ("Id,group\na,x\na,y\n", "line 3: id 'a' appears twice"),
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
    folds = fold_stage(shapes, workspace, FoldOptions(n=3, seed=7))
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
        fold_stage(grouped, workspace, FoldOptions(n=2, seed=0))
    rows = "".join(f"{row:02d},{row // 3}\n" for row in range(12))
    (workspace.source / "groups.csv").write_text("Id,group\n" + rows)
    folds = fold_stage(grouped, workspace, FoldOptions(n=2, seed=0))
    assert len(set(folds.group)) == 4
    assert read_json(provenance_of(workspace.folds))["groups"] == 4
    alone = FoldOptions(n=2, seed=0, how="random", groups=Path("none"), force=True)
    folds = fold_stage(grouped, workspace, alone)
    assert folds.group == folds.ids
    table = grouped.read_labels(workspace.source)
    _, test = train_test_split(table.ids, test_size=0.5, random_state=0)
    assert {one for one, fold in zip(folds.ids, folds.fold, strict=True) if fold == 0} == set(test)
    words = read_json(provenance_of(workspace.folds))["command"]
    assert words == ["folds", "--n", "2", "--how", "random", "--groups", "none"]


@pytest.mark.parametrize(
    ("how", "grouped", "method"),
    [
        ("stratified", False, "MultilabelStratifiedKFold of iterative-stratification, rows sort"),
        ("stratified", True, "groups kept whole, greedy from the rarest label, then single moves"),
        ("random", False, "train_test_split of scikit-learn, not stratified, rows in the order of"),
        ("random", True, "groups kept whole, shuffled K-fold of the groups, not stratified"),
    ],
)
def test_the_provenance_says_how_the_rows_were_split(
    shapes: Competition, workspace: Workspace, how: str, grouped: bool, method: str
) -> None:
    table = put_labels(shapes, workspace)
    groups = workspace.source / "groups.csv"
    groups.write_text("Id,group\n" + "".join(f"{name},{name[0]}{name}\n" for name in table.ids))
    fold_stage(
        shapes, workspace, FoldOptions(n=3, seed=0, groups=groups if grouped else None, how=how)
    )
    said = read_json(provenance_of(workspace.folds))
    assert said["method"].startswith(method)
    header = ["format", "kit", "kind"]
    keys = "competition method n seed rows groups labels_digest command folds_digest sha256"
    assert list(said) == [*header, *keys.split()]
    options = [*(["--how", how] if how != "stratified" else [])]
    options += ["--groups", str(groups)] if grouped else []
    assert said["command"] == ["folds", "--n", "3", *options]


def test_folds_are_not_replaced_by_those_of_another_split(
    shapes: Competition, workspace: Workspace
) -> None:
    put_labels(shapes, workspace)
    fold_stage(shapes, workspace, FoldOptions(n=3, seed=0))
    with pytest.raises(UserError, match="holds other folds"):
        fold_stage(shapes, workspace, FoldOptions(n=3, seed=0, how="random"))


def test_random_folds_of_a_reordered_table_are_refused(
    shapes: Competition, workspace: Workspace
) -> None:
    options = FoldOptions(n=3, seed=101, how="random")
    table = put_labels(shapes, workspace)
    made = fold_stage(shapes, workspace, options)
    assert fold_stage(shapes, workspace, options).digest == made.digest
    text = shapes.label_format.text(shuffled(table), shapes.class_keys)
    write_text(workspace.source / shapes.label_table, text)
    before = workspace.folds.read_bytes()
    with pytest.raises(UserError) as raised:
        fold_stage(shapes, workspace, options)
    assert str(raised.value) == (
        f"{workspace.folds} holds other folds, made by this command from the same labels in "
        "another order, or by an earlier version of the kit. Runs trained on them could not be "
        "blended with new ones. To replace it anyway: --force; to write elsewhere: --out FILE."
    )
    with pytest.raises(UserError, match=r"holds other folds\. Runs"):
        fold_stage(shapes, workspace, replace(options, seed=102))
    assert workspace.folds.read_bytes() == before
    # Folds are looked up by id, so the old ones still fit the reordered labels.
    assert read_folds(workspace.folds, shuffled(table)).digest == made.digest
    assert fold_stage(shapes, workspace, replace(options, force=True)).digest != made.digest


def test_classes_that_a_fold_lacks_are_named_in_one_line(shapes: Competition) -> None:
    labels = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0]], np.uint8)
    table, ids = LabelTable(("a", "b", "c"), labels), ("a", "b", "c")
    folds = Folds(ids, np.array([0, 1, 2]), ids)
    assert missing_classes(shapes, folds, table) == (
        "Classes without positives in a fold: square Square (fold 1, 2), star Star (fold 0, 1, 2)."
    )
    assert missing_classes(shapes, folds, replace(table, labels=np.ones_like(labels))) == ""


# The command


@pytest.fixture
def kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str], str]]:
    """Runs `kit folds` in an empty folder, beside labels of 100 rows.

    Class 0 holds in 60 rows, class 27 in 10, class 1 in the other 30.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").mkdir()
    rows = "".join(f"{n:02d},{0 if n < 60 else 27 if n < 70 else 1}\n" for n in range(100))
    (tmp_path / "labels/train.csv").write_text("Id,Target\n" + rows)

    def run(*words: str) -> tuple[int, list[str], str]:
        monkeypatch.setattr(sys, "argv", ["kit", "folds", "--data", "labels", *words])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        shown = capsys.readouterr()
        return status, shown.out.splitlines(), shown.err

    return run


def line(lines: list[str], beginning: str) -> list[str]:
    (found,) = (each for each in lines if each.startswith(beginning))
    return found.removeprefix(beginning).split()


def test_the_samplings_are_shown_on_folds_that_are_made_for_it(
    kit: Callable[..., tuple[int, list[str], str]], tmp_path: Path
) -> None:
    status, shown, _ = kit("--show", "sampling", "--repeats", "27:10")
    assert status == 0
    assert (tmp_path / "folds/hpa.csv").exists()
    assert any("fold 0 of 5 held out" in each for each in shown)
    shown = shown[shown.index("Wrote folds/hpa.csv") :]
    header = ["rows", "none", "repeat", "inverse", "balanced", "table"]
    assert line(shown, "class     ") == header
    # 80 rows learn: 48, 24 and 8. One over these is 3 in all, made 80, a third for each class.
    assert line(shown, "0 Nucleoplasm") == ["60", "48", "48", "27", "27", "48"]
    assert line(shown, "1 Nuclear membrane") == ["30", "24", "24", "27", "27", "24"]
    assert line(shown, "27 Rods & rings") == ["10", "8", "8", "27", "27", "80"]
    assert line(shown, "9 Endosomes") == ["0", "0", "0", "0", "0", "0"]
    assert line(shown, "rows per epoch") == ["100", "80", "80", "80", "80", "152"]
    assert line(shown, "most per row") == ["1.0", "1.0", "3.3", "3.3", "10.0"]
    assert any(each.startswith("replacement: on average as none, but ") for each in shown)


def test_without_repeats_there_is_no_column_for_the_table(
    kit: Callable[..., tuple[int, list[str], str]],
) -> None:
    _, shown, _ = kit("--show", "sampling")
    assert line(shown, "rows per epoch") == ["100", "80", "80", "80", "80"]
    assert not any(each.startswith("without labels") for each in shown)


def test_rows_without_labels_have_a_line_where_there_are_some(
    kit: Callable[..., tuple[int, list[str], str]], tmp_path: Path
) -> None:
    with (tmp_path / "labels/train.csv").open("a") as file:
        file.writelines(f"x{n},\n" for n in range(10))
    _, shown, _ = kit("--show", "sampling", "--how", "random", "--n", "2")
    count, none, repeat, inverse, balanced = line(shown, "without labels")
    assert (count, none, balanced) == ("10", repeat, "14")  # a quarter of 55 rows
    assert float(inverse) < float(none)


def test_folds_that_are_there_are_shown_as_they_are(
    kit: Callable[..., tuple[int, list[str], str]], tmp_path: Path
) -> None:
    kit("--n", "2", "--how", "random", "--seed", "4")
    before = (tmp_path / "folds/hpa.csv").read_bytes()
    status, shown, _ = kit("--show", "sampling")
    assert status == 0
    assert any("fold 0 of 2 held out" in each for each in shown)
    assert line(shown, "rows per epoch") == ["100", "50", "50", "50", "50"]
    assert (tmp_path / "folds/hpa.csv").read_bytes() == before
    status, _, said = kit("--show", "sampling", "--n", "3")
    assert (status, said.count("\n")) == (2, 1)
    assert "holds other folds" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--show", "samplings"), "No table to --show 'samplings'. Known: sampling. Did you mean"),
        (("--show", ""), "The word after --show is empty."),
        (("--repeats", "27:2"), "--repeats 27:2 changes no folds. Add --show sampling, or drop"),
        (("--show", "sampling", "--repeats", "99:2"), "No class '99'. Known: 0, 1, 10"),
        (("--show", "sampling", "--repeats", "27:0"), "repeats '27:0': expected a number of times"),
        (("--how", "shuffle"), "No split 'shuffle'. Known: random, stratified."),
    ],
)
def test_what_folds_cannot_do_is_said_in_one_line(
    kit: Callable[..., tuple[int, list[str], str]], words: tuple[str, ...], message: str
) -> None:
    status, _, said = kit(*words)
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith(f"kit: {message}")


def test_classes_missing_from_a_fold_are_said_when_folds_are_made(
    kit: Callable[..., tuple[int, list[str], str]],
) -> None:
    _, shown, _ = kit("--how", "random")
    (said,) = (each for each in shown if each.startswith("Classes without positives in a fold"))
    assert "2 Nucleoli (fold 0, 1, 2, 3, 4)" in said
