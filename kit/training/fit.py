"""The trainer: one fold of one run, from its rows to its predictions."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.disk import write_json
from kit.core.errors import UserError
from kit.core.progress import say
from kit.data.predictions import Predictions, to_probs, write_predictions
from kit.models.batch_f1 import BatchF1
from kit.training import backend
from kit.training.batches import EpochBatches
from kit.training.checkpoint import (
    EpochLog,
    Progress,
    load_epoch,
    load_progress,
    remove_unfinished,
    save_epoch,
)
from kit.training.display import FoldDisplay
from kit.training.events import append_events
from kit.training.fold import FoldTask
from kit.training.memory import is_out_of_memory, more_parts
from kit.training.mixing import find_mix
from kit.training.optimizer import build_optimizer
from kit.training.plan import plan_epoch, steps_per_epoch
from kit.training.predict import Predictor
from kit.training.schedule import Phase, is_over, learning_rate, phases, plateau_part
from kit.training.validate import FoldScores, validate
from kit.training.watch import LiveWeights, Watch


@dataclass(frozen=True)
class Attempt:
    """A fold's training with its network in memory, each batch in so many parts."""

    task: FoldTask
    model: keras.Model
    predictor: Predictor
    parts: int
    display: FoldDisplay


def train_fold(task: FoldTask, display: FoldDisplay) -> None:
    """Train one fold, or go on where it stopped, and write its predictions; the marker comes last.

    The best epoch by the recipe's `keep` predicts the left-out fold and the test set; where
    nothing is left out, the last predicts the test set. A batch that does not fit into memory is
    trained in more parts. Raises UserError when a single image does not fit, and when the loss is
    no longer a number.
    """
    parts = load_progress(task.files).parts or task.recipe.accumulate
    while True:
        try:
            model, state = _train(task, parts, display)
            break
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            parts = _more_parts(task, parts, error)
        display.again()
    if state.best is None:
        raise ValueError(f"{task.files.folder} has a log without a best epoch")
    model.load_weights(task.files.weights(state.best))
    write_fold_predictions(task, Predictor(model, task.recipe.size), state.best)
    remove_unfinished(task.files, state.best)
    done = {"epochs": len(state.log), "best": state.best, "parts": parts}
    write_json(task.files.done, done)


def _more_parts(task: FoldTask, parts: int, error: Exception) -> int:
    """In how many parts to try the batch next, after it did not fit in `parts`."""
    recipe = task.recipe
    more = more_parts(recipe.batch, parts)
    if more is None or (more == recipe.batch and find_mix(recipe.mix).mixes):
        raise UserError(
            f"Memory does not hold the training of {recipe.name} on {recipe.batch // parts} images "
            f"of {recipe.size} pixels, the fewest it takes. Try a smaller --size, another "
            "--set backbone, or --set precision=mixed."
        ) from error
    say(
        f"Memory does not hold {recipe.batch // parts} images at once: {recipe.batch // more} from "
        f"now on, and gradients of {more} such parts make a step (--set accumulate={more})."
    )
    return more


def _train(task: FoldTask, parts: int, display: FoldDisplay) -> tuple[keras.Model, Progress]:
    """Train the epochs that are still to do."""
    backend.prepare(task.seed, task.recipe.precision)
    state = load_progress(task.files)
    model = task.model(begun=bool(state.log))
    attempt = Attempt(task, model, Predictor(model, task.recipe.size), parts, display)
    for phase in phases(task.recipe):
        if len(state.log) < phase.end and not is_over(task.recipe, len(state.log), state.best):
            state = _train_phase(attempt, phase, state)
    return model, state


