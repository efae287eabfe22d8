"""The packed image store: every image of a split, decoded once into one uint8 memory map."""

import math
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import (
    atomic,
    csv_text,
    digest,
    read_csv,
    write_text,
)
from kit.core.errors import UserError, some
from kit.core.formats import Format
from kit.core.ids import positions
from kit.core.machine import cores
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter, volume
from kit.core.store_paths import AREA, StoreFiles, StoreKind
from kit.core.suggest import Typed
from kit.data.images import Source, decode_image, find_source

# No recipe accepts smaller images.
MIN_SIZE = 16
_META = Format("the description of a store", 1, "Delete it to pack the images again.", oldest=0)


@dataclass(frozen=True)
class Store:
    """Packed images of one split and their ids, row by row.

    `images` is uint8 (rows, size, size, channels), memory-mapped, read-only. `digest` covers
    competition, split, kind, ids and pixels.
    """

    ids: tuple[str, ...]
    images: NDArray[np.uint8]
    digest: str
    kind: StoreKind

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The row of each id; UserError when one is not in the store."""
        return positions(self.ids, ids, "Ids not in the store (delete it and pack again)")


@dataclass(frozen=True)
class _Meta:
    """What is read of a store's description."""

    digest: str


@dataclass(frozen=True)
class Packing:
    """What to pack: the images of these ids, in this order.

    `source` holds the image files; if it is None, `absent` is the error message.
    """

    ids: Sequence[str]
    source: Source | None
    absent: str


def pack(
    competition: Competition,
    workspace: Workspace,
    split: str,
    kind: StoreKind,
    ids: Sequence[str],
    reporter: Reporter = SILENT,
) -> Store:
    """Decode and resize the images of these ids into the store of a split: `train` or `test`.

    As `pack_images`, from the competition's own files. Raises UserError when they are missing.
    """
    source = find_source(workspace.source, competition.image_folder(split))
    packing = Packing(ids, source, competition.absent_images(workspace.source, split))
    return pack_images(competition, workspace.store(kind, split), packing, reporter)


def pack_images(
    competition: Competition, files: StoreFiles, packing: Packing, reporter: Reporter = SILENT
) -> Store:
    """Decode and resize images into a store, on all cores.

    An existing store is opened unchanged if it was made for the same ids from the same files, as
    shown by their names and sizes (in archives, checksums too), or if the files are gone. One made
    from other files is refused, not replaced: packing may have taken hours. Raises UserError for
    that, before any work when files are missing, and at the first unreadable file; the store is
    then absent, never partial.
    """
    if files.kind.size < MIN_SIZE:
        raise UserError(f"--size {files.kind.size}: images must be at least {MIN_SIZE} pixels.")
    wanted = _describe(competition, files, packing.ids)
    inputs = _describe_files(competition, packing)
    if _is_packed(files):
        _refuse_other_inputs(files, {**wanted, "resize": files.kind.resize, **inputs})
        return open_store(files)
    if packing.source is None:
        raise UserError(packing.absent)
    check_files(competition, packing.source, files.split, packing.ids)
    # The marker is removed first: killed while the array is replaced, this leaves no store at all.
    files.meta.unlink(missing_ok=True)
    checksums = _decode_all(competition, packing.source, files, packing, reporter)
    write_text(files.ids, csv_text([("Id",), *((image_id,) for image_id in packing.ids)]))
    _META.write(files.meta, {**wanted, **inputs, "digest": digest([wanted, checksums])})
    return open_store(files)


def _refuse_other_inputs(files: StoreFiles, wanted: dict[str, object]) -> None:
    made = {"resize": AREA, **_META.read(files.meta)}
    # What only one of the two records, such as checksums of archived files, is not compared.
    differ = [
        key.replace("_", " ") for key, value in wanted.items() if made.get(key, value) != value
    ]
    if differ:
        raise UserError(
            f"{files.images} was packed from different inputs; changed: {', '.join(differ)}. "
            "Delete it to pack again, or keep both stores: set another KIT_DATA."
        )


