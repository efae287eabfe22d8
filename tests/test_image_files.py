"""Seventy kinds of image files: each decoded as Pillow shows it, or refused in so many words."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.core.errors import UserError
from kit.data import decode as decode_module
from kit.data.decode import Decoding, decode_native
from kit.data.headers import BadHeader, Header, read_header
from kit.data.image_checks import check_images
from kit.data.images import Archive, Folder

RNG = np.random.default_rng(0)
# Smooth, so that JPEG changes little; no two corners alike, so that turning shows.
COLOURS = cv2.resize(RNG.integers(0, 256, (3, 5, 3), np.uint8), (20, 12))
RGB = Image.fromarray(COLOURS)
GREY = RGB.convert("L")
RGBA = RGB.copy()
RGBA.putalpha(GREY)
LA = Image.merge("LA", (GREY, GREY.transpose(Image.Transpose.ROTATE_180)))
PALETTE = RGB.quantize(16)
ONE_BIT = GREY.convert("1")
CMYK = RGB.convert("CMYK")
TWO = {"save_all": True, "append_images": [RGB.transpose(Image.Transpose.ROTATE_180)]}
DEEP = RNG.integers(0, 1 << 16, (12, 20), np.uint16)
TWELVE = DEEP >> 4


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def encoded(ending: str, image: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(ending, image)[1])


def turned(form: str, orientation: int, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(RGB, form, exif=exif.tobytes(), **options)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is large."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@dataclass(frozen=True)
class File:
    """A file, what is expected of it, and the competition it is for.

    `says` is how its refusal ends; None: it is decoded as Pillow shows it, or as `pixels`.
    """

    data: bytes
    says: str | None = None
    channels: int = 3
    convert: bool = False
    depth: int = 16
    pixels: NDArray[Any] | None = None


def grey(data: bytes, says: str | None = None, **more: Any) -> File:
    return File(data, says, channels=1, **more)


def converted(data: bytes, channels: int = 3) -> File:
    return File(data, channels=channels, convert=True)


LOSSLESS = {"lossless": True}
AGAIN = "Download it again."
PAGES = "has several pages or frames, expected one. Save the right one as a file."
FILES: dict[str, File] = {
    # As they are
    "rgb.png": File(saved(RGB, "PNG")),
    "rgb.jpg": File(saved(RGB, "JPEG", quality=95)),
    "progressive.jpg": File(saved(RGB, "JPEG", quality=95, progressive=True)),
    "rgb.tif": File(saved(RGB, "TIFF")),
    "lzw.tif": File(saved(RGB, "TIFF", compression="tiff_lzw")),
    "deflate.tif": File(saved(RGB, "TIFF", compression="tiff_adobe_deflate")),
    "big.tif": File(saved(RGB, "TIFF", big_tiff=True)),
    "jpeg.tif": File(saved(RGB, "TIFF", compression="jpeg")),
    "rgb.webp": File(saved(RGB, "WEBP", **LOSSLESS)),
    "lossy.webp": File(saved(RGB, "WEBP")),
    "rgb.bmp": File(saved(RGB, "BMP")),
    "rgb.jp2": File(saved(RGB, "JPEG2000")),
    "rgb.ppm": File(saved(RGB, "PPM")),
    "palette.png": File(saved(PALETTE, "PNG")),
    "palette.tif": File(saved(PALETTE, "TIFF")),
    "palette.bmp": File(saved(PALETTE, "BMP")),
    "one-frame.gif": File(saved(PALETTE, "GIF")),
    "png-inside.jpg": File(saved(RGB, "PNG")),
    "grey.png": grey(saved(GREY, "PNG")),
    "grey.jpg": grey(saved(GREY, "JPEG", quality=95)),
    "grey.tif": grey(saved(GREY, "TIFF")),
    "white-is-zero.tif": grey(saved(GREY, "TIFF", tiffinfo={262: 0})),
    "grey.bmp": grey(saved(GREY, "BMP")),
    "grey.pgm": grey(saved(GREY, "PPM")),
    "one-bit.png": grey(saved(ONE_BIT, "PNG")),
    "one-bit.tif": grey(saved(ONE_BIT, "TIFF")),
    "fax.tif": grey(saved(ONE_BIT, "TIFF", compression="group4")),
    "rgba.tif": File(saved(RGBA, "TIFF"), channels=4, pixels=np.array(RGBA)),
    "rgba.png": File(saved(RGBA, "PNG"), channels=4, pixels=np.array(RGBA)),
    # As the camera was held
    **{f"turned{way}.jpg": File(turned("JPEG", way, quality=95)) for way in range(1, 9)},
    "turned.png": File(turned("PNG", 6)),
    "turned.webp": File(turned("WEBP", 8, **LOSSLESS)),
    "turned.tif": File(saved(RGB, "TIFF", tiffinfo={274: 6})),
    "turned5.tif": File(saved(RGB, "TIFF", tiffinfo={274: 5})),
    "turned-nine.jpg": File(turned("JPEG", 9, quality=95)),
    # Of 16 bits, by one depth
    "16.png": grey(encoded(".png", DEEP), pixels=DEEP >> 8),
    "16.tif": grey(encoded(".tif", DEEP), pixels=DEEP >> 8),
    "16.pgm": grey(encoded(".pgm", DEEP), pixels=DEEP >> 8),
    "16.jp2": grey(saved(Image.fromarray(DEEP), "JPEG2000"), pixels=DEEP >> 8),
    "16-rgb.png": File(encoded(".png", np.dstack([DEEP] * 3)), pixels=np.dstack([DEEP >> 8] * 3)),
    "12.png": grey(encoded(".png", TWELVE), depth=12, pixels=TWELVE >> 4),
    "12.tif": grey(encoded(".tif", TWELVE), depth=12, pixels=TWELVE >> 4),
    "12-rgb.tif": File(
        encoded(".tif", np.dstack([TWELVE] * 3)), depth=12, pixels=np.dstack([TWELVE >> 4] * 3)
    ),
    "beyond-12.png": grey(encoded(".png", DEEP), depth=12, pixels=np.minimum(DEEP >> 4, 255)),
    "8-among-12.png": grey(saved(GREY, "PNG"), depth=12),
    # Other colours than expected: converted, or refused
    "grey-to-rgb.png": converted(saved(GREY, "PNG")),
    "grey-to-rgb.jpg": converted(saved(GREY, "JPEG", quality=95)),
    "la-to-rgb.png": converted(saved(LA, "PNG")),
    "rgba-to-rgb.png": converted(saved(RGBA, "PNG")),
    "rgba-to-rgb.webp": converted(saved(RGBA, "WEBP", **LOSSLESS)),
    "rgba-to-rgb.tif": converted(saved(RGBA, "TIFF")),
    "trns-to-rgb.png": converted(saved(PALETTE, "PNG", transparency=3)),
    "cmyk-to-rgb.jpg": converted(saved(CMYK, "JPEG", quality=98)),
    "cmyk-to-rgb.tif": converted(saved(CMYK, "TIFF")),
    "rgb-to-grey.png": converted(saved(RGB, "PNG"), 1),
    "rgba-to-grey.png": converted(saved(RGBA, "PNG"), 1),
    "la-to-grey.png": converted(saved(LA, "PNG"), 1),
    "la-to-grey.tif": converted(saved(LA, "TIFF"), 1),
    "palette-to-grey.png": converted(saved(PALETTE, "PNG"), 1),
    "grey-among-rgb.png": File(saved(GREY, "PNG"), "is grey instead of colour."),
    "la-among-rgb.png": File(saved(LA, "PNG"), "is grey with alpha instead of colour."),
    "rgba-among-rgb.png": File(saved(RGBA, "PNG"), "is colour with alpha instead of colour."),
    "cmyk-among-rgb.jpg": File(saved(CMYK, "JPEG"), "is CMYK instead of colour."),
    "trns-among-rgb.png": File(
        saved(PALETTE, "PNG", transparency=3), "is palette with alpha instead of colour."
    ),
    "rgb-among-grey.jpg": grey(saved(RGB, "JPEG"), "is colour instead of grey."),
    "palette-among-grey.png": grey(saved(PALETTE, "PNG"), "is palette instead of grey."),
    "rgb-to-four.png": File(
        saved(RGB, "PNG"), "is colour instead of 4 channels.", channels=4, convert=True
    ),
    # Never
    "float.tif": grey(
        encoded(".tif", COLOURS[..., 0].astype(np.float32)),
        "has float32 pixels, expected 8 or 16 bits.",
    ),
    "pages.tif": File(saved(RGB, "TIFF", **TWO), PAGES),
    "moving.gif": File(saved(RGB, "GIF", **TWO), PAGES),
    "moving.png": File(saved(RGB, "PNG", **TWO), PAGES),
    "moving.webp": File(saved(RGB, "WEBP", **TWO), PAGES),
    "bomb.png": File(
        bomb(50_000, 50_000),
        "has 50,000 x 50,000 pixels, more than OpenCV decodes (1,073,741,824). Shrink it.",
    ),
    "large.png": File(
        bomb(32_000, 32_000), "has 32,000 x 32,000 pixels, too many for this machine's memory. "
        "Shrink it."
    ),
    "flat.png": File(bomb(0, 5), f"is truncated or damaged (its header is damaged). {AGAIN}"),
    "lab.tif": File(
        saved(RGB.convert("LAB"), "TIFF"), "is of TIFF's colour space 8 instead of colour."
    ),
    "ycc.tif": File(
        saved(RGB.convert("YCbCr"), "TIFF"), "is of TIFF's colour space 6 instead of colour."
    ),
    "cut.png": File(saved(RGB, "PNG")[:-9], f"is truncated or damaged. {AGAIN}"),
    "cut.jpg": File(saved(RGB, "JPEG")[:-9], f"is truncated or damaged. {AGAIN}"),
    "cut-header.jpg": File(
        saved(RGB, "JPEG")[:40], f"is truncated or damaged (it is truncated). {AGAIN}"
    ),
    "cut.tif": File(
        saved(RGB, "TIFF")[:60], f"is truncated or damaged (it is truncated). {AGAIN}"
    ),
    "cut.webp": File(
        saved(RGB, "WEBP", **LOSSLESS)[:-40],
        f"is truncated or damaged (it is truncated). {AGAIN}",
    ),
    "empty.png": File(b"", f"is not a readable image: it is empty. {AGAIN}"),
    "page.jpg": File(
        b"\n<!doctype html><title>Sign in</title>",
        f"is not a readable image: it is a web page or XML. {AGAIN}",
    ),
    "text.png": File(b"no image at all", f"is not a readable image. {AGAIN}"),
}  # fmt: skip


def decode(folder: Path, name: str, file: File) -> NDArray[np.uint8]:
    (folder / name).write_bytes(file.data)
    decoding = Decoding(file.channels, file.convert, file.depth)
    return decode_native(Folder(folder), [name], decoding)


def as_pillow_shows(file: File) -> NDArray[np.uint8]:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file.data)))
    return np.array(image.convert("L" if file.channels == 1 else "RGB"))


def test_there_are_at_least_sixty_files() -> None:
    assert len(FILES) >= 60


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_decoded_as_viewers_show_it_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(decode_module, "memory", lambda: 8_000_000_000)
    file = FILES[name]
    if file.says is not None:
        with pytest.raises(UserError) as raised:
            decode(tmp_path, name, file)
        assert str(raised.value) == f"{tmp_path / name} {file.says}"
    else:
        pixels = decode(tmp_path, name, file)
        expected = as_pillow_shows(file) if file.pixels is None else file.pixels
        expected = expected.reshape(*expected.shape[:2], -1)
        assert pixels.shape == expected.shape
        # Decoders of lossy formats may round differently.
        lossy = name.endswith(".jpg") and not file.data.startswith(b"\x89PNG")
        assert np.abs(pixels.astype(int) - expected).max() <= (2 if lossy else 0)
    # Nothing that a decoder complains about is printed.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("zipped", [False, True])
def test_headers_alone_find_all_odd_files(
    shapes: Competition, tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the headers find is what decoding would refuse; only damaged pixels are found later."""
    monkeypatch.setattr(decode_module, "memory", lambda: 8_000_000_000)
    files = {name: file for name, file in FILES.items() if file.channels == 3 and not file.convert}
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name, file in files.items():
            (tmp_path / name).write_bytes(file.data)
            archive.writestr(name, file.data)
    monkeypatch.setattr(cv2, "imdecode", None)
    source = Archive(tmp_path / "train.zip") if zipped else Folder(tmp_path)
    found = check_images(replace(shapes, images=OneFile("{id}")), source, list(files))
    later = {"cut.png", "cut.jpg", "text.png"}
    refused = {name for name, file in files.items() if file.says is not None}
    assert set(found.bad) == refused - later
    for name, error in found.bad.items():
        says = (files[name].says or "").replace(AGAIN, source.again)
        assert str(error) == f"{source.where(name)} {says}"
    assert found.deep == ["16-rgb.png", "12-rgb.tif"]


