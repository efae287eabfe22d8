"""Single images of a competition at their own size, decoded from its files."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.images import decode_native, find_source
from kit.data.store import check_files


def read_native(
    competition: Competition, workspace: Workspace, split: str, ids: Sequence[str]
) -> Iterator[NDArray[np.uint8]]:
    """Decode images of a split, `train` or `test`: uint8 (height, width, channels) each.

    Raises UserError, before the first one, when files are missing, and for an unreadable file.
    """
    source = find_source(workspace.source, competition.image_folder(split))
    if source is None:
        raise UserError(competition.absent_images(workspace.source, split))
    check_files(competition, source, split, ids)
    channels = len(competition.channels)
    return (decode_native(source, competition.images.files(one), channels) for one in ids)
