"""Train one fold of one run, from its rows to its predictions."""

import math
import time
from dataclasses import dataclass, replace
from typing import NoReturn

import keras
import numpy as np

from kit.core.disk import write_text
from kit.core.errors import UserError
from kit.core.seal import seal
from kit.data.predictions import Predictions, to_probs, write_predictions
from kit.data.run_files import Done, EpochLog, Progress, Within, write_done, write_progress
from kit.training import backend
from kit.training.checkpoint import log_text, remove_all, remove_unfinished, save_checkpoint
from kit.training.display import FoldDisplay
from kit.training.events import append_events
from kit.training.fold import FoldTask
from kit.training.memory import is_out_of_memory, more_parts
from kit.training.phase import PhaseTrainer, Trained
from kit.training.predictor import Predictor
from kit.training.resume import Resumption, find_resumption
from kit.training.schedule import Phase, best_epoch, is_over, phases
from kit.training.stop import Stopped, Stopping
from kit.training.validate import FoldScores, validate


@dataclass(frozen=True)
class Attempt:
    """A fold's training with its network in memory and each batch in `parts` parts."""

    task: FoldTask
    model: keras.Model
    predictor: Predictor
    parts: int
    display: FoldDisplay
    stopping: Stopping


def train_fold(task: FoldTask, display: FoldDisplay, stopping: Stopping) -> None:
    """Train or resume one fold and write its predictions; the marker comes last.

    The best epoch by the recipe's `keep` predicts the held-out fold and the test set; without a
    held-out fold, the last epoch predicts the test set. A batch that does not fit in memory is
    trained in more parts. A damaged checkpoint is replaced by the one before, with a line. Raises
    UserError when a single image does not fit, and when the loss is NaN or infinite; Stopped, with
    everything saved, soon after `stopping` is asked.
    """
    resumption = _prepare(task, display)
    parts = resumption.state.parts or task.recipe.accumulate
    while True:
        try:
            attempt = _begin(task, resumption, parts, display, stopping)
            state = _train(attempt, resumption.state)
            break
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            parts = _more_parts(task, parts, error, display)
        resumption = find_resumption(task.files, task.recipe, task.label)
        display.again()
    if state.best is None:
        raise ValueError(f"{task.files.folder} has a log without a best epoch")
    attempt.model.load_weights(task.files.weights(state.best))
    write_fold_predictions(task, attempt.predictor, state.best)
    finish_fold(task, replace(state, parts=parts))


def _prepare(task: FoldTask, display: FoldDisplay) -> Resumption:
    """Where to resume; says what is damaged, and removes what does not belong to it."""
    resumption = find_resumption(task.files, task.recipe, task.label)
    for line in resumption.told:
        display.reporter.say(line)
    task.require_owned()
    if not resumption.has_begun:
        task.files.done.unlink(missing_ok=True)
        remove_all(task.files)
    elif task.files.done.exists():
        # Its progress first: the marker may be all that repeats it.
        write_progress(task.files, resumption.state)
        task.files.done.unlink()
    return resumption


def finish_fold(task: FoldTask, state: Progress) -> None:
    """Write the marker of a fold that has been predicted, and delete what resuming needed."""
    files, best = task.files, state.best
    if best is None:
        raise ValueError(f"{files.folder} has a log without a best epoch")
    task.require_owned()
    write_text(files.log, log_text(state.log))
    remove_unfinished(files, state)
    oof = [] if task.fold is None else [files.oof]
    # The events are not sealed: they only draw curves, and may be deleted.
    sealed = [files.weights(best), *oof, files.test, files.log, files.progress]
    seals = seal(files.folder, sealed)
    write_done(files, Done(len(state.log), best, state.parts, files=seals, log=state.log))


def _more_parts(task: FoldTask, parts: int, error: Exception, display: FoldDisplay) -> int:
    """The next number of parts to try after a batch in `parts` parts did not fit in memory."""
    recipe = task.recipe
    more = more_parts(recipe.batch, parts)
    if more is None or (more == recipe.batch and recipe.mix.mixes):
        raise UserError(
            f"Out of memory training {recipe.name} on {recipe.batch // parts} images of "
            f"{recipe.size} pixels, the fewest possible. Try a smaller --size, another "
            "--set backbone, or --set precision=mixed."
        ) from error
    display.reporter.say(
        f"Out of memory with {recipe.batch // parts} images at once: using {recipe.batch // more} "
        f"from now on, with gradients accumulated over {more} parts (--set accumulate={more})."
    )
    return more


def _begin(
    task: FoldTask, resumption: Resumption, parts: int, display: FoldDisplay, stopping: Stopping
) -> Attempt:
    """Free memory and build the fold's network."""
    backend.prepare(task.seed, task.recipe.precision)
    model = task.model(resumption.has_begun, display.reporter)
    predictor = Predictor(
        model,
        task.recipe.size,
        lambda images: stopping.check("while predicting"),
        display.reporter,
    )
    return Attempt(task, model, predictor, parts, display, stopping)


