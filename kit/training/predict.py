"""Probabilities for rows of a store, batch by batch."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kit.data.batches import read_batch

if TYPE_CHECKING:
    import keras


def predict_logits(
    model: "keras.Model",
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    batch: int,
) -> NDArray[np.float32]:
    """The model's logits for these rows of a store, float32 (rows, classes).

    The last batch is filled up with its first row and cut again, so that every batch has one
    shape and nothing is compiled twice.
    """
    import keras

    parts = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        filled = np.append(part, np.full(batch - len(part), part[0]))
        pixels = read_batch(images, filled, np.zeros(batch, np.int64))
        logits = keras.ops.convert_to_numpy(model.predict_on_batch(pixels))
        parts.append(logits[: len(part)])
    return np.concatenate(parts).astype(np.float32)
