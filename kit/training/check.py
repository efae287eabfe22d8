"""Check that a recipe can be trained, before anything is packed."""

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.data.sampling import SAMPLINGS
from kit.models.build import check_architecture
from kit.models.losses import check_smoothing
from kit.recipes.base import Recipe


def check_recipe(recipe: Recipe, competition: Competition) -> None:
    """Raise UserError for settings that conflict with each other or the competition.

    Builds nothing, so a mistake shows before hours of work. `find_start` checks the weights, which
    may be another run's.
    """
    check_architecture(recipe.model_copy(update={"weights": "none"}), competition.channels)
    check_smoothing(recipe.loss, recipe.label_smoothing)
    if "repeats" in SAMPLINGS[recipe.sampling.name].settings:
        recipe.repeats.of(competition.class_keys)
    if recipe.batch % recipe.accumulate:
        raise UserError(
            f"--set accumulate={recipe.accumulate}: a batch of {recipe.batch} does not divide into "
            f"{recipe.accumulate} equal parts."
        )
    if recipe.mix.mixes and recipe.batch == recipe.accumulate:
        raise UserError(
            f"--set mix={recipe.mix} mixes images within a part of a batch, but batch="
            f"{recipe.batch} in accumulate={recipe.accumulate} parts has one image per part."
        )
