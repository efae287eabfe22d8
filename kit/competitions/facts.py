"""Checks of a competition's facts when it is defined, so that no command meets a wrong one later.

Each raises WrongFact that names the field, what was found, and what is expected.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Real
from string import Formatter
from typing import Any

from kit.core.errors import UserError, is_control, listed

# A competition's name begins the names of files and folders; file systems allow 255 bytes.
LONGEST_NAME = 64
# Columns of tables with a column per class.
TAKEN_KEYS = frozenset({"Id", "fold"})
# The last part of a competition's URL.
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class WrongFact(UserError, ValueError):
    """A fact of a competition that is wrong; a ValueError, too, as constructors raise in Python."""


def check_name(name: object) -> None:
    """Raise WrongFact unless a competition's name can begin the names of files and folders."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise WrongFact(f"name={_shown(name)}: use only letters, digits, '.', '-' and '_'.")
    if len(name.encode()) > LONGEST_NAME:
        raise WrongFact(f"name={_shown(name)} is too long: at most {LONGEST_NAME} bytes.")


def check_text(what: str, value: object, example: str) -> None:
    """Raise WrongFact unless a value is text that is not blank and has no control characters."""
    if not isinstance(value, str):
        raise WrongFact(f"{what}={_shown(value)}: expected text, such as {example!r}.")
    if not value.strip():
        raise WrongFact(f"{what} is empty: expected text, such as {example!r}.")
    if control := next((one for one in value if is_control(one)), None):
        raise WrongFact(f"{what}={_shown(value)}: remove the character {control!r}.")


def texts_of(what: str, value: object) -> tuple[str, ...]:
    """Several different texts, as a tuple; WrongFact for anything else, such as a single text.

    A forgotten comma makes one text of `("a")`, and joins two of `("a" "b")`.
    """
    if isinstance(value, str):
        raise WrongFact(f"{what}={_shown(value)} is one text. For one entry write ({value!r},).")
    if not isinstance(value, Iterable) or isinstance(value, bytes | Set | Mapping):
        raise WrongFact(f"{what}={_shown(value)}: expected texts in order, such as ('a', 'b').")
    texts = tuple(value)
    if not texts:
        raise WrongFact(f"{what} is empty: expected at least one.")
    for number, one in enumerate(texts):
        check_text(f"{what}[{number}]", one, "a")
        if one != one.strip():
            raise WrongFact(f"{what}[{number}]={_shown(one)}: remove the spaces at its ends.")
    if twice := next((one for n, one in enumerate(texts) if one in texts[:n]), None):
        raise WrongFact(f"{what.replace('_', ' ')} must be unique: {twice!r} appears twice.")
    return texts


def check_keys(keys: Sequence[str]) -> None:
    """Raise WrongFact for class keys that are other columns of a predictions table."""
    if taken := sorted(TAKEN_KEYS.intersection(keys)):
        raise WrongFact(
            f"{listed(taken)} cannot be a class key: predictions have a column of that name."
        )


def check_columns(*columns: object) -> None:
    """Raise UserError unless columns of a table are different texts."""
    for column in columns:
        check_text("column", column, "Id")
    texts_of("columns", columns)


def check_pattern(pattern: object, allowed: Sequence[str], needed: Sequence[str]) -> None:
    """Raise WrongFact unless a pattern of image files has the needed placeholders, of the allowed.

    Each may appear more than once. Formats and conversions, such as `{id:>8}`, are refused.
    """
    example = "{" + "}_{".join(allowed) + "}.png"
    check_text("pattern", pattern, example)
    where = f"pattern={_shown(pattern)}"
    known = listed(f"{{{name}}}" for name in allowed)
    try:
        parts = list(Formatter().parse(str(pattern)))
    except ValueError:
        raise WrongFact(
            f"{where}: braces do not match. Write {{{{ or }}}} for a brace in a file name."
        ) from None
    found = [part[1:] for part in parts if part[1] is not None]
    for name, spec, conversion in found:
        if name not in allowed:
            raise WrongFact(f"{where}: no placeholder {{{name}}}. Allowed: {known}.")
        if spec or conversion:
            raise WrongFact(f"{where}: write {{{name}}} without a format or conversion.")
    for name in needed:
        if name not in [one for one, *_ in found]:
            raise WrongFact(
                f"{where} has no {{{name}}}: {_without(name)} would be the same file. "
                f"Expected {known}, such as {example!r}."
            )
    if not _is_below(str(pattern)) or re.search(r"[/\\]$", str(pattern)):
        raise WrongFact(f"{where}: expected a file below the folder of images, without '..'.")


