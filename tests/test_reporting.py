"""Work reports to whoever asks, and is silent otherwise."""

import re
from pathlib import Path

import pytest
from recording import Recording

from kit.competitions.cells import cells, generate_cells
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.fold_table import FoldOptions, make_fold_table
from kit.data.run_files import EpochLog
from kit.data.runs import Run
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.training.display import FoldDisplay
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
    packed = ["checking image files", "packing train at 16", "packing test at 16"]
    named = ["drawing cells", *packed, "convnet"]
    assert list(shown) == [*named, f"{run.name} fold 0"]
    assert all(bar.done == bar.total for bar in reporter.bars)
    steps = shown["convnet"]
    assert steps.total == 2 * 3
    assert [text.rpartition(" ")[0] for text in steps.descriptions[1:]] == [
        "fold 0 1/2 macro-F1",
        "fold 0 2/2 macro-F1",
    ]
    trained, epochs = reporter.lines[-1], reporter.lines[-3:-1]
    assert trained.startswith("Trained ")
    pattern = re.compile(
        r"convnet-16-\w+ fold 0 ([12])/2: loss [\d.]+ \(val [\d.]+\), acc [\d.]+ \([\d.]+\), "
        r"exact [\d.]+ \([\d.]+\), F1 [\d.]+ \([\d.]+\), max macro-F1 [\d.]+, \d+ (s left|images/s)"
    )
    matches = [pattern.fullmatch(line) for line in epochs]
    assert [match and match.groups() for match in matches] == [("1", "s left"), ("2", "images/s")]
    assert [line.split(":")[0] for line in reporter.lines[:3]] == [
        "Drawing cells",
        "Packing train at 16",
        "Packing test at 16",
    ]


LINE = EpochLog(
    149,
    loss=0.102,
    accuracy=0.9652,
    exact_match=0.412,
    batch_f1=0.6379,
    val_loss=0.0998,
    val_accuracy=0.9675,
    val_exact_match=0.422,
    val_batch_f1=0.6862,
    val_macro_f1_at_half=0.1,
    val_macro_f1_best_cut=0.176,
    samples_per_second=19.9,
)


def told(line: EpochLog, fold: int | None, epochs: int) -> str:
    """What the last line about an epoch of the longest recipe says."""
    reporter = Recording()
    with reporter.bar("training", total=1) as bar:
        name = "inceptionresnetv2-299-08959f38"
        FoldDisplay(name, fold, epochs, reporter, bar).epoch(line)
    return reporter.lines[-1]


def test_an_epoch_is_told_in_two_rows_of_a_terminal() -> None:
    assert told(LINE, 4, 150) == (
        "inceptionresnetv2-299-08959f38 fold 4 150/150: loss 0.1020 (val 0.0998), acc 0.965 "
        "(0.968), exact 0.41 (0.42), F1 0.638 (0.686), max macro-F1 0.176, 20 images/s"
    )
    assert told(LINE, 4, 170).endswith("max macro-F1 0.176, 0 s left")
    assert len(told(LINE, 4, 170)) + len("89 min") - len("0 s") <= 2 * 80


def test_without_held_out_rows_an_epoch_has_the_scores_of_training() -> None:
    alone = EpochLog(1, loss=0.102, accuracy=0.9652, exact_match=0.412, batch_f1=0.6379)
    assert told(alone, None, 2) == (
        "inceptionresnetv2-299-08959f38 fold all 2/2: loss 0.1020, acc 0.965, exact 0.41, "
        "F1 0.638, 0 images/s"
    )
