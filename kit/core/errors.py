"""Errors that teach: what is wrong, what was found, what is allowed, what to do next."""

import unicodedata
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

# Longer texts are not names: nobody meant one that is like them.
_LONGEST = 200
# Categories of characters that act on a terminal or cannot be encoded: control characters, lone
# surrogates (file names that are not UTF-8), and separators of lines and paragraphs.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
# Directions of text; they make a terminal show another name than the real one.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """The text on one line: newlines, control and direction characters become `\\n`, `\\x1b`, ...

    Names and ids come from files of others: printed raw, they could move the cursor or hide text.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(one) if is_control(one) else one for one in text)


def is_control(one: str) -> bool:
    """Whether a character acts on a terminal instead of being shown by it, or cannot be encoded."""
    return unicodedata.category(one) in _UNPRINTABLE or one in _TURNING


def _escaped(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")


class UserError(Exception):
    """A problem that the user can fix; the command line exits with status 2.

    The message is all that the user sees, so it must be complete. It is one line, whatever names it
    quotes; problems that are found together are a `Problems`.
    """

    def __str__(self) -> str:
        return printable(super().__str__())

    @property
    def problem(self) -> str:
        """The message without advice; of an Advised, its problem."""
        return str(self)


class Advised(UserError):
    """A problem in a sentence, and advice in another, which callers that know more may replace."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem, advice)
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.problem} {printable(self.advice)}"

    @property
    def problem(self) -> str:
        return printable(self.args[0])


class Problems(UserError):
    """Several problems that were found together, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))

    def __str__(self) -> str:
        return "\n".join(self.problems)


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
    return UserError(f"No {kind} '{brief(got)}'. Known: {', '.join(names) or 'none'}.{hint}")


def _likeness(got: str, name: str) -> float:
    """Similarity of two names with a bonus for a common prefix, as in Jaro-Winkler; of long ones 0.

    People mistype the end of a name: `inceptionv9` means inceptionresnetv2 rather than xception,
    although xception shares more of its letters.
    """
    if max(len(got), len(name)) > _LONGEST:  # comparing takes time in proportion to the square
        return 0.0
    pairs = enumerate(zip(got, name, strict=False))
    common = next((n for n, (a, b) in pairs if a != b), min(len(got), len(name)))
    return SequenceMatcher(None, got, name).ratio() + 0.05 * common


def listed(items: Iterable[object]) -> str:
    """List all items: `a, b and c`."""
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last


def some(items: Iterable[object], most: int = 5) -> str:
    """List the first few items and count the rest: `a, b, c and 7 more`; each as `brief`."""
    listed = [brief(item) for item in items]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def brief(item: object, most: int = 200) -> str:
    """A name from data in one line: characters that do not print are escaped, long ones cut."""
    text = str(item)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
