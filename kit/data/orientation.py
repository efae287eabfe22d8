"""EXIF orientation: how a camera was held, which viewers undo when they show the image."""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_TAG = 0x0112


def orientation_of(data: bytes) -> int:
    """The EXIF orientation of a JPEG, PNG or WebP file's bytes: 1 to 8, 1 if there is none.

    That of a TIFF is applied by its decoder.
    """
    try:
        for block in _exif_blocks(data):
            found = _read_tag(block)
            return found if found in range(1, 9) else 1
    except (struct.error, IndexError):
        pass  # like viewers: an image whose EXIF block is damaged is shown as stored
    return 1


def upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """An image, (height, width, ...), as viewers show it; EXIF 2.32, 4.6.4, tag Orientation."""
    if orientation >= 5:
        image = np.swapaxes(image, 0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _exif_blocks(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"\xff\xd8"):
        return _in_jpeg(data)
    if data.startswith(b"\x89PNG"):
        return (body for name, body in _chunks(data, 8, ">I4s", 4) if name == b"eXIf")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _in_webp(data)
    return iter(())


def _in_jpeg(data: bytes) -> Iterator[bytes]:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        if data[place + 1] == 0xFF:  # padding
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        if data[place + 1] == 0xE1 and body.startswith(b"Exif\0\0"):
            yield body[6:]
        place += 2 + length


def _in_webp(data: bytes) -> Iterator[bytes]:
    for name, body in _chunks(data, 12, "<4sI", 0):
        if name == b"EXIF":
            yield body.removeprefix(b"Exif\0\0")


def _chunks(data: bytes, place: int, form: str, after: int) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk of a PNG or WebP file; `after` bytes follow each body."""
    while place + 8 <= len(data):
        first, second = struct.unpack_from(form, data, place)
        name, length = (first, second) if isinstance(first, bytes) else (second, first)
        yield name, data[place + 8 : place + 8 + length]
        padding = 0 if after else length % 2
        place += 8 + length + padding + after


def _read_tag(exif: bytes) -> int:
    """The orientation in a block of EXIF, which is a TIFF without an image; 1 if it has none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    (place,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, place)
    for entry in range(count):
        start = place + 2 + 12 * entry
        tag, kind = struct.unpack_from(order + "HH", exif, start)
        if tag == _TAG:
            form = {3: "H", 4: "I"}.get(kind)
            return int(struct.unpack_from(order + form, exif, start + 8)[0]) if form else 1
    return 1
