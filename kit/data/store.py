"""The packed image store: every image of a split, decoded once into one uint8 memory map."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import removal, remove_leftovers
from kit.core.errors import UserError, some
from kit.core.ids import positions
from kit.core.owner import own
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.core.seal import Damage, Damaged
from kit.core.store_paths import StoreFiles, StoreKind
from kit.core.suggest import Typed
from kit.data.depth import train_depth
from kit.data.earlier import packed_otherwise
from kit.data.image_checks import Findings, find_missing, refuse
from kit.data.images import Source, find_source
from kit.data.packing import describe, pack_rows
from kit.data.store_files import (
    Meta,
    differing,
    find_damage,
    is_checked,
    read_ids,
    read_meta,
    write_ids,
    write_meta,
)

# No recipe accepts smaller images.
MIN_SIZE = 16


@dataclass(frozen=True)
class Store:
    """Packed images of one split and their ids, row by row.

    `images` is uint8 (rows, size, size, channels), memory-mapped, read-only. `digest` covers
    competition, split, kind, ids and pixels. `depth` is the number of bits that 16-bit files were
    taken to use; None if there were none. `skipped` are the ids whose images are black because
    their files could not be read.
    """

    ids: tuple[str, ...]
    images: NDArray[np.uint8]
    digest: str
    kind: StoreKind
    depth: int | None = None
    skipped: tuple[str, ...] = ()

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The row of each id; UserError when one is not in the store."""
        return positions(self.ids, ids, "Ids not in the store (delete it and pack again)")

    @property
    def has_pixels(self) -> NDArray[np.bool_]:
        """Which rows are images that could be read, bool (rows,)."""
        return ~np.isin(np.array(self.ids), np.array(self.skipped, dtype=str))


def _no_depth(reporter: Reporter) -> None:
    return None


@dataclass(frozen=True)
class Packing:
    """What to pack, and how: the images of these ids, in this order.

    `source` holds the image files; if it is None, `absent` is the error message. `depth` finds the
    bits that 16-bit files use; None means those of these files. `wait`, `skip_bad` and `typed` are
    those of the workspace; `typed` is None if `kit pack` does not pack these images.
    """

    ids: Sequence[str]
    source: Source | None
    absent: str
    depth: Callable[[Reporter], int | None] = _no_depth
    wait: bool = False
    skip_bad: int = 0
    typed: Typed | None = None


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
    packing = plan_packing(competition, workspace, split, kind, ids)
    return pack_images(competition, workspace.store(kind, split), packing, reporter)


def plan_packing(
    competition: Competition, workspace: Workspace, split: str, kind: StoreKind, ids: Sequence[str]
) -> Packing:
    """What `pack` packs. 16-bit files of any split use as many bits as those of train."""

    def depth(reporter: Reporter) -> int | None:
        if split == "train":
            return competition.bit_depth
        return train_depth(competition, workspace, kind, reporter)

    source = find_source(workspace.source, competition.image_folder(split))
    absent = competition.absent_images(workspace.source, split)
    wait, skip_bad = workspace.wait, workspace.skip_bad
    return Packing(ids, source, absent, depth, wait, skip_bad, workspace.typed)


def pack_images(
    competition: Competition, files: StoreFiles, packing: Packing, reporter: Reporter = SILENT
) -> Store:
    """Decode and resize images into a store, on all cores, as its only owner.

    An existing store is opened unchanged if it was made for the same ids from the same files, as
    shown by their names and sizes (in archives, checksums too), or if the files are gone; its
    pixels are checked once. A damaged one is packed again. One made from other files is refused,
    not replaced: packing may have taken hours. Raises UserError for that, before any work when
    files are missing or of the wrong kind, and for more than `skip_bad` damaged files; the
    store is then absent, never partial. Raises Busy while another process packs it.
    """
    found = _look(competition, files, packing, reporter)
    if isinstance(found, Store):
        return found
    what = f"the {files.split} store at {files.kind.name}"
    try:
        with own(files.images, what, packing.wait, reporter):
            # Another process may have packed it since.
            found = _look(competition, files, packing, reporter)
            if isinstance(found, Damage):
                remove_leftovers(files.folder, files.images.name)
                return _pack(competition, files, packing, found, reporter)
            return found
    finally:
        # A refusal leaves nothing behind, not even the folder that the lock was in.
        for folder in (files.folder, files.stores):
            with suppress(OSError):
                folder.rmdir()


def pack_alone(
    competition: Competition, files: StoreFiles, packing: Packing, reporter: Reporter = SILENT
) -> Store:
    """As `pack_images`, into a folder that only this process knows: without a lock."""
    found = _look(competition, files, packing, reporter)
    if isinstance(found, Store):
        return found
    return _pack(competition, files, packing, found, reporter)


