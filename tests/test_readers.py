"""Every reader of the kit, given any bytes: it returns a value or raises a one-line `UserError`.

Bytes are random, or a valid file that was damaged: cut, flipped, with parts inserted or repeated,
and with words replaced by odd ones. Damage finds more than chance does.
"""

import bz2
import gzip
import io
import lzma
import re
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapes import shapes

from kit.competitions.tables import OneHot, SpaceSeparated, read_ids
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data.blends import find_blend
from kit.data.extra import parse_extra
from kit.data.folds import read_folds, read_groups
from kit.data.given import read_given
from kit.data.predictions import Predictions, read_predictions
from kit.data.run_files import load_progress, read_done, read_inputs, read_recipe
from kit.data.store import open_store, pack
from kit.ensemble import Decision
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.stages.tune import read_fold_table
from kit.submission.ancestry import read_ancestry
from kit.submission.grade import read_grades
from kit.submission.record import read_elsewhere, read_uploads

KEYS = ("circle", "square", "star")
FORMATS = Path(__file__).parent / "formats" / "1"
RUN, BLEND = "convnet-16-63c0e767", "shapes-auto-770baf54"
MOST_MEMORY = 500 * 2**20


@dataclass(frozen=True)
class Reader:
    """A file of the kit in a folder, a valid content of it, and what reads it."""

    file: str
    valid: Callable[[], bytes]
    read: Callable[[Path], object]


def workspace(folder: Path) -> Workspace:
    return Workspace(
        source=folder / "data/shapes",
        stores=folder / "data/shapes/store",
        runs=folder / "runs/shapes",
        folds=folder / "folds/shapes.csv",
        submissions=folder / "submissions",
    )


def kept(file: str, read: Callable[[Path], object]) -> Reader:
    """A file of the fixtures of formats."""
    return Reader(file, lambda: (FORMATS / file).read_bytes(), read)


def of_run(file: str, read: Callable[[Workspace], object]) -> Reader:
    return kept(f"runs/shapes/{RUN}/{file}", lambda folder: read(workspace(folder)))


def text(content: str, file: str, read: Callable[[Path], object]) -> Reader:
    return Reader(file, content.encode, lambda folder: read(folder / file))


def table(file: str, pack: Callable[[bytes], bytes] = bytes) -> Reader:
    """Predictions in CSV, read as those of users are."""

    def valid() -> bytes:
        return pack((FORMATS / "oof.csv").read_bytes())

    return Reader(file, valid, lambda folder: read_given(folder / file, shapes, folds=True))


def parquet(rows: int = 5) -> bytes:
    sink = io.BytesIO()
    columns = {"Id": [f"r{row}" for row in range(rows)], "fold": [0, 1, 0, 1, 0]}
    pq.write_table(pa.table({**columns, **dict.fromkeys(KEYS, np.linspace(0, 1, rows))}), sink)
    return sink.getvalue()


def image(ending: str) -> Reader:
    """An image, read as packing reads it."""

    def valid() -> bytes:
        drawn = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
        return bytes(cv2.imencode(ending, drawn)[1])

    def read(folder: Path) -> object:
        (folder / "made/train").mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "one", folder / "made/train/a.png")
        place = Workspace(folder / "made", folder / "stores", folder, folder, folder)
        shutil.rmtree(folder / "stores", ignore_errors=True)
        return pack(shapes, place, "train", StoreKind(16), ["a"])

    return Reader("one", valid, read)


def typed(content: str, read: Callable[[str], object]) -> Reader:
    """What a user types: text, not a file."""
    return Reader(
        "typed", content.encode, lambda folder: read((folder / "typed").read_bytes().decode())
    )


def tuned(path: Path) -> object:
    ids = tuple(f"train{row:02d}" for row in range(4))
    return read_fold_table(Predictions(ids, np.zeros((4, 3), np.float32), KEYS), path)


def latest(folder: Path) -> object:
    (folder / "runs/shapes/blends/best").mkdir(exist_ok=True)
    (folder / "runs/shapes/blends/best/decision.json").write_text("{}")
    return find_blend(workspace(folder), None)


