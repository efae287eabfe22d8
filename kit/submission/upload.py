"""One upload from the first request to the score; no kill and no lost answer sends it twice.

Only one request submits: CreateSubmission. Its step is on disk before the request is sent. A
process that finds this step without a submission number looks for the submission in Kaggle's list
before it sends another. A submission is identified by its file name and by a mark in its
description, made from the digest of the file.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, repeat
from pathlib import Path

from kit.competitions.base import Grades
from kit.core.disk import digest_file
from kit.core.errors import UserError
from kit.core.owner import Busy, noted, noted_owner
from kit.core.paths import SubmissionFiles
from kit.kaggle.answers import Refused, Unanswered, daily_limit
from kit.kaggle.client import Kaggle
from kit.kaggle.clock import Clock
from kit.kaggle.listed import Listed
from kit.submission.grade import keep_grades
from kit.submission.record import Step, Upload, save_upload

# Waits between looks for a submission whose answer was lost: at once, then for a minute, however
# long ago it was sent, because the clock may have been changed since.
LOOKS = (0.0, 5.0, 10.0, 20.0, 30.0)
CREATE_TRIES = 3
# Waits between checks for the score; the last one repeats.
POLLS = (5.0, 5.0, 10.0, 15.0, 30.0)


@contextmanager
def one_at_a_time(submissions: Path, patient: bool = False) -> Iterator[None]:
    """Lock the folder: no second process may submit from it or write records in it.

    Raises Busy if another process has the lock, and names it; with `patient`, waits for it. The
    lock is on the folder itself and ends with the process, even if it is killed. There is no lease
    in place of it, as for other artifacts: a suspended process could lose one and yet submit.
    """
    uploads = submissions / "uploads"
    submissions.mkdir(parents=True, exist_ok=True)
    folder = os.open(submissions, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = noted_owner(uploads) or "another process"
            raise Busy(
                f"Another submission is under way in {submissions}, by {holder}. Wait until it "
                "ends."
            ) from None
        with noted(uploads):
            yield
    finally:
        os.close(folder)


def mark_for(csv_digest: str, taken: Sequence[str]) -> str:
    """The mark of a new submission of a file: its digest, numbered from the second on.

    `taken` are the marks and descriptions of existing submissions.
    """
    number = 1
    while any(_mark(csv_digest, number) in text for text in taken):
        number += 1
    return _mark(csv_digest, number)


def is_file_of(csv_digest: str, description: str) -> bool:
    """Whether a submission with this description is of the file with this digest."""
    return f"[kit {csv_digest[:12]}" in description


def _mark(csv_digest: str, number: int) -> str:
    return f"[kit {csv_digest[:12]}]" if number == 1 else f"[kit {csv_digest[:12]}/{number}]"


def send(kaggle: Kaggle, slug: str, files: SubmissionFiles, upload: Upload, clock: Clock) -> Upload:
    """Upload and submit a checked file; returns the upload with its number.

    Raises Refused if Kaggle refuses it, Unanswered if that is unknown: the record then says so, and
    the next run finds out.
    """

    def at(step: Step) -> Upload:
        return _move(files, upload, step)

    at("checked")
    try:
        size = files.csv.stat().st_size
        with kaggle.reporter.bar(f"uploading {files.csv.name} (bytes)", size) as progress:
            token = kaggle.send_file(slug, files.csv, at, progress.move_to)
    except Refused as refusal:
        raise _with_the_limit(kaggle, slug, refusal, clock) from None
    if digest_file(files.csv) != upload.csv_digest:
        raise UserError(f"{files.csv} was changed during the upload. Nothing was submitted.")
    for _ in range(CREATE_TRIES):
        asked = at("create")
        try:
            number = kaggle.create_submission(slug, token, upload.description)
            return _move(files, upload, "waiting", number)
        except Refused as refusal:
            at("checked")
            raise _with_the_limit(kaggle, slug, refusal, clock) from None
        except Unanswered as error:
            kaggle.reporter.say(f"{error.reason} Checking Kaggle's list for the submission.")
        if found := look_for(kaggle, slug, asked, clock):
            return _move(files, upload, "waiting", found.ref)
    # The step stays "create": if the last request arrives late, the next run finds it.
    raise UserError(
        f"Kaggle did not accept {files.csv} in {CREATE_TRIES} tries and does not list it. Submit "
        "again later: the list is checked once more before the file is sent."
    )


def settle(
    kaggle: Kaggle, slug: str, files: SubmissionFiles, upload: Upload, clock: Clock
) -> Upload:
    """Find out whether an upload arrived whose process ended while submitting.

    Returns it with its number, or as never sent if it is not in Kaggle's list.
    """
    if upload.step != "create":
        return upload
    kaggle.reporter.say(
        f"{upload.file_name} may have been submitted already: checking Kaggle's list."
    )
    if found := look_for(kaggle, slug, upload, clock):
        return _move(files, upload, "waiting", found.ref)
    kaggle.reporter.say("Not listed: it never arrived.")
    return _move(files, upload, "checked")


def look_for(kaggle: Kaggle, slug: str, upload: Upload, clock: Clock) -> Listed | None:
    """The upload in Kaggle's list, None if it does not appear there within a minute or so."""
    for wait in LOOKS:
        if wait:
            clock.sleep(wait)
        for listed in kaggle.submissions(slug):
            if is_listing_of(upload, listed):
                return listed
    return None


