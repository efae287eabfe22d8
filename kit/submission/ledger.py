"""The stage `ledger`: every submission and its scores, and what they say together."""

from collections.abc import Sequence
from dataclasses import asdict

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import say, table
from kit.kaggle.client import connect
from kit.kaggle.clock import Clock
from kit.kaggle.listed import Listed
from kit.submission.entries import Entry, read_entries
from kit.submission.final import choose_final, match_of_estimates
from kit.submission.record import Elsewhere, all_uploads, save_elsewhere
from kit.submission.upload import is_listing_of, one_at_a_time, take_result


def ledger_stage(competition: Competition, workspace: Workspace, sync: bool, clock: Clock) -> None:
    """Print every submission, how well the estimates have matched, and which two to select.

    With `sync` Kaggle's list is read first; without, neither network nor credentials are wanted.
    """
    if sync:
        read_scores(competition, workspace, clock)
    entries = read_entries(competition, workspace)
    if not entries:
        say(f"No submission in {workspace.submissions}. Make one: kit blend, then kit submit")
        return
    _print_table(competition, entries)
    for one in entries:
        say(f"  {one.name}: {_made_of(one)}")
    for line in (*match_of_estimates(entries), *choose_final(entries)):
        say(line)


def read_scores(competition: Competition, workspace: Workspace, clock: Clock) -> None:
    """Write down what Kaggle lists: scores of the uploads from here, and what came from elsewhere.

    Submits nothing, also where an upload was broken off.
    """
    if competition.kaggle is None:
        raise UserError(f"{competition.title} is not on Kaggle: there are no scores to ask for.")
    listed = connect(clock).submissions(competition.kaggle.slug)
    with one_at_a_time(workspace.submissions):
        ours = set()
        for name, upload in all_uploads(workspace, competition.name):
            for one in listed:
                if (upload.is_open or upload.is_sent) and is_listing_of(upload, one):
                    take_result(workspace.submission(name), upload, one)
                    ours.add(one.ref)
        others = [one for one in listed if one.ref not in ours]
        save_elsewhere(workspace, competition.name, [_elsewhere(one) for one in others])
    say(f"Kaggle lists {len(listed)} submissions, {len(others)} of them made elsewhere.")


def _elsewhere(listed: Listed) -> Elsewhere:
    known = {key: value for key, value in asdict(listed).items() if key != "error"}
    return Elsewhere(**known)


def _print_table(competition: Competition, entries: Sequence[Entry]) -> None:
    publics = [one.public for one in entries]
    privates = [one.private for one in entries]
    rows = [
        [
            one.name,
            "" if one.when is None else f"{one.when:%Y-%m-%d %H:%M}",
            one.state,
            "" if one.estimate is None else f"{one.estimate.expected:.4f}",
            "" if one.estimate is None else "{:.3f} to {:.3f}".format(*one.estimate.interval),
            _ranked(one.public, publics),
            _ranked(one.private, privates),
        ]
        for one in entries
    ]
    header = ["", "sent (UTC)", "state", "expected", "95 %", "public", "private"]
    table(f"Submissions to {competition.title}, ranks of the scores among them", header, rows)


def _ranked(score: float | None, others: Sequence[float | None]) -> str:
    if score is None:
        return ""
    rank = 1 + sum(other > score for other in others if other is not None)
    return f"{score:.4f} #{rank}"


def _made_of(entry: Entry) -> str:
    return f"made of {', '.join(entry.made_of)}" if entry.made_of else "of unknown ancestry"
