"""Small competitions made of numbers alone: labels, and scores of models that measure them badly.

A model's score for a label is its log-odds from one noisy measurement, so it is calibrated.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kit.data.predictions import to_probs
from kit.scores.oof import Members, Sample

RATES = (0.5, 0.25, 0.1)


def name_rows(rows: int) -> NDArray[Any]:
    """Ids of so many rows, `row0`, `row1` and so on."""
    return np.array([f"row{number}" for number in range(rows)], dtype=object)


def name_classes(classes: int) -> tuple[str, ...]:
    """Keys of so many classes, `class0`, `class1` and so on."""
    return tuple(f"class{number}" for number in range(classes))


def as_sample(
    labels: NDArray[np.uint8],
    probs: NDArray[np.float32],
    fold: NDArray[np.int64],
    group: NDArray[np.int64],
) -> Sample:
    """Rows of these arrays, named in their order."""
    return Sample(name_rows(len(labels)), labels, fold, group, probs)


def as_members(
    labels: NDArray[np.uint8],
    probs: NDArray[np.float32],
    fold: NDArray[np.int64],
    group: NDArray[np.int64],
) -> Members:
    """Rows of these arrays, `probs` (models, rows, classes), all named in their order."""
    names = tuple(f"model{number}" for number in range(len(probs)))
    keys = name_classes(labels.shape[1])
    return Members(name_rows(len(labels)), labels, fold, group, probs, names, keys)


def draw_labels(
    rng: np.random.Generator, rows: int, rates: Sequence[float] = RATES
) -> NDArray[np.uint8]:
    """Labels at these rates, uint8 (rows, classes)."""
    return (rng.random((rows, len(rates))) < np.array(rates)).astype(np.uint8)


def measure(
    labels: NDArray[np.uint8],
    noise: NDArray[np.float64],
    rates: Sequence[float] = RATES,
    strength: ArrayLike = 2.0,
) -> NDArray[np.float32]:
    """Probabilities of a model that sees `strength * label + noise`, shaped like the noise."""
    size = np.asarray(strength, dtype=np.float64)
    prior = np.log(np.array(rates) / (1 - np.array(rates)))
    return to_probs(size * (size * labels + noise) - size**2 / 2 + prior)


def simulate(
    rows: int,
    seed: int = 0,
    rates: Sequence[float] = RATES,
    strength: ArrayLike = 2.0,
    folds: int = 5,
) -> Sample:
    """Rows with calibrated scores, each its own group, dealt to the folds in turn."""
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, rows, rates)
    probs = measure(labels, rng.normal(size=labels.shape), rates, strength)
    return as_sample(labels, probs, np.arange(rows) % folds, np.arange(rows))


def simulate_members(
    rows: int,
    strength: ArrayLike,
    seed: int = 0,
    rates: Sequence[float] = RATES,
    folds: int = 3,
) -> Members:
    """The same rows seen by several models: `strength` broadcasts to (models, 1, classes).

    Half of the variance of the noise is common to all models.
    """
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, rows, rates)
    models = len(np.asarray(strength))
    own = rng.normal(size=(models, rows, len(rates)))
    noise = np.sqrt(0.5) * (own + rng.normal(size=(1, rows, len(rates))))
    probs = measure(labels, noise, rates, strength)
    return as_members(labels, probs, np.arange(rows) % folds, np.arange(rows))


def with_guesses(members: Members, model: int, column: int | slice = slice(None)) -> Members:
    """The same, but of a class, or all, one model knows nothing: its scores are of other rows."""
    probs = members.probs.copy()
    probs[model, :, column] = np.roll(probs[model, :, column], 7, axis=0)
    return replace(members, probs=probs)
