"""Commands that show what there is: pictures, comparisons, the report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, Settings, app, place
from kit.core.errors import UserError

if TYPE_CHECKING:
    from kit.core.paths import Workspace


@app.command()
def look(
    names: Annotated[
        list[str], typer.Argument(help="A recipe; or runs and blends, to see beside the truth.")
    ],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    size: Annotated[int | None, typer.Option(help="Image size; default the recipe's.")] = None,
    settings: Settings = None,
    at: Annotated[
        float | None,
        typer.Option(help="Label at this probability; default each model's own thresholds."),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(help="How many images: the first of the label table, or the rarest; 10."),
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option(help="Show this image of train or test. Repeatable.")
    ] = None,
    rare: Annotated[
        bool, typer.Option("--rare", help="Show images of the rarest classes.")
    ] = False,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Predict by models that held it out: the default.")
    ] = False,
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Predict by models trained on it: optimistic.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The PNG to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Draw what a recipe shows its network, or labels of runs and blends beside the truth."""
    facts, workspace = place(competition, data)
    flags = rare or held_out or as_trained or as_json
    about_models = flags or bool(ids) or any(one is not None for one in (at, first, out))
    if not about_models and _is_recipe(workspace, names):
        from kit.stages.look import look_stage

        look_stage(facts, workspace, names[0], size, settings or [])
        return
    from kit.report.beside_read import Wanted
    from kit.stages.beside import BesideOptions, beside_stage

    if size is not None or settings:
        given = "--set" if size is None else "--size"
        raise UserError(f"{given} is for the picture of a recipe. Omit it to show runs.")
    if ids and (rare or first is not None):
        raise UserError(f"--ids names the images. Omit {'--rare' if rare else '--first'}.")
    if held_out and as_trained:
        raise UserError("--held-out and --as-trained contradict each other. Give one.")
    wanted = Wanted(10 if first is None else first, rare, tuple(ids or ()), at, as_trained)
    beside_stage(facts, workspace, names, BesideOptions(wanted, out, as_json))


def _is_recipe(workspace: "Workspace", names: list[str]) -> bool:
    """Whether the names are a single one, of a recipe or at least of no run or blend."""
    from kit.recipes import recipes

    if len(names) > 1:
        return False
    known = (*workspace.blend_names(), *workspace.run_names())
    begun = any(one == names[0] or one.startswith(f"{names[0]}-") for one in known)
    return names[0] in recipes.names() or not begun


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
