"""Every reader of the kit, given any bytes: it returns a value or raises a one-line `UserError`.

Bytes are random, or a valid file that was damaged: cut, flipped, with parts inserted or repeated,
and with words replaced by odd ones. Damage finds more than chance does.
"""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import (
    FORMATS,
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

from kit.competitions.images import FilePerChannel, OneFile
from kit.competitions.tables import OneHot, SpaceSeparated, read_ids
from kit.core.kernel_paths import KernelFiles
from kit.core.paths import Workspace
from kit.core.progress import SILENT
from kit.data.blends import find_blend
from kit.data.extra import parse_extra
from kit.data.folds import read_folds
from kit.data.given import read_given
from kit.data.group_folds import read_groups
from kit.data.predictions import Predictions, read_predictions
from kit.data.run_files import (
    load_progress,
    read_command,
    read_copy,
    read_done,
    read_inputs,
    read_recipe,
)
from kit.ensemble import Decision
from kit.kaggle.credentials import find_credentials
from kit.kernel.marker import Marker, read_marker
from kit.kernel.push import read_pushed
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.stages.tune import read_fold_table
from kit.submission.ancestry import read_ancestry
from kit.submission.grade import read_grades
from kit.submission.record import read_elsewhere, read_uploads

KEYS = ("circle", "square", "star")
RUN, BLEND = "convnet-16-63c0e767", "shapes-auto-770baf54"


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


def record(file: str, content: object, read: Callable[[Path], object]) -> Reader:
    """A JSON file without the digest that would refuse all damage at once."""
    return Reader(file, lambda: json.dumps(content).encode(), read)


def key(file: str, content: str) -> Reader:
    """Kaggle's key in one of the places where it may be."""

    def read(folder: Path) -> object:
        (folder / ".kaggle" / file).chmod(0o600)
        try:
            return find_credentials({}, folder)
        finally:
            (folder / ".kaggle" / file).unlink()

    return Reader(f".kaggle/{file}", content.encode, read)


SEAL = {"size": 3, "sha256": "0" * 64}
MARKER = Marker("T", "shapes", "best", ("a",), {"numpy": "2"}, "kit kernel", "0", {"skip_bad": 0})
COPY = {"recipe": {"name": "a"}, "inputs": {"folds": 2, "folds_digest": "0", "labels_digest": "1"}}
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
    "copy of a run": record(f"runs/shapes/{RUN}/run.json", {"format": 1, **COPY}, lambda folder: (
        read_copy(workspace(folder).run(RUN)))),
    "command of a run": record(f"runs/shapes/{RUN}/command.json", {
        "format": 1, "words": ["train"]}, lambda folder: read_command(workspace(folder).run(RUN))),
    "marker of a notebook": record("dataset/kernel.json", {
        "format": 1, **asdict(MARKER), "files": {"a": SEAL}}, lambda folder: (
        read_marker(KernelFiles(folder).dataset))),
    "what was pushed": record("pushed.json", {
        "format": 1, "dataset": {"ref": "a/b"}, "url": "x"}, lambda folder: (
        read_pushed(KernelFiles(folder), SILENT))),
    "Kaggle's key": key("kaggle.json", '{"username": "me", "key": "0123"}'),
    "Kaggle's token": key("access_token", "0123\n"),
    "Kaggle's sign-in": key("credentials.json", '{"refresh_token": "0123"}'),
    "progress": of_run("fold0/progress.json", lambda here: load_progress(here.run(RUN).fold(0))),
    "marker of a fold": of_run("fold0/done.json", lambda here: read_done(here.run(RUN).fold(0))),
    "provenance": kept("cells/submissions/cells-best.json", lambda folder: read_ancestry(
        workspace(folder / "cells").submission("cells-best"))),
    "grades": kept(f"submissions/{BLEND}.grades.json", lambda folder: read_grades(
        workspace(folder).submission(BLEND))),
    "uploads": kept(f"submissions/{BLEND}.uploads.json", lambda folder: read_uploads(
        workspace(folder).submission(BLEND))),
    "submissions elsewhere": kept("submissions/shapes.elsewhere.json", lambda folder: (
        read_elsewhere(workspace(folder), "shapes"))),
    "a setting": typed("loss=0.5*focal(2)+0.5*lovasz", lambda word: with_settings(
        recipes.get("convnet"), [word])),
    "augmentation": typed("augment=symmetries+gain(0.2)", lambda word: with_settings(
        recipes.get("convnet"), [word])),
    "a pattern": typed("{id}.png", lambda word: OneFile(word).files("a")),
    "a pattern of channels": typed("{id}_{channel}.png", lambda word: FilePerChannel(
        word, ("red", word)).files("a")),
    "extra": typed("a.csv:b", parse_extra),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(name: str, tmp_path: Path) -> None:
    said = outcome(READERS[name], copy_formats(tmp_path), valid_of(READERS[name]))
    assert said == "read" or (name == "extra" and "a.csv does not exist" in said)


@pytest.mark.parametrize("name", READERS)
@any_bytes
def test_any_bytes_are_a_value_or_one_line(
    name: str, formats_copy: Path, data: st.DataObject
) -> None:
    check_any_bytes(READERS[name], formats_copy, data)


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
    "a pattern of a million signs": ("a pattern", lambda: b"{id}" + b"{id!" * 10**6),
    "a setting of a million signs": ("a setting", lambda: b"loss=" + b"(" * 10**6),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory(
    bomb: str, formats_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.core.disk.MOST_ROWS", 50_000)
    name, content = BOMBS[bomb]
    assert outcome(READERS[name], formats_copy, content()) != "read"
