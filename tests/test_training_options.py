"""What training can be asked for: parts of a batch, averages, cuts, starts, all rows, more rows."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepared import place_in, write_sixty_cells

from kit.cli import main
from kit.competitions.cells import cells, generate_cells
from kit.core.disk import digest_file, read_json
from kit.core.errors import UserError
from kit.core.paths import RunFiles, Workspace
from kit.core.terminal import TERMINAL
from kit.data.fold_table import FoldOptions
from kit.data.predictions import read_predictions, to_logits
from kit.data.run_files import EpochLog
from kit.data.runs import Run, open_run
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.stages.folds import fold_stage
from kit.stages.status import status_stage
from kit.submission.ancestry import promise_of
from kit.training.batches import EpochBatches
from kit.training.events import append_events
from kit.training.predict_run import predict_run
from kit.training.train import train

TINY = ("size=16", "batch=8", "steps=3", "epochs=2", "keep=last", "sampling=none")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sixty cells in two folds."""
    folder = tmp_path_factory.mktemp("options")
    write_sixty_cells(folder)
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path) -> Workspace:
    """The cells, and an empty folder for runs."""
    return place_in(prepared, tmp_path / "runs")


def trained(here: Workspace, *settings: str, model: str = "convnet", fold: int | None = 0) -> Run:
    """A tiny training of one fold."""
    recipe = with_settings(recipes.get(model), [*TINY, *settings])
    return train(cells, here, recipe, [fold], reporter=TERMINAL)


@pytest.fixture(scope="module")
def first_runs(prepared: Path) -> Path:
    """A folder of runs that holds one tiny training, to be copied."""
    runs = prepared / "first"
    trained(place_in(prepared, runs))
    return runs


@pytest.fixture
def first(first_runs: Path, here: Workspace) -> Run:
    """The same training as if it had been made in `here`."""
    shutil.copytree(first_runs, here.runs)
    return open_run(here, here.run_names()[0])


def same_predictions(one: RunFiles, other: RunFiles) -> bool:
    pairs = [(one.fold(0).oof, other.fold(0).oof), (one.fold(0).test, other.fold(0).test)]
    return all(
        np.array_equal(
            read_predictions(a, cells.class_keys).probs, read_predictions(b, cells.class_keys).probs
        )
        for a, b in pairs
    )


# A batch in parts


def test_gradients_of_parts_make_the_step_of_the_whole_batch(here: Workspace) -> None:
    # Without batch normalization, which sees each part by itself, and without dropout.
    settings = ("dropout=0", "epochs=1", "optimizer=sgd", "learning_rate=0.01", "schedule=cosine")
    whole, parts = (
        trained(here, *settings, f"accumulate={parts}", model="gapnet") for parts in (1, 4)
    )
    logits = [
        to_logits(read_predictions(run.files.fold(0).oof, cells.class_keys).probs)
        for run in (whole, parts)
    ]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int, from_epoch: int = 0) -> None:
    """From an epoch on, no more than `most` images fit at once."""

    class Short(EpochBatches):
        def __getitem__(self, step: int) -> Any:
            if self._batch > most and self._plan.epoch >= from_epoch and step == 1:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 7 bytes.")
            return super().__getitem__(step)

    monkeypatch.setattr("kit.training.phase.EpochBatches", Short)


