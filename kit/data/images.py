"""Image files to uint8 arrays: from a folder, or from a zip archive as it is."""

import threading
import zipfile
import zlib
from collections.abc import Sequence
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

    def names(self) -> frozenset[str]:
        """Every file there is."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; threads may read at the same time."""

    def where(self, name: str) -> str:
        """What to call the file in a message."""


class Folder:
    """Files in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> frozenset[str]:
        return frozenset(entry.name for entry in self._path.iterdir())

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
        self._members = {
            Path(name).name: name for name in self._open().namelist() if not name.endswith("/")
        }

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

    def names(self) -> frozenset[str]:
        return frozenset(self._members)

    def read(self, name: str) -> bytes:
        try:
            return self._open().read(self._members[name])
        except UNREADABLE as error:
            raise UserError(
                f"{self.where(name)} cannot be read ({error}). Download it again."
            ) from error

    def where(self, name: str) -> str:
        return f"{self._path}:{name}"


def find_source(folder: Path, split: str, how_to_get_data: str) -> Source:
    """The images of a split below a data folder: `<split>/`, or else `<split>.zip`.

    Raises UserError, with the way to get the data, when there is neither.
    """
    if (folder / split).is_dir():
        return Folder(folder / split)
    if (folder / f"{split}.zip").is_file():
        return Archive(folder / f"{split}.zip")
    raise UserError(f"Neither {folder / split}/ nor {folder / split}.zip exists. {how_to_get_data}")


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
    if _cut_short(data):
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


def _cut_short(data: bytes) -> bool:
    """Whether the file ends before its format says: decoders fill the rest with grey and go on."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-16:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-4096:]
    return False


def _resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) >= size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = cv2.resize(image, (size, size), interpolation=method)
    return resized
