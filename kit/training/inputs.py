"""What the folds of a run are trained on, and the part of each fold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.extra import Extra
from kit.data.folds import Folds
from kit.data.stacked import Stacked
from kit.data.store import Store
from kit.training.fold import FoldData
from kit.training.start import Start


@dataclass(frozen=True)
class Inputs:
    """What the folds of a run are trained on; `labels` is uint8 (rows of the train store, classes).

    `extra` are images that every fold trains on, if any; `start` the initial weights.
    """

    folds: Folds
    labels: NDArray[np.uint8]
    train: Store
    test: Store
    extra: Extra | None
    start: Start

    def of_fold(self, fold: int | None) -> FoldData:
        """What a fold is trained on and predicts; None means training on all rows."""
        ids, extra = self.train.ids, self.extra
        of_row = self.folds.of(ids)
        left_out = np.zeros(len(of_row), bool) if fold is None else of_row == fold
        # An image that could not be read is black: it must not train. A held-out one is predicted
        # like a test image that could not be read, so that the score covers such images, too.
        train_rows = np.flatnonzero(~left_out & self.train.has_pixels)
        val_rows = np.flatnonzero(left_out)
        images, test = self.train.images, self.test
        if extra is None:
            return FoldData(images, ids, self.labels, train_rows, val_rows, test)
        allowed = extra.allowed(val_rows)
        return FoldData(
            Stacked((images, extra.store.images)),
            ids,
            np.concatenate([self.labels, extra.labels]),
            np.concatenate([train_rows, len(ids) + np.flatnonzero(allowed)]),
            val_rows,
            test,
        )