def test_a_batch_that_does_not_fit_is_trained_in_parts(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = trained(here, "accumulate=4")
    capsys.readouterr()
    short_of_memory(monkeypatch, most=2)
    halved = trained(here)
    lines = [line for line in capsys.readouterr().out.splitlines() if "memory" in line]
    assert lines == [
        "Out of memory with 8 images at once: using 4 from now on, with gradients accumulated over "
        "2 parts (--set accumulate=2).",
        "Out of memory with 4 images at once: using 2 from now on, with gradients accumulated over "
        "4 parts (--set accumulate=4).",
    ]
    assert read_json(halved.files.fold(0).done)["parts"] == 4
    assert same_predictions(halved.files, asked.files)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_later_goes_on_from_the_last_epoch(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Batch normalization sees halves in the second epoch only, so that the ends differ a little;
    # steps, learning rates and the average go on as they were.
    short_of_memory(monkeypatch, most=4, from_epoch=1)
    run = trained(here, "ema=0.5", model="gapnet")
    monkeypatch.undo()
    again = trained(place_in(here.source.parent, here.runs / "whole"), "ema=0.5", model="gapnet")
    oofs = [read_predictions(one.files.fold(0).oof, cells.class_keys).probs for one in (run, again)]
    assert [len(read_json(one.files.fold(0).progress)["log"]) for one in (run, again)] == [2, 2]
    assert read_json(run.files.fold(0).done)["parts"] == 2
    assert np.abs(oofs[0] - oofs[1]).mean() < 0.02


def test_one_image_that_does_not_fit_stops_with_advice(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, most=0)
    with pytest.raises(UserError, match=r"training convnet on 1 images of 16 pixels"):
        trained(here)


def test_parts_must_divide_the_batch(here: Workspace) -> None:
    with pytest.raises(UserError, match="accumulate=3: a batch of 8 does not divide"):
        trained(here, "accumulate=3")
    with pytest.raises(UserError, match="accumulate=8 parts has one image per part"):
        trained(here, "accumulate=8", "mix=mixup")


# Averages, cuts, precision


@pytest.mark.parametrize(
    "settings",
    [
        ("ema=0.9", "accumulate=2", "clip=1", "frozen_epochs=1", "dropout=0.3"),
        pytest.param(
            ("optimizer=lion", "schedule=plateau", "plateau_epochs=1", "keep=val_loss"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            (
                "precision=mixed_float16",
                "schedule=onecycle",
                "mix=mixup(0.4)",
                "augment=rotate(10)",
            ),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_was_broken_off_ends_like_what_was_not(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...]
) -> None:
    calm = trained(here, *settings)
    other = place_in(here.source.parent, here.runs / "broken")
    calls: list[int] = []

    def break_off(path: Path, log: Sequence[EpochLog]) -> None:
        append_events(path, log)
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("kit.training.fit.append_events", break_off)
    with pytest.raises(KeyboardInterrupt):
        trained(other, *settings)
    run = trained(other, *settings)
    assert run.name == calm.name
    assert same_predictions(run.files, calm.files)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mixed_float16", "float32"),
        pytest.param("float32", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_a_machine_of_another_precision_goes_on(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    def stop(path: Path, log: Sequence[EpochLog]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as first:
        first.setattr("kit.training.backend.policy", lambda precision: before)
        first.setattr("kit.training.fit.append_events", stop)
        with pytest.raises(KeyboardInterrupt):
            trained(here, "precision=mixed", "optimizer=adam")
    monkeypatch.setattr("kit.training.backend.policy", lambda precision: after)
    run = trained(here, "precision=mixed", "optimizer=adam")
    assert len(read_json(run.files.fold(0).progress)["log"]) == 2
    assert len(here.run_names()) == 1


@pytest.mark.slow
def test_after_one_step_the_average_is_the_weights_themselves(here: Workspace) -> None:
    plain, averaged = (trained(here, "epochs=1", "steps=1", f"ema={m}") for m in (0, 0.9))
    assert same_predictions(plain.files, averaged.files)
    more, averaged = (trained(here, "epochs=1", "steps=4", f"ema={m}") for m in (0, 0.9))
    assert not same_predictions(more.files, averaged.files)


def test_the_plateau_cuts_the_learning_rate_that_the_log_shows(here: Workspace) -> None:
    # Steps this small make no epoch better by much; those that are no better cut the rate.
    settings = ("schedule=plateau", "plateau_epochs=1", "plateau_factor=0.5", "epochs=4")
    run = trained(here, *settings, "learning_rate=0.05", "optimizer=sgd")
    log = read_json(run.files.fold(0).progress)["log"]
    best, rate = float("inf"), 0.05
    for line in log:
        assert line["learning_rate"] == pytest.approx(rate)
        rate = rate if line["val_loss"] < best else rate / 2
        best = min(best, line["val_loss"])


def test_patience_ends_a_fold_and_says_so(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(here, "epochs=30", "patience=1", "keep=val_loss", "learning_rate=0.03")
    log = read_json(run.files.fold(0).progress)["log"]
    best = min(range(len(log)), key=lambda epoch: log[epoch]["val_loss"])
    assert len(log) == best + 2 < 30
    assert f"stops after {len(log)} of 30 epochs: it plateaued." in capsys.readouterr().out


def test_a_loss_that_is_no_number_names_the_epoch_and_the_step(here: Workspace) -> None:
    from kit.training.watch import Watch

    steps: list[int] = []

    def after_step() -> bool:
        steps.append(1)
        return False

    watch = Watch(after_step, parts=2, epoch=4, advice="Try smaller steps.")
    for part in range(6):
        watch.on_train_batch_end(part, {"loss": 0.5})
    assert len(steps) == 3
    with pytest.raises(UserError) as raised:
        watch.on_train_batch_end(7, {"loss": float("nan")})
    assert str(raised.value) == (
        "In epoch 5, step 4, the loss became nan; earlier epochs are kept. Try smaller steps."
    )


# Where weights come from


def test_a_run_begins_with_the_weights_of_another_fold_by_fold(
    here: Workspace, first: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    # With next to no step the second predicts like the first, at its own size too.
    still = ("epochs=1", "learning_rate=1e-30", "optimizer=sgd")
    second = trained(here, *still, "weights=convnet-16")
    assert second.recipe["weights"] == first.name
    # The same words again find the same run to begin with, not the one that they made.
    assert trained(here, *still, "weights=convnet-16").name == second.name
    oofs = [
        read_predictions(run.files.fold(0).oof, cells.class_keys).probs for run in (first, second)
    ]
    # Batch normalization goes on averaging what it sees, without any step.
    assert np.corrcoef(oofs[0].ravel(), oofs[1].ravel())[0, 1] > 0.8
    larger = trained(here, *still, f"weights={first.name}", "size=32")
    assert "100.0% of all parameters" in capsys.readouterr().out
    with pytest.raises(UserError, match="has no weights for fold 1 to start from"):
        trained(here, *still, f"weights={first.name}", fold=1)
    shutil.rmtree(larger.files.folder)


def test_a_run_begins_with_the_weights_of_a_file(here: Workspace, first: Run) -> None:
    with pytest.raises(UserError, match="is in a run, whose folds have seen rows that others"):
        trained(here, f"weights={first.files.fold(0).weights(1)}")
    file = shutil.copy(first.files.fold(0).weights(1), here.runs.parent / "mine.weights.h5")
    still = ("epochs=1", "learning_rate=1e-30", "optimizer=sgd")
    by_file = trained(here, *still, f"weights={file}")
    by_run = trained(here, *still, f"weights={first.name}")
    assert by_file.name != by_run.name
    assert same_predictions(by_file.files, by_run.files)


def test_a_run_on_other_folds_gives_no_weights(here: Workspace, first: Run, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(here.source, folder / "cells")
    other = place_in(folder, here.runs)
    fold_stage(cells, other, FoldOptions(n=2, seed=9))
    with pytest.raises(UserError, match="it was trained on other folds"):
        trained(other, f"weights={first.name}")


def test_weights_of_no_known_kind_are_told_what_there_is(here: Workspace) -> None:
    with pytest.raises(UserError) as raised:
        trained(here, "weights=imagnet")
    assert str(raised.value) == (
        "--set weights=imagnet: expected imagenet, none, a .keras or .weights.h5 file, or a run "
        f"in {here.runs}."
    )


# All rows, more rows, more views, more seeds


def test_training_on_all_rows_predicts_the_test_set_and_claims_no_score(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(here, fold=None)
    files = run.files.fold(None)
    assert files.folder.name == "all"
    assert not files.oof.exists()
    assert len(read_predictions(files.test, cells.class_keys).ids) == 12
    lines = files.log.read_text().splitlines()
    values = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert [key for key, value in values.items() if value == ""] == [
        "val_loss",
        "val_accuracy",
        "val_exact_match",
        "val_batch_f1",
        "val_macro_f1_at_half",
        "val_macro_f1_best_cut",
    ]
    assert "there is no score" in capsys.readouterr().out
    assert run.missing_folds() == (0, 1)


def test_a_blend_takes_the_models_of_all_rows_when_asked(
    here: Workspace, first: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from kit.ensemble import Options
    from kit.stages.blend import blend_stage

    options = Options("mean", "fold-mean")
    run = trained(here, fold=1)
    with pytest.raises(UserError, match=r"no model trained on all rows\. Train it"):
        blend_stage(cells, here, [run.name], None, options, all_rows=True)
    trained(here, fold=None)
    capsys.readouterr()
    made, written = blend_stage(cells, here, [run.name], None, options, all_rows=True)
    assert "models trained on all rows, whose score is unknown" in capsys.readouterr().out
    assert promise_of(written.files, digest_file(written.files.csv)) == ((run.name,), None)
    status_stage(cells, here)
    assert "trained on all rows" in capsys.readouterr().out
    usual, _ = blend_stage(cells, here, [run.name], None, options)
    assert made.name != usual.name
    blended = read_predictions(made.test, cells.class_keys)
    own = read_predictions(run.files.fold(None).test, cells.class_keys).take(blended.ids)
    np.testing.assert_allclose(blended.probs, own.probs, atol=1e-6)


def test_predicting_again_is_the_run_that_training_with_so_many_views_makes(
    here: Workspace, first: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    views = predict_run(cells, here, first.name, 8)
    assert views.name != first.name
    assert views.recipe["tta"] == 8
    assert not same_predictions(views.files, first.files)
    assert predict_run(cells, here, "convnet", 8).name == views.name
    files = views.files.fold(0)
    assert files.log.read_bytes() == first.files.fold(0).log.read_bytes()
    capsys.readouterr()
    assert trained(here, "tta=8").name == views.name
    assert "all requested folds are done" in capsys.readouterr().out

    other = place_in(here.source.parent, here.runs / "at once")
    assert same_predictions(trained(other, "tta=8").files, views.files)


def test_predicting_again_wants_a_run_that_was_trained_here(here: Workspace) -> None:
    with pytest.raises(UserError, match="No run 'nothing'"):
        predict_run(cells, here, "nothing", 8)


def test_predicting_again_refuses_other_images(here: Workspace, first: Run, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(here.source, folder / "cells")
    for ending in ("csv", "json"):
        shutil.copy(here.folds.with_suffix(f".{ending}"), folder / f"folds.{ending}")
    red, blue = (
        sorted((folder / "cells/test").glob(f"*_{name}.png"))[0] for name in ("red", "blue")
    )
    shutil.copy(red, blue)
    with pytest.raises(UserError, match="The test images have changed since convnet-16-"):
        predict_run(cells, place_in(folder, here.runs), first.name, 8)


def test_more_rows_learn_and_the_run_knows_them(
    here: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = tmp_path / "more"
    generate_cells(more, seed=8, n_train=12, n_test=4, size=32)
    text = (more / "train.csv").read_text().splitlines()
    renamed = [text[0], *(f"more-{line}" for line in text[1:])]
    (more / "more.csv").write_text("\n".join(renamed) + "\n")
    for image in (more / "train").iterdir():
        image.rename(image.with_name(f"more-{image.name}"))
    recipe = with_settings(recipes.get("convnet"), [*TINY, "epochs=1", "steps=none"])
    extra = f"{more / 'more.csv'}:{more / 'train'}"
    run = train(cells, here, recipe, [0], extra, TERMINAL)
    assert "of 12 images of more" in capsys.readouterr().out
    assert run.name != train(cells, here, recipe, [0]).name
    assert len(read_predictions(run.files.fold(0).oof, cells.class_keys).ids) == 30


def test_each_seed_is_a_run_of_its_own(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KIT_RUNS", raising=False)
    monkeypatch.delenv("KIT_DATA", raising=False)
    shutil.copytree(prepared / "cells", tmp_path / "data" / "cells")
    (tmp_path / "folds").mkdir()
    for ending in ("csv", "json"):
        shutil.copy(prepared / f"folds.{ending}", tmp_path / "folds" / f"cells.{ending}")
    words = [word for setting in TINY for word in ("--set", setting)]
    common = ["kit", "train", "convnet", "-c", "cells", "--folds", "0", *words]
    monkeypatch.setattr(sys, "argv", [*common, "--set", "epochs=1", "--seeds", "0,5"])
    with pytest.raises(SystemExit) as finished:
        main()
    assert finished.value.code in (0, None)
    seeds = [read_json(path)["seed"] for path in (tmp_path / "runs/cells").glob("*/recipe.json")]
    assert sorted(seeds) == [0, 5]
