"""Commands that compare runs and blends, and the report."""

from typing import Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, app, place


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
