"""The pixels of a store, a NumPy file: written row by row, checked against their digests."""

import hashlib
import math
import os
import tokenize
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import atomic, digest
from kit.core.progress import SILENT, Reporter
from kit.core.seal import Damage
from kit.core.threads import in_threads

Shape = tuple[int, int, int, int]
# Pixels are sealed in blocks of about this many bytes, so that a message can say where they differ.
BLOCK_BYTES = 1 << 26


@dataclass(frozen=True)
class PixelSeals:
    """Digests of the pixels in blocks of `rows`: each the SHA-256 of its rows' SHA-256, in hex."""

    rows: int
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """Checksums of pixels: the CRC-32 of each row, by which a store is known, and the seals."""

    checksums: tuple[int, ...]
    seals: PixelSeals


def write_pixels(
    target: Path,
    shape: Shape,
    row: Callable[[int], NDArray[np.uint8]],
    what: str,
    reporter: Reporter = SILENT,
) -> Written:
    """Write `row(0)`, `row(1)` and so on as an array of uint8, all cores computing rows.

    The file is complete or absent, and takes its full size on the disk before the first row. Rows
    are written, not mapped: a disk that fails then raises an error, whereas a write to mapped
    memory would end the process with a bus error.
    """
    with atomic(target) as temporary, temporary.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        start, size = file.tell(), math.prod(shape[1:])
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, start + math.prod(shape))
        else:
            file.truncate(start + math.prod(shape))

        def write(number: int) -> tuple[int, bytes]:
            pixels = row(number).tobytes()
            _write_at(file.fileno(), memoryview(pixels), start + number * size)
            return zlib.crc32(pixels), hashlib.sha256(pixels).digest()

        found = []
        with reporter.bar(what, total=shape[0], lines=True) as progress:
            for one in in_threads(write, range(shape[0])):
                found.append(one)
                progress.advance()
    per_block = _rows_per_block(size)
    digests = [sha for _, sha in found]
    blocks = [digests[at : at + per_block] for at in range(0, len(digests), per_block)]
    seals = PixelSeals(per_block, tuple(_join(block) for block in blocks))
    return Written(tuple(checksum for checksum, _ in found), seals)


def _rows_per_block(size: int) -> int:
    return max(1, BLOCK_BYTES // size)


def _join(digests: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _write_at(file: int, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written


def damaged_file(path: Path, shape: Shape) -> Damage | None:
    """What is wrong with the size or the header of an array of uint8; None if nothing is."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                return Damage(path, "has changed: it is not the NumPy file that was written")
            found, in_columns, kind = np.lib.format.read_array_header_1_0(file)
            expected = file.tell() + math.prod(shape)
    except FileNotFoundError:
        return Damage(path, "is missing")
    except (ValueError, SyntaxError, TypeError, tokenize.TokenError, IsADirectoryError):
        # NumPy parses the header as Python, and tokenizes what it cannot parse.
        return Damage(path, "has changed: it is not the NumPy file that was written")
    if found != shape or in_columns or kind != np.uint8:
        return Damage(path, f"has changed: {_tell(found)} of {kind}, expected {_tell(shape)}")
    size = path.stat().st_size
    if size != expected:
        return Damage(path, f"has changed: {size} bytes instead of {expected}")
    return None


def _tell(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def damaged_pixels(
    path: Path, shape: Shape, seals: PixelSeals, reporter: Reporter = SILENT
) -> Damage | None:
    """The first block of pixels that is not as sealed; None if all are. Reads the whole file."""
    starts = range(0, shape[0], seals.rows)
    if len(starts) != len(seals.sha256):
        return Damage(path, f"has {len(starts)} blocks of pixels, {len(seals.sha256)} are recorded")
    with _Rows(path, shape) as rows, _bar(path, len(starts), reporter) as progress:

        def check(start: int) -> str:
            block = range(start, min(start + seals.rows, shape[0]))
            return _join([hashlib.sha256(rows.read(row)).digest() for row in block])

        found_of = in_threads(check, starts)
        for start, expected, found in zip(starts, seals.sha256, found_of, strict=True):
            if found != expected:
                last = min(start + seals.rows, shape[0]) - 1
                return Damage(path, f"has changed: rows {start} to {last} are not as packed")
            progress.advance()
    return None


def damaged_unsealed(
    path: Path, shape: Shape, described: Mapping[str, Any], known: str, reporter: Reporter = SILENT
) -> Damage | None:
    """As `damaged_pixels` for a store of an earlier version, which has one digest for everything.

    That digest covers what is `described` of the store, and a checksum of each row.
    """
    with _Rows(path, shape) as rows, _bar(path, shape[0], reporter) as progress:
        checksums = []
        for checksum in in_threads(lambda row: zlib.crc32(rows.read(row)), range(shape[0])):
            checksums.append(checksum)
            progress.advance()
    if digest([dict(described), checksums]) == known:
        return None
    return Damage(path, "has changed: its pixels or ids are not as packed")


def _bar(path: Path, total: int, reporter: Reporter) -> Any:
    return reporter.bar(f"checking {path.parent.name}/{path.name}", total=total, lines=True)


class _Rows:
    """Rows of a NumPy file as bytes; safe to read from several threads.

    Read, not mapped: a disk that fails then raises an error instead of a bus error.
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        self._file = path.open("rb")
        self._size = math.prod(shape[1:])
        self._start = path.stat().st_size - math.prod(shape)

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, row: int) -> bytes:
        return os.pread(self._file.fileno(), self._size, self._start + row * self._size)
