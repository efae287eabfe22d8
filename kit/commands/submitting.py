"""Commands from a blend to the leaderboard."""

import math
from pathlib import Path
from typing import Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, Wait, app, place, spare_inputs
from kit.core.errors import UserError


@app.command()
def submit(
    name: Annotated[str | None, typer.Argument(help="A blend; default the newest.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    message: Annotated[str | None, typer.Option(help="Description shown on Kaggle.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only, send nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send a file again that was sent before.")
    ] = False,
    edited: Annotated[
        bool, typer.Option("--edited", help="Use a file that was changed since the kit wrote it.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Minutes to wait for the score.")] = 15.0,
) -> None:
    """Check a submission, upload it, wait for its score. Or ask the local grader, if any."""
    from kit.kaggle.clock import system_clock
    from kit.stages.submit import submit_stage
    from kit.submission.submit import SubmitOptions

    if not math.isfinite(wait):
        raise UserError(f"--wait {wait}: expected a number of minutes, such as 15.")
    facts, workspace = place(competition, data)
    options = SubmitOptions(message, dry_run, again, wait, edited)
    submit_stage(facts, workspace, name, options, system_clock())


@app.command()
def ledger(
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    sync: Annotated[bool, typer.Option("--sync", help="Ask Kaggle for scores first.")] = False,
) -> None:
    """List every submission and its scores. And which two to select as final."""
    from kit.kaggle.clock import system_clock
    from kit.stages.ledger import ledger_stage

    facts, workspace = place(competition, data)
    ledger_stage(facts, workspace, sync, system_clock())


@app.command()
def kernel(
    name: Annotated[str | None, typer.Argument(help="A blend; default the newest.")] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    title: Annotated[str | None, typer.Option(help="The notebook's title on Kaggle.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run it here, with the network blocked.")
    ] = False,
    push: Annotated[bool, typer.Option("--push", help="Send it to Kaggle.")] = False,
    wait: Wait = False,
) -> None:
    """Write an offline notebook that reproduces a blend. Some competitions accept only those."""
    from kit.kaggle.clock import system_clock
    from kit.stages.kernel import KernelOptions, kernel_stage

    facts, workspace = place(competition, data, wait)
    spare_inputs(out, facts, workspace)
    options = KernelOptions(facts.file, title, out, check, push)
    kernel_stage(facts, workspace, name, options, system_clock())


@app.command()
def status(competition: CompetitionName = "hpa", data: DataFolder = None) -> None:
    """Show what exists, its scores, and what to type next."""
    from kit.stages.status import status_stage

    facts, workspace = place(competition, data)
    status_stage(facts, workspace)
