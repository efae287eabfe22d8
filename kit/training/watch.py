"""Callbacks for Keras' training loop: progress, divergence, and the weights behind averages."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError


class Watch(keras.callbacks.Callback):
    """Calls `after_step` after each optimizer step; UserError if the loss is NaN or infinite.

    A batch has `parts` parts. The error names epoch and step, both counted from 1, and ends with
    `advice`. `steps` counts the epoch's steps, from those done before an interruption. Training
    ends after the step in which `after_step` returns True.
    """

    def __init__(
        self, after_step: Callable[[], bool], parts: int, epoch: int, advice: str, steps: int = 0
    ) -> None:
        super().__init__()
        self._after_step = after_step
        self._parts = parts
        self._epoch = epoch
        self._advice = advice
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # The loss is a mean over the epoch so far, so the first non-finite one marks the step.
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise UserError(
                f"In epoch {self._epoch + 1}, step {self.steps + 1}, the loss became "
                f"{loss}; earlier epochs are kept. {self._advice}"
            )
        if (batch + 1) % self._parts == 0:
            self.steps += 1
            if self._after_step():
                self.model.stop_training = True


class Metrics(keras.callbacks.Callback):
    """Lets the metrics continue from where an interrupted epoch left them."""

    def __init__(self, before: Sequence[NDArray[Any]]) -> None:
        super().__init__()
        self._before = before

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # Only now do the variables exist, and they hold the sums of one batch. Adding what was
        # there before gives the same bits as adding that batch to it.
        if batch == 0:
            for variable, value in zip(self.model.metrics_variables, self._before, strict=True):
                variable.assign(value + keras.ops.convert_to_numpy(variable))


class LiveWeights(keras.callbacks.Callback):
    """Keeps the trainable weights at the end of an epoch, before Keras overwrites them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[NDArray[Any]] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        # Keras overwrites the weights with their moving averages at the end of every `fit`
        # (finalize_variable_values), but training must continue from these.
        weights = self.model.trainable_variables
        self.values = [np.array(keras.ops.convert_to_numpy(weight)) for weight in weights]

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        # By now the averages are in place. Under JAX (Keras 3.15) they share memory with the
        # optimizer's, and the first prediction would free both, so each gets its own copy.
        for weight in self.model.trainable_variables:
            weight.assign(np.array(keras.ops.convert_to_numpy(weight)))
