"""Reads image files into uint8 arrays, from a folder or directly from a zip archive."""

import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.store_paths import AREA, LINEAR

# What zipfile raises for members that are damaged, truncated, encrypted or oddly compressed.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Source(Protocol):
    """A folder or archive that holds a split's files by name."""

    def sizes(self) -> Mapping[str, int]:
        """The unpacked size in bytes of every file."""

    def checksums(self) -> Mapping[str, int] | None:
        """A checksum of every file; None if the source stores none."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; safe to call from several threads."""

    def where(self, name: str) -> str:
        """The file's name for messages."""


class Folder:
    """Files in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sizes(self) -> Mapping[str, int]:
        with os.scandir(self._path) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}

    def checksums(self) -> None:
        return None

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def where(self, name: str) -> str:
        return str(self._path / name)


class Archive:
    """Files in a zip archive, at its top level or all in one folder named like the archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # A ZipFile locks its single file handle while reading, so each thread opens its own.
        self._local = threading.local()
        members = (member for member in self._open().infolist() if not member.is_dir())
        self._members = {member.filename.rpartition("/")[2]: member for member in members}

    def _open(self) -> zipfile.ZipFile:
        if not hasattr(self._local, "archive"):
            try:
                self._local.archive = zipfile.ZipFile(self._path)
            except zipfile.BadZipFile as error:
                raise UserError(
                    f"{self._path} is not a complete zip archive ({error}). Download it again."
                ) from error
        archive: zipfile.ZipFile = self._local.archive
        return archive

    def sizes(self) -> Mapping[str, int]:
        return {name: member.file_size for name, member in self._members.items()}

    def checksums(self) -> Mapping[str, int]:
        return {name: member.CRC for name, member in self._members.items()}

    def read(self, name: str) -> bytes:
        try:
            return self._open().read(self._members[name])
        except UNREADABLE as error:
            raise UserError(
                f"{self.where(name)} cannot be read ({error}). Download it again."
            ) from error

    def where(self, name: str) -> str:
        return f"{self._path}:{name}"


def find_source(folder: Path, name: str) -> Source | None:
    """The images of a data folder in `<name>/`, else in `<name>.zip`; None if neither exists."""
    if (folder / name).is_dir():
        return Folder(folder / name)
    if (folder / f"{name}.zip").is_file():
        return Archive(folder / f"{name}.zip")
    return None


def decode_image(
    source: Source, files: Sequence[str], size: int, channels: int, resize: str = AREA
) -> NDArray[np.uint8]:
    """Read an image's files as one uint8 array (size, size, channels).

    Several files hold one grey channel each; a single file holds all channels, in the order red,
    green, blue. 16-bit pixels keep their upper 8 bits. Images are stretched to a square: by
    area averaging to shrink and cubic interpolation to enlarge; with `resize` LINEAR, by bilinear
    interpolation, which reads four pixels for each however much it shrinks. Raises UserError naming
    a file that is truncated, not an image, or has the wrong number of channels.
    """
    planes = [_decode(source, name, 1 if len(files) > 1 else channels) for name in files]
    resized = [_resize(plane, size, resize) for plane in planes]
    return np.dstack(resized)


def decode_native(source: Source, files: Sequence[str], channels: int) -> NDArray[np.uint8]:
    """Read an image's files at their own size, as one uint8 array (height, width, channels).

    As `decode_image`, but not resized. If the files of the channels differ in size, all get the
    size of the first.
    """
    planes = [_decode(source, name, 1 if len(files) > 1 else channels) for name in files]
    height, width = planes[0].shape[:2]
    alike = [
        plane
        if plane.shape[:2] == (height, width)
        else cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
        for plane in planes
    ]
    return np.dstack(alike)


def _decode(source: Source, name: str, channels: int) -> NDArray[np.uint8]:
    data = source.read(name)
    if _is_damaged(data):
        raise UserError(f"{source.where(name)} is truncated or damaged. Download it again.")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise UserError(f"{source.where(name)} is not a readable image.")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UserError(f"{source.where(name)} has {image.dtype} pixels, expected 8 or 16 bits.")
    found = 1 if image.ndim == 2 else image.shape[2]
    if found != channels:
        raise UserError(f"{source.where(name)} has {found} channels, expected {channels}.")
    if channels == 3:
        return np.ascontiguousarray(image[:, :, ::-1])  # OpenCV reads BGR
    if channels == 4:
        return np.ascontiguousarray(image[:, :, [2, 1, 0, 3]])
    return image


def _is_damaged(data: bytes) -> bool:
    """Whether a PNG or JPEG is damaged; decoders silently fill missing parts with grey.

    Any damage to a PNG is detected. A JPEG has no checksums: it counts as complete if its pixels
    start and the end marker follows; bytes changed or lost in between go undetected. Anything
    after the end marker is not part of the image. Other formats are left to their decoders.
    """
    if data.startswith(b"\x89PNG"):
        return not _is_whole_png(data)
    if data.startswith(b"\xff\xd8"):
        return not _has_end_of_jpeg(data)
    return False


def _is_whole_png(data: bytes) -> bool:
    """Whether every chunk (length, type, content, checksum) is intact up to the last one, IEND."""
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data):
            return False
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[place + 4 : end - 4]) != checksum:
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end
    return False


def _has_end_of_jpeg(data: bytes) -> bool:
    """Whether the end marker follows the header; a thumbnail in the header has its own marker."""
    place = 2
    while 0 <= (place := data.find(b"\xff", place)) <= len(data) - 4:
        mark = data[place + 1]
        if mark == 0xDA:  # start of the pixels; in them, a byte of 255 is followed by 0
            return data.find(b"\xff\xd9", place) > 0
        if mark == 0xFF:  # padding
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def _resize(image: NDArray[np.uint8], size: int, resize: str) -> NDArray[np.uint8]:
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) >= size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    if resize == LINEAR:
        method = cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = cv2.resize(image, (size, size), interpolation=method)
    return resized
