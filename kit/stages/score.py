"""The stage `score`: macro-F1 of any predictions, and F1 per class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.exact import decide
from kit.competitions.metrics import f1_per_class, macro_f1
from kit.core.errors import UserError
from kit.core.ids import require_ids
from kit.core.terminal import say, table
from kit.core.unpack import is_parquet
from kit.data.given import has_classes, read_given
from kit.data.predictions import Predictions
from kit.ensemble import Counts, Decision, make_members, prediction_interval
from kit.ensemble.evaluate import judge
from kit.ensemble.thresholds import find_policy


def score_stage(
    competition: Competition, predictions: Path, labels: Path, decision: Path | None
) -> float:
    """Print macro-F1, its 95% CI and every class's F1; returns macro-F1.

    `predictions` is a CSV in the competition's answer format, or probabilities, Parquet or CSV.
    These are labelled by a decision's file, by its out-of-fold thresholds if they have a fold
    column; without a decision, thresholds are 0.5. Both files must have the same ids.
    """
    truth = competition.label_format.read(labels, competition.class_keys)
    read = _read(competition, predictions, decision)
    require_ids(predictions, read.ids, truth.ids, labels)
    read = read.take(truth.ids)
    decisions = _decide(competition, read, decision)
    by_class = f1_per_class(truth.labels, decisions)
    value = macro_f1(truth.labels, decisions)
    counts = Counts.of(truth.labels, decisions, np.arange(len(truth.ids)))
    low, high = prediction_interval(counts, rows_ratio=1.0).macro
    rows = [
        [name, f"{f1:.4f}", true, predicted]
        for name, f1, true, predicted in zip(
            competition.class_names,
            by_class,
            truth.labels.sum(axis=0, dtype=int).tolist(),
            decisions.sum(axis=0, dtype=int).tolist(),
            strict=True,
        )
    ]
    table(f"{predictions} vs {labels}", ["class", "F1", "true", "predicted"], rows)
    say(
        f"macro-F1 {value:.6f}, 95% CI {low:.4f} to {high:.4f} on {len(truth.ids)} new rows of "
        "the same kind"
    )
    if read.fold is not None and len(np.unique(read.fold)) > 1:
        sample = make_members(truth.labels, [read], [predictions.stem]).with_probs(read.probs)
        honest = judge(sample, find_policy("exact")).held_out
        say(
            "These are out-of-fold predictions: with exact thresholds fitted on the other folds, "
            f"macro-F1 is {honest:.6f}. Thresholds fitted on these rows themselves are optimistic."
        )
    return value


def _decide(
    competition: Competition, read: Predictions, decision: Path | None
) -> NDArray[np.uint8]:
    """Labels, uint8 (rows, classes), by a decision's file or by thresholds of 0.5."""
    if decision is None:
        return decide(read.probs, np.full(len(competition.class_keys), 0.5))
    made = Decision.load(decision)
    if made.class_keys != competition.class_keys:
        raise UserError(f"{decision} is for other classes than those of {competition.title}.")
    if read.fold is None:
        return made.label(read.probs, read.ids)
    return made.postprocess.decide(read.probs, made.oof_thresholds)


def _read(competition: Competition, path: Path, decision: Path | None) -> Predictions:
    """Probabilities, or the zeros and ones of a submission, by what the file holds.

    A CSV that reads as a submission is one, even if it has a column of zeros and ones per class.
    """
    keys = competition.class_keys
    if is_parquet(path):
        return read_given(path, competition, folds=True)
    try:
        answer = competition.answer_format.read(path, keys)
    except UserError as error:
        if has_classes(path, competition):
            return read_given(path, competition, folds=True)
        raise UserError(
            f"{error} It is not a table of predictions either: those have one column per class."
        ) from None
    if decision is not None:
        raise UserError(f"--decision is for probabilities; {path} is already labelled.")
    return Predictions(answer.ids, answer.labels.astype(np.float32), keys)
