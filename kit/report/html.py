"""The report on a blend: one self-contained HTML file."""

import base64
from pathlib import Path

import numpy as np

from kit.competitions.base import Competition
from kit.core.disk import write_text
from kit.core.paths import Workspace
from kit.data.run_files import EpochLog, load_progress
from kit.report.figures import f1_bars, learning_curves, picture_grid
from kit.report.pair import read_pair
from kit.report.view import BlendView, left_out_pictures, view_blend
from kit.submission.grade import read_grades
from kit.submission.write import submission_name

TEMPLATE = Path(__file__).parent / "report.html"
PICTURES, COLUMNS = 20, 5


def write_report(competition: Competition, workspace: Workspace, name: str | None) -> Path:
    """Write the report of a blend (the newest when None) and return its path.

    Raises UserError when there is no blend, or none with that name.
    """
    import jinja2

    view = view_blend(competition, workspace, name)
    pictures, logs = left_out_pictures(view, PICTURES), _logs(view)
    pair = read_pair(view)
    decision = view.decision
    worth = decision.worth
    by_class = [worth.classes[key] for key in competition.class_keys]
    f1 = np.array([one.f1 for one in by_class])
    positives = [one.positives for one in by_class]
    submission = workspace.submission(submission_name(competition, view.files))
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        title=competition.title,
        blend=view.files.name,
        runs=[run.name for run in view.runs],
        n_images=len(view.folds.ids),
        n_folds=view.folds.n,
        decision=decision,
        score=worth.score,
        scores={
            **{run: one.score for run, one in worth.alone.items()},
            view.files.name: worth.score,
        },
        grades=read_grades(submission),
        classes=list(zip(competition.class_names, by_class, decision.thresholds, strict=True)),
        pictures=_base64(picture_grid(pictures, COLUMNS)) if pictures else None,
        pair=pair,
        pair_picture=_base64(pair.picture) if pair and pair.picture else None,
        bars=_base64(f1_bars(competition.class_names, f1, positives)),
        curves=_base64(learning_curves(logs)) if logs else None,
    )
    write_text(view.files.report, page)
    return view.files.report


def _logs(view: BlendView) -> dict[str, tuple[EpochLog, ...]]:
    """The log of every fold of every run, under `run fold 0`."""
    return {
        f"{run.name} fold {fold}": load_progress(run.files.fold(fold)).log
        for run in view.runs
        for fold in range(run.folds)
        if run.files.fold(fold).progress.exists()
    }


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")
