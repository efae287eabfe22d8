"""Commands that show what there is: pictures, comparisons, the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, Settings, app, place
from kit.core.errors import UserError

if TYPE_CHECKING:
    from kit.core.suggest import Typed

# The forms of `look`, and for each the words of an example and the options that only it takes.
RECIPE, CHANNELS = "a recipe", "--channels"
FORMS = {
    RECIPE: (("MODEL",), ("--grid", "--raw", "--size", "--set")),
    CHANNELS: (("--channels", "ID"), ()),
}


@app.command()
def look(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="A recipe; or image ids of train or test, with --channels."),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            help="Rows x columns, like 10x5: the first images of training as the network sees "
            "them, after the recipe's stem and scaling."
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Images before stem and scaling; the default without --grid."),
    ] = False,
    channels: Annotated[
        bool,
        typer.Option(
            "--channels", help="The names are image ids: draw each channel in its colour."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="PNG file to write; default below KIT_RUNS.")
    ] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    size: Annotated[int | None, typer.Option(help="Image size; default the recipe's.")] = None,
    settings: Settings = None,
) -> None:
    """Draw images. A recipe's augmentation, what its network sees, or an image's channels."""
    from kit.stages.look import LookOptions, channels_stage, look_stage

    values, flags = {"--grid": grid, "--size": size}, {"--raw": raw, "--set": bool(settings)}
    given = [option for option, value in values.items() if value is not None]
    given += [option for option, is_given in flags.items() if is_given]
    facts, workspace = place(competition, data)
    named = names or []
    form = _form_of(named, channels, workspace.typed)
    _refuse_idle(form, given, workspace.typed)
    if form == CHANNELS:
        channels_stage(facts, workspace, named, out)
        return
    options = LookOptions(size, tuple(settings or ()), grid, raw, out)
    look_stage(facts, workspace, named[0], options)


def _form_of(names: Sequence[str], channels: bool, typed: "Typed") -> str:
    """Which form of `look` the names ask for; UserError without a name."""
    if not names:
        examples = [typed.command("look", *words) for words, _ in FORMS.values()]
        raise UserError(f"Name what to look at: {' or '.join(examples)}")
    if channels:
        return CHANNELS
    if len(names) > 1:
        raise UserError(f"Name one recipe, not {len(names)}: {typed.command('look', 'MODEL')}")
    return RECIPE


def _refuse_idle(form: str, given: Sequence[str], typed: "Typed") -> None:
    """Raise UserError for an option without effect in this form, naming the one that takes it."""
    for option in given:
        user = next(one for one, (_, options) in FORMS.items() if option in options)
        if form != user:
            example = typed.command("look", *FORMS[user][0])
            raise UserError(f"{option} has no effect with {form}. It belongs to: {example}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A blend or a run.")],
    second: Annotated[str, typer.Argument(help="Another blend or run.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Compare two blends or runs. Prints the 95% CI of the difference, and what changed most."""
    from kit.stages.compare import compare_stage

    facts, workspace = place(competition, data)
    compare_stage(facts, workspace, first, second)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(help="A blend; default the newest.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
) -> None:
    """Write an HTML report. Scores, classes, learning curves, images with predictions."""
    from kit.stages.report import report_stage

    facts, workspace = place(competition, data)
    report_stage(facts, workspace, name)
