"""Label table formats: two cover most competitions, both for labels and for submissions.

Tables are CSV in UTF-8, compressed or not, whatever they are called; columns may be in any order.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kit.competitions.facts import WrongFact, check_columns
from kit.competitions.header import Header
from kit.core.csv_rows import csv_rows
from kit.core.disk import csv_text
from kit.core.errors import UserError, brief, some
from kit.core.ids import positions

# How a label is written as a number or by pandas; a missing or uncertain label is neither.
_CELLS = {
    **dict.fromkeys(("0", "0.0", "False"), 0),
    **dict.fromkeys(("1", "1.0", "True"), 1),
}


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
    """One column of space-separated class keys: `id,16 0`. An empty cell means no labels.

    Columns named in `ignore` may be there, too, and are not read.
    """

    id_column: str
    label_column: str
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_columns(self.id_column, self.label_column)

    def check_keys(self, class_keys: Sequence[str]) -> None:
        """Raise UserError for a key that could not be read back: one with a space in it."""
        for key in class_keys:
            if key.split() != [key]:
                raise WrongFact(f"class key {key!r} has a space, which separates keys in a cell.")

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        position = {key: column for column, key in enumerate(class_keys)}
        how = f"SpaceSeparated({self.id_column!r}, {self.label_column!r}, ignore={{}})"
        header = Header((self.id_column, self.label_column), self.ignore, how)
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
    """One column per class, 1 if the label is set and 0 if not: `id,0,1,0`.

    Cells may also be 1.0 and 0.0 or True and False, as pandas writes them. Columns named in
    `ignore` may be there, too, and are not read.
    """

    id_column: str
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_columns(self.id_column)

    def check_keys(self, class_keys: Sequence[str]) -> None:
        """Raise UserError for a key that is also the column of ids."""
        if self.id_column in class_keys:
            raise WrongFact(f"class key {self.id_column!r} is also the column of ids.")

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        how = f"OneHot({self.id_column!r}, ignore={{}})"
        header = Header((self.id_column, *class_keys), self.ignore, how)
        ids: list[str] = []
        labels: list[NDArray[np.uint8]] = []
        for line, (name, *cells) in _rows(path, header):
            try:
                labels.append(np.array([_CELLS[cell] for cell in cells], dtype=np.uint8))
            except KeyError:
                raise _bad_cell(path, line, cells, class_keys) from None
            ids.append(name)
        return LabelTable(tuple(ids), np.stack(labels))

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        rows: list[tuple[object, ...]] = [(self.id_column, *class_keys)]
        for name, row in zip(table.ids, table.labels, strict=True):
            rows.append((name, *row.astype(int).tolist()))
        return csv_text(rows)


def read_ids(path: Path, id_column: str) -> tuple[str, ...]:
    """The ids of a CSV, from its column `id_column`; they must be unique.

    Other columns may hold anything. Raises UserError as the formats do.
    """
    rows = csv_rows(path)
    _, found = next(rows, (0, []))
    (place,) = Header((id_column,), others=True).find(path, found)
    cells = ((line, [*row[place : place + 1], ""][:1]) for line, row in rows)
    return tuple(name for _, (name,) in _checked(path, cells, 1))


def _rows(path: Path, header: Header) -> Iterator[tuple[int, list[str]]]:
    """The needed cells of each row, the id first; UserError for ids that are empty or double."""
    rows = csv_rows(path)
    _, found = next(rows, (0, []))
    places = header.find(path, found)
    for line, row in _checked(path, rows, len(found), places[0]):
        yield line, [row[place] for place in places]


def _checked(
    path: Path, rows: Iterator[tuple[int, list[str]]], width: int, id_place: int = 0
) -> Iterator[tuple[int, list[str]]]:
    first: dict[str, int] = {}
    for line, row in rows:
        if len(row) != width:
            raise UserError(f"{path}, line {line}: expected {width} cells, got {brief(row, 100)}.")
        name = row[id_place]
        if not name:
            raise UserError(f"{path}, line {line}: the id is empty.")
        if name in first:
            raise UserError(
                f"{path}, line {line}: duplicate id {brief(repr(name))}, first on line "
                f"{first[name]}."
            )
        first[name] = line
        yield line, row
    if not first:
        raise UserError(f"{path} has a header but no rows.")


def _bad_cell(path: Path, line: int, cells: Sequence[str], class_keys: Sequence[str]) -> UserError:
    """The error for the first cell that is not a label, with a way on."""
    key, cell = next(
        (key, cell) for key, cell in zip(class_keys, cells, strict=True) if cell not in _CELLS
    )
    message = f"{path}, line {line}: {brief(repr(cell), 60)} is neither 0 nor 1, in column {key!r}."
    if not cell.strip() or re.fullmatch(r"-1(\.0)?|nan|n/?a|null|none", cell.strip(), re.I):
        message += " A label must be known: write 0 or 1, or delete the row."
    elif re.fullmatch(r"0?\.\d+", cell):
        message += " It looks like a probability: labels are expected here."
    return UserError(message)


def _bad_label(path: Path, line: int, got: str, class_keys: Sequence[str]) -> UserError:
    allowed = some(class_keys, 40)
    if list(class_keys) == [str(number) for number in range(len(class_keys))]:
        allowed = f"the numbers 0 to {len(class_keys) - 1}"
    hint = ""
    for mark in ",;|/":
        if mark in got and set(got.split(mark)) - {""} <= set(class_keys):
            hint = f" Separate labels by spaces, not by '{mark}'."
    return UserError(
        f"{path}, line {line}: '{brief(got, 60)}' is not a label. Allowed: {allowed}.{hint}"
    )
