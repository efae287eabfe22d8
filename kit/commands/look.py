"""The command `look`: pictures of a recipe's images, of an image's channels, of runs' labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, Settings, app, place, spare_inputs
from kit.core.errors import UserError

if TYPE_CHECKING:
    from kit.core.paths import Workspace
    from kit.core.suggest import Typed

# The forms of the command, and for each the words of an example and the options that only it takes.
RECIPE, CHANNELS, RUNS = "a recipe", "--channels", "runs"
FORMS = {
    RECIPE: (("MODEL",), ("--grid", "--raw", "--size", "--set")),
    CHANNELS: (("--channels", "ID"), ()),
    RUNS: (
        ("RUN", "RUN"),
        ("--at", "--first", "--ids", "--rare", "--held-out", "--as-trained", "--json"),
    ),
}


@app.command()
def look(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="A recipe; runs and blends, for their labels beside the truth; or image ids, with "
            "--channels."
        ),
    ] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="PNG to write; default in the folder of the runs.")
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            help="Recipe: rows x columns, such as 10x5, of the first training images as the "
            "network sees them, after stem and scaling."
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Recipe: images before stem and scaling; the default without --grid."
        ),
    ] = False,
    size: Annotated[
        int | None, typer.Option(help="Recipe: image size; default the recipe's.")
    ] = None,
    settings: Settings = None,
    channels: Annotated[
        bool, typer.Option("--channels", help="Image ids: draw each channel in its colour.")
    ] = False,
    at: Annotated[
        float | None,
        typer.Option(help="Runs: label at this probability; default each model's own thresholds."),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(
            help="Runs: how many images; default 10. The first of the label table or, with --rare, "
            "one per rare class."
        ),
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option(help="Runs: an image of train or test to show. Repeatable.")
    ] = None,
    rare: Annotated[
        bool, typer.Option("--rare", help="Runs: choose images of the rarest classes.")
    ] = False,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out", help="Runs: predict by models that held the image out; default."
        ),
    ] = False,
    as_trained: Annotated[
        bool,
        typer.Option(
            "--as-trained", help="Runs: predict by models trained on the image: optimistic."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Runs: print JSON and nothing else.")
    ] = False,
) -> None:
    """Draw images. As a recipe shows them, by channel, or with runs' labels beside the truth."""
    values = {"--grid": grid, "--size": size, "--at": at, "--first": first}
    flags = {
        "--raw": raw,
        "--set": bool(settings),
        "--ids": bool(ids),
        "--rare": rare,
        "--held-out": held_out,
        "--as-trained": as_trained,
        "--json": as_json,
    }
    given = [option for option, value in values.items() if value is not None]
    given += [option for option, is_given in flags.items() if is_given]
    facts, workspace = place(competition, data)
    spare_inputs(out, facts, workspace)
    named = names or []
    form = CHANNELS if channels else _form_of(named, given, workspace)
    _check(form, named, given, workspace.typed)
    if form == CHANNELS:
        from kit.stages.look import channels_stage

        channels_stage(facts, workspace, named, out)
    elif form == RECIPE:
        from kit.stages.look import LookOptions, look_stage

        options = LookOptions(size, tuple(settings or ()), grid, raw, out)
        look_stage(facts, workspace, named[0], options)
    else:
        from kit.compare.read_shown import DEFAULT_IMAGES, Wanted
        from kit.stages.beside import BesideOptions, beside_stage

        wanted = Wanted(
            DEFAULT_IMAGES if first is None else first, rare, tuple(ids or ()), at, as_trained
        )
        beside_stage(facts, workspace, named, BesideOptions(wanted, out, as_json))


def _form_of(names: Sequence[str], given: Sequence[str], workspace: "Workspace") -> str:
    """Runs, if there are several names, an option about runs, or a name that only runs have."""
    if len(names) > 1 or set(given) & set(FORMS[RUNS][1]):
        return RUNS
    from kit.compare.sides import matching_names
    from kit.recipes import recipes

    is_recipe = not names or names[0] in recipes.names()
    return RECIPE if is_recipe or not matching_names(workspace, names[0]) else RUNS


def _check(form: str, names: Sequence[str], given: Sequence[str], typed: "Typed") -> None:
    """Raise UserError without a name, and for options that have no effect or contradict."""
    if not names:
        examples = [typed.command("look", *words) for words, _ in FORMS.values()]
        raise UserError(f"Name what to look at: {' or '.join(examples)}")
    if form == RUNS:
        _check_one_recipe(names, given, typed)
    for option in given:
        user = next(one for one, (_, options) in FORMS.items() if option in options)
        if form != user:
            example = typed.command("look", *FORMS[user][0])
            raise UserError(f"{option} has no effect with {form}. It belongs to: {example}")
    for option in ("--rare", "--first"):
        if "--ids" in given and option in given:
            raise UserError(f"--ids names the images. Omit {option}.")
    if "--held-out" in given and "--as-trained" in given:
        raise UserError("--held-out and --as-trained contradict each other. Give one.")


def _check_one_recipe(names: Sequence[str], given: Sequence[str], typed: "Typed") -> None:
    """Raise UserError for a recipe's option beside one for runs, or with several recipes."""
    from kit.recipes import recipes

    of_recipe = [option for option in given if option in FORMS[RECIPE][1]]
    of_runs = [option for option in given if option in FORMS[RUNS][1]]
    if of_recipe and of_runs and len(names) == 1:
        raise UserError(f"{of_recipe[0]} is for a recipe and {of_runs[0]} for runs. Give one.")
    if of_recipe and len(names) > 1 and set(names) & set(recipes.names()):
        example = typed.command("look", *FORMS[RECIPE][0])
        raise UserError(
            f"{of_recipe[0]} takes one recipe, got {len(names)} names. Name one: {example}"
        )