def _look(
    competition: Competition, files: StoreFiles, packing: Packing, reporter: Reporter
) -> Store | Damage:
    """The finished store, or what it lacks; UserError if it was packed from other inputs."""
    if files.kind.size < MIN_SIZE:
        raise UserError(f"--size {files.kind.size}: images must be at least {MIN_SIZE} pixels.")
    meta = read_meta(files)
    if isinstance(meta, Damage):
        return meta
    if not files.images.exists():
        return Damage(files.images, "is missing")
    described, inputs = describe(competition, files, packing.ids, packing.source)
    differ = differing(files, {**described, "resize": files.kind.resize, **inputs})
    if differ:
        _refuse_missing(competition, files, packing)
        changed = ", ".join(key.replace("_", " ") for key in differ)
        raise UserError(
            f"{files.images} was packed from different inputs; changed: {changed}. "
            f"To pack again, remove it: {removal(files.images)}; to keep both stores, set another "
            "KIT_DATA."
        )
    is_new = meta.pixels is None and not is_checked(files, meta)
    found = _open(files, meta, reporter)
    if is_new and isinstance(found, Store) and packing.source is not None:
        _tell_packed_otherwise(competition, files, packing, packing.source, reporter)
    return found


def _refuse_missing(competition: Competition, files: StoreFiles, packing: Packing) -> None:
    """Missing files explain more than that the inputs differ."""
    if packing.source is not None:
        missing = find_missing(competition, packing.source, packing.ids)
        if len(missing) > packing.skip_bad:
            raise refuse(competition, packing.source, files.split, Findings(missing))


def _tell_packed_otherwise(
    competition: Competition,
    files: StoreFiles,
    packing: Packing,
    source: Source,
    reporter: Reporter,
) -> None:
    """Say once what an earlier version packed wrongly, and how to pack it again."""
    if wrong := packed_otherwise(competition, source, packing.ids, reporter):
        reporter.say(
            f"{files.images} is from an earlier version, in which {wrong}. To pack it again, "
            "delete it; its runs must then be trained again."
        )


def _pack(
    competition: Competition,
    files: StoreFiles,
    packing: Packing,
    damage: Damage,
    reporter: Reporter,
) -> Store:
    """Pack a store that is absent or damaged, or restore only its ids."""
    meta = read_meta(files)
    if isinstance(meta, Meta) and damage.path == files.ids:
        reporter.say(f"{damage}. Writing it again.")
        write_ids(files, packing.ids)
        return open_store(files, reporter=reporter)
    was_packed = files.meta.exists() or files.images.exists()
    if packing.source is None:
        raise Damaged(damage, packing.absent) if was_packed else UserError(packing.absent)
    if was_packed:
        reporter.say(f"{damage}. Packing it again.")
    described, inputs = describe(competition, files, packing.ids, packing.source)
    packed = pack_rows(competition, files, packing.source, packing, reporter)
    if packed.skipped:
        described["skipped"] = list(packed.skipped)
    if packed.depth is not None:
        inputs["bit_depth"] = packed.depth
    write_ids(files, packing.ids)
    write_meta(files, described, inputs, packed.written)
    return open_store(files, reporter=reporter)


def open_store(files: StoreFiles, typed: Typed | None = None, reporter: Reporter = SILENT) -> Store:
    """Open a packed split; UserError when it has not been packed, Damaged when it has changed.

    The error suggests the command that packs it if `typed`, how the user names the competition, is
    given.
    """
    how = f"Pack it: {typed.command('pack', *files.kind.words)}" if typed else ""
    if not files.meta.exists() or not files.images.exists():
        raise UserError(f"{files.images} has not been packed. {how}".strip())
    meta = read_meta(files)
    found = meta if isinstance(meta, Damage) else _open(files, meta, reporter)
    if isinstance(found, Damage):
        raise Damaged(found, how)
    return found


def check_store(files: StoreFiles, thorough: bool = False) -> tuple[Damage, ...]:
    """Everything that is wrong with a packed store; with `thorough`, all pixels are read again."""
    meta = read_meta(files)
    if isinstance(meta, Damage):
        return (meta,)
    ids = read_ids(files, meta)
    found = (ids if isinstance(ids, Damage) else None, find_damage(files, meta, SILENT, thorough))
    return tuple(damage for damage in found if damage is not None)


def _open(files: StoreFiles, meta: Meta, reporter: Reporter) -> Store | Damage:
    ids = read_ids(files, meta)
    if isinstance(ids, Damage):
        return ids
    if damage := find_damage(files, meta, reporter):
        return damage
    if meta.skipped:
        reporter.say(
            f"{files.images}: images that could not be read are black ({len(meta.skipped)}): "
            f"{some(meta.skipped)}."
        )
    images = np.load(files.images, mmap_mode="r")
    return Store(ids, images, meta.digest, files.kind, meta.depth, meta.skipped)


def packing_facts(workspace: Workspace, kinds: Sequence[StoreKind]) -> dict[str, Any]:
    """What a notebook must know to decode test images as they were packed here.

    `bit_depths` by the name of the kind of store, and `skip_bad`.
    """
    depths, skipped = {}, 0
    for kind in kinds:
        train, test = (read_meta(workspace.store(kind, split)) for split in ("train", "test"))
        if isinstance(train, Meta):
            depths[kind.name] = train.depth
        if isinstance(test, Meta):
            skipped = max(skipped, len(test.skipped))
    return {"bit_depths": depths, "skip_bad": skipped}
