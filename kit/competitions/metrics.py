"""The competition's metric, used by trainer, thresholds, blend, report and grader.

The other scores here are not the competition's. Published systems report them, so the trainer logs
them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def f1_per_class(labels: ArrayLike, decisions: ArrayLike) -> NDArray[np.float64]:
    """F1 per class: `2 tp / (2 tp + fp + fn)`, and 0 without true or predicted positives.

    `labels` and `decisions` are (rows, classes), 0 or 1. Returns (classes,). As scikit-learn with
    `zero_division=0`. Raises ValueError when the shapes differ.
    """
    true, predicted = _tables(labels, decisions)
    return f1_from_counts((true & predicted).sum(axis=0), predicted.sum(axis=0), true.sum(axis=0))


def f1_from_counts(
    true_positives: ArrayLike, predicted: ArrayLike, positives: ArrayLike
) -> NDArray[np.float64]:
    """F1 from counts of equal shape: `2 tp / (predicted + positives)`, with 0 / 0 as 0."""
    tp = np.asarray(true_positives, dtype=np.float64)
    size = np.asarray(predicted, dtype=np.float64) + np.asarray(positives, dtype=np.float64)
    return np.divide(2 * tp, size, out=np.zeros_like(size), where=size > 0)


def macro_f1(labels: ArrayLike, decisions: ArrayLike) -> float:
    """Mean F1 over all classes, including those without positives.

    Shapes as in `f1_per_class`. A class without predictions scores 0, whether it has positives or
    not, as in the competition's grader.
    """
    return float(f1_per_class(labels, decisions).mean())


def accuracy(labels: ArrayLike, decisions: ArrayLike) -> float:
    """The share of right entries, over all rows and classes alike: binary accuracy.

    With decisions at a probability above 0.5, it is `keras.metrics.BinaryAccuracy`, which Keras 2
    computed for `metrics=["acc"]` with binary cross-entropy (Keras 3 takes `acc` of several classes
    as categorical accuracy). Where positives are rare, predicting none of them already scores high.
    `labels` and `decisions` are (rows, classes), 0 or 1. Raises ValueError when the shapes differ,
    and without rows.
    """
    return float(_right(labels, decisions).mean())


def exact_match(labels: ArrayLike, decisions: ArrayLike) -> float:
    """The share of rows whose entries are all right; arguments and errors as in `accuracy`.

    Also called subset accuracy: scikit-learn's `accuracy_score` on multilabel tables.
    """
    return float(_right(labels, decisions).all(axis=1).mean())


def batch_f1(labels: ArrayLike, decisions: ArrayLike, batch: int) -> float:
    """Micro-F1 of every `batch` consecutive rows, averaged over batches.

    Precision and recall are computed over all entries of a batch, whatever their class; F1 is 0
    where they are undefined. The last batch may be smaller but counts as much as the others.
    `labels` and `decisions` are (rows, classes), 0 or 1. Raises ValueError when their shapes
    differ, without rows, and for a batch size below one.

    Two published student systems report this score (InceptionResNetV2 0.638 in training and 0.686
    in validation, VGG16 0.504 in training). It is not the competition's macro-F1: frequent classes
    dominate it, and it depends on the batch size.
    """
    true, predicted = _tables(labels, decisions)
    if batch < 1 or not len(true):
        raise ValueError(f"{len(true)} rows in batches of {batch}; both must be at least 1")
    starts = np.arange(0, len(true), batch)
    hits, said, positives = (
        np.add.reduceat(table.sum(axis=1), starts) for table in (true & predicted, predicted, true)
    )
    return float(f1_from_counts(hits, said, positives).mean())


def _right(labels: ArrayLike, decisions: ArrayLike) -> NDArray[np.bool_]:
    true, predicted = _tables(labels, decisions)
    if not len(true):
        raise ValueError("accuracy needs at least one row")
    right: NDArray[np.bool_] = true == predicted
    return right


def _tables(labels: ArrayLike, decisions: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Both as bool (rows, classes); ValueError when the shapes differ."""
    true = np.asarray(labels, dtype=bool)
    predicted = np.asarray(decisions, dtype=bool)
    if true.shape != predicted.shape or true.ndim != 2:
        raise ValueError(f"labels {true.shape} and decisions {predicted.shape} must be one shape")
    return true, predicted
