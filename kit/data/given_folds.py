"""A team's own split: folds from a table with any column names, or from out-of-fold predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.tables import LabelTable
from kit.core.csv_rows import csv_rows
from kit.core.errors import UserError, brief, some
from kit.core.ids import require_ids, twice
from kit.core.unpack import is_parquet
from kit.data.folds import Folds
from kit.data.group_folds import split_group
from kit.data.prediction_table import TABLE, refuse_bomb

# More are not folds, but a number per row.
MOST_FOLDS = 100
_GROUP = "group"

Columns = dict[str, list[str]]


def take_folds(
    path: Path, labels: LabelTable, label_table: Path, groups: Mapping[str, str] | None
) -> Folds:
    """The folds of a table, Parquet or CSV, with a row per labelled image.

    The id column is the one that holds the ids of `labels`; the fold column is called fold, or has
    it in its name, or is the only one of small whole numbers. Folds are renumbered from 0 in their
    order. Groups are those given for each id, or of a column `group`. Raises UserError for a table
    in which either column cannot be told, for missing or unexpected ids, for values that are no
    folds, and for a group in more than one fold.
    """
    columns = _read(path)
    ids = _id_column(path, columns, labels)
    if doubled := twice(columns[ids]):
        raise UserError(f"{path}: the id {brief(doubled[0])} appears twice.")
    require_ids(path, columns[ids], labels.ids, label_table)
    name = _fold_column(path, columns, ids)
    numbers = _numbers(columns[name])
    if numbers is None or numbers.min() < 0:
        bad = next(
            cell for cell in columns[name] if _numbers([cell]) is None or int(float(cell)) < 0
        )
        raise UserError(
            f"{path}: column {brief(repr(name))} has {brief(repr(bad))}, expected the fold that "
            "holds out each image, a whole number from 0."
        )
    found, fold = np.unique(numbers, return_inverse=True)
    if not 2 <= len(found) <= MOST_FOLDS:
        raise UserError(
            f"{path}: column {brief(repr(name))} has {len(found)} different values, expected 2 to "
            f"{MOST_FOLDS} folds."
        )
    named = columns.get(_GROUP) if groups is None else [groups.get(one, "") for one in columns[ids]]
    group = columns[ids] if named is None or _GROUP in (ids, name) else named
    if missing := [one for one, of in zip(columns[ids], group, strict=True) if not of]:
        raise UserError(f"Ids without a group: {some(missing)}.")
    _refuse_split_groups(path, group, fold.tolist())
    order = sorted(range(len(fold)), key=columns[ids].__getitem__)
    return Folds(
        tuple(columns[ids][row] for row in order),
        fold[order].astype(np.int64),
        tuple(group[row] for row in order),
    )


def _read(path: Path) -> Columns:
    """Every column as text; classes of predictions are read, too, and ignored later."""
    if is_parquet(path):
        return _read_parquet(path)
    rows = csv_rows(path, TABLE)
    _, header = next(rows, (0, []))
    if not header:
        raise UserError(f"{path} is empty, expected {TABLE} with ids and folds.")
    if doubled := twice(header):
        raise UserError(f"{path} has duplicate columns: {some(doubled)}.")
    cells: list[list[str]] = []
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: expected {len(header)} cells, got {len(row)}.")
        cells.append(row)
    if not cells:
        raise UserError(f"{path} has a header but no rows.")
    return {name: [row[place] for row in cells] for place, name in enumerate(header)}


def _read_parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            refuse_bomb(path, file.metadata.num_rows, file.metadata.num_columns)
            table = file.read()
    except (pa.ArrowException, ValueError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk failed, not the file
        reason = brief((str(error).splitlines() or ["it is damaged"])[0])
        raise UserError(f"{path} is not a complete Parquet file ({reason}).") from None
    if not table.num_rows:
        raise UserError(f"{path} has columns but no rows.")
    return {
        name: ["" if cell is None else str(cell) for cell in table.column(name).to_pylist()]
        for name in table.column_names
    }


def _id_column(path: Path, columns: Columns, labels: LabelTable) -> str:
    """The column that holds most ids of the labels; at least one of them."""
    wanted = set(labels.ids)
    held = {name: len(wanted & set(cells)) for name, cells in columns.items()}
    best = max(held, key=held.__getitem__)
    if not held[best]:
        raise UserError(
            f"{path} has no column of ids: none of {some(map(repr, columns))} holds an id of the "
            f"label table, such as {brief(labels.ids[0])}."
        )
    return best


def _fold_column(path: Path, columns: Columns, ids: str) -> str:
    others = [name for name in columns if name != ids]
    if "fold" in others:
        return "fold"
    called = [name for name in others if "fold" in name.lower()]
    if len(called) == 1:
        return called[0]
    likely = called or [name for name in others if _look_like_folds(columns[name])]
    if len(likely) == 1:
        return likely[0]
    what = f"several columns could be the folds: {some(map(repr, likely))}"
    if not likely:
        what = (
            f"no column of folds among {some(map(repr, others))}" if others else "one column only"
        )
    raise UserError(f"{path} has {what}. Call the column of folds 'fold'.")


def _look_like_folds(cells: Sequence[str]) -> bool:
    numbers = _numbers(cells)
    if numbers is None or numbers.min() < 0:
        return False
    return 2 <= len(np.unique(numbers)) <= min(MOST_FOLDS, len(cells) // 2)


def _is_fold(cell: str) -> bool:
    number = _numbers([cell])
    return number is not None and int(number[0]) >= 0


def _numbers(cells: Sequence[str]) -> NDArray[np.int64] | None:
    """Whole numbers, also written as 3.0; None if a cell is none."""
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        return None
    whole = np.isfinite(values) & (values % 1 == 0) & (np.abs(values) < 2**31)
    return values.astype(np.int64) if whole.all() else None


def _refuse_split_groups(path: Path, group: Sequence[str], fold: Sequence[int]) -> None:
    if split := split_group(group, fold):
        name, one, other = split
        raise UserError(
            f"{path}: group {brief(repr(name))} is in folds {one} and {other}: models trained on "
            "it were scored on it. To ignore groups: --groups none"
        )
