"""Grades a submission with the competition's local grader, if it has one."""

from dataclasses import asdict, dataclass

from kit.competitions.base import Competition, Grades
from kit.core.disk import digest_file
from kit.core.formats import Format
from kit.core.paths import SubmissionFiles, Workspace
from kit.submission.check import check_submission

_GRADES = Format(
    "the grades of a submission",
    1,
    "Delete it: the command ledger fetches it again with --sync.",
    oldest=0,
)


@dataclass(frozen=True)
class _Saved:
    csv_digest: str
    public: float
    private: float


def grade(competition: Competition, workspace: Workspace, files: SubmissionFiles) -> Grades | None:
    """Check and grade a submission; None for a competition without a local grader.

    The grades are kept beside the CSV; the same file is not graded twice. Raises UserError for a
    file that a grader would refuse.
    """
    check_submission(competition, files.csv, competition.read_test_ids(workspace.source))
    if competition.grade is None:
        return None
    if known := read_grades(files):
        return known
    grades = competition.grade(workspace.source, files.csv)
    keep_grades(files, digest_file(files.csv), grades)
    return grades


def read_grades(files: SubmissionFiles) -> Grades | None:
    """The grades of exactly this CSV, if there are any."""
    if not files.grades.exists():
        return None
    saved = _GRADES.read_as(files.grades, _Saved)
    if saved.csv_digest != digest_file(files.csv):
        return None
    return Grades(saved.public, saved.private)


def keep_grades(files: SubmissionFiles, csv_digest: str, grades: Grades) -> None:
    """Keep the grades of the CSV with this digest, unless another has replaced it."""
    if files.csv.exists() and digest_file(files.csv) == csv_digest:
        _GRADES.write(files.grades, {"csv_digest": csv_digest, **asdict(grades)})
