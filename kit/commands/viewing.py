"""Commands that compare runs and blends, and the report."""

from pathlib import Path
from typing import Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, app, place, spare_inputs


@app.command()
def curves(
    runs: Annotated[list[str], typer.Argument(help="Runs; a name may be shortened after a dash.")],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(help="PNG to write: one run's curves, or those of several runs in one."),
    ] = None,
) -> None:
    """Draw learning curves. Loss, accuracy, F1 and learning rate, per run and all in one."""
    from kit.stages.curves import curves_stage

    facts, workspace = place(competition, data)
    spare_inputs(out, facts, workspace)
    curves_stage(workspace, runs, out)


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(help="Two or more blends and runs; the others are compared with the first."),
    ],
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    out: Annotated[Path | None, typer.Option(help="PNG to write: the bar chart of F1.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Compare blends and runs. Training, macro-F1, size and time; differences with 95% CIs."""
    from kit.stages.compare import compare_stage

    facts, workspace = place(competition, data)
    spare_inputs(out, facts, workspace)
    compare_stage(facts, workspace, names, out, as_json)


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
