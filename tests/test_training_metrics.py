"""Scores of a training epoch: Keras' own, and those of NumPy on the same batches."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.competitions.metrics import accuracy, batch_f1, exact_match
from kit.models.metrics import BatchF1, training_metrics


def result(metric: keras.metrics.Metric) -> float:
    return float(keras.ops.convert_to_numpy(metric.result()))


def results(
    labels: NDArray[np.float64], logits: NDArray[np.float64], batch: int
) -> dict[str, float]:
    """What the metrics of a training make of an epoch in batches."""
    metrics = training_metrics()
    for start in range(0, len(labels), batch):
        for metric in metrics:
            metric.update_state(labels[start : start + batch], logits[start : start + batch])
    return {metric.name: result(metric) for metric in metrics}


def random_epoch(seed: int, rows: int = 12) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multi-hot labels and logits that agree in most entries, and in all of some rows."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, (rows, 3))
    logits = np.where(draw.random((rows, 3)) < 0.8, 1, -1) * (2 * labels - 1)
    return labels.astype(np.float64), logits * draw.random((rows, 3))


# Accuracy and exact match


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_is_keras_own_on_the_probabilities(seed: int) -> None:
    labels, logits = random_epoch(seed)
    # Some logits are exactly 0, which is not above a probability of 0.5.
    logits[::5] = 0
    probs = keras.ops.sigmoid(logits)
    keras_own = keras.metrics.BinaryAccuracy()
    keras_own.update_state(labels, probs)
    mine = results(labels, logits, batch=4)["accuracy"]
    assert mine == pytest.approx(result(keras_own), abs=1e-6)
    entries = keras.ops.convert_to_numpy(keras.metrics.binary_accuracy(labels, probs))
    assert mine == pytest.approx(entries.mean(), abs=1e-6)
    assert accuracy(labels, logits > 0) == pytest.approx(entries.mean(), abs=1e-6)


def test_accuracy_in_training_is_what_keras_logs_for_it() -> None:
    """Keras' own `acc`, from the same network with a sigmoid, over the batches of two epochs."""
    images, labels = np.eye(12, 3, dtype=np.float32) - 0.5, random_epoch(0)[0]
    draw = np.random.default_rng(1)
    weights = [draw.normal(size=(3, 3)), np.zeros(3)]
    logged = []
    for activation, metrics in ((None, training_metrics()), ("sigmoid", ["binary_accuracy"])):
        layers = [keras.Input((3,)), keras.layers.Dense(3, activation)]
        model = keras.Sequential(layers)
        model.set_weights(weights)
        loss = keras.losses.BinaryCrossentropy(from_logits=activation is None)
        model.compile(keras.optimizers.SGD(0.5), loss, metrics=metrics)
        history = model.fit(images, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
        logged.append(history.history)
    np.testing.assert_allclose(logged[0]["accuracy"], logged[1]["binary_accuracy"], atol=1e-6)
    np.testing.assert_allclose(logged[0]["loss"], logged[1]["loss"], rtol=1e-5)


def test_exact_match_and_accuracy_worked_out_by_hand() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], np.float64)
    logits = np.array([[2, -1, -3], [2, -1, -3], [-1, 0, -1], [-1, 1, 2]], np.float64)
    # All right; one missed; all right, as 0 is not above; one too many.
    found = results(labels, logits, batch=2)
    assert found["exact_match"] == pytest.approx(2 / 4)
    assert found["accuracy"] == pytest.approx(10 / 12)
    assert exact_match(labels, logits > 0) == 2 / 4
    assert accuracy(labels, logits > 0) == 10 / 12


@pytest.mark.parametrize("seed", range(3))
def test_an_epoch_in_batches_has_the_scores_of_all_its_rows(seed: int) -> None:
    labels, logits = random_epoch(seed)
    for batch in (1, 4, 5, 12):
        found = results(labels, logits, batch)
        assert found["accuracy"] == pytest.approx(accuracy(labels, logits > 0), abs=1e-6)
        assert found["exact_match"] == pytest.approx(exact_match(labels, logits > 0), abs=1e-6)


def test_a_soft_label_is_positive_from_a_half_for_every_score() -> None:
    soft = np.array([[0.5, 0.49, 0.8], [0.1, 0.2, 0.9]])
    logits = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 1.0]])
    found = results(soft, logits, batch=2)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["exact_match"] == 0.5
    assert found["batch_f1"] == pytest.approx(2 * 3 / (3 + 5))


def test_the_names_are_those_of_the_log_and_they_begin_at_0() -> None:
    metrics = training_metrics()
    assert [metric.name for metric in metrics] == ["accuracy", "exact_match", "batch_f1"]
    assert [result(metric) for metric in metrics] == [0, 0, 0]


# Batch-wise F1


def test_a_score_worked_out_by_hand() -> None:
    metric = BatchF1()
    # Two of three said are right, of two that are true; a logit of 0 is said.
    metric.update_state(np.array([[1, 0], [1, 0]]), np.array([[0.0, -1.0], [2.0, 3.0]]))
    assert metric.name == "batch_f1"
    assert result(metric) == pytest.approx(0.8)


def test_where_nothing_is_true_or_said_it_is_0() -> None:
    metric = BatchF1()
    metric.update_state(np.zeros((2, 3)), -np.ones((2, 3)))
    assert result(metric) == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_numpy_on_the_same_batches(seed: int, dtype: str) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, (10, 5))
    logits = draw.normal(size=(10, 5))
    metrics = training_metrics()
    for start in range(0, 10, 4):
        rows = slice(start, start + 4)
        for metric in metrics:
            metric.update_state(labels[rows], keras.ops.cast(logits[rows], dtype))
    expected = (
        accuracy(labels, logits > 0),
        exact_match(labels, logits > 0),
        batch_f1(labels, logits >= 0, 4),
    )
    assert [result(metric) for metric in metrics] == pytest.approx(expected)


def test_training_logs_the_mean_over_an_epoch() -> None:
    draw = np.random.default_rng(0)
    images = draw.normal(size=(10, 3)).astype(np.float32)
    labels = draw.integers(0, 2, (10, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.set_weights([np.eye(3), np.zeros(3)])
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=training_metrics())
    history = model.fit(images, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
    expected = batch_f1(labels, images >= 0, 4)
    assert history.history["batch_f1"] == pytest.approx([expected, expected])
    expected = exact_match(labels, images > 0)
    assert history.history["exact_match"] == pytest.approx([expected, expected])
