"""The batches of one epoch, in the form that Keras reads."""

from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.machine import cores
from kit.data.batches import EpochPlan, read_planned
from kit.data.mixing import Mix
from kit.data.stacked import Images

# Limited because each thread holds a batch in memory.
_THREADS = min(cores(), 8)


class EpochBatches(keras.utils.PyDataset):
    """An epoch's batches for Keras: images, and float32 multi-hot labels.

    Images are uint8, or float32 from 0 to 255 if `mix` mixes them. If they are varied, threads read
    the next batches ahead. A batch depends on its step alone, so neither threads nor the order of
    requests change it. Keras' own threads would: on JAX and torch, the first `fit` after `compile`
    peeks at a batch, and the batches read ahead for that come before the first step. An epoch that
    was interrupted continues with batch `first`.
    """

    def __init__(
        self,
        images: Images,
        labels: NDArray[np.uint8],
        plan: EpochPlan,
        batch: int,
        mix: Mix,
        first: int = 0,
    ) -> None:
        super().__init__()
        self._images = images
        self._labels = labels
        self._plan = plan
        self._batch = batch
        self._mix = mix
        self._first = first
        self._threads: ThreadPoolExecutor | None = None
        self._coming: dict[int, Future[NDArray[np.uint8]]] = {}

    def __len__(self) -> int:
        return len(self._plan.rows) // self._batch - self._first

    def __getitem__(
        self, number: int
    ) -> tuple[NDArray[np.uint8] | NDArray[np.float32], NDArray[np.float32]]:
        step = self._first + number
        labels = self._labels[self._plan.rows[self._part(step)]].astype(np.float32)
        pixels = self._read_ahead(step) if self._plan.augmentation.varies else self._read(step)
        if not self._mix.mixes:
            return pixels, labels
        return self._mix.apply(pixels, labels, self._plan.seed, self._plan.epoch, step)

    def on_epoch_end(self) -> None:
        """Stop the threads. Keras calls this after the last batch."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._threads = None
        self._coming.clear()

    def _part(self, step: int) -> slice:
        return slice(step * self._batch, (step + 1) * self._batch)

    def _read(self, step: int) -> NDArray[np.uint8]:
        return read_planned(self._images, self._plan, self._part(step))

    def _read_ahead(self, step: int) -> NDArray[np.uint8]:
        """The images of this step; starts reading one later batch per thread."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS)
        end = self._first + len(self)
        for next_step in range(step, min(step + _THREADS + 1, end)):
            if next_step not in self._coming:
                self._coming[next_step] = self._threads.submit(self._read, next_step)
        return self._coming.pop(step).result()
