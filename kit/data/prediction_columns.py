"""Finds the columns of a table of predictions: the ids, a column per class, and the fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.competitions.header import nearest, separator_of
from kit.core.errors import UserError, brief, some
from kit.core.ids import twice

_UNNAMED = ("", "__index_level_0__")  # the index of a pandas frame, in CSV and in Parquet


@dataclass(frozen=True)
class Naming:
    """What columns may be called: classes by key or name, ids `Id` or as in the competition."""

    class_keys: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    id_column: str = "Id"

    @property
    def ids(self) -> str:
        """The names of the id column, for messages."""
        return " or ".join(dict.fromkeys(("Id", self.id_column)))


@dataclass(frozen=True)
class Columns:
    """The columns that are read: ids, one per class in the order of the keys, perhaps a fold.

    `is_unnamed`: whether the ids are an index without a name.
    """

    ids: str
    classes: tuple[str, ...]
    fold: bool
    is_unnamed: bool


def find_columns(
    path: Path, found: Sequence[str], index: Sequence[str], naming: Naming, folds: bool
) -> Columns:
    """Find the columns among those found; `index` are those that hold a frame's index.

    An index is the id column if no other column is, and is ignored otherwise. Raises UserError for
    missing, unexpected and duplicate columns; without `folds`, a fold is unexpected.
    """
    if doubled := twice(found):
        raise UserError(f"{path} has duplicate columns: {some(doubled)}.")
    there = set(found)
    ids = next((name for name in ("Id", naming.id_column) if name in there), None)
    classes = _classes(naming, there)
    if ids is None:
        candidates = [name for name in index if name not in ("fold", *classes)]
        if len(candidates) != 1:
            raise UserError(f"{path} lacks an id column, named {naming.ids}.{_hint(found, naming)}")
        (ids,) = candidates
    keys, names = naming.class_keys, naming.class_names
    if missing := [name for name in classes if name not in there]:
        either = f" or by its name ({some(names, 3)})" if names else ""
        raise UserError(
            f"{path} lacks class columns: {some(missing)}. Expected one per class, named by its "
            f"key ({some(keys, 3)}){either}."
        )
    besides = ["fold"] if folds else []
    known = {ids, *classes, *besides, *(name for name in index if name != "fold")}
    if extra := [name for name in found if name not in known]:
        raise UserError(
            f"{path} has unexpected columns: {some(map(repr, extra))}. Expected "
            f"{', '.join([ids or 'ids', *besides])} and the classes; pandas writes no index with "
            "index=False."
        )
    return Columns(ids, classes, folds and "fold" in there, ids in _UNNAMED)


def _classes(naming: Naming, there: set[str]) -> tuple[str, ...]:
    """The class columns: keys, or names if the table has names and not all keys."""
    keys, names = naming.class_keys, naming.class_names
    # Class names are free text: they identify columns only if they are different from these.
    are_clear = not {"Id", naming.id_column, "fold"} & set(names)
    by_name = are_clear and not set(keys) <= there and bool(set(names) & there)
    return names if by_name else keys


def _hint(found: Sequence[str], naming: Naming) -> str:
    if len(found) == 1 and (mark := separator_of(found[0])):
        return f" Its cells are separated by {mark}: save it with commas."
    for name in dict.fromkeys(("Id", naming.id_column)):
        if near := nearest(name, found[:50]):
            return f" Is {brief(repr(near))} the id column? Rename it."
    return f" It has {some(map(repr, found), 3)}."
