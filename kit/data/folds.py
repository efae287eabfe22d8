"""Folds of the training images: stratified over all labels at once, or random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.tables import LabelTable
from kit.core.disk import csv_text, digest, has_text, in_the_way, read_csv, removal, write_text
from kit.core.errors import UserError, brief, some, unknown
from kit.core.formats import Format, Unreadable
from kit.core.ids import positions
from kit.core.paths import provenance_of
from kit.core.suggest import Typed
from kit.data.group_folds import assign_groups, split_group

HEADER = ["Id", "fold", "group"]
RANDOM = "random"
SPLITS = ("stratified", RANDOM)
_PROVENANCE = Format("the provenance of a fold table", 1, "Make the folds again.", oldest=0)


@dataclass(frozen=True)
class _Made:
    """What is read of a fold table's provenance: the words after `kit` that made it, the labels."""

    folds_digest: str
    command: tuple[str, ...] | None = None
    labels_digest: str | None = None


@dataclass(frozen=True)
class Folds:
    """Ids in ascending order, with the fold and the group of each.

    `fold` is int (rows,), 0 to n - 1. Without groups, each image is its own group, named by its id.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int64]
    group: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    @property
    def digest(self) -> str:
        """SHA-256 of the table's contents."""
        return digest([self.ids, self.fold.tolist(), self.group])

    def of(self, ids: tuple[str, ...]) -> NDArray[np.int64]:
        """The fold of each of these ids; UserError for an id without one."""
        return self.fold[positions(self.ids, ids, "Ids without a fold")]


def digest_labels(table: LabelTable) -> str:
    """SHA-256 of ids and labels, independent of row order."""
    return digest(sorted(zip(table.ids, table.labels.tolist(), strict=True)))


def make_folds(
    table: LabelTable,
    n: int,
    seed: int,
    groups: Mapping[str, str] | None = None,
    how: str = "stratified",
) -> Folds:
    """Split the images into `n` folds with equal shares of every class.

    Rows are sorted by id first, because the split depends on their order. With `how` random, labels
    are ignored, so a rare class may be missing from a fold, and rows keep the table's order: fold 0
    is what scikit-learn's `train_test_split` makes of the table as it stands. `groups` maps every
    id to its group; a group is never split, and random groups are shuffled in the order of their
    names. Raises UserError when `n` folds are impossible, and for another `how`.

    Source: Sechidis et al., On the Stratification of Multi-label Data (2011), as implemented by the
    package iterative-stratification.
    """
    if how not in SPLITS:
        raise unknown("split", how, SPLITS)
    if len(table.ids) < 2:
        raise UserError(f"{len(table.ids)} row; folds need at least two.")
    if not 2 <= n <= len(table.ids):
        raise UserError(f"--n {n}: {len(table.ids)} rows allow 2 to {len(table.ids)} folds.")
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed {seed}: a seed is an integer from 0 to {2**32 - 1}.")
    order = sorted(range(len(table.ids)), key=table.ids.__getitem__)
    ids = tuple(table.ids[row] for row in order)
    labels = table.labels[order]
    if groups is None:
        fold = _split(len(ids), n, seed)[order] if how == RANDOM else _stratify(labels, n, seed)
        return Folds(ids, fold, ids)
    if ungrouped := [image_id for image_id in ids if image_id not in groups]:
        raise UserError(f"Ids without a group: {some(ungrouped)}.")
    group = tuple(groups[image_id] for image_id in ids)
    if len(set(group)) < n:
        raise UserError(f"{len(set(group))} groups are too few for {n} folds.")
    fold = _deal(group, n, seed) if how == RANDOM else assign_groups(labels, group, n, seed)
    return Folds(ids, fold, group)


