"""Arrays and data frames that users pass: their ids, and their values in the order of others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.core.arrays import as_numbers, has_ids
from kit.core.errors import UserError, some
from kit.core.ids import explain, positions, twice
from kit.data.predictions import as_probabilities


def table_ids(table: Any) -> NDArray[Any] | None:
    """The ids of a frame's rows, from its index; None for an array, which has no ids."""
    return np.array(table.index, dtype=object) if has_ids(table) else None


def as_probs(
    table: Any, class_keys: Sequence[str], ids: NDArray[Any] | None
) -> NDArray[np.float32]:
    """Probabilities float32 (rows, classes) from an array, or a frame aligned to ids and classes.

    A frame's columns are matched by name, or by position if the columns or classes are just
    numbered from 0. Raises UserError for missing, unexpected or duplicate ids, for other classes or
    another number of them, and for values that are not probabilities.
    """
    values = align(table, ids, "probabilities")
    if hasattr(values, "columns"):
        values = by_name(values, class_keys)
    array = as_numbers(values, "Probabilities", "numbers from 0 to 1")
    if array.ndim != 2 or array.shape[1] != len(class_keys):
        raise UserError(
            f"Probabilities of shape {array.shape} for {len(class_keys)} classes: expected one row "
            "per image and one column per class."
        )
    rows = np.arange(len(array)) if ids is None else ids
    return as_probabilities(rows, array, class_keys)


def plain_names(classes: int) -> tuple[str, ...]:
    """What classes without names are called: numbers from 0."""
    return tuple(map(str, range(classes)))


def class_names(tables: Sequence[Any], classes: int) -> tuple[str, ...]:
    """The columns of the first frame that names them, else numbers from 0."""
    plain = plain_names(classes)
    frames = (tuple(map(str, one.columns)) for one in tables if hasattr(one, "columns"))
    return next((one for one in frames if len(one) == classes and one != plain), plain)


def by_name(frame: Any, class_keys: Sequence[str]) -> Any:
    """A frame's columns in the order of the class keys."""
    found, plain = tuple(map(str, frame.columns)), plain_names(len(class_keys))
    if sorted(found) == sorted(class_keys):
        return frame.set_axis(found, axis=1)[list(class_keys)]
    if found == plain or tuple(class_keys) == plain or len(found) != len(class_keys):
        return frame
    missing = [key for key in class_keys if key not in found]
    raise UserError(
        f"Columns {some(found, 3)} for the classes {some(class_keys, 3)}: no column for "
        f"{some(missing)}."
    )


def align(table: Any, ids: NDArray[Any] | None, what: str) -> Any:
    """A frame or series with its rows in the order of `ids`; an array is returned unchanged."""
    if ids is None or not has_ids(table):
        return table
    if doubled := twice(table.index):
        raise UserError(f"The {what} have duplicate ids: {some(doubled)}.")
    there = set(table.index)
    if missing := [one for one in ids.tolist() if one not in there]:
        why = explain(missing, there - set(ids.tolist()))
        raise UserError(f"The {what} lack ids: {some(missing)}.{why}")
    rows = positions(table.index, ids.tolist(), "")
    if len(table) != len(ids):
        known = set(ids.tolist())
        raise UserError(
            f"The {what} have ids that the others lack: "
            f"{some(one for one in table.index if one not in known)}."
        )
    return table.iloc[rows]
