"""Label table formats: two cover most competitions, both for labels and for submissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kit.competitions.facts import WrongFact, check_columns
from kit.core.disk import csv_text, read_csv
from kit.core.errors import UserError, some
from kit.core.ids import positions


@dataclass(frozen=True)
class LabelTable:
    """Ids and their labels.

    `labels` is uint8 (rows, classes), 0 or 1. Ids are unique and in file order.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.uint8]

    def of(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        """The labels of these ids, in their order; UserError when an id has none."""
        return self.labels[positions(self.ids, ids, "Ids without labels")]


class TableFormat(Protocol):
    """The format of a CSV file with one image per row."""

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        """Read a table; UserError names file, line and cell of anything invalid."""

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        """The table as CSV, in its order, with LF line endings."""


@dataclass(frozen=True)
class SpaceSeparated:
    """One column of space-separated class keys: `id,16 0`. An empty cell means no labels."""

    id_column: str
    label_column: str

    def __post_init__(self) -> None:
        check_columns(self.id_column, self.label_column)

    def check_keys(self, class_keys: Sequence[str]) -> None:
        """Raise UserError for a key that could not be read back: one with a space in it."""
        for key in class_keys:
            if key.split() != [key]:
                raise WrongFact(f"class key {key!r} has a space, which separates keys in a cell.")

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        position = {key: column for column, key in enumerate(class_keys)}
        header = (self.id_column, self.label_column)
        ids: list[str] = []
        labels: list[NDArray[np.uint8]] = []
        for line, (name, cell) in _rows(path, header):
            row = np.zeros(len(class_keys), np.uint8)
            for key in cell.split():
                if key not in position:
                    raise _bad_label(path, line, key, class_keys)
                if row[position[key]]:
                    raise UserError(f"{path}, line {line}: label '{key}' appears twice.")
                row[position[key]] = 1
            ids.append(name)
            labels.append(row)
        return LabelTable(tuple(ids), np.stack(labels))

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        rows = [(self.id_column, self.label_column)]
        for name, row in zip(table.ids, table.labels, strict=True):
            keys = (key for key, on in zip(class_keys, row, strict=True) if on)
            rows.append((name, " ".join(keys)))
        return csv_text(rows)


@dataclass(frozen=True)
class OneHot:
    """One column per class, 1 if the label is set and 0 if not: `id,0,1,0`."""

    id_column: str

    def __post_init__(self) -> None:
        check_columns(self.id_column)

    def check_keys(self, class_keys: Sequence[str]) -> None:
        """Raise UserError for a key that is also the column of ids."""
        if self.id_column in class_keys:
            raise WrongFact(f"class key {self.id_column!r} is also the column of ids.")

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        header = (self.id_column, *class_keys)
        ids: list[str] = []
        labels: list[NDArray[np.uint8]] = []
        for line, (name, *cells) in _rows(path, header):
            for cell in cells:
                if cell not in ("0", "1"):
                    raise UserError(f"{path}, line {line}: {cell!r} is neither 0 nor 1.")
            ids.append(name)
            labels.append(np.array(cells, dtype=np.uint8))
        return LabelTable(tuple(ids), np.stack(labels))

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        rows: list[tuple[object, ...]] = [(self.id_column, *class_keys)]
        for name, row in zip(table.ids, table.labels, strict=True):
            rows.append((name, *row.astype(int).tolist()))
        return csv_text(rows)


def read_ids(path: Path, id_column: str) -> tuple[str, ...]:
    """The first column of a CSV, headed `id_column`; ids must be unique."""
    rows = read_csv(path)
    if not rows or rows[0][1][0] != id_column:
        raise _bad_header(path, rows[0][1] if rows else [], (id_column, "…"))
    _check_ids(path, rows[1:])
    return tuple(row[0] for _, row in rows[1:])


def _rows(path: Path, header: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    rows = read_csv(path)
    if not rows or tuple(rows[0][1]) != header:
        raise _bad_header(path, rows[0][1] if rows else [], header)
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: expected {len(header)} cells, got {row}.")
    _check_ids(path, rows[1:])
    return rows[1:]


def _check_ids(path: Path, rows: Sequence[tuple[int, list[str]]]) -> None:
    if not rows:
        raise UserError(f"{path} has a header but no rows.")
    first: dict[str, int] = {}
    for line, (name, *_) in rows:
        if not name:
            raise UserError(f"{path}, line {line}: the id is empty.")
        if name in first:
            raise UserError(
                f"{path}, line {line}: duplicate id {name!r}, first on line {first[name]}."
            )
        first[name] = line


def _bad_header(path: Path, got: Sequence[str], wanted: Sequence[str]) -> UserError:
    return UserError(f"{path}: header is {','.join(got)!r}, expected '{','.join(wanted)}'.")


def _bad_label(path: Path, line: int, got: str, class_keys: Sequence[str]) -> UserError:
    allowed = some(class_keys, 40)
    if list(class_keys) == [str(number) for number in range(len(class_keys))]:
        allowed = f"the numbers 0 to {len(class_keys) - 1}"
    return UserError(f"{path}, line {line}: '{got}' is not a label. Allowed: {allowed}.")
