"""The batch-wise F1 that published systems report, as a training metric."""

import keras
from keras import ops


class BatchF1(keras.metrics.Metric):
    """Micro-F1 per batch at probability 0.5, averaged over the batches of an epoch.

    Takes labels and logits, (rows, classes); a soft label of at least 0.5 counts as positive. Equal
    to `kit.competitions.metrics.batch_f1` on the same batches, and not the competition's macro-F1.
    """

    def __init__(self, name: str = "batch_f1") -> None:
        super().__init__(name=name, dtype="float32")
        self._sum = self.add_variable((), "zeros", name="sum")
        self._batches = self.add_variable((), "zeros", name="batches")

    def update_state(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor, sample_weight: None = None
    ) -> None:
        """Add one batch; Keras passes a `sample_weight`, which is always None in this kit."""
        true = ops.cast(ops.convert_to_tensor(y_true, "float32") >= 0.5, "float32")
        # A logit of 0 is a probability of 0.5, which is positive at that threshold.
        predicted = ops.cast(ops.convert_to_tensor(y_pred, "float32") >= 0, "float32")
        size = ops.sum(true) + ops.sum(predicted)
        # Twice the hits over this is the harmonic mean of precision and recall; if it is 0, so are
        # the hits.
        self._sum.assign_add(2 * ops.sum(true * predicted) / ops.maximum(size, 1.0))
        self._batches.assign_add(1.0)

    def result(self) -> keras.KerasTensor:
        """The mean over the batches so far, float32; 0 before the first batch."""
        return self._sum / ops.maximum(self._batches, 1.0)
