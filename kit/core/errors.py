"""Errors that teach: what is wrong, what was found, what is allowed, what to do next."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher


class UserError(Exception):
    """A problem that the user can fix; the command line exits with status 2.

    The message is all that the user sees, so it must be complete: one line, or one line per
    problem where all are found at once.
    """


def unknown(
    kind: str, got: str, known: Iterable[str], aliases: Mapping[str, str] | None = None
) -> UserError:
    """The error for an unknown name: lists the known names and suggests the nearest.

    `aliases` maps names used elsewhere, in lower case with underscores, to known ones. The error is
    returned, not raised, so that the `raise` stays visible at the call site.
    """
    names = sorted(known)
    near = max(names, key=lambda name: _likeness(got, name), default="")
    if _likeness(got, near) < 0.5:
        near = ""
    near = (aliases or {}).get(got.strip().lower().replace("-", "_"), near)
    hint = f" Did you mean '{near}'?" if near else ""
    return UserError(f"No {kind} '{got}'. Known: {', '.join(names) or 'none'}.{hint}")


def _likeness(got: str, name: str) -> float:
    """Similarity of two names with a bonus for a common prefix, as in Jaro-Winkler.

    People mistype the end of a name: `inceptionv9` means inceptionresnetv2 rather than xception,
    although xception shares more of its letters.
    """
    pairs = enumerate(zip(got, name, strict=False))
    common = next((n for n, (a, b) in pairs if a != b), min(len(got), len(name)))
    return SequenceMatcher(None, got, name).ratio() + 0.05 * common


def listed(items: Iterable[object]) -> str:
    """List all items: `a, b and c`."""
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last


def some(items: Iterable[object], most: int = 5) -> str:
    """List the first few items and count the rest: `a, b, c and 7 more`."""
    listed = [str(item) for item in items]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
