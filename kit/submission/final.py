"""What the scores so far show: can expected scores be trusted, and which two to select."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from kit.core.errors import some
from kit.submission.entries import LedgerEntry

# With fewer, one unusual submission dominates the differences.
ENOUGH = 5


def match_of_estimates(entries: Sequence[LedgerEntry]) -> list[str]:
    """How well the expected scores matched the actual ones; one line per side.

    All submissions share one test set, so their differences are correlated: a mean other than zero
    says more about this test set than about the expected scores.
    """
    lines = []
    for side, scores in (
        ("public", [(one.estimate, one.public) for one in entries]),
        ("private", [(one.estimate, one.private) for one in entries]),
    ):
        pairs = [(told, got) for told, got in scores if told is not None and got is not None]
        if not pairs:
            continue
        inside = sum(told.interval[0] <= got <= told.interval[1] for told, got in pairs)
        gaps = [got - told.expected for told, got in pairs]
        line = (
            f"{side}: {inside} of {len(pairs)} inside the 95% CI; "
            f"{side} minus expected: {fmean(gaps):+.4f} on average"
        )
        if len(gaps) > 1:
            line += f", SD {stdev(gaps):.4f}"
        lines.append(f"{line}. {_verdict(gaps)}")
    return lines


def _verdict(gaps: Sequence[float]) -> str:
    if len(gaps) < ENOUGH:
        return f"Too few to judge the expected scores: {ENOUGH} or more are needed."
    if abs(fmean(gaps)) > 2 * stdev(gaps) / sqrt(len(gaps)):
        return f"Scores are {'higher' if fmean(gaps) > 0 else 'lower'} than expected by that much."
    return "No more than random variation: the expected scores can be trusted."


def choose_final(entries: Sequence[LedgerEntry]) -> list[str]:
    """Which two submissions to select as final, and why; one line each.

    The first has the highest expected score, which was not chosen by the public score. The second
    is a hedge against expected scores that are off: the highest public score among those whose
    expected score is within the interval of the first's. A high public score without a high
    expected one was mostly luck.
    """
    scored = [one for one in entries if one.public is not None]
    distinct = list({one.csv_digest or one.name: one for one in scored}.values())
    if len(distinct) < 2:
        return [f"Select as final: {len(distinct)} scored, no choice yet."]
    told = [one for one in distinct if one.estimate is not None]
    if not told:
        best = sorted(distinct, key=_public, reverse=True)[:2]
        names = some((one.name for one in best), 2)
        return [f"Select as final: {names}, by public score only: no expected score is known."]
    first = max(told, key=_estimate)
    low, high = first.estimate.interval if first.estimate is not None else (0.0, 1.0)
    lines = [
        f"Select as final, first: {first.name}, highest expected score, {_estimate(first):.4f}."
    ]
    near = [one for one in told if one is not first and _estimate(one) >= low]
    others = near or [one for one in distinct if one is not first]
    second = max(others, key=_public)
    why = f"highest public score, {_public(second):.4f}, of those"
    why += (
        f" with an expected score in the first's 95% CI, {low:.3f} to {high:.3f}"
        if near
        else " left"
    )
    return [*lines, f"Select as final, second: {second.name}, {why}."]


def _public(entry: LedgerEntry) -> float:
    return -1.0 if entry.public is None else entry.public


def _estimate(entry: LedgerEntry) -> float:
    return -1.0 if entry.estimate is None else entry.estimate.expected
