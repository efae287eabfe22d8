"""Losses on logits; each class is a separate binary problem.

Texts are parsed here without Keras; `kit/models/losses/functions.py` has the formulas.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.terms import Known, Term, parse_terms

if TYPE_CHECKING:
    import keras

# The parameters of each loss with their defaults: those of its source, except that focal leaves
# class balance to the recipe's `sampling`. The square root and the cap are the kit's own.
LOSSES: Known = {
    "bce": {},
    "weighted_bce": {"power": 0.5, "cap": 10.0},
    "focal": {"gamma": 2.0, "alpha": -1.0},
    "asymmetric": {"gamma_pos": 0.0, "gamma_neg": 4.0, "clip": 0.05},
    "soft_f1": {},
    "lovasz": {},
}

_FROM_ZERO: tuple[Callable[[float], bool], str] = (lambda x: x >= 0, "from 0")
_ALLOWED: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "power": _FROM_ZERO,
    "cap": (lambda x: x >= 1, "from 1"),
    "gamma": _FROM_ZERO,
    "alpha": (lambda x: x == -1 or 0 < x < 1, "between 0 and 1, or -1 for no balance"),
    "gamma_pos": _FROM_ZERO,
    "gamma_neg": _FROM_ZERO,
    "clip": (lambda x: 0 <= x < 1, "from 0 below 1"),
}


# F1 and Jaccard compare sets of predicted and true rows. If a class has no positives but smoothed
# labels, as a rare class in most batches, predicting every row scores best.
_OF_SETS = ("soft_f1", "lovasz")


@dataclass(frozen=True)
class Loss:
    """A weighted sum of losses by name; it prints as the `text` it was parsed from."""

    terms: tuple[Term, ...]
    text: str

    def __str__(self) -> str:
        return self.text


def parse_loss(text: str) -> Loss:
    """Parse a loss such as `bce` or `0.5*focal(gamma=2)+0.5*lovasz`; the names are those of LOSSES.

    Raises UserError for an unknown name, and for a weight or parameter out of bounds. Does not
    import Keras.
    """
    terms = parse_terms("loss", text, LOSSES)
    for term in terms:
        if term.weight <= 0:
            raise UserError(
                f"loss '{text}': the weight of {term.name} is {term.weight:g}; it must be above 0."
            )
        for key, value in term.numbers.items():
            fits, allowed = _ALLOWED[key]
            if not fits(value):
                raise UserError(
                    f"loss '{text}': {key} of {term.name} is {value:g}; it must be {allowed}."
                )
    return Loss(terms, text)


def check_smoothing(loss: Loss, label_smoothing: float) -> None:
    """Raise UserError for a `label_smoothing` that no term of the loss uses."""
    if label_smoothing and all(term.name in _OF_SETS for term in loss.terms):
        raise UserError(
            f"label_smoothing={label_smoothing:g} has no effect with loss '{loss}': "
            f"{' and '.join(_OF_SETS)} do not smooth labels. Set it to 0, or add bce to the "
            "loss."
        )


def build_loss(
    loss: Loss, label_smoothing: float = 0.0, shares: NDArray[np.float64] | None = None
) -> "keras.losses.Loss":
    """The loss as a Keras loss.

    It takes labels and logits, (rows, classes), and returns one float32: the mean over rows and
    classes, or for soft_f1 and lovasz the mean over classes of one value for all rows. Labels may
    lie between 0 and 1. `label_smoothing`, in [0, 1), moves labels by this share of the distance
    to 0.5, except for soft_f1 and lovasz. `shares`, (classes,) in 0..1, is the share of positives
    per class among the training rows; only weighted_bce uses it. Raises UserError as
    `check_smoothing` does, and ValueError for smoothing out of range and for missing or invalid
    shares.
    """
    check_smoothing(loss, label_smoothing)
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
    from kit.models.losses.functions import FUNCTIONS, SumOfLosses, smoothed

    parts = []
    for term in loss.terms:
        numbers: dict[str, Any] = dict(term.numbers)
        if term.name == "weighted_bce":
            numbers = {"weights": _positive_weights(shares, numbers["power"], numbers["cap"])}
        function = partial(FUNCTIONS[term.name], **numbers)
        amount = 0.0 if term.name in _OF_SETS else label_smoothing
        parts.append((term.weight, smoothed(function, amount)))
    return SumOfLosses(parts)


def _positive_weights(
    shares: NDArray[np.float64] | None, power: float, cap: float
) -> NDArray[np.float32]:
    """The weight of a positive of each class relative to a negative, between 1 / cap and cap.

    With power 1 a class's positives weigh as much in total as its negatives, up to the cap. The
    bounds keep the weight finite for a class without positives or without negatives.
    """
    if shares is None:
        raise ValueError("weighted_bce needs the share of positives of each class")
    if shares.ndim != 1 or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"shares must be numbers from 0 to 1, one per class, got {shares}")
    with np.errstate(divide="ignore"):
        odds = (1 - shares) / shares
    return np.clip(odds**power, 1 / cap, cap).astype(np.float32)
