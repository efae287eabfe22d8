"""The stages `blend` and `submit` as the command line runs them: the work, then what it means."""

from collections.abc import Sequence

from kit.competitions.base import Competition, Grades
from kit.core.paths import BlendFiles, Workspace
from kit.core.terminal import say
from kit.ensemble.blend import AUTO, How, blend
from kit.ensemble.latest import find_blend, remember_blend
from kit.ensemble.tables import print_blend
from kit.kaggle.clock import Clock, system_clock
from kit.submission.check import check_submission
from kit.submission.grade import grade, read_grades
from kit.submission.submit import Wish, submit_to_kaggle
from kit.submission.write import Submission, submission_name, write_submission


def blend_stage(
    competition: Competition,
    workspace: Workspace,
    runs: Sequence[str],
    name: str | None,
    how: How = AUTO,
) -> tuple[BlendFiles, Submission]:
    """Blend, print what it is worth, and write the submission; returns both."""
    made = blend(competition, workspace, runs, name, how)
    names = dict(zip(competition.class_keys, competition.class_names, strict=True))
    print_blend(made, names)
    written = write_submission(competition, workspace, made)
    say(
        f"Wrote {written.files.csv}: {written.rows} rows, {written.labels_per_row:.2f} labels a "
        f"row, {written.empty_rows} rows empty."
    )
    remember_blend(workspace, made)
    return made, written


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
