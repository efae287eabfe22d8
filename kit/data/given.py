"""Predictions as users give them: read, checked, and in the order of the ids they are for."""

import re
from collections.abc import Sequence
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.csv_rows import csv_rows
from kit.core.ids import require_ids
from kit.data.prediction_columns import Naming
from kit.data.prediction_table import TABLE
from kit.data.predictions import Predictions, read_predictions


def read_oof(
    path: Path, competition: Competition, ids: Sequence[str], table: object
) -> Predictions:
    """Predictions for exactly these ids of `table`, in their order, with folds if the file has any.

    Columns are named by class key or class name, the ids `Id` or as in the competition. Raises
    UserError that names the file.
    """
    read = read_given(path, competition, folds=True)
    require_ids(path, read.ids, ids, table)
    return read.take(ids)


def read_tests(
    paths: Sequence[Path],
    competition: Competition,
    ids: Sequence[str] | None = None,
    table: object = None,
) -> list[Predictions]:
    """Test predictions of each file, all in the order of `ids` of `table`; no file has folds.

    Without `ids`, the first file sets them. Raises UserError that names the file.
    """
    tests: list[Predictions] = []
    for path in paths:
        read = read_given(path, competition, folds=False)
        if ids is None:
            ids, table = read.ids, path
        require_ids(path, read.ids, ids, table)
        tests.append(read.take(ids))
    return tests


def read_given(path: Path, competition: Competition, folds: bool) -> Predictions:
    """Predictions in the order of the file; as in `read_oof`. With `folds`, it may have folds."""
    keys = competition.class_keys
    naming = Naming(keys, competition.class_names, competition.id_column)
    return read_predictions(path, keys, naming, folds)


def has_classes(path: Path, competition: Competition) -> bool:
    """Whether a CSV has columns named like classes, as predictions have, or no header at all."""
    _, header = next(csv_rows(path, TABLE), (0, []))
    if len(header) == 1:  # perhaps of cells that no comma separates
        header = re.split(r"[;\t|]", header[0])
    return not header or bool({*competition.class_keys, *competition.class_names} & set(header))