@pytest.mark.parametrize("name", ["rgb.png", "turned6.jpg", "rgb.tif", "lossy.webp", "rgb.bmp",
    "one-frame.gif", "rgb.jp2", "rgb.ppm", "big.tif"])  # fmt: skip
def test_a_file_cut_or_changed_anywhere_is_decoded_or_refused_in_one_line(
    tmp_path: Path, name: str
) -> None:
    whole = FILES[name].data
    rng = np.random.default_rng(1)
    variants: list[Callable[[], bytes]] = [lambda: whole[: int(rng.integers(len(whole)))]] * 15
    variants += [lambda: changed(whole, rng)] * 25
    for make in variants:
        said = outcome(tmp_path, name, replace(FILES[name], data=make()))
        assert said == "" or said.startswith(str(tmp_path / name))
        assert "\n" not in said


def outcome(folder: Path, name: str, file: File) -> str:
    """The message that refuses a file; empty if it is decoded."""
    try:
        decode(folder, name, file)
    except UserError as error:
        return str(error)
    return ""


def changed(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one of the first 60, or of all, replaced."""
    place = int(rng.integers(min(60, len(data)) if rng.random() < 0.7 else len(data)))
    return data[:place] + bytes([int(rng.integers(256))]) + data[place + 1 :]


@pytest.mark.parametrize("exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x01"])
def test_a_damaged_exif_block_is_ignored(exif: bytes) -> None:
    body = b"Exif\0\0" + exif
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    data = b"\xff\xd8" + segment + saved(RGB, "JPEG")[2:]
    assert read_header(io.BytesIO(data)) == Header(20, 12, "colour")


def test_exif_may_follow_the_pixels_of_a_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(RGB, "PNG")
    end = data.rindex(b"IEND") - 4
    late = data[:end] + chunk(b"eXIf", exif.tobytes()[6:]) + data[end:]
    pixels = decode(tmp_path, "late.png", File(late))
    np.testing.assert_array_equal(pixels, np.array(RGB.transpose(Image.Transpose.ROTATE_270)))


def test_texts_and_animations_of_any_size_are_headers(tmp_path: Path) -> None:
    """Pillow refuses a text of more than 1 MB, and clears a canvas of 10 GB for the animation."""
    whole = saved(RGB, "PNG")
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(3_000_000)))
    decode(tmp_path, "text.png", File(whole[:33] + text + whole[33:]))
    frame = struct.pack(">IIIIIHHBB", 0, 50_000, 50_000, 0, 0, 1, 1, 1, 0)
    moves = chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", frame)
    huge = bomb(50_000, 50_000)
    header = read_header(io.BytesIO(huge[:33] + moves + huge[33:]))
    assert header == Header(50_000, 50_000, "colour")


def test_only_a_second_whole_page_of_a_tiff_is_a_page() -> None:
    small = RGB.resize((5, 3))
    pages = {"save_all": True, "append_images": [small]}
    data = bytearray(saved(RGB, "TIFF", tiffinfo={254: 0}, **pages))
    # The second directory's first tag, NewSubfileType, becomes 1: a smaller copy.
    entry = struct.pack("<HHII", 254, 4, 1, 0)
    second = data.rindex(entry)
    assert second != data.index(entry)
    assert read_header(io.BytesIO(data)) == Header(20, 12, "colour", pages=2)
    data[second : second + len(entry)] = struct.pack("<HHII", 254, 4, 1, 1)
    assert read_header(io.BytesIO(data)) == Header(20, 12, "colour")


def test_five_channels_of_a_tiff_are_counted() -> None:
    samples = struct.pack("<HHIHH", 277, 3, 1, 3, 0)
    data = saved(RGB, "TIFF")
    assert samples in data
    data = data.replace(samples, struct.pack("<HHIHH", 277, 3, 1, 5, 0))
    assert read_header(io.BytesIO(data)) == Header(20, 12, "of 5 samples a pixel")


def test_a_bitmap_with_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    data = bytearray(saved(GREY, "BMP"))
    data[54 : 54 + 1024] = b"".join(bytes([255 - one] * 3 + [0]) for one in range(256))
    pixels = decode(tmp_path, "inverse.bmp", grey(bytes(data)))
    np.testing.assert_array_equal(pixels[..., 0], 255 - np.array(GREY))


def test_deep_colours_of_jpeg_2000_are_deep() -> None:
    data = bytearray(saved(RGB, "JPEG2000"))
    # SIZ holds the bits of each component, less one.
    place = data.index(b"\xff\x4f\xff\x51") + 42
    assert data[place] == 7
    data[place] = 11
    assert read_header(io.BytesIO(data)) == Header(20, 12, "colour", 16)


def test_tags_that_overlap_do_not_fill_the_memory() -> None:
    """3,000 tags of 60,000 bytes at one place would be 180 MB, in a file of 96 kB."""
    tags = b"".join(struct.pack("<HHII", 40_000 + one, 1, 60_000, 8) for one in range(3000))
    data = b"II*\0" + struct.pack("<I", 60_008) + bytes(60_000)
    with pytest.raises(BadHeader):
        read_header(io.BytesIO(data + struct.pack("<H", 3000) + tags + bytes(4)))
