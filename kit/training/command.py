"""The command that trains a recipe, for messages that suggest it."""

from kit.recipes.base import Recipe
from kit.recipes.changed import changed_settings


def train_words(recipe: Recipe) -> list[str] | None:
    """The words after `kit` that train this recipe; None if its name is not registered.

    They have no options for the competition and no --folds.
    """
    settings = changed_settings(recipe)
    if settings is None:
        return None
    words = ["train", recipe.name]
    for setting in settings:
        key, _, value = setting.partition("=")
        words += ["--size", value] if key == "size" else ["--set", setting]
    return words
