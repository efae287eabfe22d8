"""External labelled images: they train alongside the competition's own and never validate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import digest
from kit.core.errors import UserError, brief, some
from kit.core.formats import Format
from kit.core.paths import Workspace, extra_split
from kit.core.progress import SILENT, Reporter
from kit.data.image_checks import find_missing, tell_missing
from kit.data.images import Archive, Source, find_source
from kit.data.store import Packing, Store, pack_images
from kit.data.twins import LEAST, find_all_twins, fingerprints

_TWINS = Format("the near-duplicates of extra images", 1, "Delete it.", oldest=0)


@dataclass(frozen=True)
class _Twins:
    """Which pairs of rows are near-duplicates, and in which stores, by which threshold."""

    train: str
    extra: str
    least: float
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Extra:
    """Extra images at one size with their labels, row by row, and their near-duplicates.

    `labels` is uint8 (rows of the store, classes). `twins` is int (pairs, 2): a row here, and a
    row of the train store that is its near-duplicate. `name` is the label table's.
    """

    name: str
    store: Store
    labels: NDArray[np.uint8]
    twins: NDArray[np.int64]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the rows, in ascending order."""
        return self.store.ids

    @property
    def digest(self) -> str:
        """SHA-256 of ids, labels and pixels."""
        return digest([self.store.digest, self.labels.tolist()])

    def allowed(self, val_rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows may train when these rows of the train store validate, bool (rows,).

        Near-duplicates of a validation row may not: the model would memorize its labels. Nor may
        images that could not be read.
        """
        allowed = self.store.has_pixels
        allowed[self.twins[np.isin(self.twins[:, 1], val_rows), 0]] = False
        return allowed

    def told(self, allowed: NDArray[np.bool_]) -> str:
        """One line: how many of the rows train, and why the others do not."""
        count = f"{int(allowed.sum())} of {len(allowed)} images of {self.name} train too"
        if (allowed | ~self.store.has_pixels).all():
            return f"{count}."
        twins = int((~allowed & self.store.has_pixels).sum())
        return f"{count}; excluded as near-duplicates of validation images: {twins}."


def parse_extra(text: str) -> tuple[Path, Path]:
    """Parse `CSV:IMAGES`: the label table, and the folder or zip archive of images.

    The archive may be named without `.zip`. Raises UserError for a malformed text, and when one of
    the two does not exist.
    """
    table, colon, place = text.rpartition(":")
    if not (table and colon and place):
        raise UserError(
            f"--extra expects CSV:IMAGES, such as hpav18.csv:hpav18, got '{brief(text)}'."
        )
    csv, images = Path(table), Path(place)
    try:
        if not csv.is_file():
            raise UserError(
                f"--extra {brief(text)}: {brief(csv)} does not exist. Name the label table."
            )
        if _find_images(images) is None:
            raise UserError(_absent(images))
    except (OSError, ValueError) as error:  # no file system takes such a name
        raise UserError(f"--extra {brief(text)}: {brief(error)}.") from None
    return csv, images


def check_extra(
    competition: Competition,
    text: str,
    train_ids: Sequence[str],
    test_ids: Sequence[str],
    skip_bad: int,
) -> LabelTable:
    """The label table of `CSV:IMAGES`, checked before anything is packed.

    Raises UserError for a malformed text or table, for ids of the competition's own, and for more
    than `skip_bad` ids without an image.
    """
    csv, images = parse_extra(text)
    table = competition.label_format.read(csv, competition.class_keys)
    for kind, own in (("training", train_ids), ("test", test_ids)):
        if taken := sorted(set(table.ids) & set(own)):
            raise UserError(
                f"{csv} has ids of {kind} images: {some(taken)}. Remove those rows, or rename them "
                "and their images."
            )
    source = _find_images(images)
    if source is None:
        raise UserError(_absent(images))
    missing = find_missing(competition, source, sorted(table.ids))
    if len(missing) > skip_bad:
        raise UserError(tell_missing(competition, source, csv.name, missing))
    return table


def read_extra(
    competition: Competition,
    workspace: Workspace,
    text: str,
    train: Store,
    test_ids: Sequence[str],
    reporter: Reporter = SILENT,
) -> Extra:
    """Read the labels of `CSV:IMAGES`, pack the images, and find their near-duplicates.

    The table has the format of the competition's own. Images are packed like `train`, the packed
    training images. What is on disk already is reused. Raises UserError, before packing, for
    a malformed text or table and for ids of the competition's own; then as `pack_images` does.
    """
    table = check_extra(competition, text, train.ids, test_ids, workspace.skip_bad)
    csv, images = parse_extra(text)
    ids = tuple(sorted(table.ids))
    split = extra_split(csv, digest(list(ids)))
    packing = Packing(
        ids,
        _find_images(images),
        _absent(images),
        lambda reporter: competition.bit_depth or train.depth,
        workspace.wait,
        workspace.skip_bad,
    )
    files = workspace.store(train.kind, split)
    store = pack_images(competition, files, packing, reporter)
    twins = read_or_find_twins(files.twins, train, store, reporter)
    return Extra(csv.name, store, table.of(ids), twins)


def read_or_find_twins(
    path: Path, train: Store, extra: Store, reporter: Reporter
) -> NDArray[np.int64]:
    """Read the pairs found earlier in the same stores; otherwise find and save them."""
    found = _read_twins(path)
    if (
        found is not None
        and (found.train, found.extra, found.least)
        == (
            train.digest,
            extra.digest,
            LEAST,
        )
        and all(a in range(len(extra.ids)) and b in range(len(train.ids)) for a, b in found.pairs)
    ):
        return np.array(found.pairs, dtype=np.int64).reshape(-1, 2)
    known = fingerprints(train.images, reporter=reporter)
    asked = fingerprints(extra.images, reporter=reporter)
    pairs = find_all_twins(known, asked, reporter=reporter)
    stores = {"train": train.digest, "extra": extra.digest, "least": LEAST}
    _TWINS.write(path, {**stores, "pairs": pairs.tolist()})
    return pairs


def _read_twins(path: Path) -> _Twins | None:
    """What an earlier search found; None if there is none, or its file is damaged."""
    try:
        return _TWINS.read_as(path, _Twins)
    except UserError:  # it only saves time
        return None


def _find_images(place: Path) -> Source | None:
    return Archive(place) if place.is_file() else find_source(place.parent, place.name)


def _absent(place: Path) -> str:
    return f"--extra: {brief(place)} is neither a folder nor a zip archive. Name the images."
