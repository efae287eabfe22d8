"""The stage `blend` as the command line runs it: the work, then what it means."""

from collections.abc import Sequence

from kit.competitions.base import Competition
from kit.core.paths import BlendFiles, Workspace
from kit.core.terminal import say
from kit.ensemble.blend import AUTO, How, blend
from kit.ensemble.latest import remember_blend
from kit.ensemble.tables import print_blend
from kit.submission.write import Submission, write_submission


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
