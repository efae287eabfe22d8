"""The stage `report`: one HTML file about a blend, with everything inside it."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.metrics import f1_per_class
from kit.core.disk import read_json, write_text
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.folds import read_folds
from kit.data.predictions import read_predictions
from kit.data.runs import open_run
from kit.data.store import open_store
from kit.ensemble.crossfit import cross_fitted_decisions
from kit.ensemble.thresholds import read_score
from kit.report.figures import Captioned, f1_bars, learning_curves, picture_grid

TEMPLATE = "report.html"
PICTURES, COLUMNS = 18, 6


def write_report(competition: Competition, workspace: Workspace, name: str | None) -> Path:
    """Write the report of a blend (the newest when None) and return where it is.

    Raises UserError when there is no blend, or none of that name.
    """
    import jinja2

    names = workspace.blend_names()
    if not names or (name is not None and name not in names):
        raise UserError(f"No blend '{name or ''}'. There are: {', '.join(names) or 'none'}.")
    files = workspace.blend(name or names[-1])
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table)
    oof = read_predictions(files.oof, competition.class_keys).take(folds.ids)
    labels = table.of(folds.ids)
    decisions = cross_fitted_decisions(labels, oof)
    made = read_json(files.weights)
    runs = tuple(made["weights"])

    f1 = f1_per_class(labels, decisions)
    counts = labels.sum(axis=0, dtype=int).tolist()
    grades = workspace.submission(f"{competition.name}-{files.name}").grades
    template = jinja2.Environment(autoescape=True).from_string(
        (Path(__file__).parent / TEMPLATE).read_text(encoding="utf-8")
    )
    page = template.render(
        title=competition.title,
        blend=files.name,
        runs=runs,
        n_images=len(folds.ids),
        n_folds=folds.n,
        score=read_score(files.thresholds),
        scores=made["scores"],
        grades=read_json(grades) if grades.exists() else None,
        pictures=_base64(_pictures(competition, workspace, runs, folds.ids, labels, decisions)),
        classes=_base64(f1_bars(competition.class_names, f1, counts)),
        curves=_base64(learning_curves(_logs(workspace, runs))),
    )
    write_text(files.report, page)
    return files.report


def left_out_pictures(
    competition: Competition,
    workspace: Workspace,
    size: int,
    ids: Sequence[str],
    labels: NDArray[np.uint8],
    decisions: NDArray[np.uint8],
    count: int,
) -> list[Captioned]:
    """Training images with labels decided by models that did not see them.

    As many different classes as possible come first: each image shown is the next whose rarest
    label has not been shown yet.
    """
    store = open_store(workspace.store(size, "train"))
    rarity = labels.sum(axis=0)
    shown: set[int] = set()
    rows: list[int] = []
    for row in range(len(ids)):
        present = np.flatnonzero(labels[row])
        if len(present) == 0:
            continue
        rarest = int(present[np.argmin(rarity[present])])
        if rarest not in shown and len(rows) < count:
            shown.add(rarest)
            rows.append(row)
    names = np.array(competition.class_names)
    return [
        Captioned(
            pixels=np.asarray(store.images[position]),
            true=tuple(names[labels[row] == 1]),
            predicted=tuple(names[decisions[row] == 1]),
        )
        for row, position in zip(rows, store.rows([ids[row] for row in rows]), strict=True)
    ]


def _pictures(
    competition: Competition,
    workspace: Workspace,
    runs: Sequence[str],
    ids: Sequence[str],
    labels: NDArray[np.uint8],
    decisions: NDArray[np.uint8],
) -> bytes:
    size = max(int(open_run(workspace, run).recipe["size"]) for run in runs)
    cells = left_out_pictures(competition, workspace, size, ids, labels, decisions, PICTURES)
    return picture_grid(cells, COLUMNS)


def _logs(workspace: Workspace, runs: Sequence[str]) -> dict[str, list[dict[str, float]]]:
    logs = {}
    for name in runs:
        run = open_run(workspace, name)
        for fold in range(run.folds):
            saved = run.files.fold(fold).progress
            logs[f"{name} fold {fold}"] = read_json(saved)["log"] if saved.exists() else []
    return logs


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")
