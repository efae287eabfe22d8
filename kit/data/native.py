"""Single images of a competition at their own size, decoded from its files."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.decode import Decoding, decode_native
from kit.data.depth import train_depth
from kit.data.image_checks import check_images, refuse
from kit.data.images import find_source


def read_native(
    competition: Competition, workspace: Workspace, split: str, ids: Sequence[str]
) -> Iterator[NDArray[np.uint8]]:
    """Decode images of a split, `train` or `test`: uint8 (height, width, channels) each.

    16-bit files are scaled as in the packed stores. Raises UserError, before the first one, when
    files are missing or of the wrong kind, and for an unreadable file.
    """
    source = find_source(workspace.source, competition.image_folder(split))
    if source is None:
        raise UserError(competition.absent_images(workspace.source, split))
    findings = check_images(competition, source, ids)
    if findings.ids:
        raise refuse(competition, source, split, findings)
    depth = train_depth(competition, workspace) if findings.deep else None
    decoding = Decoding.of(competition, depth)
    return (decode_native(source, competition.images.files(one), decoding) for one in ids)
