"""Alignment of rows by id, for tables, predictions, folds and images alike."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, brief, some


def positions(
    known: Sequence[Hashable], wanted: Sequence[Hashable], complaint: str
) -> NDArray[np.int64]:
    """The position in `known` of each wanted id, int64 (wanted,).

    Raises UserError, `complaint` and the first few ids, for unknown ids.
    """
    position = {one: number for number, one in enumerate(known)}
    if missing := [one for one in wanted if one not in position]:
        raise UserError(f"{complaint}: {some(missing)}.")
    return np.array([position[one] for one in wanted], dtype=np.int64)


def twice(ids: Sequence[Hashable]) -> list[Hashable]:
    """The ids that appear more than once, in order of first appearance."""
    return [one for one, times in Counter(ids).items() if times > 1]


def require_ids(path: Path, found: Sequence[str], wanted: Sequence[str], table: object) -> None:
    """Raise UserError unless a file has exactly the wanted ids, in any order.

    The error names the file, how many ids of `table` it lacks, what it has instead, and, where the
    two differ by a common mistake, how to fix it.
    """
    missing = sorted(set(wanted) - set(found))
    extra = sorted(set(found) - set(wanted))
    lacks = f"lacks ids of {table}, {len(missing)} in all: {some(missing)}"
    brings = f"has ids that {table} lacks, {len(extra)} in all: {some(extra)}"
    if wrong := [text for text, ids in ((lacks, missing), (brings, extra)) if ids]:
        raise UserError(
            f"{path} {'; it '.join(wrong)}. Expected one row per id of {table}."
            f"{mistake(missing, extra)}"
        )


def _as_number(one: str) -> str:
    whole = one.strip().removesuffix(".0")
    return whole.lstrip("0") or "0" if whole.isdecimal() else one


# What commonly happens to ids on the way: how to undo it in both, what it was, and what to do.
_MISTAKES: tuple[tuple[Callable[[str], str], str], ...] = (
    (str.strip, "The ids differ by spaces: strip them."),
    (
        _as_number,
        "The ids were read as numbers, which lose leading zeros: read them as text, in pandas with "
        "dtype=str.",
    ),
    (lambda one: PureWindowsPath(one).name, "The ids have folders: leave them off."),
    (
        lambda one: PureWindowsPath(one).stem,
        "The ids are names of files: leave folders and endings off.",
    ),
    (str.casefold, "The ids differ by capital letters."),
)


def mistake(missing: Sequence[str], extra: Sequence[str]) -> str:
    """How ids that are missing became those that are there instead, and the fix; "" if unclear.

    It is the first common mistake that explains at least half of the missing ids.
    """
    for undo, advice in _MISTAKES:
        by_form = {undo(one): one for one in extra}
        pairs = [(by_form[form], one) for one in missing if (form := undo(one)) in by_form]
        if pairs and 2 * len(pairs) >= len(missing):
            found, wanted = pairs[0]
            return f" {advice} Found {brief(repr(found))}, expected {brief(repr(wanted))}."
    return ""


def explain(missing: Iterable[object], extra: Iterable[object]) -> str:
    """As `mistake`, for ids of any type, such as a frame's index."""
    texts, others = sorted(map(str, missing)), sorted(map(str, extra))
    if set(texts) & set(others):
        return " Ids are numbers in one and text in the other: convert both with astype(str)."
    return mistake(texts, others)
