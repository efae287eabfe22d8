"""The stage `status`: what exists, what it scored, and what to type next."""

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.terminal import say, table
from kit.data.runs import Run, open_run
from kit.ensemble import Decision
from kit.submission.grade import read_grades
from kit.submission.write import submission_name


def status_stage(competition: Competition, workspace: Workspace) -> None:
    """Print one line per stage, tables of runs and blends, and the next command."""
    command = workspace.typed.command
    labels = workspace.source / competition.label_table
    say(f"{competition.title}")
    say(f"  data    {labels if labels.exists() else 'none in ' + str(workspace.source)}")
    say(f"  folds   {workspace.folds if workspace.folds.exists() else 'none'}")
    sizes = sorted({path.parent.name for path in workspace.stores.glob("*/*.meta.json")})
    say(f"  stores  {', '.join(sizes) or 'none'}")
    runs = [open_run(workspace, name) for name in workspace.run_names()]
    if runs:
        table("Runs", ["run", "folds done", "all rows"], [_run_row(run) for run in runs])
    blends = workspace.blend_names()
    if blends:
        table("Blends", ["blend", "expected", "95% CI", "public", "private"], [
            _blend_row(competition, workspace, name) for name in blends
        ])  # fmt: skip
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


def _run_row(run: Run) -> list[str]:
    whole = "done" if run.files.fold(None).done.exists() else ""
    return [run.name, f"{len(run.finished_folds())} of {run.folds}", whole]


def _blend_row(competition: Competition, workspace: Workspace, name: str) -> list[str]:
    blend = workspace.blend(name)
    decision = Decision.load(blend.decision)
    grades = read_grades(workspace.submission(submission_name(competition, blend)))
    got = ["", ""] if grades is None else [f"{grades.public:.3f}", f"{grades.private:.3f}"]
    low, high = decision.interval
    told = [f"{decision.expected:.3f}", f"{low:.3f} to {high:.3f}"]
    if decision.origin.all_rows:
        told = ["unknown", "trained on all rows"]
    return [name, *told, *got]
