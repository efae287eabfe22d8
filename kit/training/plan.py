"""What each epoch shows: which rows, in which order, under which symmetry."""

import numpy as np
from numpy.typing import NDArray

from kit.data.augment import draw_symmetries
from kit.data.batches import EpochPlan
from kit.data.sampling import epoch_rows, repeat_factors
from kit.recipes.base import Recipe


def sampling_factors(recipe: Recipe, labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How often each training row comes in an epoch, (rows,), by the recipe's sampling."""
    if recipe.sampling == "none":
        return np.ones(len(labels))
    return repeat_factors(labels, recipe.repeat_threshold, recipe.repeat_cap)


def steps_per_epoch(recipe: Recipe, factors: NDArray[np.float64]) -> int:
    """The recipe's own number of steps, or as many full batches as the factors make."""
    return recipe.steps or max(1, int(factors.sum()) // recipe.batch)


def plan_epoch(
    recipe: Recipe,
    rows: NDArray[np.int64],
    factors: NDArray[np.float64],
    seed: int,
    epoch: int,
) -> EpochPlan:
    """The rows and symmetries of one epoch, from (seed, epoch) alone.

    `rows` are the training rows of the store, `factors` how often each should come. Every batch
    is full: rows left over are dropped, and too few rows for the recipe's steps come again.
    """
    shown = rows[epoch_rows(factors, seed, epoch)]
    shown = np.resize(shown, steps_per_epoch(recipe, factors) * recipe.batch)
    if recipe.augment == "none":
        return EpochPlan(shown, np.zeros(len(shown), np.int64))
    return EpochPlan(shown, draw_symmetries(len(shown), seed, epoch))
