"""The epochs of a run as the report shows them, read from the logs of its folds."""

from dataclasses import dataclass

from kit.core.errors import UserError
from kit.data.run_files import EpochLog
from kit.data.runs import Run


@dataclass(frozen=True)
class FoldLog:
    """The epochs of one fold, in order, and the epoch kept so far, counted from 0.

    `fold` is None for the training on all rows. `is_done`: trained to the end, so that the kept
    epoch is the one that predicts.
    """

    fold: int | None
    lines: tuple[EpochLog, ...]
    kept: int
    is_done: bool

    @property
    def kept_line(self) -> EpochLog:
        """The scores of the kept epoch."""
        return self.lines[self.kept]


@dataclass(frozen=True)
class RunLog:
    """The epochs of a run: one log per fold that has begun, and one for all rows if trained."""

    name: str
    frozen_epochs: int
    folds: tuple[FoldLog, ...]

    @property
    def has_held_out(self) -> bool:
        """Whether any of its trainings held out rows."""
        return any(log.fold is not None for log in self.folds)


def read_log(run: Run) -> RunLog:
    """What has been logged of a run so far; no folds for an imported run, or before an epoch."""
    found = []
    for fold in (*range(run.folds), None):
        files = run.files.fold(fold)
        state = run.progress(fold)
        if not state.log:
            continue
        is_done = files.done.exists()
        best = run.done(fold).best if is_done else state.best
        kept = len(state.log) - 1 if best is None else best
        if kept >= len(state.log):
            raise UserError(
                f"{files.progress} ends before epoch {kept + 1}, which predicts. Restore it, or "
                "move the fold's folder away and train the fold again."
            )
        found.append(FoldLog(fold, state.log, kept, is_done))
    frozen = 0 if run.is_imported else int(run.recipe.get("frozen_epochs", 0))
    return RunLog(run.name, frozen, tuple(found))


def require_log(run: Run) -> RunLog:
    """As `read_log`; UserError for a run without a logged epoch."""
    if run.is_imported:
        raise UserError(f"{run.name} was imported: it has no log of epochs to draw.")
    log = read_log(run)
    if not log.folds:
        raise UserError(f"{run.name} has not finished an epoch yet. {run.how_to_train()}")
    return log
