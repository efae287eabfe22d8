"""Reads a table of predictions by its content: Parquet with any index, or CSV, also compressed.

Every command reads predictions here, so all accept and refuse the same files.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.core.csv_rows import csv_rows
from kit.core.errors import UserError, brief
from kit.core.ids import twice
from kit.core.unpack import is_parquet
from kit.data.prediction_columns import Columns, Naming, find_columns

# A number over any number of folds: what is larger is not a fold.
MOST_FOLDS = 1_000_000
# Parquet stores a constant column in a few bytes: a small file may declare any number of rows.
MOST_VALUES = 2**25
MOST_VALUES_PER_BYTE = 64

# What such a file is, for messages.
TABLE = "a Parquet file or UTF-8 CSV"


@dataclass(frozen=True)
class PredictionTable:
    """A table as it was read: values float64 (rows, classes), of any size; `fold` int64 or None."""

    ids: tuple[str, ...]
    values: NDArray[np.float64]
    fold: NDArray[np.int64] | None


def read_prediction_table(path: Path, naming: Naming, folds: bool) -> PredictionTable:
    """Read ids, one column of numbers per class, and the column `fold` if there is one.

    With `folds` False, a column `fold` is refused: test predictions have none. Raises a one-line
    UserError that starts with the path for other columns, for cells that are empty or not numbers,
    for ids that repeat, and for folds that are not integers from 0.
    """
    try:
        read = _read_parquet if is_parquet(path) else _read_csv
        columns, table = read(path, naming, folds)
        if not table.ids:
            raise UserError(f"{path} has a header but no rows.")
        if doubled := twice(table.ids):
            raise _doubled(doubled[0])
        if columns.is_unnamed and all(one.isdecimal() for one in table.ids):
            raise UserError(
                f"{path} lacks an id column, named {naming.ids}: its index holds only numbers."
            )
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    return table


def _read_csv(path: Path, naming: Naming, folds: bool) -> tuple[Columns, PredictionTable]:
    rows = csv_rows(path, TABLE)
    _, header = next(rows, (0, []))
    if not header:
        raise UserError(f"{path} is not {TABLE} (it is empty).")
    columns = find_columns(path, header, [""] if "" in header else [], naming, folds)
    id_place = header.index(columns.ids)
    places = [header.index(name) for name in columns.classes]
    fold_place = header.index("fold") if columns.fold else None
    ids: dict[str, None] = {}
    values, fold = array("d"), array("d")
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: expected {len(header)} cells, got {len(row)}.")
        name = row[id_place]
        if not name:
            raise UserError(f"the column '{columns.ids}' has empty cells.")
        if name in ids:
            raise _doubled(name)
        ids[name] = None
        try:
            values.extend([float(row[place]) for place in places])
        except ValueError:
            for place, key in zip(places, columns.classes, strict=True):
                _number(row[place], key, name)
        if fold_place is not None:
            fold.append(_number(row[fold_place], "fold", name, "int64"))
    names = tuple(ids)
    numbers = np.array(values, np.float64).reshape(len(names), len(places))
    numbered = _as_folds(fold, names) if columns.fold else None
    return columns, PredictionTable(names, numbers, numbered)


def _read_parquet(path: Path, naming: Naming, folds: bool) -> tuple[Columns, PredictionTable]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            index = _index_names(file.schema_arrow, found)
            columns = find_columns(path, found, index, naming, folds)
            needed = [columns.ids, *columns.classes, *(["fold"] if columns.fold else [])]
            refuse_bomb(path, file.metadata.num_rows, len(needed))
            table = file.read(columns=needed)
    except (pa.ArrowException, ValueError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk failed, not the file
        reason = brief((str(error).splitlines() or ["it is damaged"])[0])
        raise UserError(f"{path} is not a complete Parquet file ({reason}).") from None
    ids = _texts(table.column(columns.ids), columns.ids)
    values = np.empty((len(ids), len(columns.classes)), np.float64)
    for place, key in enumerate(columns.classes):
        values[:, place] = _numbers(table.column(key), key, ids)
    fold = None
    if columns.fold:
        fold = _as_folds(_numbers(table.column("fold"), "fold", ids, "int64"), ids)
    return columns, PredictionTable(ids, values, fold)


def _index_names(schema: Any, found: Sequence[str]) -> list[str]:
    """The columns that hold the index of a pandas frame, by its note in the file."""
    try:
        noted = schema.pandas_metadata or {}
        names = noted.get("index_columns", [])
        return [name for name in names if isinstance(name, str) and name in found]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []  # a note that cannot be read says nothing


def refuse_bomb(path: Path, rows: int, columns: int) -> None:
    """Raise UserError for a Parquet file that declares far more values than its size explains."""
    size = path.stat().st_size
    if rows * columns > max(MOST_VALUES, MOST_VALUES_PER_BYTE * size):
        raise UserError(
            f"{path} declares {rows:,} rows of {columns} columns in {size:,} bytes: these are not "
            "predictions."
        )


def _texts(column: Any, name: str) -> tuple[str, ...]:
    import pyarrow as pa

    try:
        texts = column.cast(pa.string()).to_pylist()
    except (pa.ArrowException, ValueError):
        raise UserError(f"the column '{name}' cannot be read as text: {column.type}.") from None
    if None in texts or "" in texts:
        raise UserError(f"the column '{name}' has empty cells.")
    return tuple(texts)


def _numbers(
    column: Any, name: str, ids: Sequence[str], kind: str = "float64"
) -> NDArray[np.float64]:
    import pyarrow as pa

    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise _empty(name, ids[row])
    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            cells = zip(column.to_pylist(), ids, strict=True)
            return np.array([_number(cell, name, one, kind) for cell, one in cells])
        numbers: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
        return numbers
    except (pa.ArrowException, ValueError):
        held = brief(column.type, 60)
        raise UserError(f"the column '{name}' cannot be read as {kind}: it holds {held}.") from None


def _number(cell: str, name: str, image_id: str, kind: str = "float64") -> float:
    if not cell.strip():
        raise _empty(name, image_id)
    try:
        return float(cell)
    except ValueError:
        hint = " Write a decimal point." if "," in cell else ""
        raise UserError(
            f"the column '{name}' cannot be read as {kind}: {brief(repr(cell), 60)} for id "
            f"{brief(image_id)}.{hint}"
        ) from None


def _empty(name: str, image_id: str) -> UserError:
    first = brief(image_id)
    return UserError(f"the column '{name}' has empty cells, the first for id {first}.")


def _doubled(image_id: object) -> UserError:
    return UserError(f"Ids predicted more than once: {brief(image_id)}.")


def _as_folds(numbers: Sequence[float] | NDArray[Any], ids: Sequence[str]) -> NDArray[np.int64]:
    """Folds as int64, from integers or from floats such as 2.0; UserError naming any other."""
    values = np.asarray(numbers, np.float64)
    bad = np.flatnonzero(~((values >= 0) & (values < MOST_FOLDS) & (values % 1 == 0)))
    if len(bad):
        row = int(bad[0])
        raise UserError(
            f"the column 'fold' cannot be read as integers from 0: {values[row]:g} for id "
            f"{brief(ids[row])}; {len(bad)} of {len(values)} rows have no fold."
        )
    return values.astype(np.int64)
