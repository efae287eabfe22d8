"""What a decision is worth, in the tables and lines that `kit blend` and `kit tune` print."""

from collections.abc import Mapping, Sequence

from kit.core.errors import some
from kit.core.terminal import say, table
from kit.ensemble import Candidate, Decision, Difference, HonestScore, JudgedStep


def print_decision(name: str, decision: Decision, class_names: Mapping[str, str]) -> None:
    """Print the tables of a decision called `name`, and what they mean; class names by key."""
    worth, weighed = decision.worth, decision.weighed
    score = worth.score
    rows = [_score_row(member, one.score) for member, one in worth.alone.items()]
    rows.append(_score_row(name, score))
    table(
        f"Macro-F1, {decision.chosen.policy} thresholds, 95% CI for {score.test_rows} test rows",
        ["", "cross-fitted", "expected", "95% CI", "fitted (optimistic)"],
        rows,
    )
    _print_candidates("Methods, with fold-mean thresholds", weighed.methods, decision.chosen.method)
    _print_candidates("Policies for thresholds", weighed.policies, decision.chosen.policy)
    for step in weighed.steps:
        _say_step(step)
    if worth.against_best is not None:
        _say_difference(worth.against_best)
    _say_outlook(score, decision.chosen.transfer)
    if decision.origin.all_rows:
        say(
            "The test predictions come from models trained on all rows. No row was held out from "
            "them: all scores here are those of models that each hold out a fold."
        )
    unreliable = [class_names[key] for key, one in worth.classes.items() if one.unreliable]
    if unreliable:
        count = f"{len(unreliable)} of {len(worth.classes)} classes"
        say(f"F1 unreliable (few positives): {count}: {some(unreliable)}.")
    if worth.rates_disagree:
        named = some(class_names[key] for key in worth.rates_disagree)
        say(
            "Warning: predicted more or less often on the test set than out of fold, beyond "
            f"chance: {named}. Either the test set differs, or the scores do."
        )


def _print_candidates(title: str, candidates: Sequence[Candidate], taken: str) -> None:
    """A table of what was chosen from, with a mark at the choice; nothing without a choice."""
    if not candidates:
        return
    rows = [
        [
            one.name,
            f"{one.held_out:.3f}",
            _interval(one.interval),
            f"{one.fitted:.3f}",
            "<- taken" if one.name == taken else "",
        ]
        for one in candidates
    ]
    table(f"{title}, scores as averaged on the test set", _OF_CANDIDATES, rows)


_OF_CANDIDATES = ["", "held out", "95% CI", "fitted", ""]


def _score_row(name: str, score: HonestScore) -> list[str]:
    return [
        name,
        f"{score.cross_fitted:.3f}",
        f"{score.expected:.3f}",
        _interval(score.interval),
        f"{score.fitted:.3f}",
    ]


def _interval(interval: tuple[float, float]) -> str:
    return "{:.3f} to {:.3f}".format(*interval)


def _say_step(step: JudgedStep) -> None:
    verdict = "taken" if step.taken else "not taken, as it gains less than its standard error"
    say(f"Post-processing, {step.name}: {step.gain:+.4f} +- {step.error:.4f}, {verdict}.")


def _say_difference(difference: Difference) -> None:
    low, high = difference.interval
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    say(
        f"Against the best run alone, {difference.member}: {difference.difference:+.3f}, 95% CI "
        f"{low:+.3f} to {high:+.3f}: {verdict}."
    )


def _say_outlook(score: HonestScore, transfer: str) -> None:
    """The promise in words: what the test set should score, and why it is not the same."""
    how = {
        "averaged": f"{score.gap:+.3f} against out of fold, as the fold models are averaged",
        "rates": "with the share of rows in each class as out of fold",
        "thresholds": "with the out-of-fold thresholds",
    }[transfer]
    say(
        f"Expected macro-F1 on {score.test_rows} test rows: {score.expected:.3f}, 95% CI "
        f"{_interval(score.interval)} ({how})."
    )
