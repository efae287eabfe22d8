"""Headers of image files, as Pillow reads them: size, colours, bits and pages, without pixels."""

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngStream
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.WebPImagePlugin import WebPImageFile

# Pillow warns of EXIF that is damaged, which viewers ignore, too.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What a file's pixels are. ALPHA ends the kinds that have transparency, which is not a channel.
GREY, COLOUR, PALETTE, CMYK = "grey", "colour", "palette", "CMYK"
ALPHA = " with alpha"
_KINDS = {"RGB": COLOUR, "RGBA": COLOUR + ALPHA, "LA": GREY + ALPHA, "P": PALETTE, "CMYK": CMYK}
_KINDS |= {"PA": PALETTE + ALPHA}  # all others are greys
# What Pillow raises for damaged headers.
_DAMAGED: tuple[type[Exception], ...] = (
    *(SyntaxError, ValueError, LookupError, TypeError, AssertionError, ArithmeticError),
    *(OSError, EOFError, MemoryError, struct.error, Image.DecompressionBombError),
)
_PNG = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112
_BROKEN = "its header is damaged"


class BadHeader(ValueError):
    """A file that begins like an image of a known format and then breaks off or contradicts it."""


@dataclass(frozen=True)
class Header:
    """What an image file says about itself.

    `width` and `height` are in pixels as stored, before EXIF orientation; `colours` is one of the
    kinds above; `bits` are per sample, 8 for fewer. `pages` counts pages or frames, 2 standing for
    any more. `straight_alpha`: a TIFF whose colours are not multiplied by its alpha. `orientation`
    is how EXIF says the camera was held, 1 to 8; that of a TIFF is applied by its decoder.
    """

    width: int
    height: int
    colours: str
    bits: int = 8
    pages: int = 1
    straight_alpha: bool = False
    orientation: int = 1


def read_header(file: BinaryIO) -> Header | None:
    """Read a header of PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000 or PNM; None for any other file.

    Nothing is decoded, and of a file that can seek little is read, but of a WebP all. Raises
    BadHeader when the header is damaged. Pillow's `Image.open` does not tell the size of an image
    that it takes for a bomb, so its readers of the formats are called.
    """
    start = file.read(16)
    if start.startswith(b"RIFF") and start[8:12] != b"WEBP":
        return None
    for signature, read in _READERS:
        if start.startswith(signature):
            file.seek(0)
            try:
                header = read(file)
            except _DAMAGED as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # not the file is damaged: the disk cannot be read
                at_end = not file.read(1)
                raise BadHeader("it is truncated" if at_end else _BROKEN) from error
            if header is not None and min(header.width, header.height) < 1:
                raise BadHeader(_BROKEN)
            return header
    return None


def orientation_after_pixels(data: bytes) -> int:
    """The EXIF orientation of a whole PNG if it follows the pixels, as PNG allows; else 1.

    Pillow tells it only after decoding the pixels.
    """
    if not data.startswith(_PNG) or b"eXIf" not in data:
        return 1
    return _orientation(_png_until(io.BytesIO(data), b"IEND").im_info)


def _orientation(info: dict[Any, Any]) -> int:
    exif = Image.Exif()
    try:
        exif.load(info.get("exif", b""))
        found = exif.get(_ORIENTATION, 1)
    except _DAMAGED:
        return 1  # like viewers: an image whose EXIF is damaged is shown as stored
    return found if found in range(1, 9) else 1


def _facts(image: ImageFile) -> Header:
    """What Pillow says of a file that it has opened."""
    pages = 2 if getattr(image, "is_animated", False) else 1
    kind = _KINDS.get(image.mode, GREY)
    return Header(*image.size, kind, pages=pages, orientation=_orientation(image.info))


def _png(file: BinaryIO) -> Header:
    """Only of the chunks that matter.

    Pillow's PngImageFile refuses long texts and profiles, and clears a canvas for an animation.
    """
    png = _png_until(file, b"IDAT")
    if png.im_mode is None or png.im_rawmode is None:
        raise BadHeader(_BROKEN)
    kind = _KINDS.get(png.im_mode, GREY)
    if "transparency" in png.im_info and not kind.endswith(ALPHA):
        kind += ALPHA
    bits = 16 if "16" in png.im_rawmode else 8
    pages = min(png.im_n_frames or 1, 2)
    return Header(*png.im_size, kind, bits, pages, orientation=_orientation(png.im_info))


def _png_until(file: BinaryIO, last: bytes) -> PngStream:
    """What the chunks of a PNG say of its pixels, up to the first chunk of a name."""
    file.seek(len(_PNG))
    png = PngStream(file)
    while (chunk := png.read())[0] != last:
        name, _, length = chunk
        if name in (b"IHDR", b"tRNS", b"acTL", b"eXIf"):
            png.crc(name, png.call(*chunk))
        else:
            file.seek(length + 4, 1)
    return png


def _jpeg(file: BinaryIO) -> Header:
    return _facts(JpegImageFile(file))


