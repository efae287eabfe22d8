"""The stage `models`: every recipe with its backbone's facts and its own parameter count."""

from collections.abc import Sequence

from kit.core.progress import say, table
from kit.models.registry import backbones
from kit.recipes import recipes


def print_models(names: Sequence[str], channels: Sequence[str], classes: int) -> None:
    """Print the recipes, all when none are named, as they are built for so many classes.

    Parameters are counted in the built network; nothing is downloaded.
    """
    from kit.models.build import count_parameters

    rows = []
    for name in names or recipes.names():
        recipe = recipes.get(name)
        backbone = backbones.get(recipe.backbone)
        size = count_parameters(recipe, channels, classes)
        rows.append(
            [
                name,
                recipe.size,
                recipe.stem,
                f"{size.total:,}",
                f"{size.trainable:,}",
                recipe.weights,
                f"{backbone.native_size} (from {backbone.min_size})",
            ]
        )
    header = [
        "recipe", "size", "stem", "parameters", "trainable", "weights", "backbone's native size",
    ]  # fmt: skip
    table(f"Recipes, built for {len(channels)} channels and {classes} classes", header, rows)
    for name in names or recipes.names():
        say(f"{name}: {backbones.get(recipes.get(name).backbone).source}")
