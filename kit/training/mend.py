"""Which folds of a run need work: those without a marker, and those that it no longer fits."""

from collections.abc import Sequence

from kit.competitions.base import Competition
from kit.core.disk import write_text
from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles
from kit.core.progress import Reporter
from kit.core.seal import Damage, seal
from kit.data.fold_damage import damage_of_finished
from kit.data.predictions import read_predictions
from kit.data.run_files import Done, Progress, read_done, write_done, write_progress
from kit.data.runs import Run
from kit.training.checkpoint import log_text


def folds_to_train(
    run: Run, wanted: Sequence[int | None], competition: Competition
) -> list[int | None]:
    """The folds among these that are not finished, or have a damaged file."""
    return [
        fold
        for fold in wanted
        if not run.files.fold(fold).done.exists() or fold_damage(run, fold, competition)
    ]


def fold_damage(run: Run, fold: int | None, competition: Competition) -> tuple[Damage, ...]:
    """What is wrong with a finished fold. Without seals, its predictions are read to find out."""
    files = run.files.fold(fold)
    found = damage_of_finished(files, run.expected(fold))
    if found or read_done(files).files:
        return found
    unreadable = []
    for path in run.expected(fold):
        try:
            read_predictions(path, competition.class_keys)
        except UserError:
            unreadable.append(Damage(path, "cannot be read"))
    return tuple(unreadable)


def mend_records(files: FoldRunFiles, damages: Sequence[Damage], reporter: Reporter) -> bool:
    """Write a finished fold's log and progress again, if nothing else of it is damaged.

    Its marker repeats them. Returns False, and does nothing, in any other case.
    """
    records = (files.log, files.progress)
    if not damages or any(damage.path not in records for damage in damages):
        return False
    done = read_done(files)
    if not done.log or done.best is None:
        return False
    for damage in damages:
        reporter.say(f"{damage}. It is written again.")
    weights = files.weights(done.best).name
    kept = {weights: done.files[weights]}
    write_text(files.log, log_text(done.log))
    write_progress(files, Progress(done.log, done.best, done.parts, kept))
    seals = {**done.files, **seal(files.folder, records)}
    write_done(files, Done(done.epochs, done.best, done.parts, files=seals, log=done.log))
    return True
