"""What the report shows of a blend, read from disk once: labels, honest decisions, pictures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.paths import BlendFiles, Workspace
from kit.data.blends import find_blend
from kit.data.folds import Folds, read_folds
from kit.data.predictions import read_predictions
from kit.data.runs import Run, open_run
from kit.data.store import open_store
from kit.ensemble import Decision
from kit.report.figures import Captioned, to_rgb


@dataclass(frozen=True)
class BlendView:
    """A blend as the report sees it, row by row in the order of the folds.

    `labels` are the truth and `decided` the blend's cross-fitted labels, with everything chosen
    without the row's fold, both uint8 (rows, classes).
    """

    competition: Competition
    workspace: Workspace
    files: BlendFiles
    decision: Decision
    folds: Folds
    labels: NDArray[np.uint8]
    decided: NDArray[np.uint8]
    runs: tuple[Run, ...]


def view_blend(competition: Competition, workspace: Workspace, name: str | None) -> BlendView:
    """Read a blend, the one made last when None; UserError when there is none of that name."""
    files = find_blend(workspace, name)
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    decision = Decision.load(files.decision)
    found = read_predictions(files.labels, competition.class_keys).take(folds.ids)
    runs = tuple(open_run(workspace, run) for run in decision.members)
    labels, decided = table.of(folds.ids), found.probs.astype(np.uint8)
    return BlendView(competition, workspace, files, decision, folds, labels, decided, runs)


def left_out_pictures(view: BlendView, count: int) -> list[Captioned]:
    """Training images with the labels they got from models and thresholds that never saw them.

    As many different classes as possible: each image is the next whose rarest label has not been
    shown yet. The pixels are those of the largest store that a run of the blend used;
    none when all its runs were imported.
    """
    rarity = view.labels.sum(axis=0)
    shown: set[int] = set()
    rows: list[int] = []
    for row, present in enumerate(view.labels):
        on = np.flatnonzero(present)
        rarest = int(on[np.argmin(rarity[on])]) if len(on) else None
        if rarest is not None and rarest not in shown and len(rows) < count:
            shown.add(rarest)
            rows.append(row)
    sizes = [size for run in view.runs if (size := run.recipe["size"]) is not None]
    if not sizes:
        return []
    store = open_store(view.workspace.store(max(sizes), "train"), view.workspace.typed)
    positions = store.rows([view.folds.ids[row] for row in rows])
    names = np.array(view.competition.class_names)
    mixture = view.competition.mixture()
    return [
        Captioned(
            pixels=to_rgb(store.images[position], mixture),
            true=tuple(names[view.labels[row] == 1]),
            predicted=tuple(names[view.decided[row] == 1]),
        )
        for row, position in zip(rows, positions, strict=True)
    ]
