"""A small competition of another kind than the first, its folders, and runs without training."""

import gc
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bad_input
import numpy as np
import pytest
from command import kit
from constant_run import make_constant_run
from flowers import FILE, write_flowers
from fuzz import copy_formats
from hypothesis import settings
from kaggle_place import Place, StillClock, grade_bytes, sent_to, write_blends
from kaggle_server import KaggleServer
from numpy.typing import NDArray
from prepared import save_folds, write_image_files

from kit.competitions.base import Competition, OnKaggle
from kit.competitions.images import OneFile
from kit.competitions.tables import LabelTable, OneHot, SpaceSeparated
from kit.core.disk import write_json, write_text
from kit.core.kernel_paths import KernelFiles
from kit.core.paths import Workspace
from kit.data.blends import remember_blend
from kit.data.folds import Folds, digest_labels
from kit.data.predictions import Predictions, write_predictions
from kit.data.runs import Run, begin_run
from kit.ensemble import Options
from kit.stages.blend import blend
from kit.stages.kernel import KernelOptions, kernel_stage

# The same examples on every machine, and none of them against the clock.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """Spare the collector what was imported: each training collects all garbage before it begins.

    Going through TensorFlow and thousands of tests each time takes a quarter of its tests' time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def shapes() -> Competition:
    """Three classes, one colour file an image, one-hot answers, no grader."""
    return Competition(
        name="shapes",
        title="Shapes",
        class_keys=("circle", "square", "star"),
        class_names=("Circle", "Square", "Star"),
        channels=("red", "green", "blue"),
        images=OneFile("{id}.jpg"),
        label_table="labels.csv",
        label_format=SpaceSeparated("image", "shapes"),
        sample_table="sample.csv",
        id_column="image",
        answer_format=OneHot("image"),
        how_to_get_data="Draw them.",
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A competition's folders, all empty."""
    source = tmp_path / "data"
    source.mkdir()
    return Workspace(
        source=source,
        stores=tmp_path / "store",
        runs=tmp_path / "runs",
        folds=tmp_path / "folds" / "shapes.csv",
        submissions=tmp_path / "submissions",
    )


@pytest.fixture
def labels(shapes: Competition, workspace: Workspace) -> LabelTable:
    """Forty labelled rows and eight to answer, on disk; neither table is sorted by id."""
    rng = np.random.default_rng(0)
    ids = tuple(f"train{number:02d}" for number in rng.permutation(40))
    table = LabelTable(ids, (rng.random((40, 3)) < 0.4).astype(np.uint8))
    test_ids = [f"test{number}" for number in rng.permutation(8)]
    text = shapes.label_format.text(table, shapes.class_keys)
    write_text(workspace.source / shapes.label_table, text)
    sample = "".join(f"{image_id},0,0,0\n" for image_id in test_ids)
    write_text(workspace.source / shapes.sample_table, f"image,circle,square,star\n{sample}")
    return table


@pytest.fixture
def folds(labels: LabelTable, workspace: Workspace) -> Folds:
    """Two folds of `labels`, on disk."""
    return save_folds(workspace, labels, 2)


@pytest.fixture
def make_run(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds
) -> Callable[..., Run]:
    """Makes a run as training would leave it, its probabilities leaning to the truth."""

    def make(
        name: str, seed: int, on: Folds = folds, done: Sequence[int] = (0, 1), noise: float = 0.3
    ) -> Run:
        rng = np.random.default_rng(seed)
        run = begin_run(
            workspace, {"name": name, "size": 16}, on.n, on.digest, digest_labels(labels), {}
        )
        test_ids = shapes.read_test_ids(workspace.source)
        fold_of = on.of(labels.ids)
        truth = 0.25 + 0.5 * labels.labels
        for fold in done:
            rows = np.flatnonzero(fold_of == fold)
            probs = np.clip(truth[rows] + rng.normal(0, noise, (len(rows), 3)), 0.01, 0.99)
            ids = tuple(labels.ids[row] for row in rows)
            keys, files = shapes.class_keys, run.files.fold(fold)
            oof = Predictions(ids, probs.astype(np.float32), keys, fold_of[rows])
            test = rng.random((len(test_ids), 3), np.float32)
            write_predictions(files.oof, oof, {})
            write_predictions(files.test, Predictions(test_ids, test, keys), {})
            write_json(files.done, {})
        return run

    return make


@pytest.fixture(scope="session")
def flower_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two models of flowers have been trained and blended, to be copied.

    Training is most of what a test of the line costs: whoever needs trained runs copies these.
    """
    folder = tmp_path_factory.mktemp("flowers")
    write_flowers(folder / "data" / "flowers", n_train=40, n_test=12)
    common = ("--competition", FILE)
    kit(folder, "folds", *common, "--n", "2")
    for size in ("16", "24"):
        changes = ("epochs=1", "batch=8", "repeat_threshold=0.5")
        words = [word for change in changes for word in ("--set", change)]
        kit(folder, "train", "convnet", *common, "--size", size, *words)
    kit(folder, "blend", *common, "--name", "both")
    return folder


@pytest.fixture(scope="session")
def spoilable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished competition; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("spoilable")
    bad_input.prepare(folder)
    return folder


@pytest.fixture
def finished(
    spoilable: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> bad_input.Place:
    """A copy of it, for commands that are refused."""
    shutil.copytree(spoilable, tmp_path / "copy")
    return bad_input.place_in(tmp_path / "copy", monkeypatch, capsys)


@pytest.fixture(scope="session")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two blends of the cells and their submissions, to be copied."""
    folder = tmp_path_factory.mktemp("blends")
    write_blends(folder)
    return folder


@pytest.fixture
def place(
    blends: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Place]:
    """The two blends, a stand-in for Kaggle to submit them to, and a token that it knows."""
    folder, home = tmp_path / "work", tmp_path / "home"
    shutil.copytree(blends, folder)
    home.mkdir()
    monkeypatch.chdir(folder)
    server, clock = KaggleServer(grade_bytes(folder / "data/cells")), StillClock()
    monkeypatch.setattr("kit.kaggle.clock.system_clock", clock.as_clock)
    with sent_to(server, home, monkeypatch):
        yield Place(folder, home, server, clock, monkeypatch, capsys)


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grey image for every row, for the report."""

    def read(*arguments: object) -> list[NDArray[np.uint8]]:
        ids = arguments[-1]
        assert isinstance(ids, list)
        return [np.full((16, 16, 3), 128, np.uint8)] * len(ids)

    monkeypatch.setattr("kit.report.view.read_composites", read)


@pytest.fixture
def net(make_run: Callable[..., Run]) -> Run:
    """A run with all three folds done."""
    return make_run("net", 1, done=range(3))


@pytest.fixture
def wide(make_run: Callable[..., Run]) -> Run:
    """Another, whose scores are noisier."""
    return make_run("wide", 2, done=range(3), noise=0.5)


@pytest.fixture
def light_kernel(
    shapes: Competition,
    workspace: Workspace,
    make_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., KernelFiles]:
    """Writes the notebook of a blend whose weights and wheel are a few bytes each."""
    for number in (1, 2):
        run = make_run(f"run{number}", number)
        for fold in range(run.folds):
            files = run.files.fold(fold)
            write_text(files.weights(3), f"weights {number} {fold}")
            write_json(files.done, {"epochs": 4, "best": 3})
    remember_blend(workspace, blend(shapes, workspace, (), "both", Options("mean", "fixed")))

    def build(root: Path, folder: Path) -> None:
        (folder / "hpa_kit-0-py3-none-any.whl").write_text("a wheel")

    monkeypatch.setattr("kit.kernel.folder.build_wheel", build)
    monkeypatch.setattr("kit.kernel.folder.versions", dict)
    show = replace(shapes, kaggle=OnKaggle("shape-show"))

    def write(still: StillClock | None = None, **options: Any) -> KernelFiles:
        clock = (still or StillClock()).as_clock()
        return kernel_stage(show, workspace, None, KernelOptions(**options), clock)

    return write


@pytest.fixture
def images(shapes: Competition, workspace: Workspace, labels: LabelTable) -> None:
    """The image files of all ids."""
    write_image_files(shapes, workspace, labels)


@pytest.fixture
def trained(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, images: None
) -> Run:
    """A run whose models predict the same for every image."""
    return make_constant_run(shapes, workspace, labels, folds)


@pytest.fixture(scope="session")
def formats_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every format, for tests of readers, which spoil and restore one at a time."""
    return copy_formats(tmp_path_factory.mktemp("readers"))
