"""The offline notebook: it repeats the blend off the network, and refuses what it cannot repeat."""

import json
import os
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from damage import edit_unsealed
from flowers import FILE, flowers

from kit.competitions.base import Competition, OnKaggle
from kit.core.disk import read_json, write_json
from kit.core.errors import UserError
from kit.core.kernel_paths import KernelFiles, KernelOutput
from kit.core.paths import Workspace
from kit.core.seal import Damaged, seal
from kit.data.blends import remember_blend
from kit.data.predictions import read_predictions
from kit.data.run_files import read_done, write_done
from kit.data.runs import Run
from kit.ensemble import Decision
from kit.kaggle.clock import system_clock
from kit.kernel import folder as folder_module
from kit.kernel import image, no_network, predict, wheel
from kit.kernel.check import Agreement, largest_difference, require_agreement
from kit.kernel.folder import plan_kernel
from kit.kernel.image import compare_versions, require_keras
from kit.kernel.notebook import script_of
from kit.kernel.rules import NO_OWNER
from kit.models.build import build_model
from kit.stages.blend import blend
from kit.stages.kernel import KernelOptions, kernel_stage

ROOT = Path(__file__).parent.parent
FROM_FILE = KernelOptions(own_file=Path(FILE))


@pytest.fixture(scope="module")
def meadow(flower_line: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Flowers with two models of different sizes, trained on two folds, and their blend."""
    folder = tmp_path_factory.mktemp("kernel") / "meadow"
    shutil.copytree(flower_line, folder)
    return Workspace(
        source=folder / "data" / "flowers",
        stores=folder / "data" / "flowers" / "store",
        runs=folder / "runs" / "flowers",
        folds=folder / "folds" / "flowers.csv",
        submissions=folder / "submissions",
    )


@pytest.fixture(scope="module")
def written(meadow: Workspace) -> KernelFiles:
    """The notebook's folder of the meadow's blend. Tests that change it take a copy."""
    return kernel_stage(flowers, meadow, None, FROM_FILE, system_clock())


@pytest.fixture
def copy(written: KernelFiles, tmp_path: Path) -> KernelFiles:
    """The notebook's folder, to be changed."""
    shutil.copytree(written.folder, tmp_path / "copy")
    return KernelFiles(tmp_path / "copy")


def state(folder: Path) -> dict[Path, tuple[bytes, int]]:
    files = [path for path in folder.rglob("[!.]*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# Refuses to import what Kaggle's image may not hold, also in the children of a process.
LACKING = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Lacking())
"""


def lacking_in_the_image() -> list[str]:
    """The modules of the kit's dependencies that predicting is to do without."""
    declared = re.findall(r'^    "([a-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.M)
    modules = {"opencv-python": "cv2", "iterative-stratification": "iterstrat"}
    modules |= {"scikit-learn": "sklearn", "keras-cv": "keras_cv"}
    named = {modules.get(name, name) for name in declared}
    # TensorFlow brings these for itself.
    return sorted(named - set(image.NEEDED) - {"requests", "six", "tensorboard"})


def test_the_notebook_repeats_the_blend_without_the_network_and_what_the_image_lacks(
    meadow: Workspace,
    written: KernelFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lacking = lacking_in_the_image()
    assert {"iterstrat", "optuna", "kaggle", "typer", "pandas", "sklearn"} <= set(lacking)
    guard = tmp_path / "guard.py"
    guard.write_text(Path(no_network.__file__).read_text() + LACKING.format(names=lacking))
    monkeypatch.setattr("kit.kernel.check.no_network", SimpleNamespace(__file__=str(guard)))
    before = state(written.dataset.folder)
    kernel_stage(flowers, meadow, "both", replace(FROM_FILE, check=True), system_clock())
    out = capsys.readouterr().out
    assert "ran here with the network blocked" in out
    assert "Rows of the submission that differ: 0." in out
    found = read_predictions(written.check.output.test, flowers.class_keys)
    expected = read_predictions(meadow.blend("both").test, flowers.class_keys).take(found.ids)
    assert np.abs(found.probs - expected.probs).max() <= 1e-5
    csv = meadow.submissions / "flowers-both.csv"
    assert written.check.output.csv.read_bytes() == csv.read_bytes()
    assert state(written.dataset.folder) == before


def test_a_changed_weight_is_found(
    meadow: Workspace, copy: KernelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = sorted(copy.dataset.folder.glob("convnet-24-*/*/*.weights.h5"))
    shutil.copyfile(other, one)
    with pytest.raises(UserError, match=r"weights\.h5 is missing or has changed\. Push"):
        predict.predict(copy.dataset.folder, meadow.source, tmp_path, tmp_path / "packed")
    edit_unsealed(copy.dataset.marker, lambda marker: (marker.pop("files"), marker.pop("editable")))
    with pytest.raises(Damaged, match=rf"{one.name} has changed"):
        predict.predict(copy.dataset.folder, meadow.source, tmp_path, tmp_path / "packed")
    # Weights of an earlier version have no digest: what they predict is compared.
    edit_unsealed(one.parent / "done.json", lambda done: done.pop("files"))
    predict.predict(copy.dataset.folder, meadow.source, tmp_path, tmp_path / "packed")
    plan = plan_kernel(flowers, meadow, meadow.blend("both"), Path(FILE), "flowers both", None)
    difference = largest_difference(plan, KernelOutput(tmp_path))

    found = Agreement(difference, rows_differing=0, isolated=True)
    monkeypatch.setattr("kit.stages.kernel.check_kernel", lambda plan, files: found)
    options = replace(FROM_FILE, out=copy.folder, check=True)
    with pytest.raises(UserError, match="test predictions differ from the blend's by up to"):
        kernel_stage(flowers, meadow, "both", options, system_clock())


def test_a_cell_that_fails_is_quoted_in_one_line(
    meadow: Workspace, copy: KernelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = read_json(copy.notebook)
    # Without accounts too: what is run here is to work there, and shows what it likes.
    monkeypatch.setenv("KAGGLE_KEY", "marker0key")
    told = "import os; raise KeyError(f'what happened, {os.environ.get(\"KAGGLE_KEY\")}')"
    notebook["cells"][2]["source"] = [told]
    write_json(copy.notebook, notebook)
    with pytest.raises(
        UserError, match=r"^The notebook failed: KeyError: 'what happened, None' \(full"
    ):
        kernel_stage(
            flowers, meadow, "both", replace(FROM_FILE, out=copy.folder, check=True), system_clock()
        )


def test_rows_that_differ_from_the_submission_are_counted(
    meadow: Workspace, written: KernelFiles
) -> None:
    alike = Agreement(difference=0.0, rows_differing=0, isolated=False)
    plan = plan_kernel(flowers, meadow, meadow.blend("both"), Path(FILE), "flowers both", None)
    require_agreement(alike, plan, written)
    with pytest.raises(UserError, match=r"agree to 0\.0e\+00, but 3 rows of .*submission\.csv"):
        require_agreement(replace(alike, rows_differing=3), plan, written)


def test_python_and_its_children_are_kept_off_the_network(tmp_path: Path) -> None:
    guard = Path(no_network.__file__).read_text() + "\nrefuse_network()\n"
    (tmp_path / "sitecustomize.py").write_text(guard)
    attempts = """
import socket, subprocess, sys
one, other = socket.socketpair()
one.sendall(b"pipes between processes stay")
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.socket().connect(("127.0.0.1", 9)),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("kaggle.com", 443),
):
    try:
        attempt()
    except PermissionError as error:
        print(error)
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"], check=True)
"""
    (tmp_path / "attempts.py").write_text(attempts)
    done = subprocess.run(
        [sys.executable, "-P", "attempts.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the network is blocked") == 8


def test_test_images_packed_in_parts_give_the_same_predictions(
    meadow: Workspace, written: KernelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "PART_BYTES", 5 * 24 * 24 * 3)  # five images of the larger size
    predict.predict(written.dataset.folder, meadow.source, tmp_path, tmp_path / "packed")
    found = read_predictions(tmp_path / "test.parquet", flowers.class_keys)
    expected = read_predictions(meadow.blend("both").test, flowers.class_keys).take(found.ids)
    np.testing.assert_allclose(found.probs, expected.probs, atol=1e-6)
    assert not (tmp_path / "packed").exists()


def test_one_network_is_in_memory_at_a_time_and_predicts_as_training_did(
    meadow: Workspace, written: KernelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[weakref.ref[keras.Model]] = []
    alive: list[int] = []

    def build(*words: Any, **settings: Any) -> keras.Model:
        alive.append(sum(network() is not None for network in built))
        model = build_model(*words, **settings)
        built.append(weakref.ref(model))
        return model

    monkeypatch.setattr(predict, "build_model", build)
    monkeypatch.setattr(predict, "PART_BYTES", 8 * 24 * 24 * 3)  # two parts of the larger size
    predict.predict(written.dataset.folder, meadow.source, tmp_path, tmp_path / "packed")
    assert alive == [0, 0, 0]
    found = read_predictions(tmp_path / "test.parquet", flowers.class_keys)
    expected = read_predictions(meadow.blend("both").test, flowers.class_keys).take(found.ids)
    np.testing.assert_array_equal(found.probs, expected.probs)


def test_writing_it_again_changes_nothing(meadow: Workspace, copy: KernelFiles) -> None:
    before = state(copy.folder)
    kernel_stage(flowers, meadow, "both", replace(FROM_FILE, out=copy.folder), system_clock())
    assert state(copy.folder) == before


def test_equal_sources_give_an_equal_wheel(written: KernelFiles, tmp_path: Path) -> None:
    wheel.build_wheel(ROOT, tmp_path)
    (again,) = tmp_path.glob("*.whl")
    (first,) = written.dataset.folder.glob("*.whl")
    assert again.read_bytes() == first.read_bytes()


def test_without_sources_there_is_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.__file__", str(tmp_path / "kit" / "__init__.py"))
    with pytest.raises(UserError, match=r"not a source checkout: pyproject\.toml, README\.md, "):
        wheel.source_root()


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes an empty wheel in no time, where a test is about something else."""

    def build(root: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hpa_kit-0-py3-none-any.whl").write_text("a wheel")

    monkeypatch.setattr(folder_module, "build_wheel", build)


def test_a_kill_on_the_way_leaves_no_dataset_that_looks_whole(
    meadow: Workspace, tmp_path: Path, no_wheel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*words: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    for step in ("build_wheel", "_copy_runs", "notebook_text"):
        with monkeypatch.context() as patch:
            patch.setattr(folder_module, step, killed)
            with pytest.raises(KeyboardInterrupt):
                kernel_stage(flowers, meadow, "both", replace(FROM_FILE, out=out), system_clock())
        assert not KernelFiles(out).dataset.marker.exists()
    files = kernel_stage(flowers, meadow, "both", replace(FROM_FILE, out=out), system_clock())
    assert files.dataset.marker.exists()


def test_the_metadata_turn_the_internet_off_and_name_the_sources(
    meadow: Workspace, tmp_path: Path, no_wheel: None
) -> None:
    show = replace(flowers, kaggle=OnKaggle("flower-show"))
    files = kernel_stage(
        show,
        meadow,
        "both",
        replace(FROM_FILE, title="My flowers!", out=tmp_path / "out"),
        system_clock(),
    )
    assert read_json(files.metadata) == {
        "id": f"{NO_OWNER}/my-flowers",
        "title": "My flowers",
        "code_file": "predict.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "dataset_sources": [f"{NO_OWNER}/my-flowers-weights"],
        "competition_sources": ["flower-show"],
        "kernel_sources": [],
        "model_sources": [],
    }
    assert read_json(files.dataset.metadata) == {
        "title": "My flowers weights",
        "id": f"{NO_OWNER}/my-flowers-weights",
        "licenses": [{"name": "copyright-authors"}],
    }
    before = state(files.folder)
    kernel_stage(show, meadow, "both", replace(FROM_FILE, out=files.folder), system_clock())
    assert state(files.folder) == before  # the title is kept


def test_the_notebook_says_what_to_expect_and_is_nbformat_4(
    meadow: Workspace, written: KernelFiles
) -> None:
    notebook = read_json(written.notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds == ["markdown", *["code"] * 5]
    assert len({cell["id"] for cell in notebook["cells"]}) == len(kinds)
    score = Decision.load(meadow.blend("both").decision).worth.score
    told = "".join(notebook["cells"][0]["source"])
    assert f"**{score.expected:.3f}**, 95% CI {score.interval[0]:.3f} to" in told
    compile(script_of(json.dumps(notebook)), "notebook", "exec")


def test_all_that_kaggle_would_refuse_is_told_before_anything_is_written(
    meadow: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        kernel_stage(
            flowers,
            meadow,
            "both",
            replace(FROM_FILE, title="x" * 49, out=tmp_path / "out"),
            system_clock(),
        )
    told = str(caught.value)
    assert "the dataset's title 'xxx" in told
    assert "the dataset's name 'xxx" in told
    assert "allowed: 6 to 50" in told
    assert not (tmp_path / "out").exists()


def test_metadata_changed_by_hand_are_checked_again(meadow: Workspace, copy: KernelFiles) -> None:
    metadata = read_json(copy.metadata)
    write_json(copy.metadata, {**metadata, "enable_internet": True, "title": "Other"})
    write_json(copy.dataset.metadata, {**read_json(copy.dataset.metadata), "licenses": []})
    with pytest.raises(UserError) as caught:
        kernel_stage(flowers, meadow, "both", replace(FROM_FILE, out=copy.folder), system_clock())
    assert "enable_internet is True, not False" in str(caught.value)
    assert "its title in 'other'" in str(caught.value)
    assert "licenses are [], expected one of CC0-1.0" in str(caught.value)


def test_a_folder_of_something_else_is_left_alone(
    meadow: Workspace, tmp_path: Path, no_wheel: None
) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.txt").write_text("years of work")
    with pytest.raises(UserError, match="contains dataset, which the kit did not write"):
        kernel_stage(flowers, meadow, "both", replace(FROM_FILE, out=tmp_path), system_clock())
    assert (tmp_path / "dataset" / "mine.txt").exists()


def test_runs_that_were_not_trained_here_are_refused(
    shapes: Competition, workspace: Workspace, make_run: Callable[..., Run]
) -> None:
    names = [make_run("one", 1).name, make_run("two", 2).name]
    remember_blend(workspace, blend(shapes, workspace))
    with pytest.raises(UserError, match="No weights for the predictions of ") as caught:
        kernel_stage(shapes, workspace, None, KernelOptions(), system_clock())
    assert all(name in str(caught.value) for name in names)
    assert not (workspace.runs / "kernels").exists()


def test_a_run_trained_again_since_the_blend_is_refused(
    meadow: Workspace, tmp_path: Path, no_wheel: None
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(meadow.runs, runs)
    place = replace(meadow, runs=runs)
    name = place.run_names()[0]
    test = place.run(name).fold(0).test
    shutil.copyfile(place.run(name).fold(1).test, test)
    # Its marker stands for the new file, as after another training.
    done = read_done(place.run(name).fold(0))
    sealed = {**done.files, **seal(test.parent, [test])}
    write_done(place.run(name).fold(0), replace(done, files=sealed))
    with pytest.raises(UserError, match=f"The predictions of {name} have changed since"):
        kernel_stage(flowers, place, "both", FROM_FILE, system_clock())


def test_the_notebook_wants_the_dataset_that_it_was_written_for(
    written: KernelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = read_json(written.dataset.marker)["inputs"]
    rows = compare_versions(written.dataset.folder, inputs)
    assert rows == [(name, found, found) for name, found in image.versions().items()]
    require_keras()
    with pytest.raises(UserError, match="not the version of the dataset that this notebook"):
        compare_versions(written.dataset.folder, "another")
    old = {**image.versions(), "keras": "3.5.0"}
    monkeypatch.setattr(image, "versions", lambda: old)
    with pytest.raises(
        UserError, match=r"Keras 3\.5\.0 is too old for these weights, which need 3"
    ):
        require_keras()
