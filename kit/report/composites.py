"""Composite colour images for pictures: from a packed store, or decoded from the image files."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.data.decode import Decoding, decode_image
from kit.data.depth import train_depth
from kit.data.image_checks import check_images, refuse
from kit.data.images import find_source
from kit.data.runs import Run
from kit.data.store import open_store
from kit.report.figures import to_rgb

# Pixels per side where there is no store: more than a picture of several images shows.
DECODED = 256


def read_composites(
    competition: Competition,
    workspace: Workspace,
    runs: Sequence[Run],
    split: str,
    ids: Sequence[str],
) -> list[NDArray[np.uint8]] | None:
    """Images of a split, `train` or `test`, as uint8 (size, size, 3) in red, green and blue.

    From the largest packed store of the runs; without one, decoded from the competition's own
    files. None if these are missing too. Raises UserError for an id without an image.
    """
    mixture = competition.mixture()
    kinds = {kind for run in runs if (kind := run.store_kind) is not None}
    for kind in sorted(kinds, reverse=True):
        files = workspace.store(kind, split)
        if files.meta.exists():
            store = open_store(files, workspace.typed)
            return [to_rgb(store.images[row], mixture) for row in store.rows(ids)]
    source = find_source(workspace.source, competition.image_folder(split))
    if source is None:
        return None
    findings = check_images(competition, source, ids)
    if findings.ids:
        raise refuse(competition, source, split, findings)
    depth = train_depth(competition, workspace) if findings.deep else None
    decoding = Decoding.of(competition, depth)
    decoded = (
        decode_image(source, competition.images.files(one), decoding, DECODED) for one in ids
    )
    return [to_rgb(pixels, mixture) for pixels in decoded]
