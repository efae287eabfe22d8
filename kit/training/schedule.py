"""The learning rate and what is frozen, as functions of the step and the epoch alone."""

from dataclasses import dataclass

import numpy as np

from kit.recipes.base import Recipe


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
    """The learning rate at `progress` (0 to 1) through a phase.

    It rises linearly over the recipe's share of warm-up; then it stays, or falls to zero along
    half a cosine (Loshchilov and Hutter, SGDR, 2017). A frozen phase is constant.
    """
    if phase.frozen:
        return phase.learning_rate
    if progress < recipe.warmup:
        return phase.learning_rate * progress / recipe.warmup
    if recipe.schedule == "constant":
        return phase.learning_rate
    left = (progress - recipe.warmup) / (1 - recipe.warmup)
    return float(phase.learning_rate * 0.5 * (1 + np.cos(np.pi * min(left, 1.0))))
