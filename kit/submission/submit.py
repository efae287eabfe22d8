"""Submits a CSV to Kaggle: checks it, uploads it, waits for the score, keeps a record."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.core.disk import digest_file
from kit.core.errors import Problems, UserError
from kit.core.interrupts import Interrupted
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter, duration, volume
from kit.kaggle.answers import daily_limit, new_day
from kit.kaggle.client import Kaggle, connect
from kit.kaggle.clock import Clock
from kit.kaggle.credentials import NoCredentials
from kit.kaggle.listed import Listed
from kit.submission.ancestry import promise_of, require_complete
from kit.submission.examine import Draft, Findings, examine, how_to_write
from kit.submission.record import Promise, Upload, all_uploads
from kit.submission.upload import (
    is_file_of,
    mark_for,
    one_at_a_time,
    send,
    settle,
    wait_for_score,
)


@dataclass(frozen=True)
class SubmitOptions:
    """How to submit; `message` becomes the submission's description on Kaggle.

    `again` sends a file that was sent before, `edited` one that was changed since the kit wrote it;
    `wait` is how many minutes to wait for the score.
    """

    message: str | None = None
    dry_run: bool = False
    again: bool = False
    wait: float = 15.0
    edited: bool = False


def submit_to_kaggle(
    competition: Competition,
    workspace: Workspace,
    name: str,
    options: SubmitOptions,
    clock: Clock,
    reporter: Reporter = SILENT,
) -> Upload | None:
    """Check, upload and submit the CSV called `name`, and wait for its score.

    Resumes an interrupted upload of the same file. Returns the upload, None after a dry run. Raises
    UserError with every reason not to send, one per line.
    """
    files = workspace.submission(name)
    require_complete(files, how_to_write(competition, workspace, name))
    draft = Draft(competition, workspace, name, digest_file(files.csv))
    with one_at_a_time(workspace.submissions):
        under_way = None if options.dry_run else _begun_before(draft, clock, reporter)
        if under_way is None:
            under_way = _send_anew(draft, options, clock, reporter)
    if under_way is None:
        return None
    kaggle, upload = under_way
    return _finish(kaggle, draft, upload, options, clock)


def _begun_before(draft: Draft, clock: Clock, reporter: Reporter) -> tuple[Kaggle, Upload] | None:
    """The interrupted upload of this file, if Kaggle has it.

    First settles every upload that may have arrived, under any name: the same file may have been
    sent under another.
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
    kaggle, same = connect(clock, reporter), None
    for name, upload in begun:
        settled = settle(kaggle, draft.slug, draft.workspace.submission(name), upload, clock)
        if settled.is_sent and is_this(name, settled):
            same = settled
    return None if same is None else (kaggle, same)


def _send_anew(
    draft: Draft, options: SubmitOptions, clock: Clock, reporter: Reporter
) -> tuple[Kaggle, Upload] | None:
    """Check everything, report it, and send the file; None after a dry run."""
    made_of, estimate = promise_of(draft.files, draft.csv_digest)
    sent = [
        pair for pair in all_uploads(draft.workspace, draft.competition.name) if pair[1].is_sent
    ]
    found = examine(draft, estimate, sent, options.again, options.edited)
    kaggle, listed = _ask_kaggle(draft, sent, options, found, clock, reporter)
    _report(draft, found, reporter)
    if found.problems:
        raise Problems(found.problems)
    if options.dry_run or kaggle is None:
        reporter.say("Valid. Dry run, nothing sent.")
        return None
    taken = [upload.mark for _, upload in sent] + [one.description for one in listed]
    mark = mark_for(draft.csv_digest, taken)
    upload = Upload(
        competition=draft.competition.name,
        mark=mark,
        csv_digest=draft.csv_digest,
        file_name=draft.files.csv.name,
        # The mark comes first: if Kaggle truncates a long description, the mark stays.
        description=f"{mark} {options.message or _summary(draft.name, estimate)}",
        begun=clock.now(),
        step="checked",
        made_of=made_of,
        estimate=estimate,
    )
    return kaggle, send(kaggle, draft.slug, draft.files, upload, clock)