def _describe(competition: Competition, files: StoreFiles, ids: Sequence[str]) -> dict[str, object]:
    kind = files.kind
    # Area averaging is not named, so that its stores keep the digests by which runs know them.
    resize = {} if kind.resize == AREA else {"resize": kind.resize}
    return {
        "competition": competition.name,
        "split": files.split,
        "rows": len(ids),
        "size": kind.size,
        **resize,
        "channels": list(competition.channels),
        "ids_digest": digest(list(ids)),
    }


def _describe_files(competition: Competition, packing: Packing) -> dict[str, object]:
    """Digests that identify the ids' files cheaply, without opening them."""
    source = packing.source
    if source is None:
        return {}
    names = [name for image_id in packing.ids for name in competition.images.files(image_id)]
    sizes, checksums = source.sizes(), source.checksums()
    found: dict[str, object] = {"file_sizes": digest([[n, sizes.get(n)] for n in names])}
    if checksums is not None:
        found["file_checksums"] = digest([[n, checksums.get(n)] for n in names])
    return found


def check_files(competition: Competition, source: Source, split: str, ids: Sequence[str]) -> None:
    """Raise UserError that lists ids of a split without files, or with some channels missing."""
    there = source.sizes()
    absent: list[str] = []
    partial: list[str] = []
    for image_id in ids:
        missing = [name for name in competition.images.files(image_id) if name not in there]
        if len(missing) == len(competition.images.files(image_id)):
            absent.append(image_id)
        else:
            partial += missing
    if absent:
        raise UserError(f"{split}: ids in the table without an image: {some(absent)}.")
    if partial:
        raise UserError(f"{split}: missing channel files: {some(partial)}.")


def _decode_all(
    competition: Competition,
    source: Source,
    files: StoreFiles,
    packing: Packing,
    reporter: Reporter,
) -> list[int]:
    """Fill the memory map; returns a checksum of each row's pixels, in order."""
    split, kind, ids = files.split, files.kind, packing.ids
    channels = len(competition.channels)
    shape = (len(ids), kind.size, kind.size, channels)
    space = volume(math.prod(shape))
    reporter.say(f"Packing {split} at {kind.name}: {len(ids)} images, {space}, into {files.images}")
    with atomic(files.images) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        # A new memory map is a sparse file, and a disk that fills up later kills the process with a
        # bus error: where the system can, allocate every block now and fail with a message.
        if hasattr(os, "posix_fallocate"):
            with temporary.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)

        def decode(row: int) -> int:
            names = competition.images.files(ids[row])
            image = decode_image(source, names, kind.size, channels, kind.resize)
            array[row] = image
            return zlib.crc32(image.tobytes())

        # Threads suffice: OpenCV and zlib release the GIL while they decode.
        with (
            reporter.bar(f"packing {split} at {kind.name}", total=len(ids), lines=True) as progress,
            ThreadPoolExecutor(cores()) as pool,
        ):
            checksums = []
            try:
                for checksum in pool.map(decode, range(len(ids))):
                    checksums.append(checksum)
                    progress.advance()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        array.flush()
    return checksums


def open_store(files: StoreFiles, typed: Typed | None = None) -> Store:
    """Open a packed split; UserError when it has not been packed.

    The error suggests the command that packs it if `typed`, how the user names the competition, is
    given.
    """
    if not _is_packed(files):
        how = f" Pack it: {typed.command('pack', *files.kind.words)}" if typed else ""
        raise UserError(f"{files.images} has not been packed.{how}")
    meta = _META.read_as(files.meta, _Meta)
    ids = tuple(row[0] for _, row in read_csv(files.ids)[1:])
    images = np.load(files.images, mmap_mode="r")
    if len(images) != len(ids):
        raise UserError(f"{files.images} has {len(images)} rows for {len(ids)} ids. Delete it.")
    return Store(ids, images, meta.digest, files.kind)


def _is_packed(files: StoreFiles) -> bool:
    return files.meta.exists() and files.images.exists()
