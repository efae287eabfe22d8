"""The command that trains a recipe, for messages that suggest it."""

from kit.data.runs import Run, remember_command
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


def keep_command(run: Run, recipe: Recipe, extra: str | None) -> None:
    """Save the command that trains a run next to it; `extra` is its CSV:IMAGES, if any."""
    words = train_words(recipe)
    if words is not None:
        remember_command(run, words if extra is None else [*words, "--extra", extra])