def _split(rows: int, n: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row of a table, (rows,): a fraction 1/n as test part, the rest dealt out.

    Fold 0 is the test part of scikit-learn's `train_test_split`. The train part is dealt to the
    other folds in its shuffled order, as evenly as possible.
    """
    from sklearn.model_selection import train_test_split

    fold = np.zeros(rows, dtype=np.int64)
    rest, _ = train_test_split(np.arange(rows), test_size=1 / n, random_state=seed, shuffle=True)
    fold[rest] = 1 + np.arange(len(rest)) % (n - 1)
    return fold


def _deal(group: tuple[str, ...], n: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, (rows,): groups are shuffled and dealt out as evenly as possible."""
    names, group_of = np.unique(np.array(group), return_inverse=True)
    dealt = np.random.Generator(np.random.PCG64(seed)).permutation(len(names)) % n
    fold: NDArray[np.int64] = dealt[group_of]
    return fold


def _stratify(labels: NDArray[np.uint8], n: int, seed: int) -> NDArray[np.int64]:
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    # The package rejects a single label column; adding its complement does not change the split.
    columns = np.hstack([labels, 1 - labels]) if labels.shape[1] == 1 else labels
    fold = np.zeros(len(labels), dtype=np.int64)
    splitter = MultilabelStratifiedKFold(n_splits=n, shuffle=True, random_state=seed)
    for number, (_, rows) in enumerate(splitter.split(columns, columns)):
        fold[rows] = number
    return fold


def count_labels(folds: Folds, table: LabelTable) -> NDArray[np.int64]:
    """The number of positives per class and fold, (classes, folds)."""
    fold = folds.of(table.ids)
    counts = [table.labels[fold == number].sum(axis=0) for number in range(folds.n)]
    return np.stack(counts, axis=1).astype(np.int64)


def table_rows(folds: Folds) -> list[tuple[int, list[str]]]:
    """The fold table's rows with line numbers, header first, as `read_csv` returns them."""
    fold = (str(number) for number in folds.fold)
    rows = zip(folds.ids, fold, folds.group, strict=True)
    return list(enumerate([HEADER, *([*row] for row in rows)], start=1))


def write_folds(path: Path, folds: Folds, provenance: Mapping[str, Any]) -> None:
    """Write the table, and next to it a JSON with its provenance and digest."""
    write_text(path, _text(folds))
    _PROVENANCE.write(provenance_of(path), {**provenance, "folds_digest": folds.digest})


def require_replaceable(path: Path) -> None:
    """Raise UserError if the JSON beside a table that is to be written is not its provenance."""
    _PROVENANCE.spare(provenance_of(path), _Made, f"--out {path}")


def is_written(path: Path, folds: Folds, provenance: Mapping[str, Any]) -> bool:
    """Whether `write_folds` would change nothing."""
    try:
        found = _PROVENANCE.read_body(provenance_of(path))
    except UserError:
        return False
    return has_text(path, _text(folds)) and found == {**provenance, "folds_digest": folds.digest}


def _text(folds: Folds) -> str:
    return csv_text(row for _, row in table_rows(folds))


def read_folds(path: Path, table: LabelTable | None = None, typed: Typed | None = None) -> Folds:
    """Read a fold table, sorted by id; given labels, check that it was made for them.

    Raises UserError when there is none, when it was edited by hand, or when the labels have changed
    since. The error suggests the command that makes the folds if `typed`, how the user names the
    competition, is given.
    """
    command = _command(path)
    if not path.exists():
        how = f" Make it: {typed.command(*(command or ['folds']))}" if typed else ""
        raise UserError(f"{path} does not exist.{how}")
    again = _how_to_remake(command, typed)
    mend = f"Restore it, or {again}"
    if path.is_dir():
        raise UserError(f"{path} {in_the_way(path)}; then {again}")
    try:
        rows = read_csv(path)
    except UserError as error:
        raise UserError(f"{error} {mend}") from None
    if len(rows) < 3 or rows[0][1] != HEADER:
        raise UserError(f"{path}: expected rows under the header '{','.join(HEADER)}'. {mend}")
    for line, row in rows[1:]:
        if len(row) != 3 or not is_fold(row[1]) or int(row[1]) >= len(rows):
            raise UserError(
                f"{path}, line {line}: expected an id, a fold and a group, got {brief(row)}. {mend}"
            )
    ids, fold, group = zip(*sorted(row for _, row in rows[1:]), strict=True)
    folds = Folds(ids, np.array([int(number) for number in fold], dtype=np.int64), group)
    _check_folds(path, folds, again)
    if table is not None:
        _check_labels(path, folds, table, again)
    return folds


def is_fold(cell: str) -> bool:
    """Whether a cell is the number of a fold; Python refuses to read thousands of digits."""
    return cell.isascii() and cell.isdecimal() and len(cell) < 10


def was_made_by(path: Path, command: Sequence[str], labels_digest: str) -> bool:
    """Whether the provenance of a fold table names this command and these labels."""
    sidecar = provenance_of(path)
    if not sidecar.exists():
        return False
    made = _PROVENANCE.read_as(sidecar, _Made)
    return (made.command, made.labels_digest) == (tuple(command), labels_digest)


def _command(path: Path) -> tuple[str, ...] | None:
    """The words after `kit` that made a fold table, if its provenance knows them.

    Raises UserError for a damaged provenance.
    """
    sidecar = provenance_of(path)
    if not sidecar.exists():
        return None
    try:
        return _PROVENANCE.read_as(sidecar, _Made).command
    except Unreadable as error:
        if sidecar.is_dir():
            raise UserError(error.problem) from None
        without = f"To use the table without it: {removal(sidecar)}"
        raise UserError(f"{error.problem} {without}") from None


def _how_to_remake(words: Sequence[str] | None, typed: Typed | None) -> str:
    """The end of a message: make the folds again, with the command that made them if known."""
    if typed is None:
        return "make the folds again."
    return f"make the folds again: {typed.command(*(words or ['folds']), '--force')}"


def _check_folds(path: Path, folds: Folds, again: str) -> None:
    if len(set(folds.ids)) != len(folds.ids):
        raise UserError(f"{path}: an id appears twice. Restore it, or {again}")
    if folds.n < 2 or set(folds.fold.tolist()) != set(range(folds.n)):
        raise UserError(
            f"{path}: folds must be numbered 0 to n - 1, none empty, at least two. Restore it, or "
            f"{again}"
        )
    if split := split_group(folds.group, folds.fold.tolist()):
        name, one, other = split
        raise UserError(
            f"{path}: group {brief(repr(name))} is in folds {one} and {other}. Restore it, or "
            f"{again}"
        )
    sidecar = provenance_of(path)
    if sidecar.exists() and _PROVENANCE.read(sidecar).get("folds_digest") != folds.digest:
        raise UserError(
            f"{path} is not the table that {sidecar} describes. Delete {sidecar} to keep the table "
            f"unchanged, or {again}"
        )


def _check_labels(path: Path, folds: Folds, table: LabelTable, again: str) -> None:
    again = f"Restore the old labels, or {again}"
    if missing := set(table.ids) - set(folds.ids):
        raise UserError(
            f"{path} has no fold for ids of the label table: {some(sorted(missing))}. {again}"
        )
    if extra := set(folds.ids) - set(table.ids):
        raise UserError(f"{path} has ids without labels: {some(sorted(extra))}. {again}")
    sidecar = provenance_of(path)
    if sidecar.exists() and _PROVENANCE.read(sidecar).get("labels_digest") != digest_labels(table):
        raise UserError(f"The labels have changed since {path} was made. {again}")
