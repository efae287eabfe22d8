"""Work reports to whoever asks, and is silent otherwise."""

from pathlib import Path

import pytest
from recording import Recording

from kit.competitions.cells import cells, generate_cells
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.fold_table import FoldOptions, make_fold_table
from kit.data.runs import Run
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.training.predict_run import predict_run
from kit.training.train import train

SETTINGS = ("size=16", "batch=8", "steps=3", "epochs=2", "keep=last", "sampling=none")


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return Workspace(
        source=tmp_path / "cells",
        stores=tmp_path / "store",
        runs=tmp_path / "runs",
        folds=tmp_path / "folds.csv",
        submissions=tmp_path / "submissions",
    )


def whole_training(here: Workspace, reporter: Reporter) -> Run:
    """Draw, fold, pack, train a fold, and predict it again with two views."""
    generate_cells(here.source, 1, 40, 6, 32, reporter)
    make_fold_table(cells, here, FoldOptions(n=2))
    recipe = with_settings(recipes.get("convnet"), SETTINGS)
    run = train(cells, here, recipe, [0], reporter=reporter)
    return predict_run(cells, here, run.name, 2, reporter)


def test_a_whole_training_prints_nothing(
    here: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    run = whole_training(here, SILENT)
    assert run.missing_folds() == (1,)
    assert capfd.readouterr().out == ""


def test_a_reporter_receives_what_happens(
    here: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    reporter = Recording()
    run = whole_training(here, reporter)
    assert capfd.readouterr().out == ""
    shown = {bar.descriptions[0]: bar for bar in reporter.bars}
    named = ["drawing cells", "packing train at 16", "packing test at 16", "convnet"]
    assert list(shown) == [*named, f"{run.name} fold 0"]
    assert all(bar.done == bar.total for bar in reporter.bars)
    steps = shown["convnet"]
    assert steps.total == 2 * 3
    assert [text.rpartition(" ")[0] for text in steps.descriptions[1:]] == [
        "fold 0 1/2 F1",
        "fold 0 2/2 F1",
    ]
    trained, epochs = reporter.lines[-1], reporter.lines[-3:-1]
    assert trained.startswith("Trained ")
    assert [" epoch 1/2: loss " in epochs[0], " epoch 2/2: loss " in epochs[1]] == [True, True]
    assert epochs[0].endswith(" left in this fold")
    assert epochs[1].endswith(" images/s")
    assert [line.split(":")[0] for line in reporter.lines[:2]] == [
        "Packing train at 16",
        "Packing test at 16",
    ]
