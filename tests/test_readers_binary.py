"""The readers of images, stores, weights, checkpoints and events, given any bytes."""

import io
import json
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
from fuzz import (
    Reader,
    any_bytes,
    check_any_bytes,
    copy_formats,
    kept,
    outcome,
    valid_of,
    workspace,
)
from hypothesis import strategies as st
from shapes import shapes

from kit.core.paths import FoldRunFiles, Workspace
from kit.core.progress import SILENT
from kit.core.store_paths import StoreKind
from kit.data.extra import read_or_find_twins
from kit.data.run_files import EpochLog, Progress
from kit.data.store import Store, check_store, open_store, pack
from kit.data.twins import LEAST
from kit.models.weights import INNER, are_readable, start_from, weights_to_bytes
from kit.recipes import recipes
from kit.training.checkpoint import save_checkpoint
from kit.training.events import append_events
from kit.training.resume import find_resumption

STORE = "data/shapes/store/16"
LOG = [EpochLog(epoch, 0.5) for epoch in range(1, 4)]


def drawn(ending: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    return bytes(cv2.imencode(ending, pixels)[1])


def packed(folder: Path) -> object:
    place = Workspace(folder, folder / "stores", folder, folder, folder)
    shutil.rmtree(folder / "stores", ignore_errors=True)
    return pack(shapes, place, "train", StoreKind(16), ["a"])


def image(ending: str) -> Reader:
    """An image in a folder, read as packing reads it; its name says nothing about its format."""
    file = f"in{ending}/train/a.png"
    return Reader(file, lambda: drawn(ending), lambda folder: packed(folder / f"in{ending}"))


def zipped(member: str, content: bytes, method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(member, content)
    return file.getvalue()


def archive(name: str, method: int) -> Reader:
    def valid() -> bytes:
        return zipped("train/a.png", drawn(".png"), method)

    return Reader(f"{name}/train.zip", valid, lambda folder: packed(folder / name))


def store(ending: str, read: Callable[..., object]) -> Reader:
    return kept(f"{STORE}/test.{ending}", lambda folder: (
        read(workspace(folder).store(StoreKind(16), "test"))))  # fmt: skip


def network() -> keras.Model:
    image = keras.Input((4, 4, 3))
    return keras.Model(image, keras.layers.Dense(2, name="head")(image))


MODEL = network()


def weights() -> bytes:
    return bytes(weights_to_bytes(MODEL))


def started(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        assert are_readable(folder / name) in (True, False)
        return start_from(MODEL, folder / name)

    return read


def state() -> Reader:
    """A checkpoint of which only the state is left, as after a kill: it restores the progress."""
    name = "epoch001.state.npz"

    def valid() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            arrays = {"iteration": np.array(3), "optimizer0": np.zeros((3, 2), np.float32)}
            files, now = FoldRunFiles(Path(folder)), Progress((LOG[0],), 1)
            save_checkpoint(files, MODEL, arrays, Progress(), now)
            return (Path(folder) / name).read_bytes()

    def read(folder: Path) -> object:
        return find_resumption(FoldRunFiles(folder / "fold0"), recipes.get("convnet"), "Fold 0")

    return Reader(f"fold0/{name}", valid, read)


def events() -> Reader:
    def valid() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            append_events(Path(folder) / "events", LOG[:2])
            return (Path(folder) / "events").read_bytes()

    return Reader("events", valid, lambda folder: append_events(folder / "events", LOG))


def twins() -> Reader:
    """Near-duplicates found earlier, which count if they are of these stores."""
    pixels = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), np.uint8)
    known, asked = (Store(tuple("abcd"), pixels, name, StoreKind(16)) for name in ("t", "e"))
    found = {"format": 1, "train": "t", "extra": "e", "least": LEAST, "pairs": [[0, 1], [2, 3]]}

    def read(folder: Path) -> object:
        pairs = read_or_find_twins(folder / "twins.json", known, asked, SILENT)
        assert pairs.shape[1:] == (2,)
        assert np.isin(pairs, range(4)).all()
        return pairs

    return Reader("twins.json", lambda: json.dumps(found).encode(), read)


READERS = {
    "PNG": image(".png"),
    "JPEG": image(".jpg"),
    "TIFF": image(".tiff"),
    "WebP": image(".webp"),
    "BMP": image(".bmp"),
    "archive": archive("stored", zipfile.ZIP_STORED),
    "archive, deflated": archive("deflated", zipfile.ZIP_DEFLATED),
    "description of a store": store("meta.json", open_store),
    "ids of a store": store("ids.csv", open_store),
    "pixels of a store": store("npy", open_store),
    "pixels of a store, verified": store("npy", lambda files: check_store(files, thorough=True)),
    "weights": Reader("a.weights.h5", weights, started("a.weights.h5")),
    "model": Reader(
        "a.keras", lambda: zipped(INNER, weights(), zipfile.ZIP_STORED), started("a.keras")
    ),
    "checkpoint": state(),
    "events": events(),
    "near-duplicates": twins(),
}


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(name: str, tmp_path: Path) -> None:
    assert outcome(READERS[name], copy_formats(tmp_path), valid_of(READERS[name])) == "read"


@pytest.mark.parametrize("name", READERS)
@any_bytes
def test_any_bytes_are_a_value_or_one_line(
    name: str, formats_copy: Path, data: st.DataObject
) -> None:
    check_any_bytes(READERS[name], formats_copy, data)


def array_header(shape: str, version: int = 1) -> bytes:
    """The header of a NumPy file of uint8 of this shape, without its contents."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


def huge_png(side: int) -> bytes:
    """A PNG that declares this many pixels a side and has few."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def huge_weights() -> bytes:
    """Weights of a terabyte, of which none is in the file."""
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        content.create_dataset("layers/head/vars/0", (2**38,), "f4", chunks=(2**20,))
    return file.getvalue()


def deflated(member: str) -> bytes:
    """A small archive whose file unpacks to 600 MB."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(member, "w") as inner,
    ):
        for _ in range(600):
            inner.write(bytes(2**20))
    return file.getvalue()


def numbered(shape: str) -> bytes:
    return zipped("progress.npy", array_header(shape), zipfile.ZIP_STORED)


# Small files that ask for much memory, or for more than any machine has.
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a PNG of a terapixel": ("PNG", lambda: huge_png(2**20)),
    "a PNG of a quarter gigapixel": ("PNG", lambda: huge_png(2**14)),
    "a PNG of a quarter gigapixel, archived": (
        "archive", lambda: zipped("train/a.png", huge_png(2**14), zipfile.ZIP_DEFLATED)),
    "an image that unpacks to 600 MB": ("archive, deflated", lambda: deflated("train/a.png")),
    "pixels of a huge shape": ("pixels of a store", lambda: array_header(f"({2**50}, 16, 16, 3)")),
    "pixels of a shape of huge numbers": (
        "pixels of a store", lambda: array_header(f"({10**200},)")),
    "pixels whose header is no Python": ("pixels of a store", lambda: array_header("((((")),
    "weights of a terabyte": ("weights", huge_weights),
    "a model of a terabyte": ("model", lambda: zipped(INNER, huge_weights(), zipfile.ZIP_DEFLATED)),
    "a model that unpacks to 600 MB": ("model", lambda: deflated(INNER)),
}  # fmt: skip
# What cannot be read of a training is not refused: it starts again.
TOLD = {
    "a state of a huge shape": lambda: numbered(f"({2**50},)"),
    "a state of a shape of huge numbers": lambda: numbered(f"({10**200},)"),
    "a state whose header is no Python": lambda: numbered("(((("),
    "a state that unpacks to 600 MB": lambda: deflated("progress.npy"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory(bomb: str, formats_copy: Path) -> None:
    name, content = BOMBS[bomb]
    assert outcome(READERS[name], formats_copy, content()) != "read"


@pytest.mark.parametrize("bomb", TOLD)
def test_a_bomb_is_no_checkpoint(bomb: str, tmp_path: Path) -> None:
    reader = READERS["checkpoint"]
    assert outcome(reader, tmp_path, TOLD[bomb]()) == "read"
    found = find_resumption(FoldRunFiles(tmp_path / "fold0"), recipes.get("convnet"), "Fold 0")
    assert not found.has_begun
    assert "Fold 0 is trained again from the start" in found.told[0]
