"""What the report shows of a blend, read from disk once: labels, cross-fitted labels, images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.blends.opened import open_blend
from kit.competitions.base import Competition
from kit.core.paths import BlendFiles, Workspace
from kit.data.blends import find_blend
from kit.data.folds import Folds, read_folds
from kit.data.predictions import read_predictions
from kit.data.runs import Run, open_run
from kit.ensemble import Decision
from kit.report.composites import read_composites
from kit.report.figures import Captioned


@dataclass(frozen=True)
class BlendView:
    """A blend as the report needs it, with rows in the order of the folds.

    `labels` are the true labels. `decided` are the blend's cross-fitted labels: everything chosen
    on the other folds. Both are uint8 (rows, classes).
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
    """Read a blend, the newest when None; UserError when there is none with that name."""
    blend = open_blend(workspace, find_blend(workspace, name).name)
    files, decision = blend.files, blend.decision
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    found = read_predictions(files.labels, competition.class_keys).take(folds.ids)
    runs = tuple(open_run(workspace, run) for run in decision.members)
    labels, decided = table.of(folds.ids), found.probs.astype(np.uint8)
    return BlendView(competition, workspace, files, decision, folds, labels, decided, runs)


def held_out_pictures(view: BlendView, count: int) -> list[Captioned]:
    """Training images with the labels from models and thresholds that held them out.

    Covers as many classes as possible: takes the next image whose rarest label has not been shown.
    Empty if the image files are missing; see `read_composites`.
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
    ids = [view.folds.ids[row] for row in rows]
    pixels = read_composites(view.competition, view.workspace, view.runs, "train", ids)
    if pixels is None:
        return []
    names = np.array(view.competition.class_names)
    return [
        Captioned(
            pixels=image,
            true=tuple(names[view.labels[row] == 1]),
            predicted=tuple(names[view.decided[row] == 1]),
        )
        for row, image in zip(rows, pixels, strict=True)
    ]
