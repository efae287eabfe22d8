"""The stage `status`: what exists, what it scored, and what to type next."""

from kit.blends.opened import Blend, open_blend
from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import say, table
from kit.data.blends import unfinished
from kit.data.runs import Run, open_runs
from kit.submission.grade import open_grades
from kit.submission.write import submission_name


def status_stage(competition: Competition, workspace: Workspace) -> None:
    """Print one line per stage, tables of runs and blends, and the next command.

    Runs and blends that are damaged follow the tables, each with the command that fixes it.
    """
    command = workspace.typed.command
    labels = workspace.source / competition.label_table
    say(f"{competition.title}")
    say(f"  data    {labels if labels.exists() else 'none in ' + str(workspace.source)}")
    say(f"  folds   {workspace.folds if workspace.folds.exists() else 'none'}")
    sizes = sorted({path.parent.name for path in workspace.stores.glob("*/*.meta.json")})
    say(f"  stores  {', '.join(sizes) or 'none'}")
    runs, broken_runs = open_runs(workspace)
    if runs:
        table("Runs", ["run", "folds done", "all rows"], [_run_row(run) for run in runs])
    for run in broken_runs:
        say(f"Broken run {run.name}: {run.reason}")
    blends, broken = _open_blends(workspace)
    if blends:
        rows = [_blend_row(competition, workspace, blend, broken) for blend in blends]
        table("Blends", ["blend", "expected", "95% CI", "public", "private"], rows)
    for line in broken:
        say(line)
    if not labels.exists():
        say(f"Next: {competition.how_to_get(workspace.source)}")
    elif not workspace.folds.exists():
        say(f"Next: {command('folds')}")
    elif not any(not run.missing_folds() and run.has_tests() for run in runs):
        say(f"Next: {command('train', 'MODEL')}; to list models: {command('models')}")
    elif not blends:
        say(f"Next: {command('blend')}")
    else:
        another = command("train", "MODEL")
        say(f"Next: {command('report')}; {command('submit')}; or train another: {another}")


def _open_blends(workspace: Workspace) -> tuple[list[Blend], list[str]]:
    """The blends that can be opened, and what is wrong with each of the others."""
    blends, broken = [], []
    for name in workspace.blend_names():
        try:
            blends.append(open_blend(workspace, name))
        except UserError as error:
            broken.append(f"Broken blend {name}: {error}")
    names = workspace.unfinished_blend_names()
    broken += [f"Unfinished blend {name}: {unfinished(workspace, name)}" for name in names]
    return blends, broken


def _run_row(run: Run) -> list[str]:
    whole = "done" if run.files.fold(None).done.exists() else ""
    return [run.name, f"{len(run.finished_folds())} of {run.folds}", whole]


def _blend_row(
    competition: Competition, workspace: Workspace, blend: Blend, broken: list[str]
) -> list[str]:
    """A row of the table; grades that cannot be read are empty, and `broken` says why."""
    decision = blend.decision
    try:
        grades = open_grades(competition, workspace, submission_name(competition, blend.files))
    except UserError as error:
        broken.append(str(error))
        grades = None
    got = ["", ""] if grades is None else [f"{grades.public:.3f}", f"{grades.private:.3f}"]
    low, high = decision.interval
    told = [f"{decision.expected:.3f}", f"{low:.3f} to {high:.3f}"]
    if decision.origin.all_rows:
        told = ["unknown", "trained on all rows"]
    return [blend.name, *told, *got]
