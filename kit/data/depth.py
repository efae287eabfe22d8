"""The bits that 16-bit image files use: one depth for all images of a competition."""

from collections.abc import Sequence

import numpy as np

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.core.store_paths import StoreFiles, StoreKind, stores_of
from kit.core.threads import in_threads
from kit.data.decode import FULL_DEPTH, read_file_header, read_pixels
from kit.data.image_checks import check_images
from kit.data.images import Source, find_source
from kit.data.store_files import Meta, read_meta

# The depths of cameras. Values are scaled by a power of two, so an image of the test set that is
# slightly brighter than all training images is scaled alike, and 16 bits keep their upper 8.
DEPTHS = (8, 10, 12, 14, FULL_DEPTH)


def measure_depth(source: Source, names: Sequence[str], reporter: Reporter = SILENT) -> int:
    """The smallest of DEPTHS that holds every value of these 16-bit files.

    Reads them until one needs all 16 bits. Files that cannot be decoded are ignored: packing
    reports them.
    """

    def largest(name: str) -> int:
        try:
            data = source.read(name)
            pixels = read_pixels(source, name, data, read_file_header(source, name, data))
        except UserError:
            return 0
        return int(pixels.max(initial=0)) if pixels.dtype == np.uint16 else 0

    found = 0
    what = "finding the range of 16-bit images"
    with reporter.bar(what, total=len(names), lines=True) as progress:
        for value in in_threads(largest, names):
            found = max(found, value)
            if found >> DEPTHS[-2]:
                break
            progress.advance()
    return next(depth for depth in DEPTHS if not found >> depth)


def stored_depth(files: StoreFiles) -> int | None:
    """The depth by which a finished store was packed; None without one, or if it had no need."""
    meta = read_meta(files)
    return meta.depth if isinstance(meta, Meta) else None


def train_depth(
    competition: Competition,
    workspace: Workspace,
    kind: StoreKind | None = None,
    reporter: Reporter = SILENT,
) -> int | None:
    """The depth of a competition's 16-bit images: declared, that of its train store, or measured.

    The train store is that of `kind` or, for None, the largest there is. None if the training
    images are missing or have 8 bits.
    """
    if competition.bit_depth is not None:
        return competition.bit_depth
    known = stores_of(workspace.stores, "train")[::-1]
    for files in known if kind is None else [workspace.store(kind, "train")]:
        if (depth := stored_depth(files)) is not None:
            return depth
    source = find_source(workspace.source, competition.image_folder("train"))
    if source is None or not (workspace.source / competition.label_table).exists():
        return None
    ids = tuple(sorted(competition.read_labels(workspace.source).ids))
    deep = check_images(competition, source, ids, reporter).deep
    return measure_depth(source, deep, reporter) if deep else None
