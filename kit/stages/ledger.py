"""The stage `ledger`: every submission, its scores, and what they show together."""

from collections.abc import Sequence

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say, table
from kit.kaggle.clock import Clock
from kit.submission.entries import LedgerEntry, read_entries
from kit.submission.final import choose_final, match_of_estimates
from kit.submission.sync import sync_scores


def ledger_stage(competition: Competition, workspace: Workspace, sync: bool, clock: Clock) -> None:
    """Print every submission, how well the expected scores matched, and which two to select.

    With `sync`, reads Kaggle's list first. Without, needs no network and no credentials.
    """
    if sync:
        synced = sync_scores(competition, workspace, clock, TERMINAL)
        say(f"Kaggle lists {synced.listed} submissions, {synced.elsewhere} of them made elsewhere.")
    entries = read_entries(competition, workspace, TERMINAL)
    if not entries:
        blend, submit = workspace.typed.command("blend"), workspace.typed.command("submit")
        say(f"No submission to list in {workspace.submissions}. Make one: {blend}; then: {submit}")
        return
    _print_table(competition, entries)
    for one in entries:
        say(f"  {one.name}: {_about(one)}")
    for line in (*match_of_estimates(entries), *choose_final(entries)):
        say(line)


def _print_table(competition: Competition, entries: Sequence[LedgerEntry]) -> None:
    publics = [one.public for one in entries]
    privates = [one.private for one in entries]
    rows = [
        [
            one.name,
            "" if one.estimate is None else f"{one.estimate.expected:.4f}",
            "" if one.estimate is None else "{:.3f} to {:.3f}".format(*one.estimate.interval),
            _ranked(one.public, publics),
            _ranked(one.private, privates),
        ]
        for one in entries
    ]
    header = ["", "expected", "95% CI", "public", "private"]
    table(f"Submissions to {competition.title}, with the ranks of their scores", header, rows)


def _ranked(score: float | None, others: Sequence[float | None]) -> str:
    if score is None:
        return ""
    rank = 1 + sum(other > score for other in others if other is not None)
    return f"{score:.4f} #{rank}"


def _about(entry: LedgerEntry) -> str:
    """State, time and runs of a submission: beside the scores they would not fit 80 columns."""
    when = "" if entry.when is None else f", {entry.when:%Y-%m-%d %H:%M} UTC"
    runs = f"made of {', '.join(entry.made_of)}" if entry.made_of else "provenance unknown"
    return f"{entry.state}{when}, {runs}"
