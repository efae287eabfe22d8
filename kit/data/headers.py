"""Headers of image files: size, colours, bits and pages, read without decoding a pixel."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

# What a file's pixels are. ALPHA ends the kinds that have transparency, which is not a channel.
GREY, COLOUR, PALETTE, CMYK = "grey", "colour", "palette", "CMYK"
ALPHA = " with alpha"


class BadHeader(ValueError):
    """A file that begins like an image of a known format and then breaks off or contradicts it."""


@dataclass(frozen=True)
class Header:
    """What an image file says about itself.

    `width` and `height` are in pixels as stored, before EXIF orientation; `colours` is one of the
    kinds above; `bits` are per sample. `pages` counts pages or frames, 2 standing for any more.
    `straight_alpha`: a TIFF whose colours are not multiplied by its alpha.
    """

    width: int
    height: int
    colours: str
    bits: int = 8
    pages: int = 1
    straight_alpha: bool = False


def read_header(file: BinaryIO) -> Header | None:
    """Read a header of PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000 or PNM; None for any other file.

    Reads only what it needs of a file that can seek. Raises BadHeader when the header is damaged.
    """
    start = file.read(16)
    for signature, read in _READERS:
        if start.startswith(signature):
            file.seek(0)
            try:
                header = read(file)
            except (struct.error, IndexError, KeyError, OverflowError) as error:
                raise BadHeader("its header is damaged") from error
            if header is not None and min(header.width, header.height) < 1:
                raise BadHeader("its header is damaged")
            return header
    return None


def take(file: BinaryIO, count: int) -> bytes:
    """The next bytes of a file; BadHeader when it ends before."""
    data = file.read(count)
    if len(data) < count:
        raise BadHeader("it is truncated")
    return data


def _png(file: BinaryIO) -> Header:
    """PNG specification, third edition: IHDR first; tRNS and acTL precede the pixels."""
    file.seek(8)
    length, name = struct.unpack(">I4s", take(file, 8))
    width, height, bits, colour = struct.unpack(">IIBB", take(file, 10))
    if name != b"IHDR":
        raise BadHeader("its header is damaged")
    file.seek(length - 10 + 4, 1)
    transparent, frames = False, 1
    while True:
        length, name = struct.unpack(">I4s", take(file, 8))
        if name == b"IDAT":
            break
        if name == b"acTL":
            frames = min(2, struct.unpack(">I", take(file, 4))[0])
            length -= 4
        transparent = transparent or name == b"tRNS"
        file.seek(length + 4, 1)
    kind = {0: GREY, 2: COLOUR, 3: PALETTE, 4: GREY + ALPHA, 6: COLOUR + ALPHA}[colour]
    if transparent and not kind.endswith(ALPHA):
        kind += ALPHA
    return Header(width, height, kind, bits, frames)


def _jpeg(file: BinaryIO) -> Header:
    """ITU-T T.81: the frame header, SOFn, precedes the pixels."""
    file.seek(2)
    while True:
        mark = take(file, 1)
        if mark != b"\xff":
            raise BadHeader("its header is damaged")
        while mark == b"\xff":
            mark = take(file, 1)
        code = mark[0]
        if code == 0x01 or 0xD0 <= code <= 0xD8:
            continue
        if code in (0xD9, 0xDA):
            raise BadHeader("it is truncated")
        (length,) = struct.unpack(">H", take(file, 2))
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            bits, height, width, samples = struct.unpack(">BHHB", take(file, 6))
            return Header(width, height, {1: GREY, 3: COLOUR, 4: CMYK}[samples], bits)
        file.seek(length - 2, 1)


# Tags of TIFF 6.0, and their types: bytes of each, and how to unpack one.
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES = 254, 256, 257, 258, 262, 277
_EXTRA, _STRAIGHT = 338, 2
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_PAGES = 10_000


def _tiff(file: BinaryIO) -> Header:
    """TIFF 6.0 and BigTIFF: a chain of directories, one per page; thumbnails are not pages."""
    order = "<" if take(file, 4)[:2] == b"II" else ">"
    file.seek(2)
    big = struct.unpack(order + "H", take(file, 2))[0] == 43
    file.seek(8 if big else 4)
    (place,) = struct.unpack(order + ("Q" if big else "I"), take(file, 8 if big else 4))
    first: dict[int, int] = {}
    pages, seen = 0, set[int]()
    while place and pages < 2 and len(seen) < _MOST_PAGES:
        if place in seen:
            raise BadHeader("its pages go in a circle")
        seen.add(place)
        tags, place = _tiff_directory(file, place, order, big)
        first = first or tags
        # Bit 0 marks a smaller copy, bit 2 a mask.
        pages += not tags.get(_SUBFILE, 0) & 0b101
    samples, photometric = first.get(_SAMPLES, 1), first.get(_PHOTOMETRIC, 1)
    kind = {0: GREY, 1: GREY, 3: PALETTE, 5: CMYK}.get(photometric, COLOUR)
    if samples == {GREY: 2, COLOUR: 4, PALETTE: 2, CMYK: 5}[kind]:
        kind += ALPHA
    elif samples != {GREY: 1, COLOUR: 3, PALETTE: 1, CMYK: 4}[kind]:
        kind = f"of {samples} samples a pixel"
    straight = first.get(_EXTRA) == _STRAIGHT
    bits = first.get(_BITS, 1)
    return Header(first[_WIDTH], first[_HEIGHT], kind, bits, max(pages, 1), straight)


def _tiff_directory(
    file: BinaryIO, place: int, order: str, big: bool
) -> tuple[dict[int, int], int]:
    """The first value of each whole-number tag of a directory, and the place of the next one."""
    file.seek(place)
    (count,) = struct.unpack(order + ("Q" if big else "H"), take(file, 8 if big else 2))
    if count > 0xFFFF:
        raise BadHeader("its header is damaged")
    width = 8 if big else 4
    entries = take(file, count * (4 + 2 * width))
    (following,) = struct.unpack(order + ("Q" if big else "I"), take(file, width))
    tags: dict[int, int] = {}
    for start in range(0, len(entries), 4 + 2 * width):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        if kind not in _TYPES:
            continue
        size = struct.calcsize(order + _TYPES[kind])
        (values,) = struct.unpack_from(order + ("Q" if big else "I"), entries, start + 4)
        at = start + 4 + width
        if values * size <= width:
            (tags[tag],) = struct.unpack_from(order + _TYPES[kind], entries, at)
        elif tag == _BITS:
            file.seek(struct.unpack_from(order + ("Q" if big else "I"), entries, at)[0])
            (tags[tag],) = struct.unpack(order + _TYPES[kind], take(file, size))
    return tags, following


def _webp(file: BinaryIO) -> Header | None:
    """WebP container specification: VP8X announces animation and alpha, VP8 and VP8L have none."""
    file.seek(8)
    form, name, _ = struct.unpack("<4s4sI", take(file, 12))
    if form != b"WEBP":
        return None
    data = take(file, 10)
    if name == b"VP8X":
        width = int.from_bytes(data[4:7], "little") + 1
        height = int.from_bytes(data[7:10], "little") + 1
        kind = COLOUR + ALPHA if data[0] & 0x10 else COLOUR
        return Header(width, height, kind, pages=2 if data[0] & 0x02 else 1)
    if name == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        return Header(width, height, COLOUR + ALPHA if bits & 0x10000000 else COLOUR)
    width, height = struct.unpack_from("<HH", data, 6)
    return Header(width & 0x3FFF, height & 0x3FFF, COLOUR)


def _bmp(file: BinaryIO) -> Header | None:
    """Windows bitmaps; a palette of greys alone makes a grey image, as in OpenCV and Pillow."""
    file.seek(14)
    (size,) = struct.unpack("<I", take(file, 4))
    if size < 40:  # OS/2, which has 16-bit sides
        return None
    width, height, _, bits = struct.unpack("<iiHH", take(file, 12))
    if bits > 8:
        # Whether 32 bits hold alpha is left to the decoder.
        return Header(width, abs(height), COLOUR) if bits < 32 else None
    file.seek(14 + 32)
    (used,) = struct.unpack("<I", take(file, 4))
    file.seek(14 + size)
    palette = take(file, 4 * min(used or 1 << bits, 256))
    greys = palette[0::4] == palette[1::4] == palette[2::4]
    return Header(width, abs(height), GREY if greys else PALETTE)


def _gif(file: BinaryIO) -> Header:
    """GIF89a: blocks up to the trailer; each image descriptor is a frame."""
    file.seek(6)
    width, height, packed = struct.unpack("<HHB", take(file, 5))
    file.seek(2, 1)
    if packed & 0x80:
        file.seek(3 << (packed & 7) + 1, 1)
    frames, transparent = 0, False
    while frames < 2 and (mark := file.read(1)) not in (b"", b";"):
        if mark == b"!":
            if take(file, 1) == b"\xf9":
                transparent = transparent or bool(take(file, 2)[1] & 1)
                file.seek(-2, 1)
        elif mark == b",":
            frames += 1
            (packed,) = take(file, 9)[8:]
            if packed & 0x80:
                file.seek(3 << (packed & 7) + 1, 1)
            take(file, 1)
        else:
            raise BadHeader("its header is damaged")
        while (length := take(file, 1)[0]) > 0:
            file.seek(length, 1)
    if not frames:
        raise BadHeader("it is truncated")
    return Header(width, height, PALETTE + ALPHA if transparent else PALETTE, pages=frames)


def _pnm(file: BinaryIO) -> Header | None:
    """Portable bitmaps, greymaps and pixmaps; comments and numbers end at white space."""
    words: list[bytes] = []
    for line in file.read(1024).splitlines():
        words += line.partition(b"#")[0].split()
    number = int(words[0][1:2])
    needed = 3 if number in (1, 4) else 4
    if len(words) < needed or not all(word.isdigit() for word in words[1:needed]):
        return None
    sides = [int(word) for word in words[1:needed]]
    bits = 16 if needed == 4 and sides[2] > 255 else 8
    return Header(sides[0], sides[1], COLOUR if number in (3, 6) else GREY, bits)


def _jpeg2000(file: BinaryIO) -> Header | None:
    """ITU-T T.800: the marker SIZ begins the code stream, which may be in a box of a JP2 file."""
    data = file.read(1 << 16)
    place = data.find(b"\xff\x4f\xff\x51")
    if place < 0:
        return None
    right, lower, left, upper = struct.unpack_from(">IIII", data, place + 8)
    samples, bits = struct.unpack_from(">HB", data, place + 40)
    kind = {1: GREY, 2: GREY + ALPHA, 3: COLOUR, 4: COLOUR + ALPHA}[samples]
    return Header(right - left, lower - upper, kind, (bits & 0x7F) + 1)


_READERS: tuple[tuple[bytes, Callable[[BinaryIO], Header | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8", _jpeg),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"\0\0\0\x0cjP  ", _jpeg2000),
    (b"\xff\x4f\xff\x51", _jpeg2000),
    *((b"P%d" % number, _pnm) for number in range(1, 7)),
)
