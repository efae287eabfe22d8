"""The stage `submit`: to the competition's own grader, or the words to send it by hand."""

from dataclasses import asdict

from kit.competitions.base import Competition, Grades
from kit.core.disk import digest_file, read_json, write_json
from kit.core.errors import UserError
from kit.core.paths import SubmissionFiles, Workspace
from kit.submission.check import check_submission


def find_submission(
    competition: Competition, workspace: Workspace, name: str | None
) -> tuple[str, SubmissionFiles]:
    """A submission by name, or that of the newest blend; UserError when there is none."""
    if name is None:
        blends = workspace.blend_names()
        if not blends:
            raise UserError("Nothing to submit: no blend. Make one: kit blend")
        name = f"{competition.name}-{blends[-1]}"
    files = workspace.submission(name)
    if not files.csv.exists():
        raise UserError(f"{files.csv} does not exist. Write it: kit blend")
    return name, files


def submit(competition: Competition, workspace: Workspace, files: SubmissionFiles) -> Grades:
    """Check a submission and have the competition's local grader grade it.

    The grades are kept beside the CSV; a file graded before is not graded again. Raises
    UserError for a competition without a local grader, with the command that uploads the file.
    """
    check_submission(competition, files.csv, competition.read_test_ids(workspace.source))
    if competition.grade is None:
        raise UserError(how_to_upload(competition, files))
    mark = digest_file(files.csv)
    if files.grades.exists() and (known := read_json(files.grades))["csv_digest"] == mark:
        return Grades(known["public"], known["private"])
    grades = competition.grade(workspace.source, files.csv)
    write_json(files.grades, {"csv_digest": mark, **asdict(grades)})
    return grades


def how_to_upload(competition: Competition, files: SubmissionFiles) -> str:
    """What to type to upload a checked file with Kaggle's own client."""
    checked = f"{files.csv} is checked and ready; this kit does not upload it for you yet."
    if competition.how_to_submit is None:
        return f"{checked} Upload it on the competition's page."
    command = competition.how_to_submit.format(csv=files.csv, name=files.csv.stem)
    return f"{checked} Type: {command}"
