"""The stage `submit` as the command line runs it."""

from kit.competitions.base import Competition, Grades
from kit.core.paths import Workspace
from kit.core.terminal import say
from kit.data.blends import find_blend
from kit.kaggle.clock import Clock, system_clock
from kit.submission.check import check_submission
from kit.submission.grade import grade, read_grades
from kit.submission.submit import Wish, submit_to_kaggle
from kit.submission.write import submission_name


def submit_stage(
    competition: Competition,
    workspace: Workspace,
    name: str | None,
    wish: Wish | None = None,
    clock: Clock | None = None,
) -> Grades | None:
    """Check the submission of a blend (the one made last when None), and have it graded.

    By the competition's own grader where it has one, by Kaggle else. Returns the scores, None
    when there are none yet.
    """
    wish = wish or Wish()
    blend_files = find_blend(workspace, name)
    submission = submission_name(competition, blend_files)
    files = workspace.submission(submission)
    if competition.grade is None and competition.kaggle is not None:
        submit_to_kaggle(competition, workspace, submission, wish, clock or system_clock())
        return read_grades(files)
    check_submission(competition, files.csv, competition.read_test_ids(workspace.source))
    if wish.dry_run:
        say(f"{files.csv} is as {competition.title} wants it. Not submitted: --dry-run.")
        return None
    grades = grade(competition, workspace, files)
    if grades is None:
        say(f"{files.csv} is checked and ready: upload it on the competition's page.")
    else:
        say(f"{submission}: public {grades.public:.4f}, private {grades.private:.4f}")
    return grades
