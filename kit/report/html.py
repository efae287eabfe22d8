"""The report on a blend: one self-contained HTML file."""

import base64
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kit.compare.logs import read_log
from kit.compare.rows import Row, blend_row, row_notes, run_row
from kit.competitions.base import Competition
from kit.core.disk import write_text
from kit.core.paths import Workspace
from kit.report.best_members import read_best_members
from kit.report.curves import draw_curves
from kit.report.f1_chart import draw_f1
from kit.report.figures import f1_bars, picture_grid
from kit.report.png import to_png
from kit.report.view import BlendView, held_out_pictures, view_blend
from kit.submission.grade import open_grades
from kit.submission.write import submission_name

TEMPLATE = Path(__file__).parent / "report.html"
PICTURES, COLUMNS = 20, 5


def write_report(competition: Competition, workspace: Workspace, name: str | None) -> Path:
    """Write the report of a blend (the newest when None) and return its path.

    Raises UserError when there is no blend, or none with that name.
    """
    import jinja2

    view = view_blend(competition, workspace, name)
    pictures, rows, best = held_out_pictures(view, PICTURES), _rows(view), read_best_members(view)
    decision = view.decision
    worth = decision.worth
    by_class = [worth.classes[key] for key in competition.class_keys]
    f1 = np.array([one.f1 for one in by_class])
    positives = [one.positives for one in by_class]
    submission = submission_name(competition, view.files)
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
        grades=open_grades(competition, workspace, submission),
        classes=list(zip(competition.class_names, by_class, decision.thresholds, strict=True)),
        pictures=_embedded(picture_grid(pictures, COLUMNS)) if pictures else None,
        best=best,
        best_picture=_embedded(best.picture) if best and best.picture else None,
        notes=row_notes(rows),
        bars=_embedded(f1_bars(competition.class_names, f1, positives)),
        rows=rows,
        models=_embedded(draw_f1(rows)),
        curves=_curves(view),
    )
    write_text(view.files.report, page)
    return view.files.report


def _rows(view: BlendView) -> tuple[Row, ...]:
    """The blend's members, with the scores they have alone under its policy, and the blend."""
    worth = view.decision.worth
    members = []
    for run in view.runs:
        alone = worth.alone.get(run.name)
        members.append(run_row(view.competition, run, None if alone is None else alone.score))
    return (*members, blend_row(view.files.name, view.decision, members, view.folds.n))


def _curves(view: BlendView) -> dict[str, str]:
    """A picture of the learning curves of all runs in one, if there are several, and of each.

    By title; none for runs without a log.
    """
    logs = [log for log in map(read_log, view.runs) if log.folds]
    pictures = {"All in one": _embedded(draw_curves(logs))} if len(logs) > 1 else {}
    return {**pictures, **{log.name: _embedded(draw_curves([log])) for log in logs}}


def _embedded(figure: Figure) -> str:
    """A figure as a PNG in base64, for the page."""
    return base64.b64encode(to_png(figure)).decode("ascii")
