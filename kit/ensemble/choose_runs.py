"""Which runs a blend takes: the named ones, or every finished one on the present folds."""

from collections.abc import Sequence

from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import say
from kit.data.folds import Folds
from kit.data.runs import Run, open_run


def choose_runs(
    workspace: Workspace, folds: Folds, labels_digest: str, names: Sequence[str]
) -> tuple[Run, ...]:
    """The named runs, or every finished one; UserError when one does not fit folds and labels."""
    if names:
        opened = [open_run(workspace, name) for name in names]
        runs = tuple({run.name: run for run in opened}.values())
        for run in runs:
            if reason := run.misfit(folds.digest, labels_digest):
                raise UserError(f"{run.name}: {reason}. Train or import it again, or leave it out.")
        return runs
    finished = []
    for name in workspace.run_names():
        run = open_run(workspace, name)
        reason = run.misfit(folds.digest, labels_digest)
        if reason is None and (missing := run.missing_folds()):
            reason = f"folds {', '.join(map(str, missing))} are not trained"
        if reason is None and not run.has_tests():
            reason = "it was imported without test predictions"
        if reason is None:
            finished.append(run)
        else:
            say(f"{name} is left out: {reason}.")
    if not finished:
        raise UserError(
            f"No finished run on the folds of {workspace.folds} in {workspace.runs}. "
            "Train one: kit train MODEL"
        )
    return tuple(finished)
