"""The tables and lines that `kit blend` and `kit tune` print about a decision."""

from collections.abc import Mapping, Sequence

from kit.core.errors import some
from kit.core.terminal import say, table
from kit.ensemble import Candidate, Decision, Difference, HonestScore, JudgedStep, Suspect


def print_decision(name: str, decision: Decision, class_names: Mapping[str, str]) -> None:
    """Print the scores of a decision called `name`; `class_names` maps keys to names."""
    worth, weighed = decision.worth, decision.weighed
    score = worth.score
    left_out = decision.left_out
    rows = [
        _score_row(f"{member} (left out)" if member in left_out else member, one.score)
        for member, one in worth.alone.items()
    ]
    rows.append(_score_row(name, score))
    table(
        f"Macro-F1, {decision.chosen.policy} thresholds, 95% CI for {score.test_rows} test rows; "
        "fitted is optimistic",
        ["", "cross-fitted", "expected", "95% CI", "fitted"],
        rows,
    )
    _print_candidates("Methods, with fold-mean thresholds", weighed.methods, decision.chosen.method)
    _print_candidates("Policies for thresholds", weighed.policies, decision.chosen.policy)
    for step in weighed.steps:
        _say_step(step)
    if worth.against_best is not None:
        _say_difference(worth.against_best)
    for suspect in worth.suspects:
        _say_suspect(suspect)
    _say_outlook(decision)
    if decision.origin.all_rows:
        say(
            "The test predictions come from models trained on all rows, whose score is unknown: "
            "all scores here are those of the fold models."
        )
    unreliable = [class_names[key] for key, one in worth.classes.items() if one.unreliable]
    if unreliable:
        count = f"{len(unreliable)} of {len(worth.classes)} classes"
        say(f"F1 unreliable (few positives): {count}: {some(unreliable)}.")
    if worth.rates_disagree:
        named = some(class_names[key] for key in worth.rates_disagree)
        say(
            "Warning: predicted more or less often on the test set than out of fold, beyond "
            f"random variation: {named}. Either the test set differs, or the scores do."
        )


def _print_candidates(title: str, candidates: Sequence[Candidate], taken: str) -> None:
    """A table of the candidates, the chosen one marked; nothing without candidates."""
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
    table(f"{title}, on scores averaged as on the test set", _OF_CANDIDATES, rows)


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
    verdict = "taken" if step.taken else "not taken: it gains less than its standard error"
    say(f"Post-processing, {step.name}: {step.gain:+.4f} +- {step.error:.4f}, {verdict}.")


def _say_difference(difference: Difference) -> None:
    low, high = difference.interval
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    say(
        f"Gain over the best run alone, {difference.member}: {difference.difference:+.3f}, 95% CI "
        f"{low:+.3f} to {high:+.3f}: {verdict}."
    )


def _say_suspect(suspect: Suspect) -> None:
    say(
        f"Warning: {suspect.name} knows labels that it should not: its out-of-fold scores of "
        f"positives are {suspect.shift:.2f} +- {suspect.error:.2f} standard deviations ahead of "
        "its test scores."
    )
    if suspect.without is None:
        say(f"It is left out. To blend it all the same: --trust {suspect.name}")
    else:
        without = suspect.without
        say(
            f"It is blended because of --trust, so do not rely on the score below. Without it: "
            f"{without.expected:.3f}, 95% CI {_interval(without.interval)}."
        )


def _say_outlook(decision: Decision) -> None:
    """The expected score, why it differs from the cross-fitted one, and what speaks against it."""
    score = decision.worth.score
    how = {
        "averaged": f"{score.gap:+.3f} vs out of fold, because fold models are averaged",
        "rates": "with the out-of-fold share of rows per class",
        "thresholds": "with the out-of-fold thresholds",
    }[decision.chosen.transfer]
    least = "at least " if score.at_least else ""
    say(
        f"Expected macro-F1 on {score.test_rows} test rows: {least}{score.expected:.3f}, 95% CI "
        f"{_interval(score.interval)} ({how})."
    )
    public = decision.worth.public
    if public is not None:
        say(
            f"On the public part, {public.rows} rows: {least}{public.expected:.3f}, 95% CI "
            f"{_interval(public.interval)}."
        )
    for doubt in decision.worth.doubts:
        say(f"Warning: this score cannot be promised. {doubt}")
