"""Callbacks for Keras' training loop: progress, divergence, and the weights behind averages."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError


class Watch(keras.callbacks.Callback):
    """Calls `after_step` after each optimizer step; UserError if the loss is NaN or infinite.

    A batch has `parts` parts. The error names epoch and step, both counted from 1, and ends with
    `advice`.
    """

    def __init__(self, after_step: Callable[[], None], parts: int, epoch: int, advice: str) -> None:
        super().__init__()
        self._after_step = after_step
        self._parts = parts
        self._epoch = epoch
        self._advice = advice

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # The loss is a mean over the epoch so far, so the first non-finite one marks the step.
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise UserError(
                f"In epoch {self._epoch + 1}, step {batch // self._parts + 1}, the loss became "
                f"{loss}; earlier epochs are kept. {self._advice}"
            )
        if (batch + 1) % self._parts == 0:
            self._after_step()


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