def _webp(file: BinaryIO) -> Header:
    return _facts(WebPImageFile(file))


def _gif(file: BinaryIO) -> Header:
    """A palette, also of greys: OpenCV decodes all to colours."""
    image = GifImageFile(file)
    kind = PALETTE + ALPHA if "transparency" in image.info else PALETTE
    return replace(_facts(image), colours=kind)


def _bmp(file: BinaryIO) -> Header | None:
    """A palette of greys alone makes a grey image, as in OpenCV."""
    image = BmpImageFile(file)
    raw = str(image.tile[0].args[0])  # type: ignore[index]
    if raw in ("BGRX", "BGRA", "XBGR", "BGXR", "ABGR", "RGBA", "BGAR"):
        return None  # whether 32 bits hold alpha is left to the decoder
    facts = _facts(image)
    if image.palette is not None:
        step = len(image.palette.rawmode or "BGR")
        blue, green, red = (image.palette.palette[at::step] for at in range(3))
        facts = replace(facts, colours=GREY if blue == green == red else PALETTE)
    return facts


def _pnm(file: BinaryIO) -> Header:
    image = PpmImageFile(file)
    args = image.tile[0].args
    deep = image.mode == "I" or (isinstance(args, tuple) and args[1] > 255)
    return replace(_facts(image), bits=16 if deep else 8)


def _jpeg2000(file: BinaryIO) -> Header:
    """Pillow tells the bits of greys only: others are in the marker SIZ (ITU-T T.800, A.5.1)."""
    facts = _facts(Jpeg2KImageFile(file))
    file.seek(0)
    data = file.read(1 << 16)
    bits = (data[data.index(b"\xff\x4f\xff\x51") + 42] & 0x7F) + 1
    return replace(facts, bits=16 if bits > 8 else 8)


# Tags of TIFF 6.0.
_TAGS = (254, 256, 257, 258, 259, 262, 277, 338)
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _EXTRA = _TAGS
# Grey, RGB, palette, CMYK and YCbCr; the last is decoded as viewers show it if JPEG compressed it.
# OpenCV makes other colours of Lab and the like.
_SPACES, _YCBCR, _JPEGS = (0, 1, 2, 3, 5, 6), 6, (6, 7)
_STRAIGHT = 2
_MOST_PAGES = 10_000


def _tiff(file: BinaryIO) -> Header:
    """From the tags: Pillow's TiffImageFile refuses kinds that OpenCV decodes, five channels say.

    Nor does it tell a second page from a smaller copy or a mask.
    """
    start = file.read(16)
    directory = ImageFileDirectory_v2(start if start[2] == 43 else start[:8])
    bounded = _Bounded(file)
    first: dict[int, int] = {}
    pages, seen = 0, set[int]()
    while (place := directory.next) and pages < 2 and len(seen) < _MOST_PAGES:
        if place in seen:  # or the directory is cut, of which Pillow warns
            raise BadHeader(_BROKEN)
        seen.add(place)
        bounded.seek(place)
        directory.load(bounded)  # type: ignore[arg-type]
        tags = {tag: np.ravel(directory[tag]).tolist()[0] for tag in _TAGS if tag in directory}
        first = first or tags
        # Bit 0 marks a smaller copy, bit 2 a mask.
        pages += not tags.get(_SUBFILE, 0) & 0b101
    samples, photometric = first.get(_SAMPLES, 1), first.get(_PHOTOMETRIC, 1)
    kind = {0: GREY, 1: GREY, 3: PALETTE, 5: CMYK}.get(photometric, COLOUR)
    if samples == {GREY: 2, COLOUR: 4, PALETTE: 2, CMYK: 5}[kind]:
        kind += ALPHA
    elif samples != {GREY: 1, COLOUR: 3, PALETTE: 1, CMYK: 4}[kind]:
        kind = f"of {samples} samples a pixel"
    is_bare = photometric == _YCBCR and first.get(_COMPRESSION, 1) not in _JPEGS
    if photometric not in _SPACES or is_bare:
        kind = f"of TIFF's colour space {photometric}"
    straight = first.get(_EXTRA) == _STRAIGHT
    bits = max(8, first.get(_BITS, 1))
    return Header(first[_WIDTH], first[_HEIGHT], kind, bits, max(pages, 1), straight)


class _Bounded:
    """A file of which no more is read than it has: Pillow holds all tags, which may overlap."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = file.seek(0, io.SEEK_END)
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise BadHeader(_BROKEN)
        return self._file.read(count)


_READERS: tuple[tuple[bytes, Callable[[BinaryIO], Header | None]], ...] = (
    (_PNG, _png),
    (b"\xff\xd8", _jpeg),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),  # refused: Pillow reads BigTIFF in little-endian order alone
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"\0\0\0\x0cjP  ", _jpeg2000),
    (b"\xff\x4f\xff\x51", _jpeg2000),
    *((b"P%d" % number, _pnm) for number in range(1, 7)),
)