def _ask_kaggle(
    draft: Draft,
    sent: Sequence[tuple[str, Upload]],
    options: SubmitOptions,
    found: Findings,
    clock: Clock,
    reporter: Reporter,
) -> tuple[Kaggle | None, tuple[Listed, ...]]:
    """Add what only Kaggle knows to the findings; returns the client and the submissions so far."""
    try:
        kaggle = connect(clock, reporter)
        limits = kaggle.limits(draft.slug)
        listed = kaggle.submissions(draft.slug)
    except NoCredentials as error:
        (found.warnings if options.dry_run else found.problems).append(str(error))
        return None, ()
    except UserError as error:
        found.problems.append(str(error))
        return None, ()
    if limits.left is None:
        found.facts.append("submissions left today: Kaggle has no count for this account yet")
    elif limits.left == 0:
        found.problems.append(daily_limit(clock.now(), limits.for_good))
    else:
        found.facts.append(f"submissions left today: {limits.left}; {new_day(clock.now())}")
    known = {upload.ref for _, upload in sent}
    same = [one for one in listed if is_file_of(draft.csv_digest, one.description)]
    elsewhere = [one for one in same if one.ref not in known]
    if elsewhere and not options.again:
        found.problems.append(
            "The same file was submitted from elsewhere: it is number "
            f"{elsewhere[0].ref} in Kaggle's list. To send it anyway: --again."
        )
    return kaggle, listed


def _report(draft: Draft, found: Findings, reporter: Reporter) -> None:
    csv = draft.files.csv
    reporter.say(f"{csv}, {volume(csv.stat().st_size)}, for {draft.competition.title}:")
    for line in found.facts:
        reporter.say(f"  {line}")
    for line in found.warnings:
        reporter.say(f"  warning: {line}")


def _finish(
    kaggle: Kaggle, draft: Draft, upload: Upload, options: SubmitOptions, clock: Clock
) -> Upload:
    """Wait for the score of a sent upload, and report it; UserError if it was rejected.

    Runs outside the lock: this file is sent, and another may be meanwhile.
    """
    reporter = kaggle.reporter
    typed, blend = draft.workspace.typed, draft.name.removeprefix(f"{draft.competition.name}-")
    wait_on, look = typed.command("submit", blend), typed.command("ledger", "--sync")
    go_on = f"To keep waiting: {wait_on}; to check later: {look}"
    reporter.say(f"Submitted as number {upload.ref}. Waiting for the score; safe to interrupt.")
    try:
        upload = wait_for_score(kaggle, draft.slug, draft.files, upload, options.wait, clock)
    except (KeyboardInterrupt, Interrupted):
        reporter.say(f"Kaggle has the submission. {go_on}")
        raise
    if upload.step == "rejected":
        reason = upload.error or "no reason given"
        raise UserError(f"Kaggle's grader rejected {draft.files.csv}: {reason}")
    if upload.step != "complete":
        reporter.say(f"No score after {duration(60 * options.wait)}. {go_on}")
        return upload
    reporter.say(f"{draft.name}: {upload.outcome}")
    if upload.estimate is not None:
        reporter.say(_against(upload.estimate, upload))
    return upload


def _against(estimate: Promise, upload: Upload) -> str:
    """The expected score, and whether the actual ones are in its interval."""
    low, high = estimate.interval
    places = [
        f"{side} is {'inside' if low <= score <= high else 'outside'}"
        for side, score in (("public", upload.public), ("private", upload.private))
        if score is not None
    ]
    place = f": {', '.join(places)}" if places else ""
    return f"Expected {estimate.expected:.4f}, 95% CI {low:.3f} to {high:.3f}{place}."


def _summary(name: str, estimate: Promise | None) -> str:
    return name if estimate is None else f"{name}, expected {estimate.expected:.4f}"
