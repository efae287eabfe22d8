"""Commands from images to runs."""

from pathlib import Path
from typing import Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, Settings, app, place
from kit.core.errors import UserError, unknown
from kit.core.quiet import without_announcements


@app.command()
def demo() -> None:
    """Walk the whole way on synthetic cells, from images to a graded submission."""
    with without_announcements():
        from kit.demo import FULL, run_demo

    run_demo(FULL)


@app.command()
def data(competition: CompetitionName = "hpa") -> None:
    """Download a competition's files from Kaggle, or make a synthetic one's."""
    from kit.core.terminal import say
    from kit.kaggle.client import connect
    from kit.kaggle.clock import system_clock
    from kit.kaggle.download import download_files

    facts, workspace = place(competition, None)
    if facts.prepare is not None:
        facts.prepare(workspace.source)
    elif facts.kaggle is not None and facts.kaggle.files:
        kaggle = connect(system_clock())
        download_files(kaggle, facts.kaggle.slug, facts.kaggle.files, workspace.source)
    else:
        raise UserError(
            f"The data belong in {workspace.source}. {facts.how_to_get(workspace.source)}"
        )
    say(f"{facts.title}: {workspace.source}. Next: {workspace.typed.command('folds')}")


@app.command()
def folds(
    context: typer.Context,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    n: Annotated[int, typer.Option("--n", help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    how: Annotated[
        str,
        typer.Option(
            help="stratified; or random: only shuffled. Fold 0 of 5 is then a plain 20 % "
            "validation split, as student projects make it, and a rare class may be missing "
            "from a fold."
        ),
    ] = "stratified",
    groups: Annotated[
        Path | None, typer.Option(help="CSV 'Id,group': images of one group share a fold.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the table.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a table of other folds.")] = False,
    show: Annotated[
        str | None,
        typer.Option(
            help="sampling: how often each sampling shows each class, on the folds there are."
        ),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="With --show sampling: class:times for sampling=table, as 27:10.")
    ] = "",
) -> None:
    """Split the training images into folds, stratified over all labels at once."""
    from kit.data.folds import read_folds
    from kit.data.folds_stage import fold_stage

    if show not in (None, "sampling"):
        raise unknown("table to --show", show or "", ("sampling",))
    if repeats and show is None:
        raise UserError(f"--repeats {repeats} changes no folds. Add --show sampling, or leave it.")
    facts, workspace = place(competition, data)
    target = out or workspace.folds
    asked = {name for name in ("n", "seed", "how", "groups", "force") if _is_given(context, name)}
    if show is not None and target.exists() and not asked:
        made = read_folds(target, facts.read_labels(workspace.source), workspace.typed)
    else:
        made = fold_stage(facts, workspace, n, seed, groups, out, force, how)
    if show is not None:
        from kit.data.sampling_stage import print_samplings
        from kit.recipes.base import Recipe

        usual = Recipe(name="", backbone="", size=16, epochs=1)
        threshold, cap = usual.repeat_threshold, usual.repeat_cap
        table = facts.read_labels(workspace.source)
        print_samplings(facts, made, table, threshold, cap, repeats)


def _is_given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


@app.command()
def pack(
    size: Annotated[int, typer.Option(help="Side of the stored images, in pixels.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Decode every image once into a memory map, from folders or zip archives as they are."""
    from kit.core.terminal import say
    from kit.data.store import pack as pack_split

    facts, workspace = place(competition, data)
    table = facts.read_labels(workspace.source)
    for split, ids in (
        ("train", tuple(sorted(table.ids))),
        ("test", facts.read_test_ids(workspace.source)),
    ):
        store = pack_split(facts, workspace, split, size, ids)
        say(f"{workspace.store(size, split).images}: {len(store.ids)} images")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A recipe; the command models lists them.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    size: Annotated[int | None, typer.Option(help="Image size, if not the recipe's.")] = None,
    folds: Annotated[
        str | None,
        typer.Option(help="Some folds only: 0,1; or all: on every row, without a score."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="One run for each of several: 0,1,2")] = None,
    extra: Annotated[
        str | None,
        typer.Option(help="CSV:IMAGES: more rows, which learn in every fold and score in none."),
    ] = None,
    settings: Settings = None,
) -> None:
    """Train a recipe on every fold; run again, it goes on where it stopped."""
    from kit.recipes import recipes
    from kit.recipes.base import with_settings

    facts, workspace = place(competition, data)
    given = settings or []
    if size is not None:
        given = [*given, f"size={size}"]
    each = [[]] if seeds is None else [[f"seed={seed}"] for seed in _numbers("--seeds", seeds)]
    if seeds is not None and any(one.startswith("seed=") for one in given):
        raise UserError("--seeds and --set seed= name seeds twice. Leave one of them out.")
    chosen = [with_settings(recipes.get(model), [*given, *seed]) for seed in each]
    only = None if folds is None else _fold_numbers(folds)
    with without_announcements():
        from kit.training.train import train as train_recipe

    for recipe in chosen:
        train_recipe(facts, workspace, recipe, only, extra)


def _fold_numbers(text: str) -> list[int | None]:
    """The folds of `0,1` or `all`; None stands for the training on all rows."""
    parts = [part.strip() for part in text.split(",")]
    if strange := [part for part in parts if part != "all" and not part.isdecimal()]:
        raise UserError(
            f"--folds wants numbers with commas between, like 0,1, or all; got '{strange[0]}'."
        )
    return [None if part == "all" else int(part) for part in parts]


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(
            f"{option} wants numbers with commas between, like 0,1; got '{text}'."
        ) from None


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="A run, or how its name begins.")],
    tta: Annotated[
        int,
        typer.Option(
            min=1,
            max=48,
            help="Views of an image: 8 symmetries, then those of the centre and four corners.",
        ),
    ] = 8,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Predict anew with a run's models, averaging several views of each image."""
    facts, workspace = place(competition, data)
    with without_announcements():
        from kit.training.again import predict_again

    predict_again(facts, workspace, run, tta)


@app.command()
def look(
    model: Annotated[str, typer.Argument(help="A recipe; the command models lists them.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    size: Annotated[int | None, typer.Option(help="Image size, if not the recipe's.")] = None,
    settings: Settings = None,
) -> None:
    """Draw a grid of training images as a recipe varies them, beside the images as they are."""
    from kit.recipes import recipes
    from kit.recipes.base import with_settings

    facts, workspace = place(competition, data)
    sized = [f"size={size}"] if size is not None else []
    recipe = with_settings(recipes.get(model), [*(settings or []), *sized])
    with without_announcements():
        from kit.report.look import look as draw_look

    draw_look(facts, workspace, recipe)


@app.command()
def models(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes; all when none.")] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """List the recipes that can be trained: size, channels, parameters, weights."""
    from kit.recipes.catalogue import print_models

    facts, _ = place(competition, None)
    if not names:
        print_models([], facts.channels, len(facts.class_keys))
        return
    with without_announcements():
        from kit.data.augment import AUGMENTATIONS
        from kit.training.mixing import MIXES

    listed = {"augment": AUGMENTATIONS, "mix": MIXES}
    print_models(names, facts.channels, len(facts.class_keys), listed)
