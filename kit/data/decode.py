"""Decodes image files into uint8 arrays, as viewers show them, or says what is wrong with them."""

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kit.competitions.base import Competition
from kit.core.errors import Advised, UserError, brief
from kit.core.intact import is_damaged
from kit.core.machine import memory
from kit.core.store_paths import AREA, LINEAR
from kit.core.unpack import UNREADABLE
from kit.data.headers import (
    ALPHA,
    COLOUR,
    GREY,
    PALETTE,
    BadHeader,
    Header,
    orientation_after_pixels,
    read_header,
)
from kit.data.images import Source, unreadable

# OpenCV decodes no larger image (CV_IO_MAX_IMAGE_PIXELS).
MOST_PIXELS = 1 << 30
# OpenCV prints what its decoders complain about; here the error that follows says it, in one line.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

FULL_DEPTH = 16
# Shares of the memory: of one image at most, and of one that is decoded while others are.
_LARGEST, _LARGE = 4, 64
_one_large = threading.Lock()


def _ignore(name: str) -> None:
    pass


@dataclass(frozen=True)
class Decoding:
    """How the files of a competition become pixels.

    `channels` of an image; `convert` files of other colours or refuse them; `depth` is the number
    of bits that 16-bit files use: they are divided by one power of two, so that this depth becomes
    8 bits. `clipped` is called with the name of a file that has larger values, which become 255.
    """

    channels: int
    convert: bool = False
    depth: int = FULL_DEPTH
    clipped: Callable[[str], None] = _ignore

    @classmethod
    def of(
        cls, competition: Competition, depth: int | None, clipped: Callable[[str], None] = _ignore
    ) -> "Decoding":
        """A competition's decoding; `depth` None stands for all 16 bits."""
        return cls(len(competition.channels), competition.convert, depth or FULL_DEPTH, clipped)

    def channels_of(self, files: Sequence[str]) -> int:
        """The channels of each of an image's files: several files hold one grey channel each."""
        return 1 if len(files) > 1 else self.channels


def decode_image(
    source: Source, files: Sequence[str], decoding: Decoding, size: int, resize: str = AREA
) -> NDArray[np.uint8]:
    """Read an image's files as one uint8 array (size, size, channels).

    Several files hold one grey channel each; a single file holds all channels, in the order red,
    green, blue. EXIF orientation is applied. Images are stretched to a square: by area averaging to
    shrink and cubic interpolation to enlarge; with `resize` LINEAR, by bilinear interpolation,
    which reads four pixels for each however much it shrinks. Raises UserError naming a file that is
    truncated, not an image, or has the wrong colours.
    """
    return np.dstack([_resize(plane, size, resize) for plane in _planes(source, files, decoding)])


def decode_native(source: Source, files: Sequence[str], decoding: Decoding) -> NDArray[np.uint8]:
    """Read an image's files at their own size, as one uint8 array (height, width, channels).

    As `decode_image`, but not resized. If the files of the channels differ in size, all get the
    size of the first.
    """
    planes = _planes(source, files, decoding)
    height, width = planes[0].shape[:2]
    alike = [
        plane
        if plane.shape[:2] == (height, width)
        else cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
        for plane in planes
    ]
    return np.dstack(alike)


def _planes(source: Source, files: Sequence[str], decoding: Decoding) -> list[NDArray[np.uint8]]:
    return [_decode(source, name, decoding, decoding.channels_of(files)) for name in files]


def _decode(source: Source, name: str, decoding: Decoding, channels: int) -> NDArray[np.uint8]:
    data = source.read(name)
    header = read_file_header(source, name, data)
    raw = read_pixels(source, name, data, header)
    if raw.dtype == np.uint16:
        if header is None:
            raise UserError(
                f"{source.where(name)} has 16 bits in a format whose range the kit cannot find. "
                "Save it as PNG or TIFF."
            )
        if int(raw.max(initial=0)) >> decoding.depth:
            decoding.clipped(name)
        raw = np.minimum(raw >> (decoding.depth - 8), 255).astype(np.uint8)
    if raw.dtype != np.uint8:
        raise UserError(f"{source.where(name)} has {raw.dtype} pixels, expected 8 or 16 bits.")
    image = raw.astype(np.uint8, copy=False)
    colours = _colours(header, image)
    if image.ndim == 2 and not colours.startswith(GREY):
        raise Advised(f"{source.where(name)} is not a readable image.", source.again)
    if reason := mismatch(colours, channels, decoding.convert):
        raise UserError(f"{source.where(name)} {reason}.")
    orientation = 1 if header is None else header.orientation
    if orientation == 1:
        orientation = orientation_after_pixels(data)
    return np.ascontiguousarray(upright(_to_channels(image, colours, channels), orientation))