def check_below(what: str, name: str) -> None:
    """Raise WrongFact for a path that leaves the data folder: files are written there, too."""
    if not _is_below(name):
        raise WrongFact(f"{what}={_shown(name)}: expected a path in the data folder, without '..'.")


def _is_below(path: str) -> bool:
    folders = re.split(r"[/\\]", path)
    return folders[0] != "" and ".." not in folders and not re.match(r"[A-Za-z]:", folders[0])


def check_methods(what: str, value: object, methods: Sequence[str], example: str) -> None:
    """Raise WrongFact unless a value has these methods; a class in place of its value is named."""
    if isinstance(value, type):
        raise WrongFact(f"{what} is the class {value.__name__}. Make a value of it: {example}.")
    if not all(callable(getattr(value, method, None)) for method in methods):
        raise WrongFact(f"{what}={_shown(value)}: expected a value such as {example}.")


def check_function(what: str, value: object) -> None:
    """Raise WrongFact unless a value is None or a function."""
    if value is not None and not callable(value):
        raise WrongFact(f"{what}={_shown(value)}: expected a function, or None.")


def check_share(what: str, value: object) -> None:
    """Raise WrongFact unless a value is None, or above 0 and at most 1."""
    if value is not None and not (_is_number(value) and 0 < value <= 1):  # type: ignore[operator]
        raise WrongFact(f"{what}={_shown(value)}: expected a number above 0, at most 1, or None.")


def check_flag(what: str, value: object) -> None:
    """Raise WrongFact unless a value is True or False."""
    if not isinstance(value, bool):
        raise WrongFact(f"{what}={_shown(value)}: expected True or False.")


def check_bits(what: str, value: object) -> None:
    """Raise WrongFact unless a value is None or a number of bits that 16-bit files may use."""
    if value is not None and (isinstance(value, bool) or value not in range(8, 17)):
        raise WrongFact(f"{what}={_shown(value)}: expected a number of bits from 8 to 16, or None.")


def check_display(value: Any, channels: Sequence[str]) -> None:
    """Raise WrongFact unless a value has three finite numbers from 0 up per channel."""
    expected = "expected three numbers per channel: how much it adds to red, green and blue"
    try:
        rows = [tuple(row) for row in value]
    except TypeError:
        raise WrongFact(f"display={_shown(value)}: {expected}.") from None
    if len(rows) != len(channels):
        raise WrongFact(
            f"display needs one row per channel, has {len(rows)} for {len(channels)}: {expected}."
        )
    for channel, row in zip(channels, rows, strict=True):
        if len(row) != 3 or not all(_is_number(one) and one >= 0 for one in row):
            raise WrongFact(f"display of {channel} is {_shown(row)}: {expected}.")


def check_slug(slug: object) -> None:
    """Raise WrongFact unless a text is the last part of a competition's URL on Kaggle."""
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        raise WrongFact(
            f"slug={_shown(slug)}: expected the last part of the competition's URL, such as "
            "'human-protein-atlas-image-classification'."
        )


def _without(name: str) -> str:
    return "the image of every id" if name == "id" else f"the image of every {name}"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: object) -> str:
    """How a value is written in Python, shortened."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
