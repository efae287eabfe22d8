"""What is remembered of every upload, beside its submission: how far it is, and what came back.

A file of its own, because `kit blend` writes the ancestry anew each time, and one that holds
several uploads, because a blend made anew under the same name gives another file to submit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kit.core.formats import Format
from kit.core.paths import SubmissionFiles, Workspace

# Written before each step is begun, so that the record of a process that was killed is never
# behind what it did. Up to "bytes" nothing is submitted. From "create" on it may be.
Step = Literal["checked", "address", "bytes", "create", "waiting", "complete", "rejected"]


_UPLOADS = Format(
    "the record of a submission's uploads",
    1,
    "Move it aside: the command ledger lists what Kaggle has with --sync.",
    oldest=0,
    items="uploads",
)
_ELSEWHERE = Format(
    "the record of submissions made elsewhere",
    1,
    "Delete it: the command ledger fetches it again with --sync.",
    oldest=0,
    items="submissions",
)


class Record(BaseModel):
    """What all records have in common: they never change, and have no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Promise(Record):
    """The score that was expected, and its 95% interval."""

    expected: float
    interval: tuple[float, float]


class Upload(Record):
    """One submission that was meant: `mark` is what it is recognised by in Kaggle's list.

    `made_of`, the runs, and `estimate` are kept here because the blend may change after it. `begun`
    is UTC.
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
        """What came of it, in a few words."""
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
    uploads: tuple[Upload, ...]


class _Elsewheres(Record):
    submissions: tuple[Elsewhere, ...]


def read_uploads(files: SubmissionFiles) -> tuple[Upload, ...]:
    """Every upload of a submission, the oldest first."""
    if not files.uploads.exists():
        return ()
    return _UPLOADS.read_as(files.uploads, _Uploads).uploads


def save_upload(files: SubmissionFiles, upload: Upload) -> Upload:
    """Write an upload in the place of the one with its mark, or behind all; returns it.

    Uploads that stopped before they submitted anything give way.
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
    """Every upload to a competition with its submission's name, the oldest first."""
    found = [
        (name, upload)
        for name in workspace.submission_names()
        for upload in read_uploads(workspace.submission(name))
        if upload.competition == competition
    ]
    return tuple(sorted(found, key=lambda one: one[1].begun))


def read_elsewhere(workspace: Workspace, competition: str) -> tuple[Elsewhere, ...]:
    """What Kaggle listed last that did not come from this folder."""
    path = workspace.made_elsewhere(competition)
    return _ELSEWHERE.read_as(path, _Elsewheres).submissions if path.exists() else ()


def save_elsewhere(workspace: Workspace, competition: str, listed: Sequence[Elsewhere]) -> None:
    """Write down what Kaggle lists that did not come from this folder."""
    content = _Elsewheres(submissions=tuple(listed)).model_dump(mode="json")
    _ELSEWHERE.write(workspace.made_elsewhere(competition), content)
