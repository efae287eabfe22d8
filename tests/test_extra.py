"""Extra images: they train beside the others, and never where a copy of theirs validates."""

import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.core.disk import read_json, write_json
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data import extra as extra_module
from kit.data.extra import Extra, parse_extra, read_extra
from kit.data.folds import Folds
from kit.data.stacked import Images, Stacked
from kit.data.store import Store, pack
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.training import train as training

Pixels = NDArray[np.uint8]

SIZE = 32
IDS = ("t0", "t1", "t2", "t3")
TEST_IDS = ("q0",)
TABLE = "image,shapes\nx2,star\nx0,circle square\nx1,\n"


def blobs(rows: int, seed: int) -> Pixels:
    """Random smooth pictures, uint8 (rows, SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (rows, 8, 8, 3)).astype(np.float32)
    smooth = [cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for image in drawn]
    return np.clip(np.stack(smooth), 0, 255).astype(np.uint8)


def put(folder: Path, names: tuple[str, ...], images: Pixels) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, images, strict=True):
        _, data = cv2.imencode(".png", image[:, :, ::-1])
        (folder / f"{name}.png").write_bytes(data.tobytes())


@pytest.fixture
def pictures(shapes: Competition) -> Competition:
    return replace(shapes, images=OneFile("{id}.png"))


@pytest.fixture
def train(pictures: Competition, workspace: Workspace) -> Store:
    put(workspace.source / "train", IDS, blobs(4, seed=0))
    return pack(pictures, workspace, "train", StoreKind(SIZE), IDS)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `more.csv` and `more/`: three rows, `x1` a mirrored copy of `t2`."""
    images = blobs(3, seed=1)
    images[1] = blobs(4, seed=0)[2, :, ::-1]
    put(tmp_path / "more", ("x0", "x1", "x2"), images)
    (tmp_path / "more.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture
def read(
    pictures: Competition, workspace: Workspace, train: Store, place: Path
) -> Callable[..., Extra]:
    """Reads `more.csv` with `more/`, or with another place."""

    def read(images: str = "more") -> Extra:
        text = f"{place / 'more.csv'}:{place / images}"
        return read_extra(pictures, workspace, text, train, TEST_IDS)

    return read


# What is read


def test_ids_labels_and_pixels_come_in_the_order_of_the_ids(
    read: Callable[..., Extra], pictures: Competition
) -> None:
    extra = read()
    assert extra.ids == ("x0", "x1", "x2")
    assert extra.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert extra.labels.dtype == np.uint8
    np.testing.assert_array_equal(extra.store.images[1], blobs(4, seed=0)[2, :, ::-1])
    assert extra.name == "more.csv"


@pytest.mark.parametrize("images", ["more", "more.zip"])
def test_a_zip_archive_is_read_under_either_name(
    read: Callable[..., Extra], place: Path, images: str
) -> None:
    with zipfile.ZipFile(place / "more.zip", "w") as packed:
        for path in sorted((place / "more").iterdir()):
            packed.write(path, f"inside/{path.name}")
    shutil.rmtree(place / "more")
    assert read(images).ids == ("x0", "x1", "x2")


def test_the_digest_follows_labels_and_pixels(
    read: Callable[..., Extra], place: Path, workspace: Workspace
) -> None:
    first = read().digest
    assert read().digest == first
    (place / "more.csv").write_text(TABLE.replace("star", "circle"))
    assert read().digest != first
    (place / "more.csv").write_text(TABLE)
    for packed in (workspace.stores / str(SIZE)).glob("extra-*"):
        packed.unlink()
    put(place / "more", ("x0",), blobs(1, seed=5))
    assert read().digest != first


def test_each_table_of_other_ids_is_a_store_of_its_own(
    read: Callable[..., Extra], place: Path, workspace: Workspace
) -> None:
    read()
    (place / "more.csv").write_text("image,shapes\nx2,star\n")
    assert read().ids == ("x2",)
    stores = sorted(path.name for path in (workspace.stores / str(SIZE)).glob("*.npy"))
    assert len(stores) == 3
    assert [name.rpartition("-")[0] for name in stores] == ["extra-more", "extra-more", ""]


def test_images_are_resized_like_the_competitions_own(
    pictures: Competition, workspace: Workspace, train: Store, place: Path
) -> None:
    kind = StoreKind(SIZE // 2, "linear")
    small = pack(pictures, workspace, "train", kind, IDS)
    text = f"{place / 'more.csv'}:{place / 'more'}"
    extra = read_extra(pictures, workspace, text, small, TEST_IDS)
    assert extra.store.kind == kind
    assert extra.twins.tolist() == [[1, 2]]
    # At half the size, bilinear interpolation takes the mean of four pixels.
    copy = blobs(4, seed=0)[2, :, ::-1].reshape(SIZE // 2, 2, SIZE // 2, 2, 3)
    assert np.abs(extra.store.images[1] - copy.mean(axis=(1, 3))).max() <= 0.5
    packed = sorted(path.name for path in (workspace.stores / kind.name).iterdir())
    assert [name.split(".", 1)[1] for name in packed if name.startswith("extra-more-")] == [
        "ids.csv",
        "meta.json",
        "npy",
        "twins.json",
    ]


def test_other_images_of_the_same_ids_are_refused(read: Callable[..., Extra], place: Path) -> None:
    read()
    put(place / "others", ("x0", "x1", "x2"), blobs(3, seed=7))
    with pytest.raises(UserError, match=r"extra-more-\w+\.npy was packed from different inputs"):
        read("others")


# Which rows train where


def test_a_mirrored_copy_does_not_train_where_its_twin_validates(
    read: Callable[..., Extra],
) -> None:
    extra = read()
    assert extra.twins.tolist() == [[1, 2]]
    assert extra.allowed(np.array([0, 2])).tolist() == [True, False, True]
    assert extra.allowed(np.array([1, 3])).tolist() == [True, True, True]
    assert extra.allowed(np.array([], np.int64)).tolist() == [True, True, True]


def test_a_row_with_several_twins_is_left_out_of_the_fold_of_each(
    pictures: Competition, workspace: Workspace, place: Path
) -> None:
    images = blobs(4, seed=0)
    images[3] = np.rot90(images[2])
    put(workspace.source / "train", IDS, images)
    train = pack(pictures, workspace, "train", StoreKind(SIZE), IDS)
    text = f"{place / 'more.csv'}:{place / 'more'}"
    extra = read_extra(pictures, workspace, text, train, TEST_IDS)
    assert extra.twins.tolist() == [[1, 2], [1, 3]]
    for val_rows, allowed in (([0, 2], False), ([1, 3], False), ([0, 1], True)):
        assert extra.allowed(np.array(val_rows))[1] == allowed


def test_one_line_says_how_many_are_left_out(read: Callable[..., Extra]) -> None:
    extra = read()
    assert extra.told(extra.allowed(np.array([0, 1]))) == "3 of 3 images of more.csv train too."
    assert extra.told(extra.allowed(np.array([2, 3]))) == (
        "2 of 3 images of more.csv train too; excluded as near-duplicates of validation images: 1."
    )


def test_twins_are_looked_for_once(
    read: Callable[..., Extra], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read()

    def again(*_: object, **__: object) -> NDArray[np.int64]:
        raise AssertionError("looked for twice")

    monkeypatch.setattr(extra_module, "find_all_twins", again)
    np.testing.assert_array_equal(read().twins, first.twins)
    (path,) = (workspace.stores / str(SIZE)).glob("extra-more-*.twins.json")
    write_json(path, {**read_json(path), "train": "another store"})
    with pytest.raises(AssertionError, match="looked for twice"):
        read()


def test_no_twins_at_all_are_kept_as_none(read: Callable[..., Extra], place: Path) -> None:
    (place / "more.csv").write_text("image,shapes\nx0,circle\nx2,star\n")
    for _ in range(2):
        extra = read()
        assert extra.twins.shape == (0, 2)
        assert extra.allowed(np.arange(4)).all()


# What is refused


@pytest.mark.parametrize("text", ["more.csv", "", ":", "more.csv:", ":more"])
def test_a_text_that_does_not_name_both_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=rf"^--extra expects CSV:IMAGES, such as .*, got '{text}'\.$"
    ):
        parse_extra(text)


def test_what_does_not_exist_is_refused(place: Path) -> None:
    with pytest.raises(UserError, match=r"less\.csv does not exist\. Name the label table"):
        parse_extra(f"{place / 'less.csv'}:{place / 'more'}")
    with pytest.raises(UserError, match=r"less is neither a folder nor a zip archive"):
        parse_extra(f"{place / 'more.csv'}:{place / 'less'}")
    with pytest.raises(UserError, match=r"more\.csv is not a complete zip archive"):
        parse_extra(f"{place / 'more.csv'}:{place / 'more.csv'}")


def test_a_path_may_have_colons_in_it(place: Path) -> None:
    (place / "a:b.csv").write_text(TABLE)
    text = f"{place / 'a:b.csv'}:{place / 'more'}"
    assert parse_extra(text) == (place / "a:b.csv", place / "more")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("Id,Target\nx0,0\n", r"more\.csv: header is 'Id,Target', expected 'image,shapes'"),
        ("image,shapes\nx0,triangle\n", r"more\.csv, line 2: 'triangle' is not a label"),
        ("image,shapes\nx0,star\nx0,star\n", "duplicate id 'x0'"),
        ("image,shapes\n", "has a header but no rows"),
        ("image,shapes\nt3,star\nx0,star\nt1,\n", "has ids of training images: t1, t3. Remove"),
        ("image,shapes\nq0,star\nx0,star\n", "has ids of test images: q0. Remove those rows"),
        ("image,shapes\nx0,star\nx9,star\n", "ids in the table without an image: x9."),
    ],
)
def test_a_table_that_cannot_be_used_leaves_nothing_behind(
    read: Callable[..., Extra], place: Path, workspace: Workspace, table: str, message: str
) -> None:
    (place / "more.csv").write_text(table)
    before = sorted(workspace.stores.rglob("*"))
    with pytest.raises(UserError, match=message) as raised:
        read()
    assert "\n" not in str(raised.value)
    assert sorted(workspace.stores.rglob("*")) == before


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,shapes\nx0,triangle\n", "'triangle' is not a label"),
        ("image,shapes\ntrain03,star\n", r"has ids of training images: train03\."),
        ("image,shapes\nx9,star\n", r"ids in the table without an image: x9\."),
    ],
)
def test_training_refuses_it_before_it_packs_anything(
    pictures: Competition,
    workspace: Workspace,
    folds: Folds,
    place: Path,
    table: str,
    message: str,
) -> None:
    (place / "more.csv").write_text(table)
    recipe = with_settings(recipes.get("convnet"), ["size=16"])
    with pytest.raises(UserError, match=message):
        training.train(pictures, workspace, recipe, extra=f"{place / 'more.csv'}:{place / 'more'}")
    assert not workspace.stores.exists()


