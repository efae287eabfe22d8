"""A store that was damaged: noticed when it is opened, packed again if its images are there."""

import errno
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from damage import edit_unsealed
from PIL import Image
from recording import Recording

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.core.errors import UserError
from kit.core.owner import Busy, own
from kit.core.paths import Workspace
from kit.core.seal import Damaged
from kit.core.store_paths import StoreFiles, StoreKind
from kit.core.suggest import Typed
from kit.data import packing, store_pixels
from kit.data.store import Store, check_store, open_store, pack
from kit.data.store_pixels import damaged_file

KIND = StoreKind(16)
IDS = tuple(f"image{number}" for number in range(8))


@pytest.fixture
def pictures(shapes: Competition, workspace: Workspace) -> Competition:
    """Eight different images of a competition."""
    folder = workspace.source / "train"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (len(IDS), 16, 16, 3), np.uint8)
    for one, image in zip(IDS, pixels, strict=True):
        cv2.imwrite(str(folder / f"{one}.png"), image)
    return replace(shapes, images=OneFile("{id}.png"))


@pytest.fixture
def files(workspace: Workspace) -> StoreFiles:
    return workspace.store(KIND, "train")


def delete(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"0123456")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    path.write_bytes(data)


def scramble(path: Path) -> None:
    path.write_bytes(os.urandom(300))


DAMAGES = (delete, cut, empty, lengthen, flip, scramble)


def refuse_to_decode(*arguments: object) -> None:
    raise AssertionError("decoded again")


@pytest.mark.parametrize("harm", DAMAGES)
@pytest.mark.parametrize("name", ["images", "ids", "meta"])
def test_a_damaged_file_is_made_again_with_a_line(
    pictures: Competition,
    workspace: Workspace,
    files: StoreFiles,
    name: str,
    harm: Callable[[Path], None],
) -> None:
    first = pack(pictures, workspace, "train", KIND, IDS)
    before = {path.name: path.read_bytes() for path in files.folder.iterdir()}
    harm(getattr(files, name))
    with pytest.raises(UserError, match=rf"{files.split}\.(npy|ids|meta).*Pack it: kit pack"):
        open_store(files, Typed())
    assert len(check_store(files)) == 1
    reporter = Recording()
    again = pack(pictures, workspace, "train", KIND, IDS, reporter)
    assert again.digest == first.digest
    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == before
    assert str(getattr(files, name)) in reporter.lines[0]
    assert reporter.lines[0].endswith(("Packing it again.", "Writing it again."))
    assert check_store(files, thorough=True) == ()


@pytest.mark.parametrize("harm", DAMAGES)
@pytest.mark.parametrize("name", ["images", "meta"])
def test_without_its_images_a_damaged_store_is_refused_with_the_way_to_get_them(
    pictures: Competition,
    workspace: Workspace,
    files: StoreFiles,
    name: str,
    harm: Callable[[Path], None],
) -> None:
    pack(pictures, workspace, "train", KIND, IDS)
    shutil.rmtree(workspace.source / "train")
    harm(getattr(files, name))
    with pytest.raises(UserError) as raised:
        pack(pictures, workspace, "train", KIND, IDS)
    said = str(raised.value)
    assert said.startswith(str(getattr(files, name)))
    assert said.endswith("Draw them.")
    assert "\n" not in said


