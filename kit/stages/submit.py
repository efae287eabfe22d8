"""The stage `submit`: check a submission, send it, and print its score."""

from kit.blends.opened import open_blend
from kit.competitions.base import Competition, Grades
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say
from kit.data.blends import find_blend
from kit.kaggle.clock import Clock, system_clock
from kit.submission.ancestry import require_complete, was_changed
from kit.submission.check import check_submission
from kit.submission.examine import how_to_write, not_as_written
from kit.submission.grade import grade, read_grades
from kit.submission.submit import SubmitOptions, submit_to_kaggle
from kit.submission.write import submission_name

DEFAULTS = SubmitOptions()


def submit_stage(
    competition: Competition,
    workspace: Workspace,
    name: str | None,
    options: SubmitOptions = DEFAULTS,
    clock: Clock | None = None,
) -> Grades | None:
    """Check the submission of a blend (the newest when None), and have it graded.

    Graded by the competition's local grader if it has one, else by Kaggle. Returns the scores, None
    if there are none yet. Raises UserError with every reason not to send, one per line.
    """
    blend_files = find_blend(workspace, name)
    open_blend(workspace, blend_files.name)  # a damaged one is named before Kaggle is asked
    submission = submission_name(competition, blend_files)
    files = workspace.submission(submission)
    if competition.grade is None and competition.kaggle is not None:
        clock = clock or system_clock()
        submit_to_kaggle(competition, workspace, submission, options, clock, TERMINAL)
        return read_grades(files)
    require_complete(files, how_to_write(competition, workspace, submission))
    if was_changed(files) and not options.edited:
        raise UserError(not_as_written(competition, workspace, submission))
    check_submission(competition, files.csv, competition.read_test_ids(workspace.source))
    if options.dry_run:
        say(f"{files.csv}: valid. Dry run, nothing sent.")
        return None
    grades = grade(competition, workspace, files, TERMINAL)
    if grades is None:
        say(f"{files.csv} is valid: upload it on the competition's page.")
    else:
        say(f"{submission}: public {grades.public:.4f}, private {grades.private:.4f}")
    return grades