def _train_phase(attempt: Attempt, phase: Phase, state: Progress) -> Progress:
    """Train the epochs of a phase that are still to do, saving each."""
    task, model, parts, display = attempt.task, attempt.model, attempt.parts, attempt.display
    recipe, data = task.recipe, task.data
    sampling, mix = task.sampling(), find_mix(recipe.mix)
    each = steps_per_epoch(recipe, sampling)
    steps = each * (phase.end - phase.first)
    rates = [learning_rate(recipe, phase, (step + 0.5) / steps) for step in range(steps)]

    # The trainer shares the model's layers; the model itself stays free of optimizer state, so
    # that what is saved are plain weights.
    model.get_layer("backbone").trainable = not phase.frozen
    trainer = keras.Model(model.inputs, model.outputs)
    trainer.compile(
        build_optimizer(recipe, rates, parts),
        task.loss(),
        metrics=[BatchF1()],
        jit_compile=backend.compiler(),
    )
    # Which may be another than the one it was given: in float16 Keras wraps it to scale the loss.
    optimizer = trainer.optimizer
    optimizer.build(trainer.trainable_variables)
    if state.log:
        begun_before = len(state.log) > phase.first
        more = parts // (state.parts or parts)
        load_epoch(task.files, model, optimizer if begun_before else None, len(state.log) - 1, more)

    live: Sequence[NDArray[Any]] = ()
    for epoch in range(len(state.log), phase.end):
        if is_over(recipe, epoch, state.best):
            display.stop_early(epoch, each * (phase.end - epoch))
            break
        begun = time.monotonic()
        if live:
            for weight, value in zip(trainer.trainable_variables, live, strict=True):
                weight.assign(value)
        rate = rates[each * (epoch - phase.first + 1) - 1]
        if recipe.schedule == "plateau" and not phase.frozen:
            rate *= _plateau_part(task, phase, state)
            optimizer.learning_rate = rate
        plan = plan_epoch(recipe, data.train_rows, sampling, task.seed, epoch)
        batches = EpochBatches(data.images, data.labels, plan, recipe.batch // parts, mix)
        watch = Watch(display.step, parts, epoch, _smaller_steps(phase))
        weights = LiveWeights()
        callbacks = [watch, weights] if recipe.ema else [watch]
        history = trainer.fit(batches, verbose=0, shuffle=False, callbacks=callbacks).history
        live = weights.values
        trained = time.monotonic()
        scores = validate(task, attempt.predictor)
        if scores.loss is not None and not math.isfinite(scores.loss):
            raise UserError(
                f"After epoch {epoch + 1} the loss on the fold left out is {scores.loss}; the "
                f"epochs before are kept. {_smaller_steps(phase)}"
            )
        line = EpochLog(
            epoch=epoch,
            loss=float(history["loss"][-1]),
            batch_f1=float(history["batch_f1"][-1]),
            val_loss=scores.loss,
            val_batch_f1=scores.batch_f1,
            val_macro_f1_at_half=scores.macro_f1_at_half,
            val_macro_f1_best_cut=scores.macro_f1_best_cut,
            learning_rate=rate,
            samples_per_second=len(plan.rows) / (trained - begun),
            seconds=time.monotonic() - begun,
        )
        best = epoch if _is_best(recipe.keep, scores, state) else state.best
        state = Progress((*state.log, line), best, parts)
        save_epoch(task.files, model, optimizer, live, state)
        append_events(task.files.events, line)
        display.epoch(line)
    return state


def _plateau_part(task: FoldTask, phase: Phase, state: Progress) -> float:
    lines = state.log[phase.first :]
    losses = [line.loss if line.val_loss is None else line.val_loss for line in lines]
    return plateau_part(losses, task.recipe.plateau_epochs, task.recipe.plateau_factor)


def _smaller_steps(phase: Phase) -> str:
    key = "frozen_learning_rate" if phase.frozen else "learning_rate"
    return f"Try smaller steps: --set {key}={phase.learning_rate / 10:g}, or --set clip=1"


def _is_best(keep: str, scores: FoldScores, state: Progress) -> bool:
    """Whether the epoch just trained is the one to keep, by the recipe's `keep`."""
    if keep == "last" or state.best is None:
        return True
    before = state.log[state.best]
    new, old = scores.macro_f1_best_cut, before.val_macro_f1_best_cut
    if keep == "val_loss":
        # Negative, so that more is better.
        new, old = (None if loss is None else -loss for loss in (scores.loss, before.val_loss))
    # Where no fold is left out, the last epoch is kept.
    return new is None or old is None or new > old


def write_fold_predictions(task: FoldTask, predictor: Predictor, epoch: int) -> None:
    """Write what the model predicts for the fold left out, if there is one, and the test set."""
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
