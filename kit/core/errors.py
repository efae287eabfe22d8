"""Errors that teach: what was wrong, what was found, what is allowed, what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that the person at the keyboard can mend; the command line exits with status 2.

    The message is one line and complete: it is all that the user sees.
    """


def unknown(kind: str, got: str, known: Iterable[str]) -> UserError:
    """Say that a name is not known, list the known ones, and name the nearest.

    Returns the error for the caller to raise, so that the raise stays visible where it happens.
    """
    names = sorted(known)
    near = get_close_matches(got, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(f"No {kind} '{got}'. Known: {', '.join(names) or 'none'}.{hint}")


def some(items: Iterable[object], most: int = 5) -> str:
    """Name the first few items and count the rest: `a, b, c and 7 more`."""
    listed = [str(item) for item in items]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
