"""Damaged and missing files of a run: each is named, and the command that is named fixes it."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from damage import edit_unsealed
from prepared import error_of, place_in, write_sixty_cells
from recording import Recording

from kit.competitions.base import Competition
from kit.competitions.cells import cells
from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.interrupts import Interrupted
from kit.core.owner import Busy, own
from kit.core.paths import FoldRunFiles, Workspace
from kit.core.seal import Damaged
from kit.data.run_files import EpochLog, Progress, load_progress, write_progress
from kit.data.runs import Run, begin_run, how_to_fix, open_run, open_runs
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.stages.train import TrainOptions, train_stage
from kit.training import fit
from kit.training.display import FoldDisplay
from kit.training.events import append_events
from kit.training.fold import FoldTask
from kit.training.predict_run import predict_run
from kit.training.predictor import Predictor
from kit.training.resume import find_resumption
from kit.training.train import train, train_run

SETTINGS = ("size=16", "batch=8", "steps=3", "epochs=3", "keep=val_loss", "sampling=none")
HARD = ("accumulate=2", "ema=0.9", "dropout=0.3")


def recipe_with(*settings: str) -> Recipe:
    return with_settings(recipes.get("convnet"), [*SETTINGS, *settings])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty cells in two folds, and a run of which fold 0 is finished."""
    folder = tmp_path_factory.mktemp("damage")
    write_sixty_cells(folder)
    train(cells, place_in(folder, folder / "calm"), recipe_with(*HARD), [0])
    return folder


@pytest.fixture(scope="module")
def half(prepared: Path) -> Path:
    """A folder of runs in which the same training was interrupted after its second epoch."""
    runs = prepared / "half"

    def break_off(path: Path, log: Sequence[EpochLog]) -> None:
        append_events(path, log)
        if len(log) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kit.training.fit.append_events", break_off)
        with pytest.raises(KeyboardInterrupt):
            train(cells, place_in(prepared, runs), recipe_with(*HARD), [0])
    return runs


@pytest.fixture
def here(prepared: Path, tmp_path: Path) -> Workspace:
    """The cells, and an empty folder for runs."""
    return place_in(prepared, tmp_path / "runs")


@pytest.fixture
def run(prepared: Path, here: Workspace) -> Run:
    """The finished run, copied."""
    shutil.copytree(prepared / "calm", here.runs)
    return open_run(here, "convnet")


