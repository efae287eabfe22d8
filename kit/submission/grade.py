"""Having a submission graded: by the competition's own local grader, where it has one."""

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
    """Check a submission and have it graded; None for a competition without a local grader.

    The grades are kept beside the CSV; a file graded before is not graded again. Raises
    UserError for a file that a grader would refuse.
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
    """The grades that came back for just this CSV, if any did."""
    if not files.grades.exists():
        return None
    saved = _GRADES.read_as(files.grades, _Saved)
    if saved.csv_digest != digest_file(files.csv):
        return None
    return Grades(saved.public, saved.private)


def keep_grades(files: SubmissionFiles, csv_digest: str, grades: Grades) -> None:
    """Keep what came back for the CSV of this digest, unless another has taken its place."""
    if files.csv.exists() and digest_file(files.csv) == csv_digest:
        _GRADES.write(files.grades, {"csv_digest": csv_digest, **asdict(grades)})
