"""How a recipe differs from the registered one, as texts for --set."""

from kit.recipes import recipes
from kit.recipes.base import Recipe


def changed_settings(recipe: Recipe) -> tuple[str, ...] | None:
    """The `key=value` texts that turn the recipe registered under this name into this one.

    In the order of the settings; None if no recipe of that name is registered.
    """
    if recipe.name not in recipes.names():
        return None
    registered = recipes.get(recipe.name).model_dump()
    return tuple(
        f"{key}={'none' if value is None else value}"
        for key, value in recipe.model_dump().items()
        if value != registered[key]
    )
