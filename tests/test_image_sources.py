"""Where images are looked for: only in the declared folder, and a missing one is told in full."""

import errno
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data.images import Archive, Folder, find_source
from kit.data.store import Store, pack


def picture(grey: int) -> bytes:
    return bytes(cv2.imencode(".png", np.full((16, 16, 3), grey, np.uint8))[1])


@pytest.fixture
def pngs(shapes: Competition) -> Competition:
    return replace(shapes, images=OneFile("{id}.png"))


def fill(path: Path, files: dict[str, int]) -> Path:
    """Write pictures of these greys by name, into a folder or, if it ends in .zip, an archive."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, grey in files.items():
                archive.writestr(name, picture(grey))
        return path
    for name, grey in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(picture(grey))
    return path


def packed(competition: Competition, workspace: Workspace, *ids: str) -> Store:
    return pack(competition, workspace, "train", StoreKind(16), ids)


def refused(competition: Competition, workspace: Workspace, *ids: str) -> str:
    with pytest.raises(UserError) as raised:
        packed(competition, workspace, *ids)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# Archives


@pytest.mark.parametrize(
    "names",
    [
        ["a.png", "masks/a.png"],
        ["train/a.png", "masks/a.png"],
        ["train/a.png", "__MACOSX/train/._a.png", "train/masks/a.png"],
        ["other/a.png"],
        ["train\\a.png"],
    ],
)
def test_only_the_declared_folder_of_an_archive_counts(
    pngs: Competition, workspace: Workspace, names: list[str]
) -> None:
    greys = [100, *range(10, 10 * len(names), 10)]
    fill(workspace.source / "train.zip", dict(zip(names, greys, strict=True)))
    assert (packed(pngs, workspace, "a").images == 100).all()


@pytest.mark.parametrize("names", [("a.png", "train/a.png"), ("train/a.png", "a.png")])
def test_equal_names_are_refused_naming_both(
    pngs: Competition, workspace: Workspace, names: tuple[str, ...]
) -> None:
    archive = fill(workspace.source / "train.zip", {**dict.fromkeys(names, 9), "b.png": 1})
    said = refused(pngs, workspace, "a")
    assert said.startswith(f"{archive} has several files for a.png: {names[0]} and {names[1]}.")
    # Another image of the archive is not affected.
    packed(pngs, workspace, "b")


def test_a_name_twice_in_an_archive_is_refused(pngs: Competition, workspace: Workspace) -> None:
    archive = fill(workspace.source / "train.zip", {"a.png": 1, "b.png": 2})
    archive.write_bytes(archive.read_bytes().replace(b"b.png", b"a.png"))
    assert "several files for a.png: a.png and a.png" in refused(pngs, workspace, "a")


def test_images_in_two_undeclared_folders_are_missing_naming_both(
    pngs: Competition, workspace: Workspace
) -> None:
    archive = fill(workspace.source / "train.zip", {"images/a.png": 1, "masks/a.png": 2})
    said = refused(pngs, workspace, "a")
    assert f"Looked for a.png in {archive}; the nearest there: images/a.png, masks/a.png." in said


@pytest.mark.parametrize("inside", ["images", "train/images"])
def test_a_folder_inside_an_archive_can_be_declared(
    pngs: Competition, workspace: Workspace, inside: str
) -> None:
    fill(workspace.source / "train.zip", {f"{inside}/a.png": 100, "masks/a.png": 2})
    below = replace(pngs, train_images="train/images")
    assert (packed(below, workspace, "a").images == 100).all()


def encrypt(archive: Path) -> None:
    """Set the flag of encryption in every header of an archive."""
    data = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(signature, at + 4)
    archive.write_bytes(data)


def test_an_encrypted_archive_is_refused(pngs: Competition, workspace: Workspace) -> None:
    archive = fill(workspace.source / "train.zip", {"a.png": 1})
    encrypt(archive)
    said = refused(pngs, workspace, "a")
    assert said == f"{archive}:a.png is encrypted. Unpack the archive with its password."


def test_an_encrypted_archive_leaves_no_folder(pngs: Competition, workspace: Workspace) -> None:
    encrypt(fill(workspace.source / "train.zip", {"a.png": 1}))
    refused(pngs, workspace, "a")
    assert not workspace.stores.exists()


def test_a_web_page_saved_as_an_archive_is_named(pngs: Competition, workspace: Workspace) -> None:
    archive = workspace.source / "train.zip"
    archive.write_bytes(b"\n<!DOCTYPE html><title>Sign in</title>")
    said = refused(pngs, workspace, "a")
    again = f"Remove the archive and download it again: rm {archive}."
    assert said == f"{archive} is a web page (HTML). {again}"
    assert not workspace.stores.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06"])
def test_what_is_not_an_archive_is_refused(
    pngs: Competition, workspace: Workspace, content: bytes
) -> None:
    (workspace.source / "train.zip").write_bytes(content)
    assert "train.zip is not a complete zip archive" in refused(pngs, workspace, "a")


# Folders and ids


@pytest.mark.parametrize("place", ["train", "train.zip"])
def test_an_id_may_have_a_slash(pngs: Competition, workspace: Workspace, place: str) -> None:
    fill(workspace.source / place, {"p1/view.png": 100, "p2/view.png": 200})
    store = packed(pngs, workspace, "p1/view", "p2/view")
    assert [int(image.max()) for image in store.images] == [100, 200]


@pytest.mark.parametrize("image_id", ["../secret", "p1/../../secret", "a\0b"])
@pytest.mark.parametrize("place", ["train", "train.zip"])
def test_no_id_leads_out_of_the_folder(
    pngs: Competition, workspace: Workspace, place: str, image_id: str
) -> None:
    fill(workspace.source, {"secret.png": 7})
    fill(workspace.source / place, {"p1/view.png": 1})
    said = refused(pngs, workspace, image_id)
    assert said.startswith(f"{image_id + '.png'!r} is not the name of a file below its folder.")
    with pytest.raises(UserError, match="expected a file below the folder of images"):
        OneFile(f"{workspace.source}/{{id}}.png")


def test_links_that_go_in_a_circle_are_one_line(pngs: Competition, workspace: Workspace) -> None:
    folder = fill(workspace.source / "train", {"b.png": 1})
    (folder / "a.png").symlink_to("c.png")
    (folder / "c.png").symlink_to("a.png")
    (folder / "again").symlink_to(folder)
    said = refused(pngs, workspace, "a")
    assert said == f"{folder / 'a.png'} cannot be read: {os.strerror(errno.ELOOP)}."
    packed(pngs, workspace, "b")


def test_a_file_that_may_not_be_read_is_one_line(
    pngs: Competition, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(workspace.source / "train", {"a.png": 1})

    def deny(path: Path, *mode: object, **named: object) -> object:
        if path.suffix == ".png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *mode, **named)  # type: ignore[call-overload]

    real = Path.open
    monkeypatch.setattr(Path, "open", deny)
    said = refused(pngs, workspace, "a")
    assert said == f"{folder / 'a.png'} cannot be read: Permission denied."


def test_a_folder_in_place_of_an_image_is_one_line(pngs: Competition, workspace: Workspace) -> None:
    folder = fill(workspace.source / "train", {"a.png/b.png": 1})
    assert refused(pngs, workspace, "a") == f"{folder / 'a.png'} cannot be read: Is a directory."


# Missing images


@pytest.mark.parametrize(
    ("image_id", "there", "nearest"),
    [
        ("10580_C1", "10580_C1.jpg", "10580_C1.jpg"),
        ("10580_C1", "10580_c1.PNG", "10580_c1.PNG"),
        ("10580_C1_red", "10580_C1_r.png", "10580_C1_r.png"),
        ("x ", "x.png", "x.png"),
        ("x", "more/x.png", "more/x.png"),
        ("x", "y.png", None),
        ("möwe", "mowe.png", "mowe.png"),
    ],
)
def test_a_missing_image_is_told_with_the_nearest_there(
    pngs: Competition, workspace: Workspace, image_id: str, there: str, nearest: str | None
) -> None:
    folder = fill(workspace.source / "train", {there: 1})
    said = refused(pngs, workspace, image_id)
    name, quoted = f"{image_id}.png", image_id
    if " " in image_id:
        name, quoted = repr(name), repr(image_id)
    found = f"the nearest there: {nearest}" if nearest else "there is none like it"
    assert said == (
        f"train: ids in the table without an image: {quoted}. Looked for {name} in {folder}/; "
        f"{found}."
    )


def test_a_source_is_found_by_folder_archive_or_neither(tmp_path: Path) -> None:
    assert find_source(tmp_path, "train") is None
    fill(tmp_path / "train.zip", {"a.png": 1})
    assert isinstance(find_source(tmp_path, "train"), Archive)
    assert find_source(tmp_path, "test/images") is None
    fill(tmp_path / "train", {"a.png": 1})
    assert isinstance(find_source(tmp_path, "train"), Folder)
