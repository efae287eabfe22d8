"""Train one phase: consecutive epochs of a fold with one compiled optimizer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from numpy.typing import NDArray

from kit.data.run_files import EpochLog, Progress, Within
from kit.models.metrics import training_metrics
from kit.training import backend
from kit.training.batches import EpochBatches
from kit.training.checkpoint import (
    load_state,
    numbered,
    restore,
    state_of,
    training_arrays,
    weights_of,
)
from kit.training.fold import FoldTask
from kit.training.optimizer import build_optimizer
from kit.training.plan import plan_epoch, steps_per_epoch
from kit.training.schedule import Phase, learning_rate, plateau_part
from kit.training.watch import LiveWeights, Metrics, Watch


@dataclass(frozen=True)
class Trained:
    """Results of an epoch's training: means over its batches, the last learning rate, the speed.

    `steps` are those done; fewer than the epoch has if a signal asked to stop.
    """

    steps: int
    loss: float
    accuracy: float
    exact_match: float
    batch_f1: float
    learning_rate: float
    samples_per_second: float


class PhaseTrainer:
    """Trains the epochs of one phase, one per call.

    `steps` is the number of optimizer steps per epoch. `live` are the trainable weights that
    training continues from, if the model holds their averages; otherwise it is empty.
    """

    def __init__(self, task: FoldTask, phase: Phase, model: keras.Model, parts: int) -> None:
        self._task = task
        self._phase = phase
        self._model = model
        self._parts = parts
        self._sampling = task.sampling()
        self.steps = steps_per_epoch(task.recipe, self._sampling)
        self.live: Sequence[NDArray[Any]] = ()
        self._metrics: Sequence[NDArray[Any]] = ()
        steps = self.steps * (phase.end - phase.first)
        self._rates = [
            learning_rate(task.recipe, phase, (step + 0.5) / steps) for step in range(steps)
        ]
        # The trainer shares the model's layers. The model itself has no optimizer state, so its
        # saved weights are plain.
        model.get_layer("backbone").trainable = not phase.frozen
        self._trainer = keras.Model(model.inputs, model.outputs)
        self._trainer.compile(
            build_optimizer(task.recipe, self._rates, parts),
            task.loss(),
            metrics=training_metrics(),
            jit_compile=backend.compiler(),
        )
        # Not always the one passed in: in float16, Keras wraps it to scale the loss.
        self.optimizer = self._trainer.optimizer
        self.optimizer.build(self._trainer.trainable_variables)

    def go_on_from(self, state: Progress) -> None:
        """Restore the last checkpoint; a new phase starts with a fresh optimizer."""
        files = self._task.files
        begun_before = len(state.log) > self._phase.first or state.within is not None
        optimizer = self.optimizer if begun_before else None
        saved = load_state(state_of(files, state))
        self._model.load_weights(weights_of(files, state))
        self.live = restore(self._model, optimizer, saved, state.parts or self._parts, self._parts)
        self._metrics = numbered(saved, "metric")

    def arrays(self, inside: bool) -> dict[str, NDArray[Any]]:
        """What else a checkpoint needs; the metrics, too, if it is inside an epoch."""
        metrics = self._trainer.metrics_variables if inside else ()
        return training_arrays(self._model, self.optimizer, self.live, metrics)

    def train_epoch(self, state: Progress, after_step: Callable[[], bool]) -> Trained:
        """Train the epoch after those of the log, or the rest of it after an interruption.

        Ends early if `after_step`, called after each step, returns True. Raises UserError if the
        loss is NaN or infinite.
        """
        log, within = state.log, state.within
        if within is not None and within.steps == self.steps:
            return _trained(within)
        task, recipe, epoch = self._task, self._task.recipe, len(log)
        done = 0 if within is None else within.steps
        begun = time.monotonic()
        if self.live:
            for weight, value in zip(self._trainer.trainable_variables, self.live, strict=True):
                weight.assign(value)
        rate = self._rates[self.steps * (epoch - self._phase.first + 1) - 1]
        if recipe.schedule == "plateau" and not self._phase.frozen:
            rate *= self._plateau_part(log)
            self.optimizer.learning_rate = rate
        plan = plan_epoch(recipe, task.data.train_rows, self._sampling, task.seed, epoch)
        batch = recipe.batch // self._parts
        first = done * self._parts
        batches = EpochBatches(task.data.images, task.data.labels, plan, batch, recipe.mix, first)
        weights = LiveWeights()
        watch = Watch(after_step, self._parts, epoch, self.advice, done)
        callbacks: list[keras.callbacks.Callback] = [watch]
        if recipe.ema:
            callbacks.append(weights)
        if done:
            callbacks.append(Metrics(self._metrics))
        history = self._trainer.fit(batches, verbose=0, shuffle=False, callbacks=callbacks).history
        self.live = weights.values
        return Trained(
            steps=watch.steps,
            loss=float(history["loss"][-1]),
            accuracy=float(history["accuracy"][-1]),
            exact_match=float(history["exact_match"][-1]),
            batch_f1=float(history["batch_f1"][-1]),
            learning_rate=rate,
            samples_per_second=(watch.steps - done) * recipe.batch / (time.monotonic() - begun),
        )

    @property
    def advice(self) -> str:
        """What to do when the loss is NaN or infinite."""
        key = "frozen_learning_rate" if self._phase.frozen else "learning_rate"
        rate = self._phase.learning_rate / 10
        return f"Try smaller steps: --set {key}={rate:g}, or --set clip=1"

    def _plateau_part(self, log: Sequence[EpochLog]) -> float:
        lines = log[self._phase.first :]
        losses = [line.loss if line.val_loss is None else line.val_loss for line in lines]
        recipe = self._task.recipe
        return plateau_part(losses, recipe.plateau_epochs, recipe.plateau_factor)


def _trained(within: Within) -> Trained:
    """The results of an epoch whose training ended before an interruption."""
    line = within.line
    return Trained(
        steps=within.steps,
        loss=line.loss,
        accuracy=line.accuracy or 0.0,
        exact_match=line.exact_match or 0.0,
        batch_f1=line.batch_f1,
        learning_rate=line.learning_rate,
        samples_per_second=line.samples_per_second,
    )
