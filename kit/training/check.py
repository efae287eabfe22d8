"""Whether a recipe can be trained, found out before anything is packed."""

import numpy as np

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.data.augment import find_augmentation
from kit.models.build import check_architecture
from kit.models.losses import check_loss
from kit.recipes.base import Recipe
from kit.training.mixing import find_mix
from kit.training.plan import recipe_sampling


def check_recipe(recipe: Recipe, competition: Competition) -> None:
    """Raise UserError for names in a recipe that are not known, or do not fit the competition.

    Builds nothing, so that a mistake shows before hours of work. What the weights are is left to
    `find_start`, as they may be another run's.
    """
    check_architecture(recipe.model_copy(update={"weights": "none"}), competition.channels)
    check_loss(recipe.loss, recipe.label_smoothing)
    find_augmentation(recipe.augment)
    mix = find_mix(recipe.mix)
    if recipe.sampling == "table":
        no_rows = np.zeros((1, len(competition.class_keys)), np.uint8)
        recipe_sampling(recipe, no_rows, competition.class_keys)
    if recipe.batch % recipe.accumulate:
        raise UserError(
            f"--set accumulate={recipe.accumulate}: a batch of {recipe.batch} does not divide into "
            "so many equal parts."
        )
    if mix.mixes and recipe.batch == recipe.accumulate:
        raise UserError(
            f"--set mix={recipe.mix} mixes the images of a part of a batch, and batch="
            f"{recipe.batch} in accumulate={recipe.accumulate} parts leaves one image each."
        )
