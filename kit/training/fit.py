"""The trainer: one fold of one run, from its rows to its predictions."""

import time
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.exact import decide, exact_thresholds
from kit.competitions.metrics import macro_f1
from kit.core.disk import write_json
from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles
from kit.data.predictions import Predictions, to_probs, write_predictions
from kit.data.store import Store
from kit.models.build import build_model
from kit.models.losses import build_loss
from kit.recipes.base import Recipe
from kit.training import backend
from kit.training.batches import AfterStep, EpochBatches
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
from kit.training.optimizer import build_optimizer
from kit.training.plan import plan_epoch, sampling_factors, steps_per_epoch
from kit.training.predict import predict_logits
from kit.training.schedule import Phase, learning_rate, phases


@dataclass(frozen=True)
class FoldData:
    """What one fold is trained on and asked for.

    `labels` is uint8 (rows of the train store, classes). `train_rows` learn, `val_rows` are the
    fold that is left out; both are rows of the train store.
    """

    train: Store
    test: Store
    labels: NDArray[np.uint8]
    train_rows: NDArray[np.int64]
    val_rows: NDArray[np.int64]


@dataclass(frozen=True)
class FoldTask:
    """One fold to train: the recipe, the fold's seed, its data, and where its files go."""

    run: str
    fold: int
    recipe: Recipe
    competition: Competition
    data: FoldData
    files: FoldRunFiles

    @property
    def seed(self) -> int:
        """A seed of its own for each fold of each recipe seed."""
        return 1000 * self.recipe.seed + self.fold


def train_fold(task: FoldTask, display: FoldDisplay) -> None:
    """Train one fold, or go on where it stopped, and write its predictions; the marker comes last.

    The best epoch by the recipe's `keep` predicts the left-out fold and the test set. Raises
    UserError when the loss is no longer a number.
    """
    backend.prepare(task.seed)
    recipe, competition = task.recipe, task.competition
    model = build_model(recipe, competition.channels, len(competition.class_keys), task.seed)
    state = load_progress(task.files)
    for phase in phases(recipe):
        if len(state.log) < phase.end:
            state = _train_phase(task, phase, model, state, display)
    if state.best is None:
        raise ValueError(f"{task.files.folder} has a log without a best epoch")
    model.load_weights(task.files.weights(state.best))
    _write_predictions(task, model, state.best)
    remove_unfinished(task.files, state.best)
    write_json(task.files.done, {"epochs": len(state.log), "best": state.best})


def _train_phase(
    task: FoldTask, phase: Phase, model: keras.Model, state: Progress, display: FoldDisplay
) -> Progress:
    """Train the epochs of a phase that are still to do, saving each."""
    recipe, data = task.recipe, task.data
    factors = sampling_factors(recipe, data.labels[data.train_rows])
    steps = steps_per_epoch(recipe, factors) * (phase.end - phase.first)
    rates = [learning_rate(recipe, phase, (step + 0.5) / steps) for step in range(steps)]

    # The trainer shares the model's layers; the model itself stays free of optimizer state, so
    # that what is saved are plain weights.
    model.get_layer("backbone").trainable = not phase.frozen
    trainer = keras.Model(model.inputs, model.outputs)
    optimizer = build_optimizer(recipe, rates)
    optimizer.build(trainer.trainable_variables)
    trainer.compile(optimizer, build_loss(recipe.loss), jit_compile=backend.compiler())
    if state.log:
        begun_before = len(state.log) > phase.first
        load_epoch(task.files, model, optimizer if begun_before else None, len(state.log) - 1)

    for epoch in range(len(state.log), phase.end):
        begun = time.monotonic()
        plan = plan_epoch(recipe, data.train_rows, factors, task.seed, epoch)
        batches = EpochBatches(data.train.images, data.labels, plan, recipe.batch)
        history = trainer.fit(
            batches, verbose=0, shuffle=False, callbacks=[AfterStep(display.step)]
        )
        train_loss = float(history.history["loss"][-1])
        trained = time.monotonic()
        line = _validate(task, model, epoch, train_loss)
        _require_finite(line, phase)
        rate = rates[len(rates) * (epoch - phase.first + 1) // (phase.end - phase.first) - 1]
        line = replace(
            line,
            learning_rate=rate,
            samples_per_second=len(plan.rows) / (trained - begun),
            seconds=time.monotonic() - begun,
        )
        best = epoch if _is_best(recipe, line, state) else state.best
        state = Progress((*state.log, line), best)
        save_epoch(task.files, model, optimizer, state)
        append_events(task.files.events, line)
        display.epoch(line)
    return state


def _validate(task: FoldTask, model: keras.Model, epoch: int, train_loss: float) -> EpochLog:
    data = task.data
    logits = predict_logits(model, data.train.images, data.val_rows, task.recipe.batch)
    labels = data.labels[data.val_rows]
    loss = build_loss(task.recipe.loss)(labels.astype(np.float32), logits)
    probs = to_probs(logits.astype(np.float64))
    half = decide(probs, np.full(probs.shape[1], 0.5))
    # A loss that is no number stops the training right after this, with a line that says so.
    best_cut = np.nan if np.isnan(probs).any() else exact_thresholds(labels, probs).f1.mean()
    return EpochLog(
        epoch=epoch,
        loss=train_loss,
        val_loss=float(keras.ops.convert_to_numpy(loss)),
        val_macro_f1_at_half=macro_f1(labels, half),
        val_macro_f1_best_cut=float(best_cut),
        learning_rate=0.0,
        samples_per_second=0.0,
        seconds=0.0,
    )


def _require_finite(line: EpochLog, phase: Phase) -> None:
    """Stop before an epoch whose weights are no longer numbers is saved over a good one."""
    if np.isfinite(line.loss) and np.isfinite(line.val_loss):
        return
    key = "frozen_learning_rate" if phase.frozen else "learning_rate"
    raise UserError(
        f"In epoch {line.epoch} the loss became {line.loss}, on the fold left out {line.val_loss}; "
        f"the epochs before are kept. Try smaller steps: --set {key}={phase.learning_rate / 10:g}"
    )


def _is_best(recipe: Recipe, line: EpochLog, state: Progress) -> bool:
    """Whether the epoch just trained is the one to keep, by the recipe's `keep`."""
    if recipe.keep == "last" or state.best is None:
        return True
    before = state.log[state.best]
    if recipe.keep == "val_loss":
        return line.val_loss < before.val_loss
    return line.val_macro_f1_best_cut > before.val_macro_f1_best_cut


def _write_predictions(task: FoldTask, model: keras.Model, best: int) -> None:
    data, files = task.data, task.files
    provenance = {"run": task.run, "fold": task.fold, "epoch": best}
    test_rows = np.arange(len(data.test.ids))
    left_out = np.full(len(data.val_rows), task.fold)
    for target, store, rows, fold in (
        (files.oof, data.train, data.val_rows, left_out),
        (files.test, data.test, test_rows, None),
    ):
        logits = predict_logits(model, store.images, rows, task.recipe.batch)
        ids = tuple(store.ids[row] for row in rows)
        probs = to_probs(logits.astype(np.float64))
        predictions = Predictions(ids, probs, task.competition.class_keys, fold)
        write_predictions(target, predictions, provenance)
