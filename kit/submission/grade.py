"""Grades a submission with the competition's local grader, if it has one."""

from dataclasses import asdict, dataclass

from kit.competitions.base import Competition, Grades
from kit.core.disk import digest_file
from kit.core.errors import UserError
from kit.core.formats import Format, Unreadable
from kit.core.paths import SubmissionFiles, Workspace
from kit.core.progress import SILENT, Reporter
from kit.submission.check import check_submission

_GRADES = Format("the grades of a submission", 1, "Grade it again.", oldest=0)


@dataclass(frozen=True)
class _Saved:
    csv_digest: str
    public: float
    private: float


def grade(
    competition: Competition,
    workspace: Workspace,
    files: SubmissionFiles,
    reporter: Reporter = SILENT,
) -> Grades | None:
    """Check and grade a submission; None for a competition without a local grader.

    The grades are kept beside the CSV; the same file is not graded twice, unless they are damaged.
    Raises UserError for a file that a grader would refuse.
    """
    check_submission(competition, files.csv, competition.read_test_ids(workspace.source))
    if competition.grade is None:
        return None
    try:
        if known := read_grades(files):
            return known
    except Unreadable as error:
        reporter.say(str(error))
    grades = competition.grade(workspace.source, files.csv)
    keep_grades(files, digest_file(files.csv), grades)
    return grades


def open_grades(competition: Competition, workspace: Workspace, name: str) -> Grades | None:
    """As `read_grades`, of a submission by name; UserError names the command that grades again."""
    try:
        return read_grades(workspace.submission(name))
    except Unreadable as error:
        words = ["submit", name.removeprefix(f"{competition.name}-")]
        if competition.grade is None and competition.kaggle is not None:
            words = ["ledger", "--sync"]
        grade = f"Grade it again: {workspace.typed.command(*words)}"
        raise UserError(f"{error.problem} {grade}") from None


def read_grades(files: SubmissionFiles) -> Grades | None:
    """The grades of exactly this CSV, if there are any."""
    if not files.grades.exists():
        return None
    saved = _GRADES.read_as(files.grades, _Saved)
    if not files.csv.exists():
        return None
    if saved.csv_digest != digest_file(files.csv):
        return None
    return Grades(saved.public, saved.private)


def keep_grades(files: SubmissionFiles, csv_digest: str, grades: Grades) -> None:
    """Keep the grades of the CSV with this digest, unless another has replaced it."""
    if files.csv.exists() and digest_file(files.csv) == csv_digest:
        _GRADES.write(files.grades, {"csv_digest": csv_digest, **asdict(grades)})