def read_file_header(source: Source, name: str, data: bytes | None = None) -> Header | None:
    """The header of a file, None if its format has none that is known; `data` are its bytes.

    Raises UserError, naming the file, for what cannot be decoded: pages, animations, too many
    pixels, a damaged header, a file that is empty or a web page.
    """
    where = source.where(name)
    try:
        with source.open(name) if data is None else io.BytesIO(data) as file:
            header = read_header(file)
            file.seek(0)
            start = file.read(512).lstrip()
    except BadHeader as error:
        problem = f"{where} is truncated or damaged ({brief(error)})."
        raise Advised(problem, source.again) from error
    except (*UNREADABLE, OSError) as error:
        raise unreadable(source, name, error) from error
    if not start:
        raise Advised(f"{where} is not a readable image: it is empty.", source.again)
    if start.startswith(b"<"):
        problem = f"{where} is not a readable image: it is a web page or XML."
        raise Advised(problem, source.again)
    if header is not None:
        _refuse_size(where, header)
    return header


def _refuse_size(where: str, header: Header) -> None:
    if header.pages > 1:
        raise UserError(
            f"{where} has several pages or frames, expected one. Save the right one as a file."
        )
    pixels = header.width * header.height
    side = f"{where} has {header.width:,} x {header.height:,} pixels"
    if pixels > MOST_PIXELS:
        raise UserError(f"{side}, more than OpenCV decodes ({MOST_PIXELS:,}). Shrink it.")
    if _bytes(header) > memory() // _LARGEST:
        raise UserError(f"{side}, too many for this machine's memory. Shrink it.")


def _bytes(header: Header) -> int:
    """The memory that decoding takes, roughly."""
    samples = 1 if header.colours == GREY else 4
    return header.width * header.height * samples * (2 if header.bits > 8 else 1)


def read_pixels(
    source: Source, name: str, data: bytes, header: Header | None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The pixels of a file as OpenCV decodes them, BGR or grey; UserError if it is damaged."""
    if is_damaged(data):
        raise Advised(f"{source.where(name)} is truncated or damaged.", source.again)
    decode = _imdecode
    if header is not None and header.straight_alpha and header.bits <= 8:
        decode = _decode_straight
    if header is not None and _bytes(header) > memory() // _LARGE:
        with _one_large:
            image = decode(data)
    else:
        image = decode(data)
    if image is None:
        raise Advised(f"{source.where(name)} is not a readable image.", source.again)
    return image


def _imdecode(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    try:
        image: NDArray[np.uint8] | NDArray[np.uint16] | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED
        )
    except cv2.error:  # too many pixels in a format whose header is not read here
        return None
    return image


def _decode_straight(data: bytes) -> NDArray[np.uint8] | None:
    """As `_imdecode` for a TIFF with alpha, by which OpenCV would multiply its colours."""
    try:
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
            pixels = np.array(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return pixels[:, :, [2, 1, 0, 3]]


def _colours(header: Header | None, image: NDArray[np.uint8]) -> str:
    """What the channels of a decoded file are; OpenCV expands palettes, and CMYK to BGR."""
    if header is not None:
        return header.colours
    count = 1 if image.ndim == 2 else image.shape[2]
    return {1: GREY, 3: COLOUR, 4: COLOUR + ALPHA}.get(count, f"of {count} samples a pixel")


def mismatch(colours: str, channels: int, convert: bool) -> str | None:
    """Why a file of these colours cannot fill so many channels, `is grey instead of colour`.

    None if it can.
    """
    fitting = {1: (GREY,), 3: (COLOUR, PALETTE), 4: (COLOUR + ALPHA,)}.get(channels, ())
    if colours in fitting or colours == f"of {channels} samples a pixel":
        return None
    if convert and channels in (1, 3) and not colours.startswith("of "):
        return None
    expected = {1: GREY, 3: COLOUR}.get(channels, f"{channels} channels")
    return f"is {colours} instead of {expected}"


def _to_channels(image: NDArray[np.uint8], colours: str, channels: int) -> NDArray[np.uint8]:
    """A decoded file as (height, width) for one channel, (height, width, channels) for more.

    Transparency is dropped, and greys come from colours, as Pillow's `convert` does.
    """
    if channels not in (1, 3, 4):
        return image
    grey = image.ndim == 2 or colours in (GREY, GREY + ALPHA)
    if channels == 4:
        return image[:, :, [2, 1, 0, 3]]
    if grey:
        plane = image if image.ndim == 2 else image[:, :, 0]
        return plane if channels == 1 else np.dstack([plane] * 3)
    colour = image[:, :, 2::-1]
    return colour if channels == 3 else _luma(colour)


def upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """An image, (height, width, ...), as viewers show it; EXIF 2.32, 4.6.4, tag Orientation."""
    if orientation >= 5:
        image = np.swapaxes(image, 0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """ITU-R BT.601 luma in the 16-bit fixed point of Pillow, to the bit."""
    weights = np.array([19595, 38470, 7471], np.uint32)
    return ((image.astype(np.uint32) @ weights + 0x8000) >> 16).astype(np.uint8)


def _resize(image: NDArray[np.uint8], size: int, resize: str) -> NDArray[np.uint8]:
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) >= size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    if resize == LINEAR:
        method = cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = cv2.resize(image, (size, size), interpolation=method)
    return resized
