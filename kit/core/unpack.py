"""Opens tables by their content, plain or compressed, whatever the file is called."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from kit.core.errors import UserError, brief
from kit.core.progress import volume

# What zipfile raises for archives and members that are damaged, cut, encrypted or oddly compressed.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
# A table that unpacks to more than both is a decompression bomb; numbers written as text unpack to
# two to ten times their size.
MOST_UNPACKED = 128 * 2**20
MOST_TIMES = 50


def _open_zstd(file: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file), "zstd")


_COMPRESSED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _open_zstd,
}
_PARQUET = b"PAR1"
_DAMAGED = "it is compressed but damaged ({}). Copy it again."
# How files that are often taken for a table start, what they are, and what to do.
_OTHERS = (
    (b"PK\x03\x04", "it is a zip archive or an Excel workbook. Unpack it, or save it as CSV."),
    (_PARQUET, "it is a Parquet file inside a compressed one. Unpack it."),
    (b"\xff\xfe", "it is UTF-16. Save it as UTF-8."),
    (b"\xfe\xff", "it is UTF-16. Save it as UTF-8."),
    (b"\x93NUMPY", "it is a NumPy array, which has no ids. Save it as CSV with ids."),
    (b"\x80", "it is a Python pickle. Save it as CSV or Parquet."),
    (b"ARROW1\0", "it is an Arrow file. Save it as CSV or Parquet."),
    (b"\x89HDF", "it is an HDF5 file. Save it as CSV or Parquet."),
    (b"<!doctype", "it is an HTML page. Download the file itself."),
    (b"<html", "it is an HTML page. Download the file itself."),
)


def is_parquet(path: Path) -> bool:
    """Whether a file starts as Parquet does; UserError when there is none."""
    return _head(path).startswith(_PARQUET)


def is_compressed(path: Path) -> bool:
    """Whether a file starts as gzip, bzip2, xz or Zstandard do; UserError when there is none."""
    return any(_head(path).startswith(mark) for mark in _COMPRESSED)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected a file.")
    try:
        with path.open("rb") as file:
            return file.read(16)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None


@contextmanager
def open_text(path: Path, kind: str = "UTF-8 CSV") -> Iterator[io.TextIOWrapper]:
    """The text of a file, unpacked if it is compressed, without byte order mark, newlines kept.

    The block may read it. Raises UserError, "PATH is not `kind`", for a file that is not UTF-8 or
    not complete, for other formats, and for a decompression bomb.
    """
    _head(path)
    try:
        with path.open("rb") as file, _Unpacked(file) as unpacked:
            buffered = io.BufferedReader(unpacked, 2**16)
            _refuse_others(buffered.peek(16)[:16])
            with io.TextIOWrapper(buffered, encoding="utf-8-sig", newline="") as text:
                yield text
    except _NotText as error:
        raise UserError(f"{path} is not {kind}: {error}") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not {kind} ({error.reason} at byte {error.start} of a block). Save it as "
            "UTF-8."
        ) from None


class _NotText(Exception):
    """What a file is instead of text, and what to do: the end of a message."""


def _refuse_others(head: bytes) -> None:
    for mark, reason in _OTHERS:
        if head.lower().startswith(mark.lower()):
            raise _NotText(reason)
    if b"\0" in head:
        raise _NotText("it has zero bytes, as UTF-16 and binary files have. Save it as UTF-8.")


class _Unpacked(io.RawIOBase):
    """The bytes of a file, unpacked on the way; raises _NotText when it cannot be or is a bomb."""

    def __init__(self, file: BinaryIO) -> None:
        head = file.read(16)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        opener = next((one for mark, one in _COMPRESSED.items() if head.startswith(mark)), None)
        self._inner = file if opener is None else opener(file)
        self._left = None if opener is None else max(MOST_UNPACKED, MOST_TIMES * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            got = self._inner.read(len(buffer))
        except (EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError) as error:
            raise _NotText(
                f"it is compressed but damaged ({brief(error)}). Copy it again."
            ) from None
        except OSError as error:
            if self._left is None or error.errno is not None:  # the disk failed, not the decoder
                raise
            raise _NotText(
                f"it is compressed but damaged ({brief(error)}). Copy it again."
            ) from None
        if self._left is not None:
            self._left -= len(got)
            if self._left < 0:
                raise _NotText(
                    f"it unpacks to over {volume(MOST_UNPACKED)}, more than {MOST_TIMES} times its "
                    "size. Check where it came from; unpack it by hand if it is right."
                )
        buffer[: len(got)] = got
        return len(got)
