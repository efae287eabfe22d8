"""The stage `curves`: learning curves of runs as pictures."""

from collections.abc import Sequence
from pathlib import Path

from kit.blends.opened import open_blend
from kit.compare.logs import RunLog, require_log
from kit.compare.sides import full_name
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import say
from kit.data.runs import open_run
from kit.report.curves import draw_curves
from kit.report.png import png_path, write_png


def curves_stage(
    workspace: Workspace, names: Sequence[str], out: Path | None = None
) -> tuple[Path, ...]:
    """Draw the curves of each run and, of several runs, all in one; prints and returns the paths.

    Names may be shortened after a dash. Pictures are PNG files in the folder of the runs; `out` is
    another path for a single run's picture, or for that of several runs in one. What has been
    logged so far is drawn, so a run may still be training. Raises UserError for unknown names,
    blends, imported runs, runs without an epoch, and if `out` is not a .png file.
    """
    full = dict.fromkeys(full_name(workspace, name) for name in names)
    usual = {name: workspace.pictures.curves(name) for name in full}
    several = png_path(out, workspace.pictures.all_curves)
    logs = [_open_log(workspace, name) for name in full]
    if len(logs) == 1:
        pictures = {png_path(out, usual[logs[0].name]): logs}
    else:
        pictures = {**{usual[log.name]: [log] for log in logs}, several: logs}
    for place, drawn in pictures.items():
        write_png(place, draw_curves(drawn))
        say(f"Wrote {place}")
    return tuple(pictures)


def _open_log(workspace: Workspace, name: str) -> RunLog:
    if name in workspace.blend_names():
        members = open_blend(workspace, name).decision.members
        command = workspace.typed.command("curves", *members)
        raise UserError(f"{name} is a blend and has no curves. Draw its runs: {command}")
    return require_log(open_run(workspace, name))
