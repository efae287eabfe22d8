"""Arrays and numbers as callers pass them: lists, frames and tensors, checked at the border."""

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError


def has_ids(value: Any) -> bool:
    """Whether the rows have ids: a pandas frame or series. A list has an `index` too, a method."""
    return hasattr(value, "iloc")


def depth(value: Any) -> int:
    """How many dimensions an array, a frame or nested lists have; 0 for anything else."""
    if hasattr(value, "ndim"):
        return int(value.ndim)
    if hasattr(value, "__array__"):
        return np.ndim(value)
    if isinstance(value, list | tuple):
        return 1 + depth(value[0]) if value else 0
    return 0


def as_numbers(value: Any, what: str, expected: str) -> NDArray[Any]:
    """An array of integers, floats or bools of any shape; missing values are NaN.

    Takes arrays, nested lists, tensors, and frames of any numeric dtypes, nullable ones included.
    Raises UserError for texts, other objects, and lists of different lengths.
    """
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise UserError(f"{what} cannot be read as an array, expected {expected}.") from None
    kind: object = array.dtype
    if array.dtype.kind == "O":
        if has_ids(value):
            array = value.to_numpy(dtype=object, na_value=np.nan)
        strange = (one for one in array.flat if not isinstance(one, Real | np.bool_))
        kind = next((type(one).__name__ for one in strange), None)
        if kind is None:
            return array.astype(np.float64)
    elif array.dtype.kind in "fiub":
        return array
    raise UserError(f"{what} of type {kind}: expected {expected}.")


def as_list(value: Any, what: str, expected: str) -> list[Any]:
    """The items of any iterable but a text or a mapping; UserError for those and other values."""
    single = isinstance(value, str | bytes | Mapping) or getattr(value, "ndim", 1) == 0
    if single or not isinstance(value, Iterable):
        raise UserError(f"{what} of type {type(value).__name__}, expected {expected}.")
    return list(value)


def whole_number(value: Any, what: str) -> int:
    """A whole number, which may be a float such as 5.0; UserError for any other value."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or value % 1 != 0:
        raise UserError(f"{what} {shown(value)}: expected a whole number.")
    return int(value)


def name_of(value: Any, what: str) -> str:
    """A text, such as a policy; UserError for any other value."""
    if not isinstance(value, str):
        raise UserError(f"{what} {shown(value)}: expected a name, such as 'auto'.")
    return str(value)


def shown(value: object) -> str:
    """A value in an error: one line, not too long."""
    return " ".join(repr(value).split())[:80]
