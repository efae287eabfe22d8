"""Policies by name: each a way to choose thresholds, and which of them `auto` chooses from."""

from collections.abc import Callable
from dataclasses import dataclass

from kit.core.errors import UserError, unknown
from kit.ensemble.cuts import (
    Thresholds,
    calibrated,
    class_rate,
    constant,
    exact,
    fixed,
    floored,
    fold_mean,
    scaled,
    shrunk,
    split_mean,
)
from kit.ensemble.mix import mixed
from kit.ensemble.sample import Sample
from kit.ensemble.search import searched


@dataclass(frozen=True)
class Policy:
    """A way to choose thresholds: `fit` takes a sample and returns float64 (classes,).

    A class without positives gets NEVER from every policy that looks at labels. `value` is the
    number behind the name, as in `fixed=0.2`, and None where there is none.
    """

    name: str
    fit: Callable[[Sample], Thresholds]
    value: float | None = None

    @property
    def title(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value:g}"


_PLAIN: dict[str, Callable[[Sample], Thresholds]] = {
    "constant": constant,
    "calibrated": calibrated,
    "class-rate": class_rate,
    "fold-mean": fold_mean,
    "split-mean": split_mean,
    "exact": exact,
    "tuned": searched,
    "mixed": mixed,
}
_VALUED: dict[str, tuple[Callable[[Sample, float], Thresholds], float]] = {
    "fixed": (fixed, 0.5),
    "scaled": (scaled, 0.7),
    "floored": (floored, 0.15),
    "shrunk": (shrunk, 20.0),
}

# What `auto` chooses from; of those that tie, the first is taken. First come policies that decide
# by each class's own scores, from the steadiest to the freest: a curve pooled over all classes,
# means of exact cuts, exact cuts. Then those that do not look at how right the scores are. They
# are simpler still, but they are what lost places in the competition: they have to win clearly.
# Those that Optuna searches for take a study at every fit: `kit tune` adds them.
AUTO = (
    "calibrated",
    "fold-mean",
    "split-mean",
    "shrunk",
    "exact",
    "class-rate",
    "constant",
    "fixed=0.2",
    "fixed=0.5",
)
SEARCHED = ("tuned", "mixed")


def find_policy(title: str) -> Policy:
    """The policy of a title such as `exact` or `fixed=0.2`; UserError naming the known ones."""
    name, equals, text = title.partition("=")
    if name in _PLAIN and not equals:
        return Policy(name, _PLAIN[name])
    if name not in _VALUED:
        raise unknown("policy", title, [*_PLAIN, *_VALUED, "auto"])
    fit, value = _VALUED[name]
    if equals:
        try:
            value = float(text)
        except ValueError:
            raise UserError(
                f"Policy {name} wants a number: {name}={value:g}, not '{title}'."
            ) from None
        if not 0 <= value < float("inf"):
            raise UserError(f"Policy {title}: wanted is a number from 0 up, like {name}=0.5.")
    return Policy(name, lambda sample: fit(sample, value), value)


def find_policies(title: str) -> tuple[Policy, ...]:
    """The policies to choose from: those of `AUTO`, or the one of this title."""
    return tuple(find_policy(one) for one in AUTO) if title == "auto" else (find_policy(title),)