def test_ids_are_restored_without_their_images(
    pictures: Competition,
    workspace: Workspace,
    files: StoreFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shifted by a row, they would give each image the labels of its neighbour."""
    first = pack(pictures, workspace, "train", KIND, IDS)
    header, *rows = files.ids.read_text().splitlines()
    files.ids.write_text("\n".join([header, *rows[1:], rows[0], ""]))
    with pytest.raises(Damaged, match=r"train\.ids\.csv has changed: its ids are not those"):
        open_store(files)
    shutil.rmtree(workspace.source / "train")
    monkeypatch.setattr(packing, "decode_image", refuse_to_decode)
    assert pack(pictures, workspace, "train", KIND, IDS).ids == first.ids == IDS


def test_the_rows_that_changed_are_named(
    pictures: Competition, workspace: Workspace, files: StoreFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_pixels, "BLOCK_BYTES", 3 * 16 * 16 * 3)
    pack(pictures, workspace, "train", KIND, IDS)
    for row, block in ((0, "0 to 2"), (5, "3 to 5"), (7, "6 to 7")):
        images = np.load(files.images, mmap_mode="r+")
        images[row, 3, 3, 1] ^= 1
        images.flush()
        (damage,) = check_store(files)
        assert str(damage) == f"{files.images} has changed: rows {block} are not as packed"
        images[row, 3, 3, 1] ^= 1
        images.flush()


# Stores of earlier versions


def forget_seals(files: StoreFiles) -> None:
    """Leave the description as versions before the seals wrote it."""
    edit_unsealed(files.meta, lambda content: content.pop("pixels"))


def test_a_store_of_an_earlier_version_is_checked_by_its_one_digest(
    pictures: Competition, workspace: Workspace, files: StoreFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pack(pictures, workspace, "train", KIND, IDS)
    forget_seals(files)
    monkeypatch.setattr(packing, "decode_image", refuse_to_decode)
    assert pack(pictures, workspace, "train", KIND, IDS).digest == first.digest
    monkeypatch.undo()
    flip(files.images)
    with pytest.raises(Damaged, match="its pixels or ids are not as packed"):
        open_store(files)
    reporter = Recording()
    assert pack(pictures, workspace, "train", KIND, IDS, reporter).digest == first.digest
    assert reporter.lines[0].endswith("are not as packed. Packing it again.")


def test_what_an_earlier_version_packed_wrongly_is_told(
    pictures: Competition, workspace: Workspace, files: StoreFiles
) -> None:
    reporter = Recording()
    pack(pictures, workspace, "train", KIND, IDS)
    forget_seals(files)
    pack(pictures, workspace, "train", KIND, IDS, reporter)
    assert reporter.lines == []
    for path in sorted((workspace.source / "train").iterdir()):
        cv2.imwrite(str(path), np.array(Image.open(path)).astype(np.uint16) << 4)
    files.images.unlink()
    pack(pictures, workspace, "train", KIND, IDS)
    forget_seals(files)
    pack(pictures, workspace, "train", KIND, IDS, reporter)
    (line,) = reporter.lines
    assert line.startswith(f"{files.images} is from an earlier version, in which 16-bit files that")
    assert line.endswith("delete it; its runs must then be trained again.")
    photographs = replace(pictures, images=OneFile("{id}.jpg"))
    exif = Image.Exif()
    exif[0x0112] = 6
    for one in IDS:
        picture = Image.open(workspace.source / "train" / f"{one}.png").convert("RGB")
        picture.save(workspace.source / "train" / f"{one}.jpg", exif=exif)
    files.images.unlink()
    pack(photographs, workspace, "train", KIND, IDS)
    forget_seals(files)
    pack(photographs, workspace, "train", KIND, IDS, reporter)
    assert "lie on their side or are mirrored: image0.jpg, image1.jpg" in reporter.lines[-1]


# What is checked when


@pytest.mark.parametrize("sealed", [True, False])
def test_pixels_are_read_once_per_version_of_the_file(
    pictures: Competition,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    sealed: bool,
) -> None:
    large = StoreKind(256)  # over a megabyte: smaller files are read each time
    pack(pictures, workspace, "train", large, IDS)
    files = workspace.store(large, "train")
    if not sealed:
        forget_seals(files)
    read: list[int] = []
    real = os.pread

    def count(file: int, size: int, place: int) -> bytes:
        read.append(place)
        return real(file, size, place)

    monkeypatch.setattr(os, "pread", count)
    open_store(files)
    assert read == []  # what was written counts as checked
    os.utime(files.images)
    for _ in range(3):
        open_store(files)
    assert len(read) == len(IDS)
    assert check_store(files, thorough=True) == ()
    assert len(read) == 2 * len(IDS)
    pixels = np.load(files.images, mmap_mode="r+")
    pixels[3, 0, 0, 0] ^= 1
    pixels.flush()
    del pixels
    os.utime(files.images)
    with pytest.raises(Damaged):
        open_store(files)


# One owner


def test_a_store_that_is_being_packed_is_refused_naming_the_owner(
    pictures: Competition, workspace: Workspace, files: StoreFiles
) -> None:
    with (
        own(files.images, "the store"),
        pytest.raises(Busy, match=r"the train store at 16 is in use by process \d+ on .*--wait"),
    ):
        pack(pictures, workspace, "train", KIND, IDS)
    pack(pictures, workspace, "train", KIND, IDS)
    with own(files.images, "the store"):  # a finished one needs no lock
        pack(pictures, workspace, "train", KIND, IDS)
    assert {path.name for path in files.folder.iterdir()} == {
        "train.npy",
        "train.ids.csv",
        "train.meta.json",
    }


def test_leftovers_of_a_killed_packing_are_removed_whichever_machine_made_them(
    pictures: Competition, workspace: Workspace, files: StoreFiles
) -> None:
    files.folder.mkdir(parents=True)
    ours = files.folder / ".partial-elsewhere-77-train.npy"
    other = files.folder / ".partial-elsewhere-78-test.npy"
    for path in (ours, other):
        path.write_bytes(b"pixels")
    pack(pictures, workspace, "train", KIND, IDS)
    assert not ours.exists()
    assert other.exists()


def test_one_that_another_process_has_finished_meanwhile_is_opened(
    pictures: Competition,
    workspace: Workspace,
    files: StoreFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = replace(workspace, stores=workspace.stores / "other")
    first = pack(pictures, elsewhere, "train", KIND, IDS)

    def finish(*arguments: object, **options: object) -> object:
        shutil.copytree(elsewhere.stores, workspace.stores, dirs_exist_ok=True)
        return own(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("kit.data.store.own", finish)
    monkeypatch.setattr(packing, "decode_image", refuse_to_decode)
    found: Store = pack(pictures, workspace, "train", KIND, IDS)
    assert found.digest == first.digest


# Disks


def test_a_store_that_does_not_fit_is_refused_before_any_image_is_decoded(
    pictures: Competition, workspace: Workspace, files: StoreFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9000, 4000, 5000))
    monkeypatch.setattr(packing, "decode_image", refuse_to_decode)
    with pytest.raises(UserError, match=r"^The train store at 16 needs 6\.1 kB in .*5\.0 kB are"):
        pack(pictures, workspace, "train", KIND, IDS)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_while_pixels_are_written_is_one_line(
    pictures: Competition,
    workspace: Workspace,
    files: StoreFiles,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    def fail(file: int, data: object, place: int) -> int:
        if place > 2000:
            raise OSError(number, os.strerror(number))
        return real(file, data, place)  # type: ignore[arg-type]

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(UserError, match=rf"{files.images} was not written") as raised:
        pack(pictures, workspace, "train", KIND, IDS)
    assert "\n" not in str(raised.value)
    assert not files.folder.exists()
    monkeypatch.undo()
    pack(pictures, workspace, "train", KIND, IDS)


def test_a_file_that_is_written_in_parts_is_complete(
    pictures: Competition, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = np.array(pack(pictures, workspace, "train", KIND, IDS).images)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: real(file, data[:100], place))
    elsewhere = replace(workspace, stores=workspace.stores / "parts")
    parts = pack(pictures, elsewhere, "train", KIND, IDS)
    np.testing.assert_array_equal(parts.images, first)


def test_a_npy_header_that_is_no_python_is_damage(tmp_path: Path) -> None:
    path, shape = tmp_path / "train.npy", (1, 2, 2, 1)
    for header in (
        b"('''",
        b"{'a': (",
        b"\x00",
        b"\xff\xfe",
        b"{1: [], []: 2}",
        b"(" * 5000,
        b"f(",
    ):
        body = header + b" " * 9 + b"\n"
        start = b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little")
        path.write_bytes(start + body + bytes(4))
        found = damaged_file(path, shape)
        assert found is not None
        assert "it is not the NumPy file that was written" in str(found)
