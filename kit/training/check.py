"""Whether a recipe can be trained, found out before anything is packed."""

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.data.sampling import SAMPLINGS
from kit.models.build import check_architecture
from kit.models.losses import check_smoothing
from kit.recipes.base import Recipe


def check_recipe(recipe: Recipe, competition: Competition) -> None:
    """Raise UserError for settings that do not fit each other or the competition.

    Builds nothing, so that a mistake shows before hours of work. What the weights are is left to
    `find_start`, as they may be another run's.
    """
    check_architecture(recipe.model_copy(update={"weights": "none"}), competition.channels)
    check_smoothing(recipe.loss, recipe.label_smoothing)
    if "repeats" in SAMPLINGS[recipe.sampling.name].settings:
        recipe.repeats.of(competition.class_keys)
    if recipe.batch % recipe.accumulate:
        raise UserError(
            f"--set accumulate={recipe.accumulate}: a batch of {recipe.batch} does not divide into "
            "so many equal parts."
        )
    if recipe.mix.mixes and recipe.batch == recipe.accumulate:
        raise UserError(
            f"--set mix={recipe.mix} mixes the images of a part of a batch, and batch="
            f"{recipe.batch} in accumulate={recipe.accumulate} parts leaves one image each."
        )
