"""Commands from images to runs."""

from pathlib import Path
from typing import Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, Settings, app, place
from kit.core.errors import UserError
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
    from kit.core.progress import say
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
    say(f"{facts.title}: {workspace.source}. Next: kit folds --competition {facts.name}")


@app.command()
def folds(
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    n: Annotated[int, typer.Option("--n", help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    groups: Annotated[
        Path | None, typer.Option(help="CSV 'Id,group': images of one group share a fold.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the table.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a table of other folds.")] = False,
) -> None:
    """Split the training images into folds, stratified over all labels at once."""
    from kit.data.folds_stage import fold_stage

    facts, workspace = place(competition, data)
    fold_stage(facts, workspace, n, seed, groups, out, force)


@app.command()
def pack(
    size: Annotated[int, typer.Option(help="Side of the stored images, in pixels.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Decode every image once into a memory map, from folders or zip archives as they are."""
    from kit.core.progress import say
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
    model: Annotated[str, typer.Argument(help="A recipe: see kit models.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    size: Annotated[int | None, typer.Option(help="Image size, if not the recipe's.")] = None,
    folds: Annotated[str | None, typer.Option(help="Some folds only: 0,1")] = None,
    settings: Settings = None,
) -> None:
    """Train a recipe on every fold; run again, it goes on where it stopped."""
    from kit.recipes import recipes
    from kit.recipes.base import with_settings

    facts, workspace = place(competition, data)
    sized = [f"size={size}"] if size is not None else []
    recipe = with_settings(recipes.get(model), [*(settings or []), *sized])
    chosen = None if folds is None else _fold_numbers(folds)
    with without_announcements():
        from kit.training.train import train as train_recipe

    train_recipe(facts, workspace, recipe, chosen)


def _fold_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(
            f"--folds wants numbers with commas between, like 0,1; got '{text}'."
        ) from None


@app.command()
def models(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes; all when none.")] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """List the recipes that can be trained: size, channels, parameters, weights."""
    from kit.recipes.catalogue import print_models

    facts, _ = place(competition, None)
    with without_announcements():
        import keras  # noqa: F401
    print_models(names or [], facts.channels, len(facts.class_keys))
