"""How label tables are written: two formats cover most competitions, for labels and answers."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, some


@dataclass(frozen=True)
class LabelTable:
    """Ids and their labels, together.

    `labels` is uint8 (rows, classes), 0 or 1. Ids are unique; they keep the file's order.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.uint8]


class TableFormat(Protocol):
    """How one CSV file holds the labels of one image a row."""

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        """Read a table; UserError that names file, line and cell for anything not allowed."""

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        """The CSV for a table, in its order, lines ended by a line feed."""


@dataclass(frozen=True)
class SpaceSeparated:
    """One column of class keys with spaces between: `id,16 0`. An empty cell is no label."""

    id_column: str
    label_column: str

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
                    raise UserError(f"{path}, line {line}: label '{key}' stands there twice.")
                row[position[key]] = 1
            ids.append(name)
            labels.append(row)
        return _table(path, ids, labels, len(class_keys))

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        lines = [f"{self.id_column},{self.label_column}"]
        for name, row in zip(table.ids, table.labels, strict=True):
            lines.append(
                f"{name},{' '.join(key for key, on in zip(class_keys, row, strict=True) if on)}"
            )
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class OneHot:
    """One column a class, 1 where the label holds and 0 where not: `id,0,1,0`."""

    id_column: str

    def read(self, path: Path, class_keys: Sequence[str]) -> LabelTable:
        header = (self.id_column, *class_keys)
        ids: list[str] = []
        labels: list[NDArray[np.uint8]] = []
        for line, (name, *cells) in _rows(path, header):
            for cell in cells:
                if cell not in ("0", "1"):
                    raise UserError(f"{path}, line {line}: '{cell}' is neither 0 nor 1.")
            ids.append(name)
            labels.append(np.array(cells, dtype=np.uint8))
        return _table(path, ids, labels, len(class_keys))

    def text(self, table: LabelTable, class_keys: Sequence[str]) -> str:
        lines = [",".join((self.id_column, *class_keys))]
        for name, row in zip(table.ids, table.labels, strict=True):
            lines.append(",".join((name, *(str(int(cell)) for cell in row))))
        return "\n".join(lines) + "\n"


def read_ids(path: Path, id_column: str) -> tuple[str, ...]:
    """The first column of a CSV whose header begins with `id_column`, each id once."""
    with _open(path) as file:
        rows = list(csv.reader(file))
    if not rows or not rows[0] or rows[0][0] != id_column:
        raise _bad_header(path, rows[0] if rows else [], (id_column, "…"))
    ids = [row[0] for row in rows[1:] if row]
    return _table(path, ids, [], 0).ids


def _rows(path: Path, header: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    with _open(path) as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != header:
        raise _bad_header(path, rows[0] if rows else [], header)
    numbered = [(line, row) for line, row in enumerate(rows[1:], start=2) if row]
    for line, row in numbered:
        if len(row) != len(header) or not row[0]:
            raise UserError(
                f"{path}, line {line}: wants {len(header)} cells, the first an id; got {row}."
            )
    if not numbered:
        raise UserError(f"{path} has a header and no rows.")
    return numbered


def _open(path: Path):  # type: ignore[no-untyped-def]
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None


def _table(path: Path, ids: list[str], labels: list[NDArray[np.uint8]], classes: int) -> LabelTable:
    seen: set[str] = set()
    twice = [name for name in ids if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise UserError(f"{path}: ids that stand there more than once: {some(twice)}.")
    values = np.stack(labels) if labels else np.zeros((len(ids), classes), np.uint8)
    return LabelTable(tuple(ids), values)


def _bad_header(path: Path, got: Sequence[str], wanted: Sequence[str]) -> UserError:
    return UserError(f"{path}: the header is '{','.join(got)}', expected '{','.join(wanted)}'.")


def _bad_label(path: Path, line: int, got: str, class_keys: Sequence[str]) -> UserError:
    allowed = some(class_keys, 40)
    if list(class_keys) == [str(number) for number in range(len(class_keys))]:
        allowed = f"the numbers 0 to {len(class_keys) - 1}"
    return UserError(f"{path}, line {line}: '{got}' is no label. Allowed: {allowed}.")