def delete(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1  # in a JSON file of the kit, a digit of its digest
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def same_as_calm(files: FoldRunFiles, prepared: Path) -> bool:
    """Whether weights, predictions and log are those of the undisturbed run; times aside."""
    (folder,) = (prepared / "calm").iterdir()
    calm = FoldRunFiles(folder / "fold0")
    alike = [path.name for path in (calm.oof, calm.test, *calm.all_weights())]
    same = all(
        (files.folder / one).read_bytes() == (calm.folder / one).read_bytes() for one in alike
    )
    return same and untimed(files) == untimed(calm)


def untimed(files: FoldRunFiles) -> list[dict[str, object]]:
    timed = ("seconds", "samples_per_second")
    log = read_json(files.progress)["log"]
    return [{key: line[key] for key in line if key not in timed} for line in log]


@pytest.mark.parametrize(
    ("name", "harm", "told"),
    [
        ("recipe.json", delete, "is missing. It is restored from run.json."),
        ("inputs.json", flip, "has changed since it was written. It is restored from run.json."),
        ("fold0/log.csv", delete, "is missing. It is written again."),
        ("fold0/progress.json", truncate, "It is written again."),
        ("fold0/oof.parquet", delete, "is missing. It is made again."),
        ("fold0/done.json", flip, "has changed since it was written. It is made again."),
        ("fold0/epoch*.weights.h5", flip, "Fold 0 is trained again from the start."),
    ],
)
def test_what_is_damaged_is_named_and_the_named_command_fixes_it(
    run: Run, here: Workspace, prepared: Path, name: str, harm: Callable[[Path], None], told: str
) -> None:
    (path,) = run.files.folder.glob(name)
    harm(path)
    sound, broken = open_runs(here)
    assert sound == ()
    assert [one.name for one in broken] == [run.name]
    assert broken[0].reason.startswith(f"{path} ")
    assert f"kit train {run.name}" in broken[0].reason

    lines = Recording()
    train_run(cells, here, run.name, [0], reporter=lines)
    (line,) = [one for one in lines.lines if one.startswith(str(path))]
    assert line.endswith(told)
    assert open_runs(here) == ((open_run(here, run.name),), ())
    assert open_run(here, run.name).find_damage(thorough=True) == ()
    assert same_as_calm(run.files.fold(0), prepared)


def test_a_deleted_marker_is_a_fold_to_finish(run: Run, here: Workspace, prepared: Path) -> None:
    """And the events may be deleted, because they only draw curves."""
    files = run.files.fold(0)
    files.events.unlink()
    assert run.find_damage(thorough=True) == ()
    files.done.unlink()
    assert "untrained folds: 0,1" in error_of(run.read_oof, cells)
    train_run(cells, here, run.name, [0])
    assert same_as_calm(files, prepared)


def test_opening_a_damaged_file_names_the_command(run: Run) -> None:
    files = run.files.fold(0)
    truncate(files.oof)
    flip(files.all_weights()[0])
    fix = rf"Fix it: kit train {run.name} --folds 0$"
    with pytest.raises(Damaged, match=rf"oof\.parquet has changed: .*\. {fix}"):
        run.read_finished_oof(cells)
    with pytest.raises(Damaged, match=rf"weights\.h5 has changed: .*\. {fix}"):
        run.weights(0)
    delete(files.progress)
    with pytest.raises(Damaged, match=rf"progress\.json is missing\. {fix}"):
        run.seconds()
    assert len(run.find_damage()) == 3


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["epoch001.weights.h5"], "resumes from the checkpoint before, the end of epoch 1."),
        pytest.param(
            ["epoch001.state.npz"],
            "resumes from the checkpoint before, the end of epoch 1.",
            marks=pytest.mark.slow,
        ),
        (["progress.json"], "It is restored from epoch001.state.npz."),
        (["epoch001.state.npz", "epoch000.weights.h5"], "is trained again from the start."),
        pytest.param(
            ["epoch001.state.npz", "epoch000.state.npz", "progress.json"],
            "is trained again from the start.",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    half: Path, here: Workspace, prepared: Path, names: Sequence[str], told: str
) -> None:
    shutil.copytree(half, here.runs)
    run = open_run(here, "convnet")
    files = run.files.fold(0)
    kept = sorted(path.name for path in files.all_checkpoints())
    assert kept == [
        *("epoch000.state.npz", "epoch000.weights.h5"),
        *("epoch001.state.npz", "epoch001.weights.h5"),
    ]
    for name in names:
        flip(files.folder / name)
    damaged = {damage.path.name for damage in run.find_damage(thorough=True)}
    assert damaged == set(names) or damaged == {"progress.json"}
    lines = Recording()
    train_run(cells, here, run.name, [0], reporter=lines)
    (line,) = [one for one in lines.lines if one.startswith(str(files.folder))]
    assert line.endswith(told)
    assert same_as_calm(files, prepared)


def test_the_progress_of_another_fold_is_restored_from_the_checkpoint(
    half: Path, here: Workspace
) -> None:
    shutil.copytree(half, here.runs)
    files = open_run(here, "convnet").files.fold(0)
    own = load_progress(files)
    log = tuple(replace(line, loss=line.loss + 1) for line in own.log)
    write_progress(files, replace(own, log=log, files={}))
    found = find_resumption(files, recipe_with(*HARD), "Fold 0")
    assert found.state.log == own.log
    restored = "is of another fold. It is restored from epoch001.state.npz."
    assert found.told == (f"{files.progress} {restored}",)


