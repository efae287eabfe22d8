"""The readers of records beside the artifacts, of journals, notebooks and archives: any bytes."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import optuna
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import Reader, any_bytes, check_any_bytes, copy_formats, outcome, valid_of, workspace
from hypothesis import strategies as st
from shapes import shapes

from kit.compare.model_size import _weights_in
from kit.core.disk import read_json
from kit.core.journal import Journal
from kit.core.kernel_paths import KernelFiles
from kit.core.owner import noted_owner
from kit.core.paths import partial_of
from kit.core.seal import Memory
from kit.data.blends import how_to_blend, saved_command
from kit.data.predictions import PROVENANCE_KEY
from kit.kaggle.download import Wanted, _unpack
from kit.kernel.marker import owner_of, title_of
from kit.kernel.notebook import script_of
from kit.kernel.rules import metadata_problems, require_shapes
from kit.submission.check import find_problems

KERNEL = {
    "id": "me/a-title",
    "title": "A title",
    "code_file": "predict.ipynb",
    "language": "python",
    "kernel_type": "notebook",
    "dataset_sources": ["me/weights"],
}
DATASET = {"id": "me/weights", "title": "Weights", "licenses": [{"name": "other"}]}
NOTEBOOK = {"cells": [{"cell_type": "code", "source": ["a = 1\n"], "id": "a"}]}


def record(file: str, content: object, read: Callable[[Path], object]) -> Reader:
    return Reader(file, lambda: json.dumps(content).encode(), read)


def notebook(which: str) -> Reader:
    """One of the three files of a notebook that users edit; the others are whole."""
    whole = {"dataset": DATASET, "metadata": KERNEL, "notebook": NOTEBOOK}
    name = KernelFiles(Path()).editable[list(whole).index(which)]

    def read(folder: Path) -> object:
        files = KernelFiles(folder)
        for path, content in zip(files.editable, whole.values(), strict=True):
            path.parent.mkdir(exist_ok=True)
            if path != folder / name:
                path.write_text(json.dumps(content))
        assert isinstance(owner_of(files), str | None)
        assert isinstance(title_of(files), str | None)
        require_shapes(files)
        metadata_problems(read_json(files.dataset.metadata), read_json(files.metadata))
        return script_of(files.notebook.read_text(encoding="utf-8"))

    return record(str(name), whole[which], read)


def journal() -> Reader:
    line = {"op_code": 0, "worker_id": "a", "study_name": "class 0", "directions": [2]}

    def valid() -> bytes:
        return f"{json.dumps(line, separators=(',', ':'))}\n".encode() * 2

    def add(column: int, study: optuna.Study) -> None:
        study.tell(study.ask(), 0.5)

    return Reader(
        "journal", valid, lambda folder: Journal(folder / "journal").share("class", [0], add)
    )


def remembered(folder: Path) -> object:
    (folder / "big").write_bytes(b"x")
    return Memory(folder).digest(folder / "big", "big")


def noted_runs() -> Reader:
    """The note in a blend's predictions, which tells how it was made."""

    def valid() -> bytes:
        table = pa.table({"Id": ["a"]})
        note = {PROVENANCE_KEY: json.dumps({"runs": {"one": "0"}})}
        sink = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(note), sink)
        return sink.getvalue()

    def read(folder: Path) -> object:
        here = workspace(folder)
        return how_to_blend(here, here.blend("note"))

    return Reader("runs/shapes/blends/note/oof.parquet", valid, read)


def weights() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        content["layers/head/vars/0"] = np.zeros((2, 3), np.float32)
    return file.getvalue()


def packed() -> Reader:
    """A table in the archive in which Kaggle sends it."""

    def valid() -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", "Id,x\na,1\n" * 9)
        return file.getvalue()

    def read(folder: Path) -> object:
        _unpack(Wanted("t.csv", folder / "t.csv.zip", 9, "tag"))
        return (folder / "t.csv").read_bytes()

    return Reader("t.csv.zip", valid, read)


def part(folder: Path) -> object:
    wanted = Wanted("sent.csv", folder / "sent.csv", 9, "tag")
    partial_of(wanted.target).write_bytes(b"Id")
    return wanted.done()


READERS = {
    "owner of a lock": record(".a.owner.json", {
        "host": "h", "process": 1, "since": "now", "command": "kit"}, lambda folder: (
        str(noted_owner(folder / "a")))),
    "what was checked": record(".checked.json", {"big": [1, 2, 3, 4, "0"]}, remembered),
    "command of a blend": record("runs/shapes/blends/best/command.json", {
        "format": 1, "words": ["blend", "--name", "best"]}, lambda folder: (
        saved_command(workspace(folder).blend("best")))),
    "note of a blend": noted_runs(),
    "metadata of a notebook": notebook("metadata"),
    "metadata of its dataset": notebook("dataset"),
    "notebook": notebook("notebook"),
    "journal": journal(),
    "weights to count": Reader("w.h5", weights, lambda folder: _weights_in(folder / "w.h5")),
    "submission": Reader("s.csv", lambda: b"image,circle,square,star\na,1,0,0\n", lambda folder: (
        find_problems(shapes, folder / "s.csv", ["a"]))),
    "packed table": packed(),
    "source of a part": record("sent.csv.partial.json", {"size": 9, "tag": "tag"}, part),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(name: str, tmp_path: Path) -> None:
    assert outcome(READERS[name], copy_formats(tmp_path), valid_of(READERS[name])) == "read"


@pytest.mark.parametrize("name", READERS)
@any_bytes
def test_any_bytes_are_a_value_or_one_line(
    name: str, formats_copy: Path, data: st.DataObject
) -> None:
    check_any_bytes(READERS[name], formats_copy, data)