def is_listing_of(upload: Upload, listed: Listed) -> bool:
    """Whether this entry of Kaggle's list is the upload."""
    if upload.ref is not None:
        return listed.ref == upload.ref
    return listed.file_name == upload.file_name and upload.mark in listed.description


def wait_for_score(
    kaggle: Kaggle,
    slug: str,
    files: SubmissionFiles,
    upload: Upload,
    minutes: float,
    clock: Clock,
) -> Upload:
    """Poll for the score until it is there or time is up; returns the upload as it is then."""
    end = clock.now() + timedelta(minutes=minutes)
    waits = chain(POLLS, repeat(POLLS[-1]))
    while True:
        listed = next((one for one in kaggle.submissions(slug) if is_listing_of(upload, one)), None)
        if listed is not None:
            # Another file may be uploading by now, and its record is in the same JSON.
            with one_at_a_time(files.uploads.parent, patient=True):
                upload = take_result(files, upload, listed)
        if not upload.is_open or clock.now() >= end:
            return upload
        clock.sleep(next(waits))


def take_result(files: SubmissionFiles, upload: Upload, listed: Listed) -> Upload:
    """Save what Kaggle's list says about an upload, if it is new."""
    scores = {"ref": listed.ref, "public": listed.public, "private": listed.private}
    if listed.status == "COMPLETE":
        known = {"step": "complete", **scores}
    elif listed.status == "ERROR":
        known = {"step": "rejected", **scores, "error": " ".join(listed.error.split())}
    else:
        known = {"step": "waiting", "ref": listed.ref}
    if listed.public is not None and listed.private is not None:
        # Also for a known result, because the file of grades may be lost.
        keep_grades(files, upload.csv_digest, Grades(listed.public, listed.private))
    if all(getattr(upload, name) == value for name, value in known.items()):
        return upload
    return save_upload(files, upload.model_copy(update=known))


def _move(files: SubmissionFiles, upload: Upload, step: Step, ref: int | None = None) -> Upload:
    return save_upload(files, upload.model_copy(update={"step": step, "ref": ref}))


def _with_the_limit(kaggle: Kaggle, slug: str, refusal: Refused, clock: Clock) -> UserError:
    """The refusal in Kaggle's words, or in clearer ones if the daily limit is the reason."""
    if refusal.status != 400:
        return refusal
    limits = kaggle.limits(slug)
    return UserError(daily_limit(clock.now(), limits.for_good)) if limits.left == 0 else refusal
