"""The stage `score`: predictions from anywhere against labels, class by class."""

from pathlib import Path

import numpy as np

from kit.competitions.base import Competition
from kit.competitions.exact import decide
from kit.competitions.metrics import f1_per_class, macro_f1
from kit.core.errors import UserError
from kit.core.terminal import say, table
from kit.data.predictions import Predictions, read_predictions
from kit.ensemble.crossfit import cross_fit
from kit.ensemble.interval import Counts, prediction_interval
from kit.ensemble.policies import find_policy
from kit.ensemble.sample import make_sample
from kit.ensemble.thresholds import read_thresholds


def score_stage(
    competition: Competition, predictions: Path, labels: Path, thresholds: Path | None
) -> float:
    """Print macro-F1, its interval and every class's F1; returns macro-F1.

    `predictions` is a CSV in the competition's answer format, or Parquet probabilities, which the
    thresholds (0.5 without) turn into labels. The ids of both files must be the same.
    """
    truth = competition.label_format.read(labels, competition.class_keys)
    read = _read(competition, predictions, thresholds).take(truth.ids)
    keys = competition.class_keys
    cuts = np.full(len(keys), 0.5) if thresholds is None else read_thresholds(thresholds, keys)
    decisions = decide(read.probs, cuts)
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
    table(f"{predictions} against {labels}", ["class", "F1", "true", "predicted"], rows)
    say(
        f"macro-F1 {value:.6f}; on another {len(truth.ids)} such rows, 95 times in 100 between "
        f"{low:.4f} and {high:.4f}"
    )
    if read.fold is not None and len(np.unique(read.fold)) > 1:
        sample = make_sample(truth.labels, read)
        honest = macro_f1(truth.labels, cross_fit(sample, lambda _: find_policy("exact")))
        say(
            "These are out-of-fold predictions: with exact thresholds fitted on the other folds, "
            f"macro-F1 is {honest:.6f}. Thresholds fitted on these very rows score too well."
        )
    return value


def _read(competition: Competition, path: Path, thresholds: Path | None) -> Predictions:
    """Probabilities from Parquet, or the zeros and ones of a CSV, which is decided already."""
    keys = competition.class_keys
    if path.suffix != ".csv":
        return read_predictions(path, keys)
    if thresholds is not None:
        raise UserError("--thresholds is for Parquet probabilities; a CSV is decided already.")
    answer = competition.answer_format.read(path, keys)
    return Predictions(answer.ids, answer.labels.astype(np.float32), keys)
