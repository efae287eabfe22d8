"""The grammar of weighted sums in recipes: `0.5*focal(gamma=2)+0.5*lovasz`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kit.core.errors import UserError, unknown

# For each known name, its parameters in order, with their defaults.
Known = Mapping[str, Mapping[str, float]]

_TERM = re.compile(r"(?:(?P<weight>[^*()]+)\*)?(?P<name>\w+)(?:\((?P<inside>[^()]*)\))?")


@dataclass(frozen=True)
class Term:
    """One name in such a text, with its weight and all its parameters, defaults included.

    Prints as it was written.
    """

    name: str
    numbers: Mapping[str, float] = field(hash=False)
    weight: float = 1.0
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


def parse_terms(kind: str, text: str, known: Known) -> tuple[Term, ...]:
    """Parse a text such as `symmetries+crop(0.6)` or `0.5*focal(gamma=2)+0.5*lovasz`.

    Parameters in brackets are positional or named; omitted ones take their defaults. `kind` says
    what the names are, for messages. Raises a one-line UserError for a syntax error, an unknown
    name or parameter, and a name that appears twice.
    """
    terms = tuple(_parse(kind, part, known) for part in _split(text))
    names = [term.name for term in terms]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{kind} '{text}' names {twice[0]} twice.")
    return terms


def parse_term(kind: str, text: str, known: Known) -> Term:
    """The only term of a text such as `mixup(0.2)`; UserError for several, or one with a weight."""
    terms = parse_terms(kind, text, known)
    if len(terms) > 1 or terms[0].weight != 1:
        raise UserError(f"{kind} '{text}': name one of {', '.join(known)}, without a weight.")
    return replace(terms[0], text=text)


def _split(text: str) -> list[str]:
    """The parts between plus signs, except plus signs in brackets or in an exponent."""
    return re.split(r"(?<![\d.][eE])\+(?![^(]*\))", text.replace(" ", ""))


def _parse(kind: str, text: str, known: Known) -> Term:
    match = _TERM.fullmatch(text)
    if match is None:
        raise UserError(f"{kind} '{text}' is not of the form name, name(number) or number*name.")
    name = match["name"]
    if name not in known:
        raise unknown(kind, name, known)
    weight = 1.0 if match["weight"] is None else _number(kind, text, match["weight"])
    return Term(name, _numbers(kind, text, match["inside"] or "", known[name]), weight, text)


def _numbers(kind: str, text: str, inside: str, usual: Mapping[str, float]) -> dict[str, float]:
    found = dict(usual)
    given = inside.split(",") if inside else []
    if len(given) > len(usual):
        raise UserError(f"{kind} '{text}' has too many parameters; {_takes(usual)}.")
    for position, part in enumerate(given):
        key, equals, value = part.rpartition("=")
        if not equals:
            key = list(usual)[position]
        if key not in usual:
            raise UserError(f"{kind} '{text}': no parameter '{key}'; {_takes(usual)}.")
        found[key] = _number(kind, text, value)
    return found


def _takes(usual: Mapping[str, float]) -> str:
    listed = ", ".join(f"{key}={value:g}" for key, value in usual.items())
    return f"it takes {listed}" if usual else "it takes none"


def _number(kind: str, text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise UserError(f"{kind} '{text}': '{value}' is not a number.")
    return number