FOLDS = "Id,fold,group\ntrain00,0,a\ntrain01,1,b\ntrain02,0,a\ntrain03,1,c\n"
READERS = {
    "predictions": table("p.csv"),
    "predictions, gzip": table("p.csv.gz", gzip.compress),
    "predictions, bzip2": table("p", bz2.compress),
    "predictions, xz": table("p", lzma.compress),
    "predictions, Parquet": Reader(
        "p", parquet, lambda folder: read_given(folder / "p", shapes, folds=True)
    ),
    "the kit's own predictions": kept(
        f"runs/shapes/{RUN}/fold0/oof.parquet",
        lambda folder: read_predictions(folder / f"runs/shapes/{RUN}/fold0/oof.parquet", KEYS),
    ),
    "labels": kept("data/shapes/labels.csv", lambda folder: shapes.read_labels(
        folder / "data/shapes")),
    "labels of a column": text("Id,t\na,circle star\nb,\n", "t", lambda path: SpaceSeparated(
        "Id", "t").read(path, KEYS)),
    "labels, one-hot": text("Id,circle,square,star,x\na,1,0.0,True,9\n", "t", lambda path: OneHot(
        "Id", ignore=("x",)).read(path, KEYS)),
    "sample": text("Id,x\na,1\nb,\n", "t", lambda path: read_ids(path, "Id")),
    "folds": kept("folds/shapes.csv", lambda folder: read_folds(folder / "folds/shapes.csv")),
    "provenance of folds": kept(
        "folds/shapes.json", lambda folder: read_folds(folder / "folds/shapes.csv")),
    "folds to tune with": text(FOLDS, "t", tuned),
    "groups": text("Id,group\na,g\nb,h\n", "t", read_groups),
    "decision": kept("decision.json", lambda folder: Decision.load(folder / "decision.json")),
    "latest blend": Reader("runs/shapes/blends/latest.json", lambda: (
        b'{"format": 1, "kit": "0.2", "blend": "best"}'), latest),
    "recipe": of_run("recipe.json", lambda here: read_recipe(here.run(RUN))),
    "inputs": of_run("inputs.json", lambda here: read_inputs(here.run(RUN))),
    "progress": of_run("fold0/progress.json", lambda here: load_progress(here.run(RUN).fold(0))),
    "marker of a fold": of_run("fold0/done.json", lambda here: read_done(here.run(RUN).fold(0))),
    "description of a store": kept("data/shapes/store/16/test.meta.json", lambda folder: (
        open_store(workspace(folder).store(StoreKind(16), "test")))),
    "ids of a store": kept("data/shapes/store/16/test.ids.csv", lambda folder: (
        open_store(workspace(folder).store(StoreKind(16), "test")))),
    "provenance": kept("cells/submissions/cells-best.json", lambda folder: read_ancestry(
        workspace(folder / "cells").submission("cells-best"))),
    "grades": kept(f"submissions/{BLEND}.grades.json", lambda folder: read_grades(
        workspace(folder).submission(BLEND))),
    "uploads": kept(f"submissions/{BLEND}.uploads.json", lambda folder: read_uploads(
        workspace(folder).submission(BLEND))),
    "submissions elsewhere": kept("submissions/shapes.elsewhere.json", lambda folder: (
        read_elsewhere(workspace(folder), "shapes"))),
    "PNG": image(".png"),
    "JPEG": image(".jpg"),
    "TIFF": image(".tiff"),
    "a setting": typed("loss=0.5*focal(2)+0.5*lovasz", lambda word: with_settings(
        recipes.get("convnet"), [word])),
    "augmentation": typed("augment=symmetries+gain(0.2)", lambda word: with_settings(
        recipes.get("convnet"), [word])),
    "extra": typed("a.csv:b", parse_extra),
}  # fmt: skip

