"""Bilinear stores beside those of area averaging: their pixels, names, digests, and their runs."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import keras
import numpy as np
import pytest
from command import inside, kit
from flowers import FILE, flowers
from numpy.typing import NDArray

from kit.cli import main
from kit.competitions.base import Competition
from kit.competitions.images import FilePerChannel, OneFile
from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.kernel_paths import KernelFiles
from kit.core.paths import Workspace
from kit.core.store_paths import RESIZES, StoreFiles, StoreKind
from kit.data.predictions import read_predictions
from kit.data.store import Store, open_store, pack, pack_alone
from kit.kaggle.clock import system_clock
from kit.kernel import folder as folder_module
from kit.kernel import predict
from kit.models.stems import mix, mixing_matrix
from kit.recipes.base import Recipe
from kit.stages.kernel import KernelOptions, kernel_stage

Pixels = NDArray[np.uint8]

CHANNELS = ("red", "green", "blue", "yellow")
# Of the store of `blocks`, as packed by version 0.2.0, which knew only area averaging.
DIGEST_BEFORE = "7ef8398f17748ba4c98258c0d801e3f4790884a4f8044ce72aec2a8336301ac3"


@pytest.fixture
def cells(shapes: Competition) -> Competition:
    """A competition with one grey PNG per channel."""
    images = FilePerChannel("{id}_{channel}.png", CHANNELS)
    return replace(shapes, name="cells", channels=CHANNELS, images=images)


def put(folder: Path, name: str, image: NDArray[np.integer]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(Path(name).suffix, image)
    (folder / name).write_bytes(data.tobytes())


def pack_cells(cells: Competition, workspace: Workspace, images: Pixels, kind: StoreKind) -> Store:
    """Pack images (rows, height, width, 4) with the ids a, b, and so on."""
    ids = tuple("abcdefgh"[: len(images)])
    for name, image in zip(ids, images, strict=True):
        for channel, plane in zip(CHANNELS, np.moveaxis(image, 2, 0), strict=True):
            put(workspace.source / "train", f"{name}_{channel}.png", plane)
    return pack(cells, workspace, "train", kind, ids)


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def blocks() -> tuple[Pixels, NDArray[np.int64]]:
    """Two images of 4 x 4 blocks with whole means, and these: nothing is left to rounding.

    The inner four pixels of a block, which bilinear interpolation takes, have another mean.
    """
    means = np.random.default_rng(0).integers(30, 220, (2, 16, 16, 4))
    rest = np.array([[-24, 8, 8, 8], [8, -8, -8, 8], [8, -8, -8, 8], [-24, 8, 8, 8]])
    planes = np.kron(np.moveaxis(means, 3, 1), np.ones((4, 4), int)) + np.tile(rest, (16, 16))
    return np.moveaxis(planes, 1, 3).astype(np.uint8), means


# Pixels


@pytest.mark.parametrize(("height", "width"), [(512, 512), (200, 200), (400, 150), (150, 640)])
def test_linear_is_opencvs_bilinear_interpolation_in_both_directions(
    cells: Competition, workspace: Workspace, height: int, width: int
) -> None:
    images = noise(1, height, width, 4)
    store = pack_cells(cells, workspace, images, StoreKind(299, "linear"))
    for channel in range(4):
        plane = np.ascontiguousarray(images[0, :, :, channel])
        expected = cv2.resize(plane, (299, 299), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(store.images[0, :, :, channel], expected)


def test_colour_files_and_16_bits_are_read_as_ever(
    shapes: Competition, workspace: Workspace
) -> None:
    image = noise(40, 30, 3).astype(np.uint16) * 256 + 77
    put(workspace.source / "train", "a.png", image[:, :, ::-1])
    deep = replace(shapes, images=OneFile("{id}.png"))
    store = pack(deep, workspace, "train", StoreKind(16, "linear"), ("a",))
    upper = (image >> 8).astype(np.uint8)
    expected = cv2.resize(upper, (16, 16), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(store.images[0], expected)


def test_images_of_the_stores_own_size_are_kept_to_the_bit(
    cells: Competition, workspace: Workspace
) -> None:
    images = noise(2, 32, 32, 4)
    store = pack_cells(cells, workspace, images, StoreKind(32, "linear"))
    np.testing.assert_array_equal(store.images, images)


@pytest.mark.parametrize("side", [512, 200])
def test_mixing_after_the_resize_is_mixing_before_it_within_one_grey_level(
    cells: Competition, workspace: Workspace, side: int
) -> None:
    """The report mixed floats, then resized, then divided by 255; the store keeps whole bytes."""
    images = noise(1, side, side, 4)
    red, green, blue, yellow = (images[0, :, :, channel] / 2 for channel in range(4))
    published = cv2.resize(
        np.dstack([red + yellow, green + yellow, blue]).astype(np.float32),
        (299, 299),
        interpolation=cv2.INTER_LINEAR,
    )
    store = pack_cells(cells, workspace, images, StoreKind(299, "linear"))
    weights = mixing_matrix("mix_half_yellow", CHANNELS)
    mixed = keras.ops.convert_to_numpy(mix(store.images.astype(np.float32), weights))
    difference = np.abs(mixed[0] / 255 - published / 255)
    assert difference.max() <= 1 / 255
    area = pack_cells(cells, workspace, images, StoreKind(299))
    assert np.abs(area.images[0] @ weights / 255 - published / 255).max() > 10 / 255


# Identity


def test_stores_of_area_averaging_keep_their_place_digest_and_description(
    cells: Competition, workspace: Workspace
) -> None:
    images, means = blocks()
    store = pack_cells(cells, workspace, images, StoreKind(16))
    np.testing.assert_array_equal(store.images, means)
    assert store.digest == DIGEST_BEFORE
    files = workspace.store(StoreKind(16), "train")
    assert files.images == workspace.stores / "16" / "train.npy"
    keys = "competition split rows size channels ids_digest file_sizes digest pixels"
    header = ["format", "kit", "kind"]
    assert list(read_json(files.meta)) == [*header, *keys.split(), "sha256"]


def test_linear_stores_lie_beside_them_with_other_digests(
    cells: Competition, workspace: Workspace
) -> None:
    images, _ = blocks()
    kinds = (StoreKind(16), StoreKind(16, "linear"))
    first, second = (pack_cells(cells, workspace, images, kind) for kind in kinds)
    assert first.digest != second.digest
    assert (first.images != second.images).any()
    assert (first.kind, second.kind) == kinds
    files = workspace.store(kinds[1], "train")
    assert files.images == workspace.stores / "16-linear" / "train.npy"
    assert read_json(files.meta)["resize"] == "linear"
    for kind, store in zip(kinds, (first, second), strict=True):
        assert open_store(workspace.store(kind, "train")).digest == store.digest
    # Equal pixels, which need no resize, do not make equal stores either.
    own = [pack_cells(cells, workspace, images, replace(kind, size=64)) for kind in kinds]
    np.testing.assert_array_equal(own[0].images, own[1].images)
    assert own[0].digest != own[1].digest


@pytest.mark.parametrize("resize", RESIZES)
def test_a_store_moved_to_the_folder_of_the_other_kind_is_refused(
    cells: Competition, workspace: Workspace, resize: str
) -> None:
    (other,) = set(RESIZES) - {resize}
    images, _ = blocks()
    pack_cells(cells, workspace, images, StoreKind(16, other))
    (workspace.stores / StoreKind(16, other).name).rename(
        workspace.stores / StoreKind(16, resize).name
    )
    with pytest.raises(UserError, match=r"packed from different inputs; changed: resize\. To"):
        pack(cells, workspace, "train", StoreKind(16, resize), ("a", "b"))


def test_a_recipe_takes_the_same_methods() -> None:
    assert get_args(Recipe.model_fields["resize"].annotation) == RESIZES
    assert Recipe.model_fields["resize"].default == StoreKind(16).resize


def test_another_method_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^No resize method 'bilinear'\. Known: area, linear\."):
        StoreKind(299, "bilinear")
    with inside(tmp_path) as shown, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kit", "pack", "--size", "299", "--resize", "../elsewhere"])
        with pytest.raises(SystemExit) as left:
            main()
    assert left.value.code == 2
    assert shown.getvalue() == "kit: No resize method '../elsewhere'. Known: area, linear.\n"
    assert list(tmp_path.iterdir()) == []


# Runs


@pytest.fixture(scope="module")
def meadow(flower_line: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flowers with a run of 24 pixels by area averaging, and one by bilinear interpolation.

    The only stores are the bilinear ones: whatever opens another has to pack it first.
    """
    folder = tmp_path_factory.mktemp("resize") / "meadow"
    shutil.copytree(flower_line, folder)
    shutil.rmtree(folder / "data" / "flowers" / "store")
    train_linear(folder)
    return folder


