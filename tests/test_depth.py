"""16-bit files: one depth for all images, declared or found in train, never per image."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from damage import edit_unsealed
from numpy.typing import NDArray
from recording import Recording

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data import packing
from kit.data.depth import measure_depth, train_depth
from kit.data.images import Folder
from kit.data.native import read_native
from kit.data.store import pack, packing_facts

KIND = StoreKind(16)


@pytest.fixture
def deep(shapes: Competition, workspace: Workspace, labels: LabelTable) -> Competition:
    """Grey 16-bit images that use 12 bits: all of train are darker than the test images."""
    rng = np.random.default_rng(0)
    competition = replace(shapes, channels=("grey",), images=OneFile("{id}.png"))
    for one in labels.ids:
        put(workspace, "train", one, rng.integers(0, 1500, (16, 16)))
    for one in competition.read_test_ids(workspace.source):
        put(workspace, "test", one, rng.integers(0, 4000, (16, 16)))
    put(workspace, "train", labels.ids[3], np.full((16, 16), 2100))
    return competition


def put(workspace: Workspace, split: str, image_id: str, values: NDArray[np.int64]) -> None:
    path = workspace.source / split / f"{image_id}.png"
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), values.astype(np.uint16))


def raw(workspace: Workspace, split: str, ids: tuple[str, ...]) -> NDArray[np.uint16]:
    paths = [workspace.source / split / f"{one}.png" for one in ids]
    return np.array([cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths])


@pytest.mark.parametrize(
    ("largest", "depth"),
    [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14),
     (16384, 16), (65535, 16)],
)  # fmt: skip
def test_the_depth_is_that_of_a_camera_that_holds_all_values(
    tmp_path: Path, largest: int, depth: int
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 1]], np.uint16))
    cv2.imwrite(str(tmp_path / "b.png"), np.array([[0, largest]], np.uint16))
    (tmp_path / "c.png").write_bytes(b"cut")
    assert measure_depth(Folder(tmp_path), ["a.png", "b.png", "c.png"]) == depth


def test_train_decides_and_test_uses_the_same(
    deep: Competition, workspace: Workspace, labels: LabelTable
) -> None:
    reporter = Recording()
    train = pack(deep, workspace, "train", KIND, labels.ids, reporter)
    test_ids = deep.read_test_ids(workspace.source)
    test = pack(deep, workspace, "test", KIND, test_ids, reporter)
    assert train.depth == test.depth == 12
    for store, split in ((train, "train"), (test, "test")):
        np.testing.assert_array_equal(store.images[..., 0], raw(workspace, split, store.ids) >> 4)
    told = [line for line in reporter.lines if "16-bit" in line]
    assert told[0] == (
        "train: 16-bit files (40) use 12 bits, so values are divided by 16 to get 8 bits. To set "
        "this: bit_depth=12 in the competition's file."
    )
    assert len(told) == 2


def test_brighter_test_images_become_white_and_are_told(
    deep: Competition, workspace: Workspace, labels: LabelTable
) -> None:
    pack(deep, workspace, "train", KIND, labels.ids)
    test_ids = deep.read_test_ids(workspace.source)
    put(workspace, "test", test_ids[2], np.full((16, 16), 5000))
    reporter = Recording()
    test = pack(deep, workspace, "test", KIND, test_ids, reporter)
    assert (test.images[2] == 255).all()
    assert reporter.lines[-1] == (f"test: values above 12 bits become white in {test_ids[2]}.png.")


def test_test_alone_is_scaled_by_the_training_images(
    deep: Competition, workspace: Workspace
) -> None:
    test_ids = deep.read_test_ids(workspace.source)
    test = pack(deep, workspace, "test", KIND, test_ids)
    assert test.depth == 12


def test_a_declared_depth_is_not_measured(
    deep: Competition, workspace: Workspace, labels: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "measure_depth", None)
    declared = replace(deep, bit_depth=14)
    train = pack(declared, workspace, "train", KIND, labels.ids)
    np.testing.assert_array_equal(train.images[..., 0], raw(workspace, "train", labels.ids) >> 6)
    with pytest.raises(UserError, match="changed: bit depth"):
        pack(replace(deep, bit_depth=12), workspace, "train", KIND, labels.ids)
    assert pack(deep, workspace, "train", KIND, labels.ids).depth == 14


@pytest.mark.parametrize("depth", [7, 17, 0])
def test_a_depth_out_of_range_is_refused(deep: Competition, depth: int) -> None:
    with pytest.raises(
        ValueError, match=f"bit_depth={depth}: expected a number of bits from 8 to 16"
    ):
        replace(deep, bit_depth=depth)


def test_a_test_set_follows_a_train_store_of_an_earlier_version(
    deep: Competition, workspace: Workspace, labels: LabelTable
) -> None:
    """It kept the upper 8 bits, dark as that was: its models know no brighter images."""
    pack(replace(deep, bit_depth=16), workspace, "train", KIND, labels.ids)

    def forget(content: dict[str, object]) -> None:
        del content["pixels"], content["bit_depth"]

    edit_unsealed(workspace.store(KIND, "train").meta, forget)
    test_ids = deep.read_test_ids(workspace.source)
    test = pack(deep, workspace, "test", KIND, test_ids)
    np.testing.assert_array_equal(test.images[..., 0], raw(workspace, "test", test_ids) >> 8)
    with pytest.raises(UserError, match="changed: bit depth"):
        pack(replace(deep, bit_depth=12), workspace, "train", KIND, labels.ids)


def test_pictures_and_notebooks_use_the_depth_of_the_store(
    deep: Competition, workspace: Workspace, labels: LabelTable
) -> None:
    (native,) = read_native(deep, workspace, "train", labels.ids[:1])
    expected = raw(workspace, "train", labels.ids[:1])[0] >> 4
    np.testing.assert_array_equal(native[..., 0], expected)
    pack(replace(deep, bit_depth=14), workspace, "train", KIND, labels.ids)
    assert train_depth(deep, workspace) == 14
    assert packing_facts(workspace, [KIND])["bit_depths"] == {"16": 14}
    (native,) = read_native(deep, workspace, "train", labels.ids[:1])
    np.testing.assert_array_equal(native[..., 0], expected >> 2)


def test_8_bit_images_have_no_depth(
    deep: Competition, workspace: Workspace, labels: LabelTable
) -> None:
    for one in labels.ids:
        cv2.imwrite(str(workspace.source / "train" / f"{one}.png"), np.full((16, 16), 9, np.uint8))
    reporter = Recording()
    store = pack(deep, workspace, "train", KIND, labels.ids, reporter)
    assert (store.depth, store.images.max()) == (None, 9)
    assert not [line for line in reporter.lines if "bits" in line]
