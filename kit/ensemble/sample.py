"""Rows whose labels are known: what thresholds and blends are fitted on and scored on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.data.predictions import Predictions


@dataclass(frozen=True)
class Sample:
    """Labels, probabilities, folds and groups of the same rows in the same order.

    `labels` is uint8 and `probs` float32, both (rows, classes); `fold` and `group` are int64
    (rows,): rows of one group are right or wrong together and share a fold.
    """

    labels: NDArray[np.uint8]
    probs: NDArray[np.float32]
    fold: NDArray[np.int64]
    group: NDArray[np.int64]

    @property
    def folds(self) -> NDArray[np.int64]:
        """The numbers of the folds that have rows here, ascending."""
        return np.unique(self.fold)

    def only(self, rows: NDArray[np.bool_]) -> "Sample":
        """The rows where `rows`, bool (rows,), is true."""
        return Sample(self.labels[rows], self.probs[rows], self.fold[rows], self.group[rows])

    def with_probs(self, probs: NDArray[np.float32]) -> "Sample":
        """The same rows with other probabilities."""
        return replace(self, probs=probs)


def make_sample(
    labels: NDArray[np.uint8], oof: Predictions, groups: tuple[str, ...] | None = None
) -> Sample:
    """A sample from out-of-fold predictions and the labels of their rows.

    `groups` names each row's group; each row is its own without. Raises UserError for predictions
    without folds, or with one fold only: nothing can be held out then.
    """
    if oof.fold is None:
        raise UserError("Out-of-fold predictions without a fold column cannot be cross-fitted.")
    if len(np.unique(oof.fold)) < 2:
        raise UserError("Out-of-fold predictions of one fold only: nothing can be held out.")
    if groups is None:
        group = np.arange(len(oof.ids))
    else:
        group = np.unique(np.asarray(groups), return_inverse=True)[1]
    return Sample(labels, oof.probs, oof.fold, group.astype(np.int64))
