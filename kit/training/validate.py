"""The scores of an epoch on the held-out fold."""

from dataclasses import dataclass

import keras
import numpy as np

from kit.competitions.exact import decide, exact_thresholds
from kit.competitions.metrics import accuracy, batch_f1, exact_match, macro_f1
from kit.data.predictions import to_probs
from kit.training.fold import FoldTask
from kit.training.predictor import Predictor


@dataclass(frozen=True)
class FoldScores:
    """Scores of one epoch on the held-out fold, or on one batch of it; None without one.

    `macro_f1_best_cut` uses the exact thresholds of those same rows. `batch_f1` is micro-F1 at
    probability 0.5: of the one batch, or else in batches of the recipe's size.
    """

    loss: float | None = None
    accuracy: float | None = None
    exact_match: float | None = None
    batch_f1: float | None = None
    macro_f1_at_half: float | None = None
    macro_f1_best_cut: float | None = None


def validate(task: FoldTask, predictor: Predictor) -> FoldScores:
    """Score the model in its current state on the task's scored rows, without augmentation."""
    data = task.data
    if task.fold is None:
        return FoldScores()
    rows = task.scored_rows()
    logits = predictor.logits(data.images, rows)
    labels = data.labels[rows]
    loss = task.loss()(labels.astype(np.float32), logits)
    probs = to_probs(logits.astype(np.float64))
    half = decide(probs, np.full(probs.shape[1], 0.5))
    # A NaN loss stops the training right after this, with an error that reports it.
    best_cut = np.nan if np.isnan(probs).any() else exact_thresholds(labels, probs).f1.mean()
    whole = task.recipe.validate.name == "batch"
    # As in training, a probability of 0.5 is positive for F1 and negative for accuracy.
    return FoldScores(
        loss=float(keras.ops.convert_to_numpy(loss)),
        accuracy=accuracy(labels, logits > 0),
        exact_match=exact_match(labels, logits > 0),
        batch_f1=batch_f1(labels, half, len(rows) if whole else task.recipe.batch),
        macro_f1_at_half=macro_f1(labels, half),
        macro_f1_best_cut=float(best_cut),
    )
