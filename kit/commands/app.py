"""The application that holds the commands, and the options that several of them share."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.core.errors import UserError

if TYPE_CHECKING:
    from kit.competitions.base import Competition
    from kit.core.paths import Workspace

app = typer.Typer(
    help="Folds, training, blends, thresholds and submissions for multilabel image competitions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

CompetitionName = Annotated[
    str,
    typer.Option("--competition", "-c", help="A name, or a Python file that defines one."),
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder with the competition's files; default KIT_DATA/<name>."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value: change a recipe setting. Repeatable."),
]
PolicyName = Annotated[
    str,
    typer.Option(
        help="calibrated, fold-mean, split-mean, exact, tuned, mixed, class-rate, constant, "
        "fixed=0.5, scaled=0.7, floored=0.15, shrunk=20; auto: the best without Optuna studies; "
        "all: the best with them."
    ),
]
TransferName = Annotated[
    str,
    typer.Option(
        help="How thresholds are adapted to test scores: averaged, thresholds, rates, auto."
    ),
]
TestFiles = Annotated[
    list[Path] | None,
    typer.Option(
        help="Test probabilities: one file, averaged, or one per fold model (repeat --test)."
    ),
]

Wait = Annotated[
    bool,
    typer.Option("--wait", help="Wait if another process is working on the same files."),
]
SkipBad = Annotated[
    int,
    typer.Option(
        min=0,
        help="Go on without up to N unusable images per split: black, and not trained on.",
    ),
]


# Comes before the command; `kit.cli.main`, which prints errors, looks for it.
VERBOSE = "--verbose"


@app.callback()
def before_every_command(
    verbose: Annotated[
        bool,
        typer.Option(VERBOSE, help="Show the traceback of an error in a competition's own code."),
    ] = False,
) -> None:
    # No docstring: the help would show it in place of the application's.
    del verbose


def place(name: str, data: Path | None, wait: bool = False) -> "tuple[Competition, Workspace]":
    """The competition of a name or file, and its folders; UserError if `data` is not a folder."""
    from kit.competitions.registry import find_competition
    from kit.core.paths import Workspace

    competition = find_competition(name)
    if name.endswith(".py"):
        competition = replace(competition, file=Path(name))
    if data is not None and not data.is_dir():
        raise UserError(f"--data {data} is not a folder. {competition.how_to_get(data)}")
    workspace = Workspace.of(competition.name, data, typed=name, wait=wait)
    for folder in (workspace.runs, workspace.stores, workspace.folds.parent, workspace.submissions):
        _require_no_file(folder)
    return competition, workspace


def _require_no_file(folder: Path) -> None:
    """Raise UserError if a file is where a folder, or one that it is in, should be."""
    for one in (*reversed(folder.parents), folder):
        if one.exists() and not one.is_dir():
            where = "" if one == folder else f"{folder}: "
            if not one.is_file():  # a device or a pipe, which others use
                raise UserError(f"{where}{one} is not a folder. Name another.")
            away = shlex.join(["mv", str(one), f"{one}.moved"])
            raise UserError(f"{where}{one} is a file, expected a folder. Move it away: {away}")


def spare_inputs(out: Path | None, facts: "Competition", workspace: "Workspace") -> None:
    """Raise UserError if `--out` would overwrite a table or an image of the competition."""
    if out is None:
        return
    source, target = workspace.source.resolve(), out.resolve()
    tables = [facts.label_table, facts.sample_table, facts.group_table]
    images = {source / facts.train_images, source / facts.test_images} - {source}
    if target in [source / name for name in tables if name] or images & {target, *target.parents}:
        raise UserError(f"--out {out} belongs to the competition's files. Name another.")
