"""The learning rate and what is frozen, as functions of the step, the epoch and the log alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.recipes.base import Recipe

# One cycle (Smith and Topin 2018, arXiv:1708.07120): how far below its highest the learning rate
# begins, and for what share of the steps it rises when the recipe does not say.
BEGIN_BELOW = 25.0
RISE = 0.3


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs, `first` up to but without `end`, trained with one optimizer."""

    first: int
    end: int
    frozen: bool
    learning_rate: float


def phases(recipe: Recipe) -> tuple[Phase, ...]:
    """The recipe's stretches in order: first, if any, with the backbone frozen, then all."""
    frozen = Phase(0, recipe.frozen_epochs, True, recipe.frozen_learning_rate)
    learning = Phase(recipe.frozen_epochs, recipe.all_epochs, False, recipe.learning_rate)
    return (frozen, learning) if recipe.frozen_epochs else (learning,)


def learning_rate(recipe: Recipe, phase: Phase, progress: float) -> float:
    """The learning rate at `progress` (0 to 1) through a phase; with `plateau`, before any cut.

    It rises linearly over the recipe's share of warm-up; then it stays, or falls to zero along
    half a cosine (Loshchilov and Hutter, SGDR, 2017). One cycle rises and falls along half a
    cosine each. A frozen phase is constant.
    """
    if phase.frozen or recipe.schedule == "plateau":
        return phase.learning_rate
    if recipe.schedule == "onecycle":
        rise = recipe.warmup or RISE
        if progress < rise:
            low = phase.learning_rate / BEGIN_BELOW
            return low + (phase.learning_rate - low) * _half_wave(1 - progress / rise)
        return phase.learning_rate * _half_wave((progress - rise) / (1 - rise))
    if progress < recipe.warmup:
        return phase.learning_rate * progress / recipe.warmup
    if recipe.schedule == "constant":
        return phase.learning_rate
    return phase.learning_rate * _half_wave((progress - recipe.warmup) / (1 - recipe.warmup))


def _half_wave(progress: float) -> float:
    """From 1 at 0 to 0 at 1 along half a cosine."""
    return float(0.5 * (1 + np.cos(np.pi * min(progress, 1.0))))


def plateau_part(losses: Sequence[float], epochs: int, factor: float) -> float:
    """The part of the learning rate that is left after epochs of these losses.

    It is multiplied by `factor` each time that `epochs` epochs in a row were not better than the
    best so far.
    """
    part, best, waited = 1.0, float("inf"), 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == epochs:
            part, waited = part * factor, 0
    return part


def is_over(recipe: Recipe, trained: int, best: int | None) -> bool:
    """Whether a fold with so many epochs trained, the best of them `best`, trains no further.

    Frozen epochs are always trained, and patience begins after them.
    """
    if trained >= recipe.all_epochs:
        return True
    if recipe.patience is None or recipe.keep == "last" or best is None:
        return False
    since = trained - 1 - max(best, recipe.frozen_epochs - 1)
    return trained > recipe.frozen_epochs and since >= recipe.patience
