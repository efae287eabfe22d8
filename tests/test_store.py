"""The packed store: what is read is what was written, and a bad file leaves nothing behind."""

import errno
import os
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from recording import Recording

from kit.competitions.base import Competition
from kit.competitions.images import FilePerChannel, OneFile
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.core.suggest import Typed
from kit.data import packing as packing_module
from kit.data.store import open_store, pack

IDS = ("a", "b", "c")
SKIP = "Or go on without: kit pack --size 16 --skip-bad 1"
AGAIN = f"Download it again. {SKIP}"
CHANNELS = ("red", "green", "blue", "yellow")


@pytest.fixture
def cells(shapes: Competition) -> Competition:
    """A competition with one grey PNG a channel."""
    images = FilePerChannel("{id}_{channel}.png", CHANNELS)
    return replace(shapes, name="cells", channels=CHANNELS, images=images)


def noise(*shape: int, dtype: Any = np.uint8) -> Any:
    """Random pixels, the same each time."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def put(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image whose channels are red, green, blue (, alpha), or one grey one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    in_order = {2: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    if image.ndim == 3:
        image = image[:, :, in_order[image.shape[2]]]
    _, data = cv2.imencode(path.suffix, image)
    path.write_bytes(data.tobytes())


def put_cells(workspace: Workspace, size: int = 32) -> NDArray[np.uint8]:
    """Four PNGs for each of IDS under `train/`; returns the pixels, (3, size, size, 4)."""
    images = noise(len(IDS), size, size, 4)
    for image, image_id in zip(images, IDS, strict=True):
        for channel, name in enumerate(CHANNELS):
            put(workspace.source / "train" / f"{image_id}_{name}.png", image[:, :, channel])
    return images


def zip_up(workspace: Workspace, inside: str = "") -> Path:
    """Move `train/` into `train.zip`, below the folder `inside` of it."""
    folder, archive = workspace.source / "train", workspace.source / "train.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.iterdir()):
            packed.write(path, inside + path.name)
            path.unlink()
    folder.rmdir()
    return archive


def names_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def refusal(competition: Competition, workspace: Workspace, ids: tuple[str, ...] = IDS) -> str:
    """The message that refuses to pack, once it is sure that nothing was left in the store."""
    with pytest.raises(UserError) as raised:
        pack(competition, workspace, "train", StoreKind(16), ids)
    assert names_below(workspace.stores) == set()
    assert "\n" not in str(raised.value)
    return str(raised.value)


# What is packed


def test_pixels_of_the_stores_own_size_are_kept_to_the_bit(
    cells: Competition, workspace: Workspace
) -> None:
    images = put_cells(workspace)
    store = pack(cells, workspace, "train", StoreKind(32), IDS)
    assert store.ids == IDS
    np.testing.assert_array_equal(store.images, images)
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0
    names = {"train.npy", "train.ids.csv", "train.meta.json"}
    assert names_below(workspace.stores) == names


def test_anyone_can_open_the_store_with_numpy(cells: Competition, workspace: Workspace) -> None:
    images = put_cells(workspace)
    pack(cells, workspace, "train", StoreKind(32), IDS)
    np.testing.assert_array_equal(np.load(workspace.store(StoreKind(32), "train").images), images)


@pytest.mark.parametrize("inside", ["", "train/"])
def test_a_zip_packs_like_the_folder(cells: Competition, workspace: Workspace, inside: str) -> None:
    put_cells(workspace)
    from_folder = np.array(pack(cells, workspace, "train", StoreKind(16), IDS).images)
    zip_up(workspace, inside)
    elsewhere = replace(workspace, stores=workspace.stores / "zipped")
    np.testing.assert_array_equal(
        pack(cells, elsewhere, "train", StoreKind(16), IDS).images, from_folder
    )


def test_shrinking_takes_the_mean_of_areas(cells: Competition, workspace: Workspace) -> None:
    images = put_cells(workspace)
    store = pack(cells, workspace, "train", StoreKind(16), IDS)
    means = images.reshape(3, 16, 2, 16, 2, 4).mean(axis=(2, 4))
    assert np.abs(store.images - means).max() <= 0.5


def test_colour_files_of_mixed_sizes_come_in_the_order_red_green_blue(
    shapes: Competition, workspace: Workspace
) -> None:
    colour = np.array([200, 100, 50], np.uint8)
    for image_id, shape in zip(IDS, [(16, 16), (40, 24), (5, 9)], strict=True):
        put(workspace.source / "train" / f"{image_id}.jpg", np.full((*shape, 3), colour))
    store = pack(shapes, workspace, "train", StoreKind(16), IDS)
    assert store.images.shape == (3, 16, 16, 3)
    # JPEG stores brightness and colour in whole steps.
    assert np.abs(store.images.astype(int) - colour).max() <= 2


@pytest.mark.parametrize("ending", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_of_16_bits_the_upper_8_are_kept(
    shapes: Competition, workspace: Workspace, ending: str, channels: int
) -> None:
    image = noise(16, 16, channels, dtype=np.uint16)
    put(workspace.source / "train" / f"a.{ending}", image if channels > 1 else image[:, :, 0])
    deep = replace(shapes, channels=CHANNELS[:channels], images=OneFile("{id}." + ending))
    store = pack(deep, workspace, "train", StoreKind(16), ("a",))
    np.testing.assert_array_equal(store.images[0], image >> 8)


def test_rows_are_found_by_id(cells: Competition, workspace: Workspace) -> None:
    put_cells(workspace)
    store = pack(cells, workspace, "train", StoreKind(16), IDS)
    assert store.rows(["c", "a", "c"]).tolist() == [2, 0, 2]
    with pytest.raises(UserError, match=r"not in the store \(delete it and pack again\): d"):
        store.rows(["a", "d"])


# Packing again


def test_a_second_pack_decodes_nothing(
    cells: Competition, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cells(workspace)
    first = pack(cells, workspace, "train", StoreKind(16), IDS)
    monkeypatch.setattr(packing_module, "decode_image", None)
    again = pack(cells, workspace, "train", StoreKind(16), IDS)
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.images, first.images)


def test_ids_in_another_order_are_another_store(cells: Competition, workspace: Workspace) -> None:
    images = put_cells(workspace)
    first = pack(cells, workspace, "train", StoreKind(32), IDS)
    elsewhere = replace(workspace, stores=workspace.stores / "turned")
    turned = pack(cells, elsewhere, "train", StoreKind(32), IDS[::-1])
    assert turned.ids == IDS[::-1]
    assert turned.digest != first.digest
    np.testing.assert_array_equal(turned.images, images[::-1])


def refused_and_kept(competition: Competition, workspace: Workspace, ids: Sequence[str]) -> str:
    """What differs, once it is sure that the finished store was refused and left as it was."""
    files = workspace.store(StoreKind(16), "train")
    before = [path.read_bytes() for path in (files.images, files.ids, files.meta)]
    with pytest.raises(UserError) as raised:
        pack(competition, workspace, "train", StoreKind(16), ids)
    assert [path.read_bytes() for path in (files.images, files.ids, files.meta)] == before
    found = re.fullmatch(
        re.escape(str(files.images)) + " was packed from different inputs; changed: (.*)"
        rf"\. To pack again, remove it: rm {re.escape(str(files.images))}; to keep both stores, "
        r"set another KIT_DATA\.",
        str(raised.value),
    )
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("ids", "differs"),
    [(IDS[::-1], "ids digest, file sizes"), (IDS[:2], "rows, ids digest, file sizes")],
)
def test_a_finished_store_of_other_ids_is_refused(
    cells: Competition, workspace: Workspace, ids: tuple[str, ...], differs: str
) -> None:
    put_cells(workspace)
    pack(cells, workspace, "train", StoreKind(16), IDS)
    assert refused_and_kept(cells, workspace, ids) == differs


def test_a_finished_store_of_the_same_ids_from_another_folder_is_refused(
    cells: Competition, workspace: Workspace
) -> None:
    put_cells(workspace)
    first = pack(cells, workspace, "train", StoreKind(16), IDS)
    other = replace(workspace, source=workspace.source / "other")
    put_cells(other, size=24)
    assert refused_and_kept(cells, other, IDS) == "file sizes"
    workspace.store(StoreKind(16), "train").images.unlink()
    assert pack(cells, other, "train", StoreKind(16), IDS).digest != first.digest


def test_other_pixels_in_an_archive_are_noticed_in_files_of_the_same_size(
    shapes: Competition, workspace: Workspace
) -> None:
    """Uncompressed images are all of one size; an archive has their checksums."""
    plain = replace(shapes, images=OneFile("{id}.bmp"))
    put(workspace.source / "train" / "a.bmp", noise(16, 16, 3))
    archive = zip_up(workspace)
    pack(plain, workspace, "train", StoreKind(16), ("a",))
    archive.unlink()
    put(workspace.source / "train" / "a.bmp", 255 - noise(16, 16, 3))
    zip_up(workspace)
    assert refused_and_kept(plain, workspace, ("a",)) == "file checksums"


@pytest.mark.parametrize("change", ["packed into a zip", "deleted", "others added"])
def test_a_finished_store_outlives_its_files(
    cells: Competition, workspace: Workspace, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cells(workspace)
    first = pack(cells, workspace, "train", StoreKind(16), IDS)
    monkeypatch.setattr(packing_module, "decode_image", None)
    if change == "packed into a zip":
        zip_up(workspace)
    elif change == "deleted":
        shutil.rmtree(workspace.source / "train")
    else:
        put(workspace.source / "train" / "d_red.png", noise(8, 8))
    assert pack(cells, workspace, "train", StoreKind(16), IDS).digest == first.digest


def test_the_space_it_takes_is_said_before_any_work(
    cells: Competition, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cells(workspace)
    monkeypatch.setattr(os, "posix_fallocate", disk_is_full, raising=False)
    reporter = Recording()
    with pytest.raises(UserError, match="Disk full"):
        pack(cells, workspace, "train", StoreKind(16), IDS, reporter)
    files = workspace.store(StoreKind(16), "train")
    assert reporter.lines == [f"Packing train at 16: 3 images, 3.1 kB, into {files.images}"]


def test_every_size_and_split_is_a_store_of_its_own(
    cells: Competition, workspace: Workspace
) -> None:
    put_cells(workspace)
    digests = {pack(cells, workspace, "train", StoreKind(size), IDS).digest for size in (16, 32)}
    (workspace.source / "train").rename(workspace.source / "test")
    digests.add(pack(cells, workspace, "test", StoreKind(16), IDS).digest)
    assert len(digests) == 3


@pytest.mark.parametrize("lost", ["images", "meta"])
def test_a_store_without_its_array_or_marker_is_made_again(
    cells: Competition, workspace: Workspace, lost: str
) -> None:
    images = put_cells(workspace)
    pack(cells, workspace, "train", StoreKind(32), IDS)
    files = workspace.store(StoreKind(32), "train")
    getattr(files, lost).unlink()
    with pytest.raises(UserError, match=r"not been packed\. Pack it: kit pack --size 32 -c s\.py$"):
        open_store(files, Typed("s.py"))
    np.testing.assert_array_equal(
        pack(cells, workspace, "train", StoreKind(32), IDS).images, images
    )


def test_ids_that_need_quotes_read_back(shapes: Competition, workspace: Workspace) -> None:
    ids = ("a,b", 'c"d')
    for image_id in ids:
        put(workspace.source / "train" / f"{image_id}.jpg", noise(8, 8, 3))
    assert pack(shapes, workspace, "train", StoreKind(16), ids).ids == ids


def test_an_array_with_other_rows_than_ids_is_refused(
    cells: Competition, workspace: Workspace
) -> None:
    put_cells(workspace)
    pack(cells, workspace, "train", StoreKind(16), IDS)
    files = workspace.store(StoreKind(16), "train")
    np.save(files.images, noise(2, 16, 16, 4))
    with pytest.raises(UserError, match=r"2 x 16 x 16 x 4 of uint8, expected 3 x 16"):
        open_store(files)


# What cannot be packed


@pytest.mark.parametrize("size", [15, 1, 0, -16])
def test_a_size_too_small_is_refused_before_anything_is_made(
    cells: Competition, workspace: Workspace, size: int
) -> None:
    put_cells(workspace)
    with pytest.raises(UserError, match=rf"^--size {size}: images must be at least 16 pixels\.$"):
        pack(cells, workspace, "train", StoreKind(size), IDS)
    assert not workspace.stores.exists()


def test_no_images_at_all_comes_with_the_way_to_get_them(
    cells: Competition, workspace: Workspace
) -> None:
    message = refusal(cells, workspace)
    assert message.startswith(f"Neither {workspace.source / 'train'}/ nor ")
    assert message.endswith("train.zip exists. Draw them.")
    placed = replace(cells, how_to_get_data="Draw them in {folder}.")
    assert refusal(placed, workspace).endswith(f" Draw them in {workspace.source}.")


@pytest.mark.parametrize("zipped", [False, True])
def test_both_splits_may_lie_in_one_folder_or_archive(
    shapes: Competition, workspace: Workspace, zipped: bool
) -> None:
    images = noise(2, 16, 16, 3)
    for image_id, image in zip("ab", images, strict=True):
        put(workspace.source / "train" / f"{image_id}.png", image)
    if zipped:
        zip_up(workspace, "images/").rename(workspace.source / "images.zip")
    else:
        (workspace.source / "train").rename(workspace.source / "images")
    together = replace(
        shapes, images=OneFile("{id}.png"), train_images="images", test_images="images"
    )
    np.testing.assert_array_equal(
        pack(together, workspace, "train", StoreKind(16), "a").images, images[:1]
    )
    np.testing.assert_array_equal(
        pack(together, workspace, "test", StoreKind(16), "b").images, images[1:]
    )


def test_ids_without_an_image_and_missing_channels_are_named(
    cells: Competition, workspace: Workspace
) -> None:
    put_cells(workspace)
    unknown = refusal(cells, workspace, (*IDS, "d", "e"))
    place = f"{workspace.source / 'train'}/"
    assert unknown == (
        "train: ids in the table without an image: d, e. Looked for d_red.png in "
        f"{place}; there is none like it. Or go on without: kit pack --size 16 --skip-bad 2"
    )
    (workspace.source / "train" / "b_green.png").unlink()
    missing = refusal(cells, workspace)
    assert missing == (
        f"train: missing channel files: b_green.png. Looked for b_green.png in {place}; the "
        "nearest there: b_red.png. Or go on without: kit pack --size 16 --skip-bad 1"
    )


@pytest.mark.parametrize("left", [0.02, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("ending", ["png", "jpg", "tiff"])
def test_a_file_cut_short_anywhere_is_named(
    shapes: Competition, workspace: Workspace, ending: str, left: float
) -> None:
    for image_id in IDS:
        put(workspace.source / "train" / f"{image_id}.{ending}", noise(32, 32, 3))
    cut = workspace.source / "train" / f"b.{ending}"
    cut.write_bytes(cut.read_bytes()[: int(left * cut.stat().st_size)])
    message = refusal(replace(shapes, images=OneFile("{id}." + ending)), workspace)
    assert message.startswith(str(cut))


def test_a_png_with_a_changed_byte_is_named(cells: Competition, workspace: Workspace) -> None:
    put_cells(workspace)
    changed = workspace.source / "train" / "b_blue.png"
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    assert refusal(cells, workspace) == f"{changed} is truncated or damaged. {AGAIN}"


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_bytes_after_the_end_of_an_image_change_nothing(
    shapes: Competition, workspace: Workspace, ending: str
) -> None:
    path = workspace.source / "train" / f"a.{ending}"
    put(path, noise(32, 32, 3))
    one = replace(shapes, images=OneFile("{id}." + ending))
    plain = np.array(pack(one, workspace, "train", StoreKind(16), ("a",)).images)
    path.write_bytes(path.read_bytes() + b"more" * 2000)
    elsewhere = replace(workspace, stores=workspace.stores / "more")
    np.testing.assert_array_equal(
        pack(one, elsewhere, "train", StoreKind(16), ("a",)).images, plain
    )


def test_a_jpeg_cut_short_is_named_although_its_thumbnail_is_whole(
    shapes: Competition, workspace: Workspace
) -> None:
    path = workspace.source / "train" / "a.jpg"
    put(path, noise(8, 8, 3))
    thumbnail = path.read_bytes()
    put(path, noise(32, 32, 3))
    data = path.read_bytes()
    header = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = data[:2] + header + b"\xff\xff" + data[3:]
    path.write_bytes(whole)
    elsewhere = replace(workspace, stores=workspace.stores / "whole")
    pack(shapes, elsewhere, "train", StoreKind(16), ("a",))
    shutil.rmtree(workspace.stores)
    path.write_bytes(whole[:-300])
    assert refusal(shapes, workspace, ("a",)).startswith(f"{path} is truncated")


@pytest.mark.parametrize("lost", [5, 8, 12, 13])
def test_a_png_that_lacks_only_its_end_is_named(
    cells: Competition, workspace: Workspace, lost: int
) -> None:
    put_cells(workspace)
    cut = workspace.source / "train" / "b_blue.png"
    cut.write_bytes(cut.read_bytes()[:-lost])
    assert refusal(cells, workspace) == f"{cut} is truncated or damaged. {AGAIN}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a readable image: it is empty."),
        (b"<html>Please sign in</html>", "is not a readable image: it is a web page or XML."),
        (b"no image", "is not a readable image."),
    ],
)
def test_what_is_no_image_is_named(
    cells: Competition, workspace: Workspace, content: bytes, message: str
) -> None:
    put_cells(workspace)
    bad = workspace.source / "train" / "c_yellow.png"
    bad.write_bytes(content)
    assert refusal(cells, workspace) == f"{bad} {message} {AGAIN}"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (noise(8, 8, 3), " is colour instead of grey."),
        (noise(8, 8, 4), " is colour with alpha instead of grey."),
    ],
)
def test_other_channels_than_the_competitions_are_refused(
    cells: Competition, workspace: Workspace, image: NDArray[np.uint8], message: str
) -> None:
    put_cells(workspace)
    bad = workspace.source / "train" / "a_red.png"
    put(bad, image)
    assert refusal(cells, workspace) == f"{bad}{message} {SKIP}"


def test_pixels_that_are_no_whole_numbers_are_refused(
    shapes: Competition, workspace: Workspace
) -> None:
    path = workspace.source / "train" / "a.tiff"
    path.parent.mkdir()
    _, data = cv2.imencode(".tiff", np.ones((8, 8, 3), np.float32))
    path.write_bytes(data.tobytes())
    message = refusal(replace(shapes, images=OneFile("{id}.tiff")), workspace, ("a",))
    assert message == f"{path} has float32 pixels, expected 8 or 16 bits."


def test_a_zip_cut_short_is_named(cells: Competition, workspace: Workspace) -> None:
    put_cells(workspace)
    archive = zip_up(workspace)
    archive.write_bytes(archive.read_bytes()[:-100])
    message = refusal(cells, workspace)
    assert message.startswith(f"{archive} is not a complete zip archive")
    assert message.endswith(f"Remove the archive and download it again: rm {archive}.")


@pytest.mark.parametrize("place", [0, 40, 200, 2000])
def test_a_damaged_file_in_a_zip_is_named(
    cells: Competition, workspace: Workspace, place: int
) -> None:
    put_cells(workspace)
    archive = zip_up(workspace)
    data = bytearray(archive.read_bytes())
    data[place : place + 20] = b"\xff" * 20
    archive.write_bytes(data)
    assert refusal(cells, workspace).startswith(f"{archive}:")


def disk_is_full(file: int, start: int, length: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_is_said_before_any_work(
    cells: Competition, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cells(workspace)
    monkeypatch.setattr(os, "posix_fallocate", disk_is_full, raising=False)
    monkeypatch.setattr(packing_module, "decode_image", None)
    assert refusal(cells, workspace).startswith("Disk full: ")


def test_a_failed_repack_leaves_no_store_that_looks_whole(
    cells: Competition, workspace: Workspace
) -> None:
    put_cells(workspace)
    pack(cells, workspace, "train", StoreKind(16), IDS)
    workspace.store(StoreKind(16), "train").images.unlink()
    (workspace.source / "train" / "a_red.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a_red\.png is not a readable image"):
        pack(cells, workspace, "train", StoreKind(16), IDS)
    with pytest.raises(UserError, match="has not been packed"):
        open_store(workspace.store(StoreKind(16), "train"))
    assert not [name for name in names_below(workspace.stores) if "partial" in name]
