"""Finds the columns of a label table, in any order, and explains a header that does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from kit.core.errors import UserError, brief, some
from kit.core.ids import twice

# Characters of a header that is shown in full.
_SHORT = 60
# How many names, and how long ones, are compared with a missing name: comparing is slow.
_COMPARED = 50
_LONGEST = 100


@dataclass(frozen=True)
class Header:
    """The columns that a table needs, and those that it may have besides.

    `ignoring` is how a competition says that it ignores some, with `{}` for their names. With
    `others`, all further columns are ignored.
    """

    needed: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    ignoring: str = ""
    others: bool = False

    def find(self, path: Path, found: Sequence[str]) -> list[int]:
        """The position of each needed column; UserError for missing, surplus and double ones."""
        there = set(found)
        if missing := [name for name in self.needed if name not in there]:
            raise UserError(self._missing(path, found, missing))
        needed = set(self.needed)
        if doubled := twice([name for name in found if name in needed]):
            raise UserError(f"{path}: the header has {_named(doubled)} more than once.")
        known = {*self.needed, *self.ignored}
        surplus = [name for name in dict.fromkeys(found) if name not in known]
        if surplus and not self.others:
            ignoring = self.ignoring.format(_tuple([*self.ignored, *surplus]))
            raise UserError(
                f"{path}: columns that are not expected: {_named(surplus)}. Delete them, or have "
                f"the competition ignore them: {ignoring}."
            )
        return [found.index(name) for name in self.needed]

    def _missing(self, path: Path, found: Sequence[str], missing: Sequence[str]) -> str:
        expected = ",".join([*self.needed, *(["…"] if self.others else [])])
        got = brief(",".join(found))
        message = f"{path}: header is '{got}', expected '{expected}'."
        if max(len(expected), len(got)) > _SHORT:
            got = brief(",".join(found), _SHORT)
            message = f"{path}: the header has no column {_named(missing)}; it is '{got}'."
        if len(found) == 1 and (separator := separator_of(found[0])):
            return f"{message} Its cells are separated by {separator}: save it with commas."
        known = set(self.needed)
        unclaimed = [name for name in found if name not in known][:_COMPARED]
        only = unclaimed[0] if len(unclaimed) == len(missing) == 1 else None
        for name in missing[:_COMPARED]:
            if near := nearest(name, unclaimed) or only:
                return f"{message} Is {brief(repr(near))} the column {name!r}? Rename it."
        return message


def nearest(wanted: str, found: Sequence[str]) -> str | None:
    """The name that is most like the wanted one, whatever its case; None if none is."""
    plain = {name.strip().casefold(): name for name in found if len(name) <= _LONGEST}
    near = get_close_matches(wanted.strip().casefold(), list(plain), n=1, cutoff=0.75)
    return plain[near[0]] if near else None


def separator_of(header: str) -> str | None:
    """What separates the cells of a header that holds no comma, in words; None if unknown."""
    named = {";": "semicolons", "\t": "tabs", "|": "bars"}
    return next((name for mark, name in named.items() if mark in header), None)


def _named(names: Sequence[object]) -> str:
    return some(map(repr, names))


def _tuple(names: Sequence[str]) -> str:
    parts = [*(brief(repr(name)) for name in names[:5]), *(["…"] if len(names) > 5 else [])]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
