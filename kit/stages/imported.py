"""The stage `import-predictions`: another framework's predictions become a run."""

from collections.abc import Sequence
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say
from kit.data.imported import import_predictions
from kit.data.runs import Run


def import_stage(
    competition: Competition,
    workspace: Workspace,
    name: str,
    oof: Path,
    tests: Sequence[Path] = (),
) -> Run:
    """Import predictions as a run, and print the next step; returns the run.

    Raises UserError as `import_predictions` does.
    """
    imported = import_predictions(competition, workspace, name, oof, tests, TERMINAL)
    if not imported.folds_checked:
        say(
            f"{oof} has no column 'fold', so the kit cannot check that it was predicted on the "
            f"folds of {workspace.folds}. If it was not, its scores are optimistic."
        )
    run = imported.run
    with_tests = {0: "no test predictions", 1: "averaged test predictions"}
    following = f"Next: {workspace.typed.command('blend')}"
    say(
        f"{run.name}: {run.folds} folds, "
        f"{with_tests.get(imported.tests, 'test predictions per fold')}. "
        + (following if tests else "It can be compared, but not blended without --test.")
    )
    if imported.tests == 1:
        say(
            "Better: each fold model's own test predictions, --test once per fold. What averaging "
            "gains is then measured, and not estimated from one file."
        )
    return run
