"""What each epoch shows: which rows, in which order, and how each is varied."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.data.batches import EpochPlan
from kit.data.sampling import Sampling, SamplingOptions, build_sampling
from kit.recipes.base import Recipe


def recipe_sampling(
    recipe: Recipe, labels: NDArray[np.uint8], class_keys: Sequence[str]
) -> Sampling:
    """Which training rows come in an epoch, and how often, by the recipe; labels (rows, classes).

    Raises UserError for repeats of a class that is not known, and where the sampling wants some
    and there are none.
    """
    options = SamplingOptions(
        tuple(class_keys), recipe.repeat_threshold, recipe.repeat_cap, recipe.repeats
    )
    return build_sampling(recipe.sampling, labels, options)


def steps_per_epoch(recipe: Recipe, sampling: Sampling) -> int:
    """The recipe's own number of steps, or as many full batches as an epoch's rows make."""
    return recipe.steps or max(1, int(sampling.times.sum()) // recipe.batch)


def plan_epoch(
    recipe: Recipe,
    rows: NDArray[np.int64],
    sampling: Sampling,
    seed: int,
    epoch: int,
) -> EpochPlan:
    """The rows of one epoch and what varies them, from (seed, epoch) alone.

    `rows` are the training rows of the store, which `sampling` draws from. Every batch is full:
    rows left over are dropped, and too few rows for the recipe's steps come again.
    """
    shown = rows[sampling.draw(seed, epoch)]
    shown = np.resize(shown, steps_per_epoch(recipe, sampling) * recipe.batch)
    symmetries = recipe.augment.symmetries(len(shown), seed, epoch)
    return EpochPlan(shown, symmetries, recipe.augment, seed, epoch)
