"""The command line: one subcommand a stage. What is heavy is imported when a command needs it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.core.disk import is_disk_full
from kit.core.errors import UserError
from kit.core.quiet import without_announcements

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
    typer.Option("--data", help="Folder with the competition's files, if not KIT_DATA/<name>."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value: a recipe setting to change. May be repeated."),
]


def main() -> None:
    """Run the command line; exit status 2 and one line for what the user can mend."""
    # What TensorFlow logs of its own accord; its errors are raised and still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except UserError as error:
        print(f"kit: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if is_disk_full(error):
            print("kit: The disk is full. What was finished before is kept.", file=sys.stderr)
        elif error.filename is not None:
            print(f"kit: {error.strerror}: {error.filename}", file=sys.stderr)
        else:
            raise
        sys.exit(2)


def _place(name: str, data: Path | None) -> "tuple[Competition, Workspace]":
    from kit.competitions.registry import find_competition
    from kit.core.paths import Workspace

    competition = find_competition(name)
    if data is not None and not data.is_dir():
        raise UserError(f"--data {data} is not a folder. {competition.how_to_get(data)}")
    return competition, Workspace.of(competition.name, data)


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

    facts, workspace = _place(competition, None)
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

    facts, workspace = _place(competition, data)
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

    facts, workspace = _place(competition, data)
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

    facts, workspace = _place(competition, data)
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
def blend(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs to blend; all when none.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    name: Annotated[str | None, typer.Option(help="A name for the blend.")] = None,
) -> None:
    """Blend runs, fit thresholds, print what they are worth, write the submission CSV."""
    from kit.submission.stage import blend_stage

    facts, workspace = _place(competition, data)
    blend_stage(facts, workspace, runs or [], name)


@app.command()
def score(
    predictions: Annotated[Path, typer.Option(help="A submission CSV, or Parquet probabilities.")],
    labels: Annotated[Path, typer.Option(help="The true labels, as the competition writes them.")],
    thresholds: Annotated[Path | None, typer.Option(help="thresholds.json; 0.5 if none.")] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """Macro-F1 of predictions against labels, class by class, with a bootstrap interval."""
    from kit.ensemble.score import score_stage

    facts, _ = _place(competition, None)
    score_stage(facts, predictions, labels, thresholds)


@app.command()
def submit(
    name: Annotated[str | None, typer.Argument(help="A blend; the last one made if none.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    message: Annotated[str | None, typer.Option(help="A line for Kaggle's list.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send a file that was sent before.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Minutes to wait for the score.")] = 15.0,
) -> None:
    """Check the submission, upload it and wait for its score; or ask its own local grader."""
    from kit.kaggle.clock import system_clock
    from kit.submission.stage import submit_stage
    from kit.submission.submit import Wish

    facts, workspace = _place(competition, data)
    wish = Wish(message, dry_run, again, wait)
    submit_stage(facts, workspace, name, wish, system_clock())


@app.command()
def ledger(
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    sync: Annotated[bool, typer.Option("--sync", help="Ask Kaggle for scores first.")] = False,
) -> None:
    """Every submission, how well the estimates matched, and which two to select as final."""
    from kit.kaggle.clock import system_clock
    from kit.submission.ledger import ledger_stage

    facts, workspace = _place(competition, data)
    ledger_stage(facts, workspace, sync, system_clock())


@app.command()
def kernel(
    name: Annotated[str | None, typer.Argument(help="A blend; the last one made if none.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    title: Annotated[str | None, typer.Option(help="The notebook's title on Kaggle.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Run it here, off the network.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Send it to Kaggle.")] = False,
) -> None:
    """Write an offline notebook that repeats a blend, for competitions that take nothing else."""
    from kit.kaggle.clock import system_clock
    from kit.kernel.stage import Wish, kernel_stage

    facts, workspace = _place(competition, data)
    own_file = Path(competition) if competition.endswith(".py") else None
    wish = Wish(own_file, title, out, check, push)
    kernel_stage(facts, workspace, name, wish, system_clock())


@app.command()
def status(competition: CompetitionName = "hpa", data: DataFolder = None) -> None:
    """What exists, what it scored, and what to type next."""
    from kit.report.status import print_status

    facts, workspace = _place(competition, data)
    print_status(facts, workspace)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(help="A blend; the last one made if none.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """One HTML file: scores, classes, learning curves, and pictures with predictions."""
    from kit.core.progress import say
    from kit.report.html import write_report

    facts, workspace = _place(competition, data)
    say(f"Report: {write_report(facts, workspace, name)}")


@app.command()
def models(
    names: Annotated[list[str] | None, typer.Argument(help="Recipes; all when none.")] = None,
    competition: CompetitionName = "hpa",
) -> None:
    """List the recipes that can be trained: size, channels, parameters, weights."""
    from kit.recipes.catalogue import print_models

    facts, _ = _place(competition, None)
    with without_announcements():
        import keras  # noqa: F401
    print_models(names or [], facts.channels, len(facts.class_keys))
