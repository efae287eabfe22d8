"""A solved blend as JSON: what it is made of, what it was chosen from, what each class is worth."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kit.ensemble.crossfit import Judged
from kit.ensemble.estimate import Estimate
from kit.ensemble.honest import ClassScore
from kit.ensemble.interval import Counts, difference_interval, prediction_interval
from kit.ensemble.sample import Sample
from kit.ensemble.solve import Solved
from kit.ensemble.transfer import classes_that_disagree


def described(solved: Solved, runs: Sequence[str], class_keys: Sequence[str]) -> dict[str, Any]:
    """Everything the tables of a blend show, in plain values."""
    score = solved.estimate.score
    rows, size = solved.averaged, score.test_rows
    ratio = size / len(rows.labels)
    disagree = classes_that_disagree(solved.oof_cuts, solved.averaged, solved.cuts, solved.test)
    decided = solved.finish.decide(rows.probs, solved.oof_cuts)
    return {
        "method": solved.method,
        "runs": list(runs),
        "combination": dict(solved.combination.described(tuple(runs))),
        "transfer": solved.transfer,
        "score": asdict(score),
        "alone": {
            run: {
                **asdict(one.estimate.score),
                "thresholds": dict(zip(class_keys, one.cuts.tolist(), strict=True)),
            }
            for run, one in zip(runs, solved.alone, strict=True)
        },
        "better_than": _against_the_best(solved, runs, ratio),
        "methods": [candidate(name, rows, judged, size) for name, judged in solved.methods],
        "policies": [candidate(one.policy.title, rows, one, size) for one in solved.policies],
        "extras": [{**asdict(one), "taken": one.taken} for one in solved.extras],
        "classes": {
            key: class_row(one)
            for key, one in zip(class_keys, solved.estimate.classes, strict=True)
        },
        "out_of_fold": {
            "rows": len(decided),
            "empty_rows": int((decided.sum(axis=1) == 0).sum()),
            "positives": dict(
                zip(class_keys, decided.sum(axis=0, dtype=int).tolist(), strict=True)
            ),
        },
        "rates_disagree": [class_keys[column] for column in disagree],
    }


def candidate(name: str, sample: Sample, judged: Judged, test_rows: int) -> dict[str, Any]:
    """One line of a table of candidates: a name, both scores, the interval for the test rows."""
    counts = Counts.of(sample.labels, judged.decisions, sample.group)
    ratio = test_rows / len(sample.labels)
    return {
        "name": name,
        "fitted": judged.fitted,
        "cross_fitted": judged.cross_fitted,
        "interval": list(prediction_interval(counts, ratio).macro),
    }


def class_row(one: ClassScore) -> dict[str, Any]:
    """One class in plain values, with the mark of those whose F1 is mostly noise."""
    return {**asdict(one), "noisy": one.noisy}


def _against_the_best(solved: Solved, runs: Sequence[str], ratio: float) -> dict[str, Any]:
    """The blend minus the best run by itself, on the same new test set."""
    each: list[Estimate] = [one.estimate for one in solved.alone]
    best = max(zip(runs, each, strict=True), key=lambda pair: pair[1].score.expected)
    low, high = difference_interval(best[1].counts, solved.estimate.counts, ratio)
    difference = solved.estimate.score.expected - best[1].score.expected
    return {"run": best[0], "difference": difference, "interval": [low, high]}
