"""A folder with synthetic cells and folds, shared by several scripts here."""

from pathlib import Path

from kit.competitions.cells import cells, generate_cells
from kit.core.paths import Workspace
from kit.data.fold_table import FoldOptions
from kit.stages.folds import fold_stage

ROWS, PIXELS = 1400, 128


def cells_in(folder: Path, folds: int, how: str = "stratified") -> Workspace:
    """The workspace in a folder, with cells and folds, created if missing."""
    workspace = Workspace(
        source=folder / "cells",
        stores=folder / "store",
        runs=folder / "runs",
        folds=folder / "folds.csv",
        submissions=folder / "submissions",
    )
    generate_cells(workspace.source, 7, ROWS, 60, PIXELS)
    fold_stage(cells, workspace, FoldOptions(folds, seed=0, how=how))
    return workspace
