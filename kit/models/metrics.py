"""Scores of a training epoch as Keras metrics: accuracy, exact match and batch-wise F1.

All take labels and logits, (rows, classes). A soft label of at least 0.5 counts as positive. None
is the competition's macro-F1.
"""

import keras
from keras import ops


def training_metrics() -> list[keras.metrics.Metric]:
    """The metrics of every training: `accuracy`, `exact_match` and `batch_f1`, by these names."""
    return [
        keras.metrics.MeanMetricWrapper(_share_right, name="accuracy", dtype="float32"),
        keras.metrics.MeanMetricWrapper(_all_right, name="exact_match", dtype="float32"),
        BatchF1(),
    ]


class BatchF1(keras.metrics.Metric):
    """Micro-F1 per batch at probability 0.5, averaged over the batches of an epoch.

    Equal to `kit.competitions.metrics.batch_f1` on the same batches.
    """

    def __init__(self, name: str = "batch_f1") -> None:
        super().__init__(name=name, dtype="float32")
        self._sum = self.add_variable((), "zeros", name="sum")
        self._batches = self.add_variable((), "zeros", name="batches")

    def update_state(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor, sample_weight: None = None
    ) -> None:
        """Add one batch; Keras passes a `sample_weight`, which is always None in this kit."""
        true = ops.cast(_positive(y_true), "float32")
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


def _share_right(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """The share of right entries per row, float32 (rows,)."""
    return ops.mean(ops.cast(_right(y_true, y_pred), "float32"), axis=-1)


def _all_right(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """1 per row whose entries are all right, else 0: float32 (rows,)."""
    return ops.cast(ops.all(_right(y_true, y_pred), axis=-1), "float32")


def _right(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """Which entries are right, bool (rows, classes)."""
    # Strictly above, as in keras.metrics.BinaryAccuracy, which takes no logits: its threshold must
    # be between 0 and 1.
    return ops.equal(_positive(y_true), ops.convert_to_tensor(y_pred, "float32") > 0)


def _positive(y_true: keras.KerasTensor) -> keras.KerasTensor:
    return ops.convert_to_tensor(y_true, "float32") >= 0.5
