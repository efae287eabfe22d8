"""Having a submission graded: by the competition's own local grader, where it has one."""

from dataclasses import asdict

from kit.competitions.base import Competition, Grades
from kit.core.disk import digest_file, read_json, write_json
from kit.core.paths import SubmissionFiles, Workspace
from kit.submission.check import check_submission


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
    write_json(files.grades, {"csv_digest": digest_file(files.csv), **asdict(grades)})
    return grades


def read_grades(files: SubmissionFiles) -> Grades | None:
    """The grades that came back for just this CSV, if any did."""
    if not files.grades.exists():
        return None
    saved = read_json(files.grades)
    if saved["csv_digest"] != digest_file(files.csv):
        return None
    return Grades(saved["public"], saved["private"])


def how_to_upload(competition: Competition, files: SubmissionFiles) -> str:
    """What to type to upload a checked file with Kaggle's own client."""
    checked = f"{files.csv} is checked and ready. The kit does not upload it"
    if competition.how_to_submit is None:
        return f"{checked}: do it on the competition's page."
    command = competition.how_to_submit.format(csv=files.csv, name=files.csv.stem)
    return f"{checked}; type: {command}"
