"""The weights that made a run's predictions."""

from collections.abc import Sequence
from pathlib import Path

from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles
from kit.data.runs import Run


def find_weights(files: FoldRunFiles) -> Path | None:
    """The checkpoint with which a fold predicted; None where predictions came without one."""
    best = read_json(files.done).get("best") if files.done.exists() else None
    if best is None or not files.weights(best).exists():
        return None
    return files.weights(best)


def weights_of(run: Run) -> tuple[Path, ...]:
    """The checkpoint of each fold, the folds in order; UserError when one is not there."""
    require_weights([run])
    found = (find_weights(run.files.fold(fold)) for fold in range(run.folds))
    return tuple(path for path in found if path is not None)


def require_weights(runs: Sequence[Run]) -> None:
    """Raise UserError naming every run of which a fold has predictions, but no weights."""
    lacking = [
        run.name
        for run in runs
        if any(find_weights(run.files.fold(fold)) is None for fold in range(run.folds))
    ]
    if lacking:
        rest = " ".join(run.name for run in runs if run.name not in lacking)
        raise UserError(
            f"No weights for the predictions of {', '.join(lacking)}: a notebook can only repeat "
            "what was trained here. Blend without, and name that blend: "
            f"kit blend {rest or 'RUN'} --name trained"
        )
