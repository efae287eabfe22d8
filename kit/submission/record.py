"""The record of every upload, beside its submission: its current step, and its scores.

It is a separate file because `kit blend` rewrites the provenance each time. It holds several
uploads because another blend under the same name gives another file to submit.
"""

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kit.core.errors import UserError
from kit.core.formats import Format, Unreadable
from kit.core.paths import SubmissionFiles, Workspace

# Written before each step starts, so that the record of a killed process is never behind what it
# did. Up to "bytes" nothing is submitted. From "create" on it may be.
Step = Literal["checked", "address", "bytes", "create", "waiting", "complete", "rejected"]


_UPLOADS = Format(
    "the record of a submission's uploads",
    1,
    "Without it, only Kaggle's list shows what was sent.",
    oldest=0,
    items="uploads",
)
_ELSEWHERE = Format(
    "the record of submissions made elsewhere",
    1,
    "Read Kaggle's list again.",
    oldest=0,
    items="submissions",
)


class Record(BaseModel):
    """The base of all records: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Promise(Record):
    """An expected score and its 95% CI."""

    expected: float
    interval: tuple[float, float]


class Upload(Record):
    """One attempt to submit; `mark` identifies it in Kaggle's list.

    `made_of`, the runs, and `estimate` are kept here because the blend may change later. `begun` is
    UTC.
    """

    competition: str
    mark: str
    csv_digest: str
    file_name: str
    description: str
    begun: datetime
    step: Step
    made_of: tuple[str, ...]
    estimate: Promise | None
    ref: int | None = None
    public: float | None = None
    private: float | None = None
    error: str | None = None

    @property
    def is_sent(self) -> bool:
        """Whether Kaggle is known to have it."""
        return self.step in ("waiting", "complete", "rejected")

    @property
    def is_open(self) -> bool:
        """Whether Kaggle has it, or may have it, and its score is not known yet."""
        return self.step in ("create", "waiting")

    @property
    def outcome(self) -> str:
        """The result, in a few words."""
        if self.step != "complete":
            return "rejected" if self.step == "rejected" else "no score yet"
        public = "none" if self.public is None else f"{self.public:.4f}"
        private = "not shown yet" if self.private is None else f"{self.private:.4f}"
        return f"public {public}, private {private}"


class Elsewhere(Record):
    """A submission in Kaggle's list that did not come from this folder."""

    ref: int
    file_name: str
    description: str
    date: datetime | None
    status: str
    public: float | None
    private: float | None


class _Uploads(Record):
    # A record is written with its first upload: an empty one is damaged.
    uploads: Annotated[tuple[Upload, ...], Field(min_length=1)]


class _Elsewheres(Record):
    submissions: tuple[Elsewhere, ...]


def read_uploads(files: SubmissionFiles) -> tuple[Upload, ...]:
    """Every upload of a submission, oldest first."""
    if not files.uploads.exists():
        return ()
    try:
        return _UPLOADS.read_as(files.uploads, _Uploads).uploads
    except Unreadable as error:
        aside = files.uploads.with_name(f"{files.uploads.name}.damaged")
        move = shlex.join(["mv", str(files.uploads), str(aside)])
        raise UserError(f"{error} Move it aside: {move}") from None


def save_upload(files: SubmissionFiles, upload: Upload) -> Upload:
    """Replace the upload with the same mark, or append it; returns it.

    Drops uploads that stopped before they submitted anything.
    """
    kept = [one for one in read_uploads(files) if one.is_open or one.is_sent]
    marks = [one.mark for one in kept]
    if upload.mark in marks:
        kept[marks.index(upload.mark)] = upload
    else:
        kept.append(upload)
    _UPLOADS.write(files.uploads, _Uploads(uploads=tuple(kept)).model_dump(mode="json"))
    return upload


def all_uploads(workspace: Workspace, competition: str) -> tuple[tuple[str, Upload], ...]:
    """Every upload to a competition with its submission's name, oldest first."""
    found = [
        (name, upload)
        for name in workspace.submission_names()
        for upload in read_uploads(workspace.submission(name))
        if upload.competition == competition
    ]
    return tuple(sorted(found, key=lambda one: one[1].begun))


def read_elsewhere(workspace: Workspace, competition: str) -> tuple[Elsewhere, ...]:
    """The submissions from elsewhere in Kaggle's list, as last saved."""
    path = workspace.made_elsewhere(competition)
    try:
        return _ELSEWHERE.read_as(path, _Elsewheres).submissions if path.exists() else ()
    except Unreadable as error:
        sync = workspace.typed.command("ledger", "--sync")
        raise UserError(f"{error.problem} Read Kaggle's list again: {sync}") from None


def save_elsewhere(workspace: Workspace, competition: str, listed: Sequence[Elsewhere]) -> None:
    """Save the submissions from elsewhere in Kaggle's list."""
    content = _Elsewheres(submissions=tuple(listed)).model_dump(mode="json")
    _ELSEWHERE.write(workspace.made_elsewhere(competition), content)
