"""What several test files prepare alike: folds and images on disk, and a few cells to train on."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.competitions.base import Competition
from kit.competitions.cells import cells, generate_cells
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.fold_table import FoldOptions, make_fold_table
from kit.data.folds import Folds, digest_labels, make_folds, write_folds
from kit.data.predictions import Predictions, read_predictions
from kit.data.runs import Run


def save_folds(workspace: Workspace, labels: LabelTable, n: int) -> Folds:
    """Make `n` folds and write them, with the digest of the labels."""
    made = make_folds(labels, n, seed=0)
    write_folds(workspace.folds, made, {"labels_digest": digest_labels(labels)})
    return made


def write_sixty_cells(folder: Path) -> None:
    """Sixty cells in two folds, and twelve test images."""
    generate_cells(folder / "cells", seed=1, n_train=60, n_test=12, size=32)
    make_fold_table(cells, place_in(folder, folder / "none"), FoldOptions(n=2, seed=0))


def place_in(folder: Path, runs: Path) -> Workspace:
    """The cells of a folder, with the runs in another."""
    return Workspace(
        source=folder / "cells",
        stores=folder / "store",
        runs=runs,
        folds=folder / "folds.csv",
        submissions=folder / "submissions",
    )


def write_image_files(shapes: Competition, workspace: Workspace, labels: LabelTable) -> None:
    """An image file for every row, train and test."""
    rng = np.random.default_rng(0)
    for folder, ids in (
        ("train", labels.ids),
        ("test", shapes.read_test_ids(workspace.source)),
    ):
        (workspace.source / folder).mkdir()
        for one in ids:
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            cv2.imwrite(str(workspace.source / folder / f"{one}.jpg"), pixels)


def oof_of(run: Run, shapes: Competition, fold: int) -> Predictions:
    """The out-of-fold predictions of one fold."""
    return read_predictions(run.files.fold(fold).oof, shapes.class_keys)


def error_of(work: Callable[..., object], *arguments: object) -> str:
    """The one-line UserError that a call ends with."""
    with pytest.raises(UserError) as raised:
        work(*arguments)
    message = str(raised.value)
    assert "\n" not in message
    return message
