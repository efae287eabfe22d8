"""What was changed in a recipe, as the texts that --set takes."""

from kit.recipes import recipes
from kit.recipes.base import Recipe


def changed_settings(recipe: Recipe) -> tuple[str, ...] | None:
    """The `key=value` texts that make this recipe of the one registered under its name.

    In the order of the settings; None when no recipe of that name is registered.
    """
    if recipe.name not in recipes.names():
        return None
    registered = recipes.get(recipe.name).model_dump()
    return tuple(
        f"{key}={'none' if value is None else value}"
        for key, value in recipe.model_dump().items()
        if value != registered[key]
    )
