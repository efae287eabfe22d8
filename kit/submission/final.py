"""What the scores so far say: whether the estimates can be trusted, and which two to select."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from kit.core.errors import some
from kit.submission.entries import LedgerEntry

# With fewer, a single odd submission decides what the differences look like.
ENOUGH = 5


def match_of_estimates(entries: Sequence[LedgerEntry]) -> list[str]:
    """How well the cross-fitted estimates have matched the scores that came; a line each.

    The submissions share their test set, so that their differences go up and down together:
    a mean that differs from zero says more about this test set than about the estimates.
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
            f"{side}: {inside} of {len(pairs)} inside the 95 % interval; "
            f"{side} minus estimate is {fmean(gaps):+.4f} on average"
        )
        if len(gaps) > 1:
            line += f", sd {stdev(gaps):.4f}"
        lines.append(f"{line}. {_verdict(gaps)}")
    return lines


def _verdict(gaps: Sequence[float]) -> str:
    if len(gaps) < ENOUGH:
        return (
            f"{len(gaps)} are too few to tell whether the estimates are off: {ENOUGH} or more can."
        )
    if abs(fmean(gaps)) > 2 * stdev(gaps) / sqrt(len(gaps)):
        return (
            f"Count on scores {'above' if fmean(gaps) > 0 else 'below'} the estimates by as much."
        )
    return "That is no more than chance: the estimates can be trusted."


def choose_final(entries: Sequence[LedgerEntry]) -> list[str]:
    """Which two submissions to select as final, and why; a line each.

    The first is the one with the highest cross-fitted estimate, which no one has chosen by
    looking at the public score. The second is a hedge against estimates that are off: the
    highest public score, but only of those whose estimate lies within the interval of the
    first's, because a public score that the estimate does not bear out was mostly lucky.
    """
    scored = [one for one in entries if one.public is not None]
    distinct = list({one.csv_digest or one.name: one for one in scored}.values())
    if len(distinct) < 2:
        return [f"Which two to select as final: {len(distinct)} scored, there is no choice yet."]
    told = [one for one in distinct if one.estimate is not None]
    if not told:
        best = sorted(distinct, key=_public, reverse=True)[:2]
        names = some((one.name for one in best), 2)
        return [f"Select as final: {names}, by public score only, as no estimate is known."]
    first = max(told, key=_estimate)
    low, high = first.estimate.interval if first.estimate is not None else (0.0, 1.0)
    lines = [
        f"Select as final, first: {first.name}, for the highest estimate, {_estimate(first):.4f}."
    ]
    near = [one for one in told if one is not first and _estimate(one) >= low]
    others = near or [one for one in distinct if one is not first]
    second = max(others, key=_public)
    why = f"the highest public score, {_public(second):.4f}, of those"
    why += (
        f" with an estimate in the first's interval, {low:.3f} to {high:.3f}" if near else " left"
    )
    return [*lines, f"Select as final, second: {second.name}, for {why}."]


def _public(entry: LedgerEntry) -> float:
    return -1.0 if entry.public is None else entry.public


def _estimate(entry: LedgerEntry) -> float:
    return -1.0 if entry.estimate is None else entry.estimate.expected
