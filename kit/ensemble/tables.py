"""What a blend, or thresholds, say of themselves on the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from kit.core.disk import read_json
from kit.core.errors import some
from kit.core.paths import BlendFiles
from kit.core.terminal import say, table
from kit.ensemble.honest import HonestScore
from kit.ensemble.thresholds import read_score

_AS_IF = ", averaged as on the test set"
_NOISE = "too few positives to tell anything by their F1"


def print_blend(files: BlendFiles, class_names: Mapping[str, str]) -> None:
    """Print all tables of a blend; `class_names` by class key."""
    made = read_json(files.weights)
    score = read_score(files.thresholds)
    rows = [_score_row(run, one) for run, one in made["alone"].items()]
    rows.append(_score_row(files.name, made["score"]))
    header = ["", "cross-fitted", "on the test set", f"95 % for {score.test_rows} rows", "fitted"]
    table("Macro-F1 (fitted: on the rows of the fit, too good)", header, rows)
    if len(made["methods"]) > 1:
        title = f"Methods, under fold-mean thresholds{_AS_IF}"
        print_candidates(title, made["methods"], made["method"])
    if len(made["policies"]) > 1:
        policy = read_json(files.thresholds)["policy"]
        print_candidates(f"Policies for thresholds{_AS_IF}", made["policies"], policy)
    for extra in made["extras"]:
        _print_extra(extra)
    if len(made["runs"]) > 1:
        _print_better(made["better_than"])
    print_outlook(score, made["transfer"])
    if made["all_rows"]:
        say(
            "The test predictions are those of models trained on all rows. No row was left out to "
            "score them: all figures here are for models that each leave a fold out."
        )
    print_noisy(made["classes"], class_names)
    print_disagreement([class_names[key] for key in made["rates_disagree"]])


def print_candidates(title: str, rows: Sequence[Mapping[str, Any]], chosen: str) -> None:
    """A table of what was chosen from, cross-fitted first, with a mark at the choice."""
    header = ["", "cross-fitted", "95 % interval", "fitted", ""]
    lines = []
    for row in rows:
        low, high = row["interval"]
        mark = "<- taken" if row["name"] == chosen else ""
        interval = f"{low:.3f} to {high:.3f}"
        lines.append(
            [row["name"], f"{row['cross_fitted']:.3f}", interval, f"{row['fitted']:.3f}", mark]
        )
    table(title, header, lines)


def print_outlook(score: HonestScore, transfer: str) -> None:
    """The promise in words: what the test set should score, and why it is not the same."""
    low, high = score.interval
    how = {
        "averaged": f"{score.gap:+.3f} against out of fold, as all folds' models are averaged",
        "rates": "with the shares of rows that out-of-fold thresholds gave",
        "thresholds": "with out-of-fold thresholds as they are",
    }[transfer]
    say(
        f"Expected on {score.test_rows} test rows: {score.expected:.3f}, {how}; "
        f"95 times in 100 between {low:.3f} and {high:.3f}."
    )


def print_noisy(classes: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """Name the classes whose F1 is mostly noise."""
    noisy = [names[key] for key, one in classes.items() if one["noisy"]]
    if noisy:
        say(f"Mostly noise, {_NOISE}: {len(noisy)} of {len(classes)} classes: {some(noisy)}.")


def print_disagreement(names: Sequence[str]) -> None:
    """Warn of classes whose share of predictions on the test set chance does not explain."""
    if names:
        say(
            "Warning: predicted more or less often on the test set than out of fold, beyond "
            f"chance: {some(names)}. Either the test set differs, or the scores do."
        )


def _print_extra(extra: Mapping[str, Any]) -> None:
    verdict = "taken" if extra["taken"] else "left out: it has to gain more than its error"
    say(f"Extra {extra['name']}: {extra['gain']:+.4f} +- {extra['error']:.4f}, {verdict}.")


def _score_row(name: str, score: Mapping[str, Any]) -> list[str]:
    low, high = score["interval"]
    return [
        name,
        f"{score['cross_fitted']:.3f}",
        f"{score['expected']:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{score['fitted']:.3f}",
    ]


def _print_better(against: Mapping[str, Any]) -> None:
    low, high = against["interval"]
    verdict = "a real gain" if low > 0 else "a real loss" if high < 0 else "may be chance"
    say(
        f"Against the best run alone, {against['run']}: {against['difference']:+.3f}, on one test "
        f"set between {low:+.3f} and {high:+.3f}: {verdict}."
    )
