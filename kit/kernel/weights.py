"""Finds the weights that made a run's predictions."""

from collections.abc import Sequence
from pathlib import Path

from kit.core.errors import UserError
from kit.data.runs import Run


def weights_of(run: Run) -> tuple[Path, ...]:
    """Each fold's checkpoint, in fold order; UserError when one is missing."""
    require_weights([run])
    found = (run.weights(fold, remember=False) for fold in range(run.folds))
    return tuple(path for path in found if path is not None)


def require_weights(runs: Sequence[Run]) -> None:
    """Raise UserError naming every run with a fold that has predictions but no weights."""
    lacking = [
        run.name
        for run in runs
        if any(run.weights(fold, remember=False) is None for fold in range(run.folds))
    ]
    if lacking:
        rest = [run.name for run in runs if run.name not in lacking] or ["RUN"]
        command = runs[0].typed.command("blend", *rest, "--name", "trained")
        raise UserError(
            f"No weights for the predictions of {', '.join(lacking)}: a notebook can only use "
            f"runs trained here. Make a blend without them: {command}"
        )
