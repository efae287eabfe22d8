"""The command that checks everything on disk."""

from typing import Annotated

import typer

from kit.commands.app import CompetitionName, DataFolder, app, place


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Runs, blends and the like; default all.")
    ] = None,
    competition: CompetitionName = "hpa",
    data: DataFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Read every file again and compare it with its digest. Exits with 1 if one is damaged."""
    from kit.stages.verify import verify_stage

    facts, workspace = place(competition, data)
    if not verify_stage(facts, workspace, names or [], as_json):
        raise typer.Exit(1)
