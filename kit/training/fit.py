"""Train one fold of one run, from its rows to its predictions."""

import math
import time
from dataclasses import dataclass

import keras
import numpy as np

from kit.core.errors import UserError
from kit.data.predictions import Predictions, to_probs, write_predictions
from kit.data.run_files import Done, EpochLog, Progress, load_progress, write_done
from kit.recipes.base import Recipe
from kit.training import backend
from kit.training.checkpoint import remove_unfinished, save_epoch
from kit.training.display import FoldDisplay
from kit.training.events import append_events
from kit.training.fold import FoldTask
from kit.training.memory import is_out_of_memory, more_parts
from kit.training.phase import PhaseTrainer
from kit.training.predictor import Predictor
from kit.training.schedule import Phase, is_over, phases
from kit.training.validate import FoldScores, validate


@dataclass(frozen=True)
class Attempt:
    """A fold's training with its network in memory and each batch in `parts` parts."""

    task: FoldTask
    model: keras.Model
    predictor: Predictor
    parts: int
    display: FoldDisplay


def train_fold(task: FoldTask, display: FoldDisplay) -> None:
    """Train or resume one fold and write its predictions; the marker comes last.

    The best epoch by the recipe's `keep` predicts the held-out fold and the test set; without a
    held-out fold, the last epoch predicts the test set. A batch that does not fit in memory is
    trained in more parts. Raises UserError when a single image does not fit, and when the loss is
    NaN or infinite.
    """
    parts = load_progress(task.files).parts or task.recipe.accumulate
    while True:
        try:
            attempt = _begin(task, parts, display)
            state = _train(attempt)
            break
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            parts = _more_parts(task, parts, error, display)
        display.again()
    if state.best is None:
        raise ValueError(f"{task.files.folder} has a log without a best epoch")
    attempt.model.load_weights(task.files.weights(state.best))
    write_fold_predictions(task, attempt.predictor, state.best)
    remove_unfinished(task.files, state.best)
    write_done(task.files, Done(len(state.log), state.best, parts))


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


def _begin(task: FoldTask, parts: int, display: FoldDisplay) -> Attempt:
    """Free memory and build the fold's network."""
    backend.prepare(task.seed, task.recipe.precision)
    model = task.model(bool(load_progress(task.files).log), display.reporter)
    predictor = Predictor(model, task.recipe.size, reporter=display.reporter)
    return Attempt(task, model, predictor, parts, display)


def _train(attempt: Attempt) -> Progress:
    """Train the remaining epochs."""
    recipe, state = attempt.task.recipe, load_progress(attempt.task.files)
    for phase in phases(recipe):
        if len(state.log) < phase.end and not is_over(recipe, len(state.log), state.best):
            state = _train_phase(attempt, phase, state)
    return state


def _train_phase(attempt: Attempt, phase: Phase, state: Progress) -> Progress:
    """Train the remaining epochs of a phase, saving each."""
    task, display = attempt.task, attempt.display
    trainer = PhaseTrainer(task, phase, attempt.model, attempt.parts)
    if state.log:
        trainer.go_on_from(state)
    for epoch in range(len(state.log), phase.end):
        if is_over(task.recipe, epoch, state.best):
            display.stop_early(epoch, trainer.steps * (phase.end - epoch))
            break
        begun = time.monotonic()
        trained = trainer.train_epoch(state.log, display.step)
        scores = validate(task, attempt.predictor)
        if scores.loss is not None and not math.isfinite(scores.loss):
            raise UserError(
                f"After epoch {epoch + 1} the loss on the held-out fold is {scores.loss}; earlier "
                f"epochs are kept. {trainer.advice}"
            )
        line = EpochLog(
            epoch=epoch,
            loss=trained.loss,
            accuracy=trained.accuracy,
            exact_match=trained.exact_match,
            batch_f1=trained.batch_f1,
            val_loss=scores.loss,
            val_accuracy=scores.accuracy,
            val_exact_match=scores.exact_match,
            val_batch_f1=scores.batch_f1,
            val_macro_f1_at_half=scores.macro_f1_at_half,
            val_macro_f1_best_cut=scores.macro_f1_best_cut,
            learning_rate=trained.learning_rate,
            samples_per_second=trained.samples_per_second,
            seconds=time.monotonic() - begun,
        )
        best = epoch if _is_best(task.recipe, scores, state) else state.best
        state = Progress((*state.log, line), best, attempt.parts)
        save_epoch(task.files, attempt.model, trainer.optimizer, trainer.live, state)
        append_events(task.files.events, line)
        display.epoch(line)
    return state


def _is_best(recipe: Recipe, scores: FoldScores, state: Progress) -> bool:
    """Whether the epoch just trained is the one to keep, by the recipe's `keep` and `keep_from`."""
    if recipe.keep == "last" or state.best is None:
        return True
    last_phase = phases(recipe)[-1].first
    if recipe.keep_from == "phase" and state.best < last_phase <= len(state.log):
        return True
    before = state.log[state.best]
    new, old = scores.macro_f1_best_cut, before.val_macro_f1_best_cut
    if recipe.keep == "val_loss":
        # Negative, so that more is better.
        new, old = (None if loss is None else -loss for loss in (scores.loss, before.val_loss))
    # Without a held-out fold, the last epoch is kept.
    return new is None or old is None or new > old


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