def train_linear(folder: Path) -> str:
    """Train as the line does at 24 pixels, but on bilinear images; what was printed."""
    changes = ("epochs=1", "batch=8", "repeat_threshold=0.5", "resize=linear")
    words = [word for change in changes for word in ("--set", change)]
    return kit(folder, "train", "convnet", "--competition", FILE, "--size", "24", *words)


def runs_of_24(folder: Path) -> tuple[str, str]:
    """The names of the two runs of 24 pixels: on areas, and bilinear."""
    by_resize = {
        read_json(path / "recipe.json")["resize"]: path.name
        for path in (folder / "runs" / "flowers").glob("convnet-24-*")
    }
    return by_resize["area"], by_resize["linear"]


def test_training_on_bilinear_images_is_a_run_of_its_own(meadow: Path) -> None:
    area, linear = runs_of_24(meadow)
    assert area != linear
    assert "all requested folds are done" in train_linear(meadow)
    stores = sorted(path.name for path in (meadow / "data" / "flowers" / "store").iterdir())
    assert stores == ["24-linear"]
    assert "  stores  24-linear\n" in kit(meadow, "status", "--competition", FILE)


def test_pictures_copies_and_more_views_come_from_the_bilinear_store(
    meadow: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(meadow, folder)
    _, linear = runs_of_24(folder)
    common = ("--competition", FILE)
    kit(folder, "blend", linear, *common, "--name", "alone", "--postprocess", "copies")
    kit(folder, "report", "alone", *common)
    kit(folder, "predict", linear, *common, "--tta", "2")
    assert len(list((folder / "runs" / "flowers").glob("convnet-24-*"))) == 3
    stores = sorted(path.name for path in (folder / "data" / "flowers" / "store").iterdir())
    assert stores == ["24-linear"]
    said = kit(folder, "pack", *common, "--size", "24", "--resize", "linear")
    assert "store/24-linear/train.npy: 40 images" in said


def test_the_notebook_packs_the_images_as_each_run_was_trained(
    meadow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(meadow, folder)
    runs = runs_of_24(folder)
    kit(folder, "blend", *runs, "--competition", FILE, "--name", "two", "--method", "mean")
    workspace = Workspace(
        source=folder / "data" / "flowers",
        stores=folder / "data" / "flowers" / "store",
        runs=folder / "runs" / "flowers",
        folds=folder / "folds" / "flowers.csv",
        submissions=folder / "submissions",
    )

    def no_wheel(root: Path, place: Path) -> None:
        (place / "hpa_kit-0-py3-none-any.whl").write_text("a wheel")

    monkeypatch.setattr(folder_module, "build_wheel", no_wheel)
    options = KernelOptions(own_file=Path(FILE), out=tmp_path / "out")
    written: KernelFiles = kernel_stage(flowers, workspace, "two", options, system_clock())
    packed: list[str] = []

    def packing(competition: Competition, files: StoreFiles, *rest: object) -> Store:
        packed.append(files.kind.name)
        return pack_alone(competition, files, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(predict, "pack_alone", packing)
    monkeypatch.setattr(predict, "PART_BYTES", 8 * 24 * 24 * 3)  # two parts of each kind
    predict.predict(written.dataset.folder, workspace.source, tmp_path, tmp_path / "packed")
    assert packed == ["24", "24", "24-linear", "24-linear"]
    found = read_predictions(tmp_path / "test.parquet", flowers.class_keys)
    expected = read_predictions(workspace.blend("two").test, flowers.class_keys).take(found.ids)
    np.testing.assert_allclose(found.probs, expected.probs, atol=1e-6)
