"""Commands from images to runs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kit.commands.app import (
    CompetitionName,
    DataFolder,
    Settings,
    SkipBad,
    Wait,
    app,
    place,
    spare_inputs,
)
from kit.core.errors import UserError, unknown
from kit.core.quiet import without_announcements
from kit.core.store_paths import LARGEST_SIZE


@app.command()
def demo() -> None:
    """Run every stage on synthetic cells. Ends in a graded submission."""
    with without_announcements():
        from kit.demo import FULL, run_demo

    run_demo(FULL)


@app.command()
def data(
    competition: CompetitionName = "hpa",
    wait: Wait = False,
) -> None:
    """Get a competition's files. From Kaggle, or generated for a synthetic competition."""
    from kit.kaggle.clock import system_clock
    from kit.stages.data import data_stage

    facts, workspace = place(competition, None, wait)
    data_stage(facts, workspace, system_clock())


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
            help="stratified; or random, which ignores labels: a fold may have no positives of a "
            "rare class. Without groups, its fold 0 is the test part of scikit-learn's "
            "train_test_split with the same seed, 20% of the rows with 5 folds."
        ),
    ] = "stratified",
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV 'Id,group': all images of a group share a fold; none: ignore the "
            "competition's own groups."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Take a team's folds: a table of ids and folds, or out-of-fold predictions; CSV "
            "or Parquet, columns of any name.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write the table to.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing table with other folds.")
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            help="sampling: how often each sampling shows each class, on the existing folds."
        ),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="With --show sampling: class:times for sampling=table, as 27:10.")
    ] = "",
    wait: Wait = False,
) -> None:
    """Split the training images into folds. Stratified over all labels at once."""
    from kit.data.fold_table import FoldOptions
    from kit.stages.folds import fold_stage, sampling_stage

    if show not in (None, "sampling"):
        raise unknown("table to --show", show or "", ("sampling",))
    if repeats and show is None:
        raise UserError(f"--repeats {repeats} changes no folds. Add --show sampling, or drop it.")
    given = [name for name in ("n", "seed", "how") if _is_given(context, name)]
    if source is not None and given:
        raise UserError(f"--from takes the folds as they are: drop --{given[0]}.")
    facts, workspace = place(competition, data, wait)
    spare_inputs(out, facts, workspace)
    options = FoldOptions(n, seed, how, groups, out, force, source)
    if show is None:
        fold_stage(facts, workspace, options)
        return
    asked = any(
        _is_given(context, name) for name in ("n", "seed", "how", "source", "groups", "force")
    )
    sampling_stage(facts, workspace, options, keep=not asked, repeats=repeats)


def _is_given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


@app.command()
def pack(
    size: Annotated[
        int, typer.Option(max=LARGEST_SIZE, help="Side of the stored images, in pixels.")
    ],
    resize: Annotated[
        str,
        typer.Option(
            help="area: averaged to shrink, cubic to enlarge; linear: bilinear both ways. Use the "
            "value of the recipe to be trained."
        ),
    ] = "area",
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    skip_bad: SkipBad = 0,
    wait: Wait = False,
) -> None:
    """Decode every image once into a memory map. From folders or packed zip archives."""
    from kit.core.store_paths import StoreKind
    from kit.stages.data import pack_stage

    facts, workspace = place(competition, data, wait)
    pack_stage(facts, replace(workspace, skip_bad=skip_bad), StoreKind(size, resize))


@app.command()
def train(
    model: Annotated[
        str,
        typer.Argument(
            help="A recipe; the command models lists them. Or a run, to resume or repair it."
        ),
    ],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    size: Annotated[int | None, typer.Option(help="Image size; default the recipe's.")] = None,
    folds: Annotated[
        str | None,
        typer.Option(
            help="Only these folds, like 0,1; or all: train on every row, without a score."
        ),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="One run per seed, like 0,1,2.")] = None,
    extra: Annotated[
        str | None,
        typer.Option(
            help="CSV:IMAGES: extra images that every fold trains on and none is scored on."
        ),
    ] = None,
    settings: Settings = None,
    skip_bad: SkipBad = 0,
    wait: Wait = False,
) -> None:
    """Train a recipe on every fold. Safe to interrupt; rerun to resume."""
    from kit.stages.train import TrainOptions, train_stage

    facts, workspace = place(competition, data, wait)
    options = TrainOptions(size, folds, seeds, extra, tuple(settings or []))
    train_stage(facts, replace(workspace, skip_bad=skip_bad), model, options)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="A run, or the start of its name.")],
    tta: Annotated[
        int,
        typer.Option(
            min=1,
            max=48,
            help="Views per image: 8 symmetries, then those of the centre and four corners.",
        ),
    ] = 8,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    wait: Wait = False,
) -> None:
    """Predict again, averaging several views of each image. With a run's trained models."""
    from kit.stages.train import predict_stage

    facts, workspace = place(competition, data, wait)
    predict_stage(facts, workspace, run, tta)


@app.command()
def models(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes; default all.")] = None,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Layers, shapes and parameters, as Keras prints them."),
    ] = False,
    competition: CompetitionName = "hpa",
    size: Annotated[int | None, typer.Option(help="Image size; default the recipe's.")] = None,
    settings: Settings = None,
) -> None:
    """List recipes and backbones. For named recipes also parameters and every setting."""
    from kit.stages.models import ModelsOptions, models_stage

    facts, workspace = place(competition, None)
    options = ModelsOptions(size, tuple(settings or ()), summary)
    models_stage(facts, names or [], workspace.typed, options)
