"""Errors that teach: what was wrong, what was found, what is allowed, what to do next."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher


class UserError(Exception):
    """A mistake that the person at the keyboard can mend; the command line exits with status 2.

    The message is complete, as it is all that the user sees: one line, or one a problem where all
    are found at once.
    """


def unknown(
    kind: str, got: str, known: Iterable[str], aliases: Mapping[str, str] | None = None
) -> UserError:
    """Say that a name is not known, list the known ones, and name the nearest.

    `aliases` are what the known ones are called elsewhere, in lower case with underscores.
    Returns the error for the caller to raise, so that the raise stays visible where it happens.
    """
    names = sorted(known)
    near = max(names, key=lambda name: _likeness(got, name), default="")
    if _likeness(got, near) < 0.5:
        near = ""
    near = (aliases or {}).get(got.strip().lower().replace("-", "_"), near)
    hint = f" Did you mean '{near}'?" if near else ""
    return UserError(f"No {kind} '{got}'. Known: {', '.join(names) or 'none'}.{hint}")


def _likeness(got: str, name: str) -> float:
    """How alike two names are, a common beginning counting extra, as in Jaro-Winkler.

    People mistype the end of a name: `inceptionv9` means inceptionresnetv2 rather than xception,
    which has more of its letters.
    """
    pairs = enumerate(zip(got, name, strict=False))
    common = next((n for n, (a, b) in pairs if a != b), min(len(got), len(name)))
    return SequenceMatcher(None, got, name).ratio() + 0.05 * common


def some(items: Iterable[object], most: int = 5) -> str:
    """Name the first few items and count the rest: `a, b, c and 7 more`."""
    listed = [str(item) for item in items]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
