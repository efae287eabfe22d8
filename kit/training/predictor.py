"""Logits for rows of a store, averaged over views, in batches as large as memory allows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.progress import SILENT, Reporter
from kit.data.stacked import Images
from kit.data.views import read_view
from kit.training.memory import is_out_of_memory

if TYPE_CHECKING:
    import keras

# Pixels of the first batch tried: 32 images of 512 x 512 pixels.
TRY_PIXELS = 32 * 512 * 512
MOST, LEAST = 64, 8


class Predictor:
    """Predicts with `model`, whose weights may change, and remembers the batch size that fits.

    `after_batch` is called with the number of images of each batch, once per view.
    """

    def __init__(
        self,
        model: "keras.Model",
        size: int,
        after_batch: Callable[[int], None] = lambda images: None,
        reporter: Reporter = SILENT,
    ) -> None:
        self.model = model
        self._after_batch = after_batch
        self._reporter = reporter
        # Kept until a batch fits, because JAX frees the weights passed to a failed prediction.
        self._kept: list[NDArray[Any]] | None = None
        self._fits = False
        self._batch = min(MOST, max(LEAST, TRY_PIXELS // size**2))

    def logits(
        self, images: Images, rows: NDArray[np.int64], views: int = 1
    ) -> NDArray[np.float32]:
        """The mean of the logits over the first `views` views of each row, (rows, classes).

        A batch that does not fit in memory is halved, now and for later calls. Raises UserError
        when a single image does not fit.
        """
        total = self._of_view(images, rows, 0).astype(np.float64)
        for view in range(1, views):
            total += self._of_view(images, rows, view)
        return (total / views).astype(np.float32)

    def _of_view(self, images: Images, rows: NDArray[np.int64], view: int) -> NDArray[np.float32]:
        parts: list[NDArray[np.float32]] = []
        done = 0
        while done < len(rows):
            part = rows[done : done + self._batch]
            try:
                parts.append(self._of_batch(images, part, view))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(images.shape[1], error)
                continue
            done += len(part)
            self._after_batch(len(part))
        return np.concatenate(parts)

    def _of_batch(self, images: Images, rows: NDArray[np.int64], view: int) -> NDArray[np.float32]:
        # Padded with its first row and cropped afterwards: all batches have the same shape, so
        # nothing is compiled twice.
        import keras

        if not self._fits and self._kept is None:
            variables = self.model.variables
            self._kept = [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
        filled = np.append(rows, np.full(self._batch - len(rows), rows[0]))
        logits = self.model.predict_on_batch(read_view(images, filled, view))
        self._fits, self._kept = True, None
        return np.asarray(keras.ops.convert_to_numpy(logits), np.float32)[: len(rows)]

    def _halve(self, size: int, error: Exception) -> None:
        if self._batch == 1:
            raise UserError(
                f"Out of memory predicting a single image of {size} pixels. Try a smaller --size, "
                "or a machine with more memory."
            ) from error
        for variable, value in zip(self.model.variables, self._kept or [], strict=False):
            variable.assign(value)
        self._batch //= 2
        self._reporter.say(f"Out of memory: predicting {self._batch} images at once.")
