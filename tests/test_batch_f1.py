"""Batch-wise F1 in training: the same as in NumPy, batch by batch."""

import keras
import numpy as np
import pytest

from kit.competitions.metrics import batch_f1
from kit.models.batch_f1 import BatchF1


def result(metric: BatchF1) -> float:
    return float(keras.ops.convert_to_numpy(metric.result()))


def test_a_score_worked_out_by_hand() -> None:
    metric = BatchF1()
    # Two of three said are right, of two that are true; a logit of 0 is said.
    metric.update_state(np.array([[1, 0], [1, 0]]), np.array([[0.0, -1.0], [2.0, 3.0]]))
    assert metric.name == "batch_f1"
    assert result(metric) == pytest.approx(0.8)


def test_before_the_first_batch_and_where_nothing_is_true_or_said_it_is_0() -> None:
    metric = BatchF1()
    assert result(metric) == 0
    metric.update_state(np.zeros((2, 3)), -np.ones((2, 3)))
    assert result(metric) == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_numpy_on_the_same_batches(seed: int, dtype: str) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, (10, 5))
    logits = draw.normal(size=(10, 5))
    metric = BatchF1()
    for start in range(0, 10, 4):
        rows = slice(start, start + 4)
        metric.update_state(labels[rows], keras.ops.cast(logits[rows], dtype))
    assert result(metric) == pytest.approx(batch_f1(labels, logits >= 0, 4))


def test_a_soft_label_counts_from_a_half() -> None:
    metric = BatchF1()
    metric.update_state(np.array([[0.5, 0.49, 0.8]]), np.ones((1, 3)))
    assert result(metric) == pytest.approx(2 * 2 / (2 + 3))


def test_training_logs_the_mean_over_an_epoch() -> None:
    draw = np.random.default_rng(0)
    images = draw.normal(size=(10, 3)).astype(np.float32)
    labels = draw.integers(0, 2, (10, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.set_weights([np.eye(3), np.zeros(3)])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=[BatchF1()])
    history = model.fit(images, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
    expected = batch_f1(labels, images >= 0, 4)
    assert history.history["batch_f1"] == pytest.approx([expected, expected])
