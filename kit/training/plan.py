"""What each epoch shows: which rows, in which order, and how they are varied."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.data.batches import EpochPlan
from kit.data.sampling import Sampling, SamplingOptions, build_sampling
from kit.recipes.base import Recipe


def recipe_sampling(
    recipe: Recipe, labels: NDArray[np.uint8], class_keys: Sequence[str]
) -> Sampling:
    """The recipe's sampling of training rows with these labels, (rows, classes).

    Raises UserError for repeats of an unknown class, and for missing repeats if the sampling needs
    them.
    """
    options = SamplingOptions(
        tuple(class_keys), recipe.repeat_threshold, recipe.repeat_cap, recipe.repeats
    )
    return build_sampling(recipe.sampling, labels, options)


def steps_per_epoch(recipe: Recipe, sampling: Sampling) -> int:
    """The recipe's number of steps, or the number of full batches in an epoch's rows."""
    return recipe.steps or max(1, int(sampling.times.sum()) // recipe.batch)


def plan_epoch(
    recipe: Recipe,
    rows: NDArray[np.int64],
    sampling: Sampling,
    seed: int,
    epoch: int,
) -> EpochPlan:
    """The rows of one epoch and their variation, by (seed, epoch) alone.

    `rows` are the training rows of the store, from which `sampling` draws as many as fill the
    epoch's batches.
    """
    shown = rows[sampling.draw(seed, epoch, steps_per_epoch(recipe, sampling) * recipe.batch)]
    symmetries = recipe.augment.symmetries(len(shown), seed, epoch)
    return EpochPlan(shown, symmetries, recipe.augment, seed, epoch)
