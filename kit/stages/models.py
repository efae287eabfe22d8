"""The stage `models`: recipes, backbones, and every setting of a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.quiet import without_announcements
from kit.core.suggest import Typed
from kit.core.terminal import WIDTH, say, say_wrapped, table
from kit.core.terms import Known
from kit.models.registry import backbones
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings, with_size

INDENT = 30  # of a setting's description

# JSON schema's keywords for the limits of a number, and how they are printed.
BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}


@dataclass(frozen=True)
class ModelsOptions:
    """How to show named recipes: with these settings changed, and as a `summary` by Keras."""

    size: int | None = None
    settings: tuple[str, ...] = ()
    summary: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The changed settings as words of a command."""
        sized = () if self.size is None else ("--size", str(self.size))
        return (*sized, *(word for setting in self.settings for word in ("--set", setting)))


def models_stage(
    competition: Competition,
    names: Sequence[str],
    typed: Typed,
    options: ModelsOptions | None = None,
) -> None:
    """Print what can be trained: without names, every recipe and backbone as registered.

    Named recipes are built for the competition, without downloads, and their parameters counted; a
    registered recipe that does not fit the channels gets the reason instead. Then come its
    settings, each with its value, meaning and allowed values; or, with `summary`, its layers as
    Keras prints them. Raises UserError for an unknown name, for options without a name, and for
    changed settings that do not fit.
    """
    options = options or ModelsOptions()
    if not names:
        if options != ModelsOptions():
            words = (*(("--summary",) if options.summary else ()), *options.words)
            command = typed.command("models", "NAME", *words)
            raise UserError(f"{words[0]} needs the name of a recipe: {command}")
        _print_recipes()
        _print_backbones()
        say(f"Train a recipe: {typed.command('train', 'NAME')}")
        say(f"Its settings: {typed.command('models', 'NAME')}")
        return
    given = with_size(options.settings, options.size)
    chosen = [with_settings(recipes.get(name), given) for name in names]
    if options.words:
        _require_fit(chosen, competition)
    if options.summary:
        _print_summaries(chosen, competition)
        return
    _print_built(chosen, competition)
    for recipe in chosen:
        _print_settings(recipe)
        say(f"To see what augment does: {typed.command('look', recipe.name, *options.words)}")
        summary = typed.command("models", recipe.name, "--summary", *options.words)
        say(f"To see its layers: {summary}")


def _require_fit(chosen: Sequence[Recipe], competition: Competition) -> None:
    with without_announcements():
        from kit.models.build import check_architecture

    for recipe in chosen:
        check_architecture(recipe, competition.channels)


def _print_summaries(chosen: Sequence[Recipe], competition: Competition) -> None:
    with without_announcements():
        from kit.models.build import summarize

    channels, classes = competition.channels, len(competition.class_keys)
    for recipe in chosen:
        try:
            text = summarize(recipe, channels, classes, WIDTH)
        except UserError as error:
            say_wrapped(f"{recipe.name} does not fit: {error}", first="", rest="    ")
            continue
        say(f"{recipe.name} at {recipe.size} px, {len(channels)} channels, {classes} classes")
        for line in [*text.split("\n"), ""]:
            say(line)


def _print_recipes() -> None:
    rows = []
    for recipe in map(recipes.get, recipes.names()):
        rows.append([recipe.name, recipe.size, recipe.backbone, recipe.stem, recipe.weights])
    header = ["recipe", "size", "backbone", "stem", "weights"]
    table("Recipes", header, rows)


def _print_backbones() -> None:
    rows = []
    names_of: dict[str, list[str]] = {}  # by source: in the table it would not fit 80 columns
    for entry in map(backbones.get, backbones.names()):
        names_of.setdefault(entry.source, []).append(entry.name)
        rows.append(
            [
                entry.name,
                f"{entry.parameters:,}",
                entry.native_size,
                entry.min_size,
                "any, 3 *" if "imagenet" in entry.weights else "any",
                ", ".join(entry.weights),
            ]
        )
    header = ["backbone", "parameters", "native", "smallest", "channels", "weights"]
    say("")
    table("Backbones, without their heads: --set backbone=NAME", header, rows)
    note = (
        "native: the published size in pixels; smallest: the minimum that can be built. * ImageNet "
        "weights take three channels, more with --set stem=inflate or conv1x1. "
        "weights may also be a .keras or .weights.h5 file, or a run."
    )
    say_wrapped(note, first="", rest="")
    say("")
    for source, names in names_of.items():
        say_wrapped(f"{', '.join(names)}: {source}", first="", rest="    ")
    say("")


def _print_built(chosen: Sequence[Recipe], competition: Competition) -> None:
    with without_announcements():
        from kit.models.build import count_parameters

    channels, classes = competition.channels, len(competition.class_keys)
    rows, notes = [], []
    for recipe in chosen:
        backbone = backbones.get(recipe.backbone)
        notes.append(f"{recipe.name}: {backbone.source}")
        try:
            size = count_parameters(recipe, channels, classes)
            counts = [f"{size.total:,}", f"{size.trainable:,}"]
        except UserError as error:
            notes.append(f"{recipe.name} does not fit: {error}")
            counts = ["does not fit", ""]
        native = f"{backbone.native_size} (from {backbone.min_size})"
        rows.append([recipe.name, recipe.size, native, *counts])
    header = ["recipe", "size", "backbone's size", "parameters", "trainable"]
    table(f"Recipes, built for {len(channels)} channels and {classes} classes", header, rows)
    for note in notes:
        say_wrapped(note, first="", rest="    ")


def _print_settings(recipe: Recipe) -> None:
    """Print each `key=value` as --set takes it, with its description and allowed values."""
    with without_announcements():
        from kit.data.augment import AUGMENTATIONS
        from kit.data.mixing import MIXES
        from kit.data.sampling import SAMPLINGS
        from kit.models.heads import HEADS
        from kit.models.losses import LOSSES
        from kit.models.stems import STEMS

    backbone = backbones.get(recipe.backbone)
    registered = {
        "backbone": backbones.names(),
        "stem": tuple(STEMS),
        "head": tuple(HEADS),
        "weights": (*backbone.weights, "a .keras or .weights.h5 file", "a run"),
        "sampling": _spelled({name: one.numbers for name, one in SAMPLINGS.items()}),
        "loss": _spelled(LOSSES),
        "augment": _spelled(AUGMENTATIONS),
        "mix": _spelled(MIXES),
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
        text = f"{Recipe.model_fields[key].description}{allowed and f' ({allowed})'}"
        say_wrapped(text, first=f"  {setting} ".ljust(INDENT), rest=" " * INDENT)


def _spelled(known: Known) -> tuple[str, ...]:
    """Each name with its parameters and defaults: `focal(gamma=2, alpha=-1)`."""
    spelled = []
    for name, numbers in known.items():
        inside = ", ".join(f"{key}={value:g}" for key, value in numbers.items())
        spelled.append(f"{name}({inside})" if inside else name)
    return tuple(spelled)


def _allowed(schema: dict[str, Any]) -> str:
    """The values that a field's JSON schema allows, as text: `number from 0 below 1`."""
    if "anyOf" in schema:
        return ", or ".join(_allowed(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema["type"] == "string":
        return ""  # its description says what it may be
    kind = {"integer": "whole number", "number": "number", "null": "none"}[schema["type"]]
    bounds = [f"{word} {schema[bound]}" for bound, word in BOUNDS.items() if bound in schema]
    return " ".join([kind, *bounds])