# What damaged files hold in place of a word: numbers of odd kinds, markup, lone surrogates, depth.
WORDS = [
    b"", b"0", b"-1", b"1.5", b"1e999", b"1e400000000", b"NaN", b"null", b"true", b"[]", b"{}",
    b'""', b'"x"', b'"\\ud800"', b'"\\u0000"', b"9" * 5000, b"[" * 20_000, b'{"a":' * 20_000,
    b"a" * 140_000, b"\xff\xfe", b"\x1b[2J", "\u2028".encode(), "١".encode(), b"[/red]", b"../..",
    b"(", b"*" * 3000, b'"', b"\r", b"1_0", b"{id}", b"%s", b"0x1", b"~", b"1" + b"+1" * 2000,
    b"(" * 3000,
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bytes that a reader is given in place of a valid file."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=100))
    content = valid
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([1, 2, 4, 30, 10**9])))
        kind = draw(st.sampled_from(["word", "word", "word", "flip", "drop", "double", "insert"]))
        if kind == "word":
            words = [found.span() for found in re.finditer(rb'"[^"\n]*"|[\w.+-]+', content)]
            if words:
                start, end = words[draw(st.integers(0, len(words) - 1))]
            new = draw(st.sampled_from(WORDS))
        elif kind == "flip":
            mask = draw(st.integers(1, 255))
            new = bytes(byte ^ mask for byte in content[start : min(end, start + 4)])
            end = start + len(new)
        else:
            new = {
                "drop": b"",
                "double": content[start:end] * 2,
                "insert": draw(st.binary(min_size=1, max_size=4)),
            }[kind]
            end = start if kind == "insert" else end
        content = content[:start] + new + content[end:]
    return content


@cache
def valid_of(name: str) -> bytes:
    return READERS[name].valid()


def memory() -> int:
    """The most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def outcome(reader: Reader, folder: Path, content: bytes) -> str:
    """What a reader says of this content, or "read"; any error but a UserError is raised."""
    path = folder / reader.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    before, said = memory(), "read"
    try:
        reader.read(folder)
    except UserError as error:
        said = str(error)
    assert memory() - before < MOST_MEMORY
    assert "\n" not in said
    assert reader.file == "typed" or len(said) < 2000
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an earlier version, of which one at a time is damaged."""
    place = tmp_path_factory.mktemp("readers") / "place"
    shutil.copytree(FORMATS, place)
    return place


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(name: str, tmp_path: Path) -> None:
    shutil.copytree(FORMATS, tmp_path / "place")
    said = outcome(READERS[name], tmp_path / "place", valid_of(name))
    assert said == "read" or (name == "extra" and "a.csv does not exist" in said)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes_are_a_value_or_one_line(name: str, folder: Path, data: st.DataObject) -> None:
    reader = READERS[name]
    content = data.draw(damaged(valid_of(name)))
    if reader.file == "typed":
        content = content.decode(errors="replace").encode()
    try:
        outcome(reader, folder, content)
    finally:
        if (FORMATS / reader.file).exists():
            shutil.copy(FORMATS / reader.file, folder / reader.file)


def endless(line: bytes) -> bytes:
    """A small file of gzip that unpacks to a table of 400 MB."""
    return gzip.compress(b"Id,circle,square,star\n") + gzip.compress(line * 2**16) * 400


BOMBS = {
    "one line": ("predictions, gzip", lambda: endless(b"x" * 16)),
    "the same row": ("predictions, gzip", lambda: endless(b"x,0,0,0\n        ")),
    "nothing but commas": ("predictions, gzip", lambda: endless(b"," * 16)),
    "one cell": ("labels, one-hot", lambda: endless(b'"' + b"x" * 15)),
    "blank lines": ("sample", lambda: endless(b"\n" * 16)),
    "lines in a cell": ("labels, one-hot", lambda: gzip.compress(b'"') + endless(b"\n" * 16)),
    "endless rows": ("groups", lambda: gzip.compress(b"Id,group\n") + endless(b"a,b\n" * 4)),
    "lists in lists": ("decision", lambda: b"[" * 2**24),
    "mappings in mappings": ("recipe", lambda: b'{"name":' * 2**20),
    "a number of a million digits": ("progress", lambda: b"9" * 10**6),
    "a fold of a million digits": (
        "folds", lambda: b"Id,fold,group\na," + b"1" * 10**6 + b",g\nb,0,g"),
    "a setting of a million signs": ("a setting", lambda: b"loss=" + b"(" * 10**6),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory(
    bomb: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.core.disk.MOST_ROWS", 50_000)
    name, content = BOMBS[bomb]
    assert outcome(READERS[name], folder, content()) != "read"