def _train(attempt: Attempt, state: Progress) -> Progress:
    """Train the remaining epochs."""
    recipe = attempt.task.recipe
    for phase in phases(recipe):
        if len(state.log) < phase.end and not is_over(recipe, len(state.log), state.best):
            state = _train_phase(attempt, phase, state)
    return state


def _train_phase(attempt: Attempt, phase: Phase, state: Progress) -> Progress:
    """Train the remaining epochs of a phase, saving each."""
    task, display = attempt.task, attempt.display
    trainer = PhaseTrainer(task, phase, attempt.model, attempt.parts)
    if state.log or state.within is not None:
        trainer.go_on_from(state)
    for epoch in range(len(state.log), phase.end):
        if is_over(task.recipe, epoch, state.best):
            display.stop_early(epoch, trainer.steps * (phase.end - epoch))
            break
        attempt.stopping.check(f"after epoch {epoch}" if epoch else "before its first step")
        state = _train_epoch(attempt, trainer, state)
    return state


def _train_epoch(attempt: Attempt, trainer: PhaseTrainer, state: Progress) -> Progress:
    """Train, score and save the next epoch; on a signal, save what is done of it and stop."""
    task, epoch = attempt.task, len(state.log)
    before = 0.0 if state.within is None else state.within.line.seconds
    begun = time.monotonic()

    def after_step() -> bool:
        attempt.display.step()
        return attempt.stopping.is_asked

    trained = trainer.train_epoch(state, after_step)
    line = _line(epoch, trained)
    if trained.steps < trainer.steps:
        line = replace(line, seconds=before + time.monotonic() - begun)
        _save_inside(attempt, trainer, state, Within(trained.steps, line))
    try:
        scores = validate(task, attempt.predictor)
    except Stopped:
        line = replace(line, seconds=before + time.monotonic() - begun)
        _save_inside(attempt, trainer, state, Within(trained.steps, line))
    if scores.loss is not None and not math.isfinite(scores.loss):
        raise UserError(
            f"After epoch {epoch + 1} the loss on the held-out fold is {scores.loss}; earlier "
            f"epochs are kept. {trainer.advice}"
        )
    line = _scored(line, scores, before + time.monotonic() - begun)
    log = (*state.log, line)
    after = Progress(log, best_epoch(task.recipe, log), attempt.parts)
    task.require_owned()
    after = save_checkpoint(task.files, attempt.model, trainer.arrays(False), state, after)
    append_events(task.files.events, log)
    attempt.display.epoch(line)
    return after


def _save_inside(
    attempt: Attempt, trainer: PhaseTrainer, state: Progress, within: Within
) -> NoReturn:
    """Save a checkpoint inside an epoch, then raise Stopped."""
    task = attempt.task
    task.require_owned()
    inside = Progress(state.log, state.best, attempt.parts, within=within)
    save_checkpoint(task.files, attempt.model, trainer.arrays(True), state, inside)
    raise Stopped(f"in epoch {len(state.log) + 1}, after step {within.steps} of {trainer.steps}")


def _line(epoch: int, trained: Trained) -> EpochLog:
    return EpochLog(
        epoch=epoch,
        loss=trained.loss,
        accuracy=trained.accuracy,
        exact_match=trained.exact_match,
        batch_f1=trained.batch_f1,
        learning_rate=trained.learning_rate,
        samples_per_second=trained.samples_per_second,
    )


def _scored(line: EpochLog, scores: FoldScores, seconds: float) -> EpochLog:
    return replace(
        line,
        val_loss=scores.loss,
        val_accuracy=scores.accuracy,
        val_exact_match=scores.exact_match,
        val_batch_f1=scores.batch_f1,
        val_macro_f1_at_half=scores.macro_f1_at_half,
        val_macro_f1_best_cut=scores.macro_f1_best_cut,
        seconds=seconds,
    )


def write_fold_predictions(task: FoldTask, predictor: Predictor, epoch: int) -> None:
    """Write the predictions for the held-out fold, if there is one, and the test set."""
    data, files, views = task.data, task.files, task.recipe.tta
    provenance = {"run": task.run, "fold": task.fold, "epoch": epoch}
    keys = task.competition.class_keys
    if task.fold is not None:
        logits = predictor.logits(data.images, data.val_rows, views)
        ids = tuple(data.ids[row] for row in data.val_rows)
        left_out = np.full(len(ids), task.fold)
        probs = to_probs(logits.astype(np.float64))
        write_predictions(files.oof, Predictions(ids, probs, keys, left_out), provenance)
    test = data.test
    logits = predictor.logits(test.images, np.arange(len(test.ids)), views)
    probs = to_probs(logits.astype(np.float64))
    write_predictions(files.test, Predictions(test.ids, probs, keys), provenance)
