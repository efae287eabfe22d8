"""The command line where TensorFlow cannot be imported, under the backend of KERAS_BACKEND."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kit.competitions.cells import cells, generate_cells
from kit.competitions.metrics import accuracy, exact_match
from kit.core.paths import RunFiles, Workspace
from kit.data.fold_table import FoldOptions
from kit.data.predictions import read_predictions
from kit.data.run_files import load_progress
from kit.stages.folds import fold_stage

ROOT = Path(__file__).parent.parent.parent
TINY = ("--competition", "cells", "--size", "32", "--folds", "0")
SETTINGS = ("batch=8", "steps=2", "epochs=1")

# As if it were not installed. None in sys.modules is, to Keras, a TensorFlow that was imported.
WITHOUT_TENSORFLOW = """
import sys
from importlib.machinery import PathFinder
class Without:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras_cv"):
            return None
        return PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from kit.cli import main
main()
assert not {"tensorflow", "keras_cv"} & set(sys.modules)
"""

# The signal of a scheduler during the third step.
INTERRUPTED = """
import os, signal
from kit.training.watch import Watch
after, seen = Watch.on_train_batch_end, []
def after_step(*given, **named):
    seen.append(1)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    after(*given, **named)
Watch.on_train_batch_end = after_step
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny cells and their folds."""
    made = tmp_path_factory.mktemp("line")
    generate_cells(made / "data" / "cells", seed=1, n_train=40, n_test=6, size=32)
    here = Workspace(
        source=made / "data" / "cells",
        stores=made / "data" / "cells" / "store",
        runs=made / "runs" / "cells",
        folds=made / "folds" / "cells.csv",
        submissions=made / "submissions",
    )
    fold_stage(cells, here, FoldOptions(n=2, seed=0))
    return made


def kit(folder: Path, *words: str, first: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line there, with TensorFlow out of reach; before it, the code `first`."""
    code = WITHOUT_TENSORFLOW.replace("from kit.cli", f"{first}\nfrom kit.cli")
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_a_recipe_is_trained_and_predicts(folder: Path) -> None:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    done = kit(folder, "train", "convnet", *TINY, *settings)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "runs" / "cells").glob("convnet*")
    files = RunFiles(run).fold(0)
    for table in (files.oof, files.test):
        probs = read_predictions(table, cells.class_keys).probs
        assert len(probs) in (6, 20)
        assert np.isfinite(probs).all()
    (line,) = load_progress(files).log
    oof = read_predictions(files.oof, cells.class_keys)
    labels = cells.read_labels(folder / "data" / "cells").of(oof.ids)
    assert line.val_accuracy == pytest.approx(accuracy(labels, oof.probs > 0.5))
    assert line.val_exact_match == exact_match(labels, oof.probs > 0.5)
    assert 0 < (line.accuracy or 0) < 1


def test_a_signal_stops_inside_an_epoch_and_training_resumes(folder: Path, tmp_path: Path) -> None:
    settings = ["--set", "batch=4", "--set", "steps=2", "--set", "epochs=2", "--set", "ema=0.9"]
    words = ("train", "convnet", *TINY, *settings)
    folder = shutil.copytree(folder, tmp_path / "line")
    shutil.rmtree(folder / "runs", ignore_errors=True)
    stopped = kit(folder, *words, first=INTERRUPTED)
    assert stopped.returncode == 143, stopped.stderr
    (line,) = [line for line in stopped.stderr.splitlines() if line.startswith("kit: ")]
    assert "Stopped by SIGTERM in fold 0, in epoch 2, after step 1 of 2" in line
    assert "Traceback" not in stopped.stderr
    resumed = kit(folder, *words)
    assert resumed.returncode == 0, resumed.stderr
    (run,) = (folder / "runs" / "cells").glob("convnet*")
    files = RunFiles(run).fold(0)
    probs = read_predictions(files.oof, cells.class_keys).probs
    log = load_progress(files).log
    shutil.rmtree(run)
    assert kit(folder, *words).returncode == 0
    assert len(log) == len(load_progress(files).log) == 2
    undisturbed = read_predictions(files.oof, cells.class_keys).probs
    np.testing.assert_allclose(probs, undisturbed, atol=1e-5)


def test_a_recipe_of_kerascv_says_in_one_line_what_it_needs(folder: Path) -> None:
    done = kit(folder, "train", "resnet34", *TINY, "--set", "batch=8")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("kit: ")]
    assert line.startswith("kit: keras-cv needs TensorFlow under any Keras backend")
    assert "Traceback" not in done.stderr


def test_the_models_are_listed(folder: Path) -> None:
    done = kit(folder, "models")
    assert done.returncode == 0, done.stderr
    assert "mit_b0" in done.stdout
