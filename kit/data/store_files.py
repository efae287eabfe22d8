"""The description of a packed store, and whether its files are still what it describes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.core.disk import csv_text, digest, read_csv, write_text
from kit.core.errors import UserError
from kit.core.formats import Format, Unreadable
from kit.core.progress import SILENT, Reporter
from kit.core.seal import Damage, Memory, Seal
from kit.core.store_paths import AREA, StoreFiles
from kit.data.decode import FULL_DEPTH
from kit.data.store_pixels import (
    PixelSeals,
    Shape,
    Written,
    damaged_file,
    damaged_pixels,
    damaged_unsealed,
)

_META = Format("the description of a store", 1, "Delete it to pack the images again.", oldest=0)
# What identifies a store besides its pixels; its digest covers these.
_IDENTITY = ("competition", "split", "rows", "size", "resize", "channels", "ids_digest", "skipped")


@dataclass(frozen=True)
class Meta:
    """A store's description.

    `skipped` are the ids whose images could not be read and are black. `bit_depth` is the number of
    bits that 16-bit files were taken to use, None if there were none. `pixels` is None in stores of
    earlier versions, which took all 16 bits.
    """

    digest: str
    rows: int
    size: int
    channels: tuple[str, ...]
    ids_digest: str
    skipped: tuple[str, ...] = ()
    bit_depth: int | None = None
    pixels: PixelSeals | None = None

    @property
    def shape(self) -> Shape:
        """(rows, size, size, channels)."""
        return (self.rows, self.size, self.size, len(self.channels))

    @property
    def depth(self) -> int | None:
        """The bits of its 16-bit files; None if it had none, or none that counted."""
        return FULL_DEPTH if self.pixels is None else self.bit_depth


def read_meta(files: StoreFiles) -> Meta | Damage:
    """A store's description, or what is wrong with it; UserError for one of a later version."""
    if not files.meta.exists():
        return Damage(files.meta, "is missing")
    try:
        return _META.read_as(files.meta, Meta)
    except Unreadable as error:
        return Damage(files.meta, error.problem.removeprefix(f"{files.meta} ").rstrip("."))


def differing(files: StoreFiles, wanted: Mapping[str, Any]) -> list[str]:
    """The keys in which a store was made from something else than wanted.

    What only one of the two records, such as checksums of archived files, is not compared.
    """
    made = _META.read(files.meta)
    made = {"resize": AREA, **({} if "pixels" in made else {"bit_depth": FULL_DEPTH}), **made}
    return [key for key, value in wanted.items() if key in made and made[key] != value]


def write_meta(
    files: StoreFiles, described: Mapping[str, Any], inputs: Mapping[str, Any], written: Written
) -> None:
    """Write a store's description, which makes it a store; its pixels count as checked."""
    seals = {"rows": written.seals.rows, "sha256": list(written.seals.sha256)}
    known = digest([dict(described), list(written.checksums)])
    _META.write(files.meta, {**described, **inputs, "digest": known, "pixels": seals})
    _remember(files, known)


def write_ids(files: StoreFiles, ids: Sequence[str]) -> None:
    """Write the ids of a store's rows."""
    write_text(files.ids, csv_text([("Id",), *((image_id,) for image_id in ids)]))


def read_ids(files: StoreFiles, meta: Meta) -> tuple[str, ...] | Damage:
    """The ids of a store's rows, or what is wrong with them."""
    try:
        ids = tuple(row[0] for _, row in read_csv(files.ids)[1:])
    except FileNotFoundError:
        return Damage(files.ids, "is missing")
    except (UserError, OSError) as error:
        if not files.ids.exists():
            return Damage(files.ids, "is missing")
        return Damage(files.ids, f"has changed: {error}".rstrip("."))
    if digest(list(ids)) != meta.ids_digest:
        return Damage(files.ids, "has changed: its ids are not those of the packed images")
    return ids


def find_damage(
    files: StoreFiles, meta: Meta, reporter: Reporter = SILENT, thorough: bool = False
) -> Damage | None:
    """What is wrong with a store's pixels; None if nothing is.

    Size and header are checked each time. The pixels are read once per version of the file, or each
    time if `thorough`; small files each time.
    """
    if damage := damaged_file(files.images, meta.shape):
        return damage
    if is_checked(files, meta) and not thorough:
        return None
    # A bar only where it lasts: two cores read about a gigabyte per second.
    shown = reporter if math.prod(meta.shape) > 250_000_000 else SILENT
    if meta.pixels is not None:
        damage = damaged_pixels(files.images, meta.shape, meta.pixels, shown)
    else:
        content = _META.read(files.meta)
        described = {key: content[key] for key in _IDENTITY if key in content}
        damage = damaged_unsealed(files.images, meta.shape, described, meta.digest, shown)
    if damage is None:
        _remember(files, meta.digest)
    return damage


def is_checked(files: StoreFiles, meta: Meta) -> bool:
    """Whether this version of the pixels was checked before; never known of small files."""
    return Memory(files.folder).digest(files.images, files.images.name) == meta.digest


def _remember(files: StoreFiles, known: str) -> None:
    """Note that this version of the pixels was checked against the digest of the store."""
    memory = Memory(files.folder)
    memory.add(files.images, files.images.name, Seal(files.images.stat().st_size, known))
    memory.save()
