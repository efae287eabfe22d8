"""Logs of runs as training writes them, without training."""

from collections.abc import Sequence
from dataclasses import replace

from kit.core.seal import seal
from kit.data.run_files import Done, EpochLog, Progress, write_done, write_progress
from kit.data.runs import Run


def epoch_log(epoch: int, fold: int = 0) -> EpochLog:
    """One epoch with every score, each of which differs by epoch and fold."""
    step = epoch + fold / 10
    return EpochLog(
        epoch=epoch,
        loss=0.5 - 0.1 * step,
        accuracy=0.9 + 0.01 * step,
        exact_match=0.3 + 0.1 * step,
        batch_f1=0.4 + 0.1 * step,
        val_loss=0.6 - 0.1 * step,
        val_accuracy=0.8 + 0.01 * step,
        val_exact_match=0.2 + 0.1 * step,
        val_batch_f1=0.35 + 0.1 * step,
        val_macro_f1_at_half=0.1 + 0.1 * step,
        val_macro_f1_best_cut=0.2 + 0.1 * step,
        learning_rate=0.001,
        samples_per_second=10.0,
        seconds=30.0,
    )


def without_accuracy(line: EpochLog) -> EpochLog:
    """The line as versions wrote it that measured no accuracy."""
    return replace(line, accuracy=None, exact_match=None, val_accuracy=None, val_exact_match=None)


def without_held_out(line: EpochLog) -> EpochLog:
    """The line as a training on all rows writes it."""
    return replace(
        line,
        val_loss=None,
        val_accuracy=None,
        val_exact_match=None,
        val_batch_f1=None,
        val_macro_f1_at_half=None,
        val_macro_f1_best_cut=None,
    )


def write_log(
    run: Run, fold: int | None, lines: Sequence[EpochLog], best: int, is_done: bool = True
) -> None:
    """Leave a fold's log and, if it is done, its sealed marker; both keep the epoch `best`."""
    files = run.files.fold(fold)
    write_progress(files, Progress(tuple(lines), best, 1))
    if is_done:
        sealed = [path for path in (files.oof, files.test, files.progress) if path.exists()]
        write_done(files, Done(len(lines), best, 1, files=seal(files.folder, sealed)))