def test_a_damaged_image_is_named(read: Callable[..., Extra], place: Path) -> None:
    image = place / "more" / "x1.png"
    image.write_bytes(image.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"x1\.png is truncated or damaged"):
        read()


# Several stores as one


def test_stacked_images_are_those_of_the_parts_in_turn(tmp_path: Path) -> None:
    first, second = blobs(2, seed=0), blobs(3, seed=1)
    mapped = np.memmap(tmp_path / "x", np.uint8, mode="w+", shape=second.shape)
    mapped[:] = second
    stacked = Stacked((first, mapped))
    assert stacked.shape == (5, SIZE, SIZE, 3)
    assert len(stacked) == 5
    for row, image in enumerate([*first, *second]):
        np.testing.assert_array_equal(stacked[row], image)
    np.testing.assert_array_equal(stacked[np.int64(4)], second[2])
    assert np.shares_memory(stacked[3], mapped)


def test_an_array_a_memory_map_and_a_stack_can_all_be_stacked(tmp_path: Path) -> None:
    images: Images = np.memmap(tmp_path / "x", np.uint8, mode="w+", shape=(1, 4, 4, 2))
    twice = Stacked((Stacked((images, images)), images))
    assert twice.shape == (3, 4, 4, 2)
    assert twice[2].shape == (4, 4, 2)


@pytest.mark.parametrize("row", [5, -1, -6])
def test_a_row_that_is_not_there_is_an_error(row: int) -> None:
    with pytest.raises(IndexError, match=f"row {row} of 5 images"):
        Stacked((blobs(2, seed=0), blobs(3, seed=1)))[row]


@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (2, 32, 32, 4)])
def test_other_sizes_and_channels_cannot_be_stacked(shape: tuple[int, ...]) -> None:
    message = re.escape(f"got [(1, 32, 32, 3), {shape}]")
    with pytest.raises(ValueError, match=message):
        Stacked((blobs(1, seed=0), np.zeros(shape, np.uint8)))
    with pytest.raises(ValueError, match=r"got \[\]"):
        Stacked(())
