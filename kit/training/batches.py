"""One epoch as Keras asks for it: batches, and a call after each step."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from kit.data.batches import EpochPlan, read_batch


class EpochBatches(keras.utils.PyDataset):
    """An epoch's batches for Keras: uint8 images and float32 multi-hot labels."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        plan: EpochPlan,
        batch: int,
    ) -> None:
        super().__init__()
        self._images = images
        self._labels = labels
        self._plan = plan
        self._batch = batch

    def __len__(self) -> int:
        return len(self._plan.rows) // self._batch

    def __getitem__(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        part = slice(step * self._batch, (step + 1) * self._batch)
        rows = self._plan.rows[part]
        pixels = read_batch(self._images, rows, self._plan.symmetries[part])
        return pixels, self._labels[rows].astype(np.float32)


class AfterStep(keras.callbacks.Callback):
    """Calls a function after each training step, for progress."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._call()
