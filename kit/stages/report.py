"""The stage `report`: an HTML report on a blend."""

from pathlib import Path

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.terminal import say
from kit.report.html import write_report


def report_stage(competition: Competition, workspace: Workspace, name: str | None) -> Path:
    """Write the HTML report of a blend (the newest when None); prints and returns its path.

    Raises UserError as `write_report` does.
    """
    path = write_report(competition, workspace, name)
    say(f"Report: {path}")
    return path
