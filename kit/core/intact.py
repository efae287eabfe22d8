"""Whether image files are complete, from their own checksums and end markers."""

import struct
import zlib

_PNG = b"\x89PNG"


def is_damaged(data: bytes) -> bool:
    """Whether a PNG or JPEG is damaged; decoders silently fill missing parts with grey.

    Any damage to a PNG is detected. A JPEG has no checksums: it counts as complete if its pixels
    start and the end marker follows; bytes changed or lost in between go undetected. Anything
    after the end marker is not part of the image. Other formats are left to their decoders.
    """
    if data.startswith(_PNG):
        return not is_whole_png(data)
    if data.startswith(b"\xff\xd8"):
        return not _has_end_of_jpeg(data)
    return False


def is_whole_png(data: bytes) -> bool:
    """Whether this is a PNG and every chunk is intact up to the last one, IEND.

    A chunk is a length, a type, a content and a checksum.
    """
    if not data.startswith(_PNG):
        return False
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data):
            return False
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[place + 4 : end - 4]) != checksum:
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end
    return False


def _has_end_of_jpeg(data: bytes) -> bool:
    """Whether the end marker follows the header; a thumbnail in the header has its own marker."""
    place = 2
    while 0 <= (place := data.find(b"\xff", place)) <= len(data) - 4:
        mark = data[place + 1]
        if mark == 0xDA:  # start of the pixels; in them, a byte of 255 is followed by 0
            return data.find(b"\xff\xd9", place) > 0
        if mark == 0xFF:  # padding
            place += 1
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False