def test_a_signal_finishes_the_step_and_the_rest_gives_the_same(
    here: Workspace, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an epoch, and while its held-out rows are scored."""
    steps: list[int] = []
    step = FoldDisplay.step

    def count(display: FoldDisplay) -> None:
        steps.append(1)
        step(display)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(FoldDisplay, "step", count)
    seeds = TrainOptions(folds="0", seeds="0,1", settings=(*SETTINGS, *HARD))
    with pytest.raises(Interrupted) as stopped:
        train_stage(cells, here, "convnet", seeds)
    run = open_run(here, "convnet")
    files = run.files.fold(0)
    assert stopped.value.status == 143
    assert stopped.value.told == (
        "Stopped by SIGTERM in fold 0, in epoch 1, after step 2 of 3. All of it is kept in "
        f"{run.files.folder}. Resume: kit train convnet --folds 0 --seeds 0,1 "
        + " ".join(f"--set '{one}'" if "'" in one else f"--set {one}" for one in seeds.settings)
    )
    assert [path.name for path in files.all_states()] == ["epoch000-2.state.npz"]

    calls: list[int] = []
    of_batch = Predictor._of_batch

    def interrupt(predictor: Predictor, *given: object) -> object:
        calls.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        return of_batch(predictor, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "_of_batch", interrupt)
        told = rf"in epoch 1, after step 3 of 3\. .* Resume: kit train {run.name} --folds 0$"
        with pytest.raises(Interrupted, match=told):
            train_run(cells, here, run.name, [0])
    assert [path.name for path in files.all_states()] == ["epoch000-3.state.npz"]
    train_run(cells, here, run.name, [0])
    assert same_as_calm(files, prepared)


def test_a_signal_while_the_last_fold_is_finished_ends_the_command(
    run: Run, here: Workspace, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes too late for the run, but other seeds or commands may follow."""
    finish = fit.finish_fold

    def interrupt(task: FoldTask, state: Progress) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        finish(task, state)

    monkeypatch.setattr(fit, "finish_fold", interrupt)
    files = run.files.fold(0)
    files.done.unlink()
    with pytest.raises(Interrupted, match=r"^Stopped by SIGTERM after the last fold\. All of it"):
        train_run(cells, here, run.name, [0])
    assert files.done.exists()
    assert same_as_calm(files, prepared)


def test_a_second_training_is_told_who_trains(run: Run, here: Workspace) -> None:
    with own(run.files.fold(1).folder, "fold 1"):
        with pytest.raises(Busy, match=rf"^fold 1 of {run.name} is in use by process"):
            train_run(cells, here, run.name)
        train_run(cells, here, run.name, [0])  # finished, so it needs no lock


def test_a_disk_that_is_too_small_is_refused_first(
    run: Run, here: Workspace, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr("kit.core.faults.shutil.disk_usage", lambda folder: space)
    assert error_of(train_run, cells, here, run.name, [1]).startswith("Training convnet needs ")
    assert not run.files.fold(1).folder.exists()
    assert error_of(predict_run, cells, here, run.name, 2).startswith(
        f"Predicting with {run.name} "
    )
    # Fold 0 only lacks predictions: 42 rows of 28 probabilities and an id.
    run.files.fold(0).test.unlink()
    space.free = 42 * (4 * 28 + 64) - 1
    said = error_of(train_run, cells, here, run.name, [0])
    assert said.startswith("Predicting with convnet needs 7.4 kB in ")
    space.free += 1
    train_run(cells, here, run.name, [0])
    assert same_as_calm(run.files.fold(0), prepared)


def test_a_run_keeps_its_settings(run: Run, here: Workspace) -> None:
    for options in (TrainOptions(size=32), TrainOptions(settings=("epochs=1",))):
        said = error_of(train_stage, cells, here, run.name, options)
        assert said.startswith(f"{run.name} is a run and keeps its settings. Drop --s")
    edit_unsealed(run.files.inputs, lambda inputs: inputs["stores"].update(train="other"))
    run.files.copy.unlink()  # which would restore them
    said = error_of(train_run, cells, here, run.name)
    assert said.startswith(f"The train images have changed since {run.name} was trained.")


def test_a_broken_run_leaves_the_others_alone(
    shapes: Competition, workspace: Workspace, make_run: Callable[..., Run]
) -> None:
    broken, sound = make_run("broken", 1), make_run("sound", 2)
    broken.files.recipe.write_text("{}")
    assert open_runs(workspace)[0] == (sound,)
    (told,) = open_runs(workspace)[1]
    assert f"Fix it: kit train {broken.name}" in told.reason
    inputs = sound.inputs
    digests = (inputs.folds, inputs.folds_digest, inputs.labels_digest)
    assert begin_run(workspace, sound.recipe, *digests, {}) == sound
    # The recipe at hand is what the broken one was.
    assert begin_run(workspace, broken.recipe, *digests, {}) == broken
    assert len(open_runs(workspace)[0]) == 2
    for path in (broken.files.recipe, broken.files.copy):
        path.unlink()
    with pytest.raises(UserError, match=r"recipe\.json is missing\. Move .* away"):
        open_run(workspace, broken.name)


def test_files_of_a_run_without_seals_only_have_to_exist(
    shapes: Competition, make_run: Callable[..., Run]
) -> None:
    run = make_run("old", 1)
    assert run.find_damage(thorough=True) == ()
    run.files.fold(1).test.unlink()
    (damage,) = run.find_damage()
    assert str(damage) == f"{run.files.fold(1).test} is missing"
    assert how_to_fix(run, damage) == f"Fix it: kit train {run.name} --folds 1"
    run.files.fold(0).oof.write_text("no Parquet")
    with pytest.raises(UserError, match=rf"Fix it: kit train {run.name} --folds 0$"):
        run.read_oof(shapes)
