"""Training: what a kill leaves can be gone on with, and gives what an undisturbed run gives."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from command import kit

from kit.competitions.cells import cells, generate_cells
from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.paths import RunFiles, Workspace
from kit.data.fold_table import FoldOptions
from kit.data.predictions import read_predictions
from kit.stages.folds import fold_stage

ROOT = Path(__file__).parent.parent
TINY = ("--competition", "cells", "--size", "32", "--set", "batch=8", "--set", "steps=3")

# Kills the process with no warning when the named function is called for the n-th time.
KILL_AT = """
import os, signal, sys
import kit.training.checkpoint as checkpoint
name, count = sys.argv[1], int(sys.argv[2])
real, calls = getattr(checkpoint, name), [0]
def killing(*arguments):
    calls[0] += 1
    if calls[0] == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
setattr(checkpoint, name, killing)
sys.argv = ["kit", *sys.argv[3:]]
from kit.cli import main
main()
"""


@dataclass(frozen=True)
class Place:
    """A folder with tiny cells and their folds, and the environment to run the kit there."""

    folder: Path
    environment: Mapping[str, str]

    def killed(self, function: str, call: int, *words: str, runs: str) -> None:
        """Run the command line there in a process that is killed at a call of a function."""
        done = subprocess.run(
            [sys.executable, "-c", KILL_AT, function, str(call), *words],
            cwd=self.folder,
            env={**self.environment, "KIT_RUNS": runs},
            capture_output=True,
            text=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("line")
    generate_cells(folder / "data" / "cells", seed=1, n_train=60, n_test=12, size=32)
    here = Workspace(
        source=folder / "data" / "cells",
        stores=folder / "data" / "cells" / "store",
        runs=folder / "runs" / "cells",
        folds=folder / "folds" / "cells.csv",
        submissions=folder / "submissions",
    )
    fold_stage(cells, here, FoldOptions(n=2, seed=0))
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return Place(folder, {**os.environ, "PYTHONPATH": path})


def only_run(place: Place, runs: str) -> RunFiles:
    (folder,) = (place.folder / runs / "cells").iterdir()
    return RunFiles(folder)


@pytest.mark.slow
def test_a_training_killed_three_times_ends_like_one_that_was_not(place: Place) -> None:
    changes = ("frozen_epochs=1", "epochs=3", "dropout=0.3", "keep=last")
    drawn = ("sampling=replacement", "validate=batch(9)")
    settings = [word for change in (*changes, *drawn) for word in ("--set", change)]
    words = ["train", "convnet", *TINY, "--folds", "0", *settings]
    kit(place.folder, *words, runs="undisturbed")

    # Between an epoch's weights and the marker that makes them count, in the middle of its log,
    # and when all is trained and predicted but the fold is not marked as done.
    place.killed("write_progress", 2, *words, runs="killed")
    files = only_run(place, "killed").fold(0)
    assert len(read_json(files.progress)["log"]) == 1
    assert not files.done.exists()
    place.killed("write_text", 2, *words, runs="killed")
    assert len(read_json(files.progress)["log"]) == 2
    assert not files.oof.exists()
    place.killed("remove_unfinished", 1, *words, runs="killed")
    assert files.oof.exists()
    assert not files.done.exists()
    kit(place.folder, *words, runs="killed")

    assert len(files.log.read_text().splitlines()) == 1 + 4
    calm = only_run(place, "undisturbed").fold(0)
    assert files.oof.read_bytes() == calm.oof.read_bytes()
    assert files.test.read_bytes() == calm.test.read_bytes()
    timed = ("samples_per_second", "seconds")
    killed, undisturbed = (
        [{key: line[key] for key in line if key not in timed} for line in log]
        for log in (read_json(one.progress)["log"] for one in (files, calm))
    )
    assert killed == undisturbed
    assert [path.name for path in files.all_checkpoints()] == ["epoch003.weights.h5"]


def test_every_row_is_predicted_once_and_by_the_model_that_did_not_see_it(place: Place) -> None:
    kit(place.folder, "train", "convnet", *TINY, "--set", "epochs=1", runs="whole")
    run = only_run(place, "whole")
    fold_of = {
        line.split(",")[0]: int(line.split(",")[1])
        for line in (place.folder / "folds" / "cells.csv").read_text().splitlines()[1:]
    }
    predicted: dict[str, int] = {}
    for fold in (0, 1):
        oof = read_predictions(run.fold(fold).oof, cells.class_keys)
        assert oof.fold is not None
        predicted |= dict(zip(oof.ids, oof.fold.tolist(), strict=True))
        test = read_predictions(run.fold(fold).test, cells.class_keys)
        assert set(test.ids) == set(cells.read_test_ids(place.folder / "data" / "cells"))
    assert predicted == fold_of


def test_a_loss_that_is_no_number_stops_with_one_line(place: Place) -> None:
    from kit.training.train import train

    here = Workspace(
        source=place.folder / "data" / "cells",
        stores=place.folder / "data" / "cells" / "store",
        runs=place.folder / "nan",
        folds=place.folder / "folds" / "cells.csv",
        submissions=place.folder / "submissions",
    )
    from kit.recipes import recipes
    from kit.recipes.base import with_settings

    recipe = with_settings(
        recipes.get("convnet"),
        ["size=32", "batch=8", "steps=4", "epochs=1", "schedule=constant"],
    )
    recipe = recipe.model_copy(update={"learning_rate": 1e30})  # larger than can be set
    with pytest.raises(UserError, match=r"Try smaller steps: --set learning_rate=1e\+29"):
        train(cells, here, recipe, [0])


def test_an_epoch_is_full_batches_of_training_rows_whatever_their_number() -> None:
    from kit.data.sampling import by_chance
    from kit.recipes import recipes
    from kit.training.plan import plan_epoch

    rows = np.array([3, 5, 8])
    each_once = by_chance(np.ones(3))
    recipe = recipes.get("convnet").model_copy(update={"batch": 4, "steps": 5})
    plan = plan_epoch(recipe, rows, each_once, seed=0, epoch=2)
    assert len(plan.rows) == 20
    assert set(plan.rows.tolist()) == {3, 5, 8}
    again = plan_epoch(recipe, rows, each_once, seed=0, epoch=2)
    assert (again.rows == plan.rows).all()
    assert (again.symmetries == plan.symmetries).all()
    assert (plan_epoch(recipe, rows, each_once, 0, 3).rows != plan.rows).any()
