"""The stage `models`: every recipe with its backbone's facts and its own parameter count."""

import textwrap
from collections.abc import Sequence
from typing import Any

from kit.core.errors import UserError
from kit.core.progress import say, table
from kit.models.registry import backbones
from kit.recipes import recipes
from kit.recipes.base import Recipe

WIDTH = 100
INDENT = 30  # of a setting's description

# JSON schema's words for the limits of a number, and ours.
BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}


def print_models(names: Sequence[str], channels: Sequence[str], classes: int) -> None:
    """Print the recipes, all when none are named, as they are built for so many classes.

    Parameters are counted in the built network; nothing is downloaded. A recipe that does not fit
    the channels says why instead. For recipes that are named, every setting follows with its
    value, what it means, and what it can be. Raises UserError for a name that is not known.
    """
    from kit.models.build import count_parameters

    rows, notes = [], []
    for name in names or recipes.names():
        recipe = recipes.get(name)
        backbone = backbones.get(recipe.backbone)
        notes.append(f"{name}: {backbone.source}")
        try:
            size = count_parameters(recipe, channels, classes)
            counts = [f"{size.total:,}", f"{size.trainable:,}"]
        except UserError as error:
            notes.append(f"{name} does not fit: {error}")
            counts = ["does not fit", ""]
        native = f"{backbone.native_size} (from {backbone.min_size})"
        rows.append([name, recipe.size, native, recipe.stem, recipe.weights, *counts])
    header = ["recipe", "size", "backbone's size", "stem", "weights", "parameters", "trainable"]
    table(f"Recipes, built for {len(channels)} channels and {classes} classes", header, rows)
    for note in notes:
        _say_wrapped(note, first="", rest="    ")
    for name in names:
        _print_settings(recipes.get(name))
    if not names:
        say("Every setting of one of them: kit models NAME")


def _print_settings(recipe: Recipe) -> None:
    """Print each `key=value` as --set takes it, with its description and the values allowed."""
    from kit.models.heads import HEADS
    from kit.models.stems import STEMS

    backbone = backbones.get(recipe.backbone)
    registered = {
        "backbone": backbones.names(),
        "stem": STEMS,
        "head": HEADS,
        "weights": backbone.weights,
    }
    schemas = Recipe.model_json_schema()["properties"]
    schemas["size"]["minimum"] = max(schemas["size"]["minimum"], backbone.min_size)
    say("")
    say(f"Settings of {recipe.name}, each changed with --set key=value:")
    for key in Recipe.model_fields:
        if key == "name":
            continue
        value = getattr(recipe, key)
        setting = f"{key}={'none' if value is None else value}"
        allowed = ", ".join(registered[key]) if key in registered else _allowed(schemas[key])
        text = f"{Recipe.model_fields[key].description} ({allowed})"
        _say_wrapped(text, first=f"  {setting} ".ljust(INDENT), rest=" " * INDENT)


def _allowed(schema: dict[str, Any]) -> str:
    """The values that a field's JSON schema allows, in words: `number from 0 below 1`."""
    if "anyOf" in schema:
        return ", or ".join(_allowed(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(schema["enum"])
    kind = {"integer": "whole number", "number": "number", "null": "none"}[schema["type"]]
    bounds = [f"{word} {schema[bound]}" for bound, word in BOUNDS.items() if bound in schema]
    return " ".join([kind, *bounds])


def _say_wrapped(text: str, first: str, rest: str) -> None:
    for line in textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        say(line)
