"""Image files to uint8 arrays: from a folder, or from a zip archive as it is."""

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

# What zipfile raises for a member that is damaged, cut off, packed in an unknown way, or locked.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Source(Protocol):
    """A place that holds a split's files by name."""

    def sizes(self) -> Mapping[str, int]:
        """Every file there is, with its number of bytes once unpacked."""

    def checksums(self) -> Mapping[str, int] | None:
        """A checksum of every file, where the place keeps them; None where it does not."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; threads may read at the same time."""

    def where(self, name: str) -> str:
        """What to call the file in a message."""


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
    """Files in a zip archive, at its top or all in one folder called like the archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # A ZipFile locks its one file handle while it reads: each thread opens its own.
        self._local = threading.local()
        members = (member for member in self._open().infolist() if not member.is_dir())
        self._members = {member.filename.rpartition("/")[2]: member for member in members}

    def _open(self) -> zipfile.ZipFile:
        if not hasattr(self._local, "archive"):
            try:
                self._local.archive = zipfile.ZipFile(self._path)
            except zipfile.BadZipFile as error:
                raise UserError(
                    f"{self._path} is not a whole zip archive ({error}). Download it again."
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
    """The images below a data folder in `<name>/`, or else in `<name>.zip`; None without either."""
    if (folder / name).is_dir():
        return Folder(folder / name)
    if (folder / f"{name}.zip").is_file():
        return Archive(folder / f"{name}.zip")
    return None


def decode_image(
    source: Source, files: Sequence[str], size: int, channels: int
) -> NDArray[np.uint8]:
    """Read an image's files as one uint8 array (size, size, channels).

    Several files are one grey channel each; a single file brings all channels, in the order red,
    green, blue. 16 bits are cut to the upper 8. Images are stretched to the square: shrunk by
    area averages, enlarged by cubic interpolation. Raises UserError that names a file which is
    cut short, is no image, or has other channels.
    """
    planes = [_decode(source, name, 1 if len(files) > 1 else channels) for name in files]
    resized = [_resize(plane, size) for plane in planes]
    return np.dstack(resized)


def _decode(source: Source, name: str, channels: int) -> NDArray[np.uint8]:
    data = source.read(name)
    if _is_damaged(data):
        raise UserError(f"{source.where(name)} is cut short or damaged. Get the file again.")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise UserError(f"{source.where(name)} is not an image that can be read.")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UserError(f"{source.where(name)}: {image.dtype} pixels; 8 or 16 bits are read.")
    found = 1 if image.ndim == 2 else image.shape[2]
    if found != channels:
        raise UserError(f"{source.where(name)} has {found} channels, expected {channels}.")
    if channels == 3:
        return np.ascontiguousarray(image[:, :, ::-1])  # OpenCV reads blue first
    if channels == 4:
        return np.ascontiguousarray(image[:, :, [2, 1, 0, 3]])
    return image


def _is_damaged(data: bytes) -> bool:
    """Whether a PNG or JPEG lacks something: decoders fill the rest with grey and go on.

    In a PNG damage anywhere is noticed. A JPEG has no checksums: it is whole when its pixels begin
    and the mark of their end follows; bytes changed or lost between the two are not noticed. What
    comes after the end is no part of the image. Other formats are left to their decoders.
    """
    if data.startswith(b"\x89PNG"):
        return not _is_whole_png(data)
    if data.startswith(b"\xff\xd8"):
        return not _has_end_of_jpeg(data)
    return False


def _is_whole_png(data: bytes) -> bool:
    """Whether every chunk (length, type, content, checksum) up to the last, IEND, is intact."""
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
    """Whether the mark of the end follows the header; a thumbnail in the header has its own."""
    place = 2
    while 0 <= (place := data.find(b"\xff", place)) <= len(data) - 4:
        mark = data[place + 1]
        if mark == 0xDA:  # the pixels begin; among them a byte of 255 is followed by 0
            return data.find(b"\xff\xd9", place) > 0
        if mark == 0xFF:  # padding
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def _resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) >= size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = cv2.resize(image, (size, size), interpolation=method)
    return resized
