"""What earlier versions packed otherwise: without orientation, and the upper 8 of 16 bits."""

from collections.abc import Sequence

from kit.competitions.base import Competition
from kit.core.errors import UserError, some
from kit.core.progress import SILENT, Reporter
from kit.core.threads import in_threads
from kit.data.decode import FULL_DEPTH, read_file_header
from kit.data.depth import measure_depth
from kit.data.image_checks import check_images
from kit.data.images import Source


def packed_otherwise(
    competition: Competition, source: Source, ids: Sequence[str], reporter: Reporter = SILENT
) -> str | None:
    """What this version would pack differently, in words; None if nothing."""
    names = [name for image_id in ids for name in competition.images.files(image_id)]
    turned = [name for name, is_so in zip(names, _are_turned(source, names), strict=True) if is_so]
    if turned:
        return f"these images lie on their side or are mirrored: {some(turned)}"
    deep = check_images(competition, source, ids, reporter).deep
    if deep and (depth := measure_depth(source, deep, reporter)) < FULL_DEPTH:
        return f"16-bit files that use {depth} bits are dark: {some(deep)}"
    return None


def _are_turned(source: Source, names: Sequence[str]) -> list[bool]:
    def is_turned(name: str) -> bool:
        try:
            header = read_file_header(source, name)
        except UserError:
            return False
        return header is not None and header.orientation != 1

    return list(in_threads(is_turned, names))
