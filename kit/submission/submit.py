"""The stage `submit` for a competition on Kaggle: check, upload, wait for the score, remember."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import digest_file, read_json
from kit.core.errors import UserError
from kit.core.paths import SubmissionFiles, Workspace
from kit.core.progress import duration, volume
from kit.core.terminal import say
from kit.kaggle.answers import daily_limit, new_day
from kit.kaggle.client import Kaggle, connect
from kit.kaggle.clock import Clock
from kit.kaggle.credentials import NoCredentials
from kit.kaggle.listed import Listed
from kit.submission.check import find_problems
from kit.submission.record import Estimate, Upload, all_uploads, read_ancestry
from kit.submission.sense import Counts, compare, describe, warn
from kit.submission.upload import (
    is_file_of,
    mark_for,
    one_at_a_time,
    send,
    settle,
    wait_for_score,
)

MOST_COMPARED = 5  # earlier submissions, the nearest, to name the difference to


@dataclass(frozen=True)
class Wish:
    """What the user asked of a submission: `message` goes into its description on Kaggle.

    `again` sends a file that was sent before; `wait` is how many minutes to wait for the score.
    """

    message: str | None = None
    dry_run: bool = False
    again: bool = False
    wait: float = 15.0


@dataclass(frozen=True)
class Findings:
    """What the checks found: what is so, what to look at twice, and what forbids sending."""

    facts: list[str]
    warnings: list[str]
    problems: list[str]


@dataclass(frozen=True)
class Draft:
    """A CSV to submit, called `name`, of a competition that is on Kaggle."""

    competition: Competition
    workspace: Workspace
    name: str
    csv_digest: str

    @property
    def files(self) -> SubmissionFiles:
        return self.workspace.submission(self.name)

    @property
    def slug(self) -> str:
        assert self.competition.kaggle is not None
        return self.competition.kaggle.slug


def submit_to_kaggle(
    competition: Competition, workspace: Workspace, name: str, wish: Wish, clock: Clock
) -> Upload | None:
    """Check, upload and submit the CSV called `name`, and wait for its score.

    An upload of this very file that was broken off is gone on with. Returns the upload, None
    after a dry run. Raises UserError with everything that forbids sending, a line each.
    """
    files = workspace.submission(name)
    for path in (files.csv, files.provenance):
        if not path.exists():
            raise UserError(f"{path} does not exist. Write it: {workspace.typed.command('blend')}")
    draft = Draft(competition, workspace, name, digest_file(files.csv))
    with one_at_a_time(workspace.submissions):
        under_way = None if wish.dry_run else _begun_before(draft, clock)
        if under_way is None:
            under_way = _send_anew(draft, wish, clock)
    if under_way is None:
        return None
    kaggle, upload = under_way
    return _finish(kaggle, draft, upload, wish, clock)


def _begun_before(draft: Draft, clock: Clock) -> tuple[Kaggle, Upload] | None:
    """The upload of this file that was broken off, if Kaggle has it.

    What is settled first is every upload that may have arrived, also of other names: the same
    file may have been sent as one of them.
    """

    def is_this(name: str, upload: Upload) -> bool:
        return (name, upload.csv_digest) == (draft.name, draft.csv_digest)

    begun = [
        (name, upload)
        for name, upload in all_uploads(draft.workspace, draft.competition.name)
        if upload.step == "create" or (upload.step == "waiting" and is_this(name, upload))
    ]
    if not begun:
        return None
    kaggle, same = connect(clock), None
    for name, upload in begun:
        settled = settle(kaggle, draft.slug, draft.workspace.submission(name), upload, clock)
        if settled.is_sent and is_this(name, settled):
            same = settled
    return None if same is None else (kaggle, same)


def _send_anew(draft: Draft, wish: Wish, clock: Clock) -> tuple[Kaggle, Upload] | None:
    """Check everything, print it, and send the file; None after a dry run."""
    made_of, estimate = read_ancestry(draft.files, draft.csv_digest)
    uploads = all_uploads(draft.workspace, draft.competition.name)
    sent = [pair for pair in uploads if pair[1].is_sent]
    found = _examine(draft, estimate, sent, wish.again)
    kaggle, listed = _ask_kaggle(draft, sent, wish, found, clock)
    _print(draft, found)
    if found.problems:
        raise UserError("\n".join(found.problems))
    if wish.dry_run or kaggle is None:
        say("Nothing forbids sending it. Not submitted: --dry-run.")
        return None
    taken = [upload.mark for _, upload in sent] + [one.description for one in listed]
    mark = mark_for(draft.csv_digest, taken)
    upload = Upload(
        competition=draft.competition.name,
        mark=mark,
        csv_digest=draft.csv_digest,
        file_name=draft.files.csv.name,
        # The mark in front: whatever Kaggle may cut off a long description, it is not that.
        description=f"{mark} {wish.message or _summary(draft.name, estimate)}",
        begun=clock.now(),
        step="checked",
        made_of=made_of,
        estimate=estimate,
    )
    return kaggle, send(kaggle, draft.slug, draft.files, upload, clock)


def _examine(
    draft: Draft, estimate: Estimate | None, sent: Sequence[tuple[str, Upload]], again: bool
) -> Findings:
    """Everything that can be found out without Kaggle."""
    competition, csv = draft.competition, draft.files.csv
    test_ids = competition.read_test_ids(draft.workspace.source)
    found = Findings([], [], list(find_problems(competition, csv, test_ids)))
    provenance = read_json(draft.files.provenance)
    oof = provenance.get("oof")
    if oof is None:
        blend = draft.workspace.typed.command("blend")
        raise UserError(f"{draft.files.provenance} was written by an older kit. Anew: {blend}")
    if estimate is None and provenance["csv_digest"] == draft.csv_digest:
        found.warnings.append("its models were trained on all rows: no score is told beforehand.")
    elif estimate is None:
        found.warnings.append("its bytes are not what the kit wrote: what to expect is not known.")
    else:
        low, high = estimate.interval
        found.facts.append(
            f"expected score {estimate.expected:.3f}, 95 % from {low:.3f} to {high:.3f}"
        )
    if found.problems:
        return found  # what cannot be read cannot be compared
    table = competition.answer_format.read(csv, competition.class_keys)
    test, of_oof = Counts.of(competition, table), Counts(**oof)
    found.facts.append(describe(test, of_oof))
    found.warnings.extend(warn(competition, test, of_oof))
    if not sum(test.positives.values()):
        found.problems.append(f"{csv} has no label in any row, and would score 0.")
    _hold_against_earlier(draft, table, sent, again, found)
    return found


def _hold_against_earlier(
    draft: Draft,
    table: LabelTable,
    sent: Sequence[tuple[str, Upload]],
    again: bool,
    found: Findings,
) -> None:
    """Add to the findings how far the file is from each that was sent, which it must not equal."""
    compared = compare(draft.competition, draft.workspace, table, draft.csv_digest, sent)
    for other in compared[:MOST_COMPARED]:
        if other.labels == 0 and not again:
            found.problems.append(
                f"{draft.files.csv} is the same as {other.name}, submitted {_said(other.upload)}. "
                "To send it all the same: --again."
            )
            return
        found.facts.append(
            f"differs from {other.name} ({_said(other.upload)}) in {other.rows} rows, "
            f"{other.labels} labels"
        )
    if rest := compared[MOST_COMPARED:]:
        found.facts.append(f"differs from {len(rest)} more in {rest[0].rows} rows or more")
    if lost := len(sent) - len(compared):
        found.facts.append(f"sent before, overwritten since and so not compared: {lost}")


def _ask_kaggle(
    draft: Draft,
    sent: Sequence[tuple[str, Upload]],
    wish: Wish,
    found: Findings,
    clock: Clock,
) -> tuple[Kaggle | None, tuple[Listed, ...]]:
    """Add what only Kaggle knows to the findings; the client, and what was submitted so far."""
    try:
        kaggle = connect(clock)
        limits = kaggle.limits(draft.slug)
        listed = kaggle.submissions(draft.slug)
    except NoCredentials as error:
        (found.warnings if wish.dry_run else found.problems).append(str(error))
        return None, ()
    except UserError as error:
        found.problems.append(str(error))
        return None, ()
    if limits.left is None:
        found.facts.append("submissions left today: Kaggle has not counted any of this account yet")
    elif limits.left == 0:
        found.problems.append(daily_limit(clock.now(), limits.for_good))
    else:
        found.facts.append(f"submissions left today: {limits.left}; {new_day(clock.now())}")
    known = {upload.ref for _, upload in sent}
    same = [one for one in listed if is_file_of(draft.csv_digest, one.description)]
    elsewhere = [one for one in same if one.ref not in known]
    if elsewhere and not wish.again:
        found.problems.append(
            "The same file was submitted from another place: Kaggle's list has it as number "
            f"{elsewhere[0].ref}. To send it all the same: --again."
        )
    return kaggle, listed


def _print(draft: Draft, found: Findings) -> None:
    csv = draft.files.csv
    say(f"{csv}, {volume(csv.stat().st_size)}, for {draft.competition.title}:")
    for line in found.facts:
        say(f"  {line}")
    for line in found.warnings:
        say(f"  look twice: {line}")


def _finish(kaggle: Kaggle, draft: Draft, upload: Upload, wish: Wish, clock: Clock) -> Upload:
    """Wait for the score of what Kaggle has, and say what came; UserError if it was rejected.

    Outside the lock: there is nothing to send any more, and another file may be.
    """
    typed, blend = draft.workspace.typed, draft.name.removeprefix(f"{draft.competition.name}-")
    wait_on, look = typed.command("submit", blend), typed.command("ledger", "--sync")
    go_on = f"wait on with: {wait_on}; or look for the score with: {look}"
    say(f"Submitted as number {upload.ref}. Waiting for the score; Ctrl-C loses nothing.")
    try:
        upload = wait_for_score(kaggle, draft.slug, draft.files, upload, wish.wait, clock)
    except KeyboardInterrupt:
        say(f"Kaggle has the submission: {go_on}")
        raise
    if upload.step == "rejected":
        reason = upload.error or "it gives no reason"
        raise UserError(f"Kaggle's grader rejects {draft.files.csv}: {reason}")
    if upload.step != "complete":
        say(f"No score after {duration(60 * wish.wait)}: {go_on}")
        return upload
    say(f"{draft.name}: {upload.outcome}")
    if upload.estimate is not None:
        say(_against(upload.estimate, upload))
    return upload


def _against(estimate: Estimate, upload: Upload) -> str:
    """What came beside what was expected."""
    low, high = estimate.interval
    places = [
        f"{side} is {'inside' if low <= score <= high else 'outside'}"
        for side, score in (("public", upload.public), ("private", upload.private))
        if score is not None
    ]
    place = f"; {', '.join(places)}" if places else ""
    return f"Expected was {estimate.expected:.4f}, from {low:.3f} to {high:.3f}{place}."


def _summary(name: str, estimate: Estimate | None) -> str:
    return name if estimate is None else f"{name}, expected {estimate.expected:.4f}"


def _said(upload: Upload) -> str:
    """When an upload was, and what came of it."""
    return f"{upload.begun:%Y-%m-%d}, {upload.outcome}"
