"""Spoiled files and folders: one line that names them, status 2, and no other file is touched."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input import Place
from damage import edit_unsealed

from kit.core.disk import is_web_page

FOLDS = "folds DATA --out new.csv"
PACK = "pack DATA --size 16"
BLEND = "blend DATA --method mean --policy exact"
REPORT = "report best DATA"
SCORE = "score SCORE --decision decision.json"
DECISION = "runs/own/blends/best/decision.json"

# The command, the file, what is written into it, and what the message says.
CONTENTS: tuple[tuple[str, str, bytes, str], ...] = (
    (FOLDS, "d/train.csv", b"", "d/train.csv"),
    (FOLDS, "d/train.csv", b"\n", "d/train.csv"),
    (FOLDS, "d/train.csv", b"image,labels\n", "d/train.csv"),
    (FOLDS, "d/train.csv", b"image;labels\nr00;a\n", "d/train.csv"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,a,b\n", "d/train.csv, line 2"),
    (FOLDS, "d/train.csv", b"image,labels\nr00\n", "d/train.csv, line 2"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,a\nr00,b\n", "d/train.csv, line 3"),
    (FOLDS, "d/train.csv", b"image,labels\n,a\n", "d/train.csv, line 2"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,z\n", "'z' is not a label. Allowed: a, b, c"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,[/red]\n", "'[/red]' is not a label"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,$x_{\n", "'$x_{' is not a label"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,<script>\n", "'<script>' is not a label"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,\x1b[31m\n", r"'\x1b[31m' is not a label"),
    (FOLDS, "d/train.csv", b"image,labels\nr00,a a\n", "d/train.csv, line 2"),
    (FOLDS, "d/train.csv", b"\xff\xfei\0m\0", "d/train.csv"),
    (FOLDS, "d/train.csv", b"image,labels\nr\xe900,a\n", "d/train.csv"),
    (FOLDS, "d/train.csv", b"<!DOCTYPE html><title>Sign in</title>\n", "d/train.csv"),
    (PACK, "d/sample.csv", b"", "d/sample.csv"),
    (PACK, "d/sample.csv", b"image\n", "d/sample.csv"),
    (PACK, "d/sample.csv", b"id,labels\nt0,a\n", "d/sample.csv"),
    (PACK, "d/sample.csv", b"image,labels\nt0,a\nt0,b\n", "d/sample.csv, line 3"),
    (PACK, "d/sample.csv", b"\xff\xfe", "d/sample.csv"),
    (BLEND, "d/sample.csv", b"image,labels\n,a\n", "d/sample.csv, line 2"),
    (PACK, "d/train/r00.png", b"", "d/train/r00.png"),
    (PACK, "d/train/r00.png", b"<html></html>", "d/train/r00.png"),
    (PACK, "d/train/r00.png", b"\x89PNG\r\n\x1a\n", "d/train/r00.png"),
    (BLEND, "folds/own.csv", b"", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"Id,fold\n", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"Id,fold\nr00,x\n", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"Id,fold\nr00,-1\n", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"Id,fold\nr00,1.5\n", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"Id,fold\nr00,99999999999999999999\n", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"Id,fold\nr00,0\nr00,1\n", "folds/own.csv"),
    (BLEND, "folds/own.csv", b"\xff\xfe\0", "folds/own.csv"),
    (BLEND, "folds/own.json", b"[]", "folds/own.json"),
    (BLEND, "folds/own.json", b"{", "folds/own.json"),
    (BLEND, "folds/own.json", b"null", "folds/own.json"),
    (BLEND, "folds/own.json", b"", "folds/own.json"),
    (BLEND, "folds/own.json", b"\xff\xfe", "folds/own.json"),
    (BLEND, "folds/own.json", b"[" * 100_000, "folds/own.json"),
    (BLEND, "folds/own.json", b'{"format": 99}', "folds/own.json"),
    (BLEND, "folds/own.json", b'{"format": NaN}', "folds/own.json"),
    ("train convnet DATA --size 32", "folds/own.json", b"[]", "folds/own.json"),
    (REPORT, DECISION, b"[]", DECISION),
    (REPORT, DECISION, b"{", DECISION),
    (REPORT, DECISION, b"{}", DECISION),
    (REPORT, DECISION, b"null", DECISION),
    ("kernel best DATA", DECISION, b"[]", DECISION),
    ("compare best x DATA", DECISION, b"[]", DECISION),
    ("look best x DATA", DECISION, b"[]", DECISION),
    (SCORE, "decision.json", b"[]", "decision.json"),
    (SCORE, "decision.json", b"{", "decision.json"),
    (SCORE, "decision.json", b"5", "decision.json"),
    (SCORE, "decision.json", b'{"format": 99}', "decision.json"),
    (SCORE, "decision.json", b"\xff\xfe", "decision.json"),
    ("submit best DATA", "submissions/own-best.uploads.json", b"{", "own-best.uploads.json"),
    ("submit best DATA", "submissions/own-best.json", b"{", "own-best.json"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"Id\n", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"Id,a,b,c\n", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"Id,a,b\nr00,1,1\n", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"Id,a,b,c\nr00,1,1,2\n", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"Id,a,b,c\nr00,x,1,1\n", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"Id,a,b,c\nr00,,1,1\n", "bad.csv"),
    ("import-predictions z DATA --oof bad.csv", "bad.csv", b"\xff\xfe\0", "bad.csv"),
    ("folds -c bad.py", "bad.py", b"", "bad.py must define one Competition"),
    ("folds -c bad.py", "bad.py", b"x = (", "bad.py defines no competition (line 1)"),
    ("folds -c bad.py", "bad.py", b"# \xff", "Save the file as UTF-8."),
    (
        "folds -c bad.py",
        "bad.py",
        b"a = 1\n" * 300 + b"# \xff",
        "(line 301): byte 0xff is not utf-8",
    ),
    ("folds -c bad.py", "bad.py", b"# coding: base64\n", "Save the file as UTF-8."),
    ("folds -c bad.py", "bad.py", b"\0", "bad.py defines no competition"),
    ("folds -c bad.py", "bad.py", b"import nothing_of_that_name", "ModuleNotFoundError"),
    ("folds -c bad.py", "bad.py", b"raise SystemExit(0)", "(line 1): the file ends the program"),
)

# The command, and the name in whose place is something else: a file, a folder, a circle of links.
PLACES: tuple[tuple[str, str, str], ...] = (
    ("file", PACK, "d/train"),
    ("file", PACK, "data"),
    ("file", PACK, "data/own"),
    ("file", PACK, "data/own/store"),
    ("file", BLEND, "runs/own/blends"),
    ("file", "import-predictions z DATA --oof x-oof.csv", "runs"),
    ("file", "import-predictions z DATA --oof x-oof.csv", "runs/own"),
    ("folder", FOLDS, "d/train.csv"),
    ("folder", PACK, "d/train.csv"),
    ("folder", PACK, "d/sample.csv"),
    ("folder", PACK, "d/train/r00.png"),
    ("folder", BLEND, "folds/own.csv"),
    ("folder", BLEND, "folds/own.json"),
    ("folder", REPORT, DECISION),
    ("folder", SCORE, "decision.json"),
    ("folder", "folds -c own.py --data d", "own.py"),
    ("circle", PACK, "d/train"),
    ("circle", PACK, "d/train.csv"),
    ("circle", PACK, "d/train/r00.png"),
    ("circle", PACK, "data"),
    ("circle", BLEND, "folds/own.csv"),
    ("circle", "folds -c own.py --data d", "own.py"),
    ("nothing", PACK, "d/train"),
    ("nothing", PACK, "d/train.csv"),
    ("nothing", PACK, "d/sample.csv"),
    ("nothing", PACK, "d/train/r07.png"),
    ("nothing", BLEND, "folds/own.csv"),
    ("nothing", SCORE, "decision.json"),
)

# Variables, and commands that find a file where they name a folder.
VARIABLES = (
    ("KIT_DATA", "pack DATA --size 16"),
    ("KIT_DATA", "folds -c own.py --out new.csv"),
    ("KIT_RUNS", "import-predictions z DATA --oof x-oof.csv"),
    ("KIT_RUNS", "blend DATA"),
    ("KIT_RUNS", "predict x DATA"),
)

# A field of a decision, and values that it cannot have.
FIELDS: tuple[tuple[str, object], ...] = (
    ("thresholds", None),
    ("thresholds", []),
    ("thresholds", [0.5]),
    ("thresholds", ["a", "b", "c"]),
    ("thresholds", [None] * 3),
    ("thresholds", {}),
    ("thresholds", [[0.5]] * 3),
    ("class_keys", None),
    ("class_keys", []),
    ("class_keys", "abc"),
    ("combination", None),
    ("combination", []),
    ("combination", "mean"),
    ("chosen", None),
    ("worth", None),
    ("worth", []),
    ("origin", []),
)


def named(value: object) -> str:
    return str(value)[:40]


@pytest.mark.parametrize(("command", "name", "content", "says"), CONTENTS, ids=named)
def test_a_spoiled_file_is_named(
    finished: Place, command: str, name: str, content: bytes, says: str
) -> None:
    (finished.folder / name).write_bytes(content)
    assert says in finished.refusal(command)


@pytest.mark.parametrize(("kind", "command", "name"), PLACES, ids=named)
def test_what_is_in_the_way_is_named(finished: Place, kind: str, command: str, name: str) -> None:
    put: dict[str, Callable[[Path], object]] = {
        "file": lambda path: path.write_text("in the way"),
        "folder": Path.mkdir,
        "circle": lambda path: path.symlink_to(path.name),
        "nothing": lambda path: None,
    }
    path = finished.folder / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    put[kind](path)
    assert path.stem in finished.refusal(command)


@pytest.mark.parametrize(("variable", "command"), VARIABLES)
def test_a_variable_that_names_a_file(finished: Place, variable: str, command: str) -> None:
    (finished.folder / "here").write_text("a file")
    finished.patch.setenv(variable, "here")
    assert "own" in finished.refusal(command)


def test_a_device_in_place_of_a_folder_is_not_to_be_moved(finished: Place) -> None:
    finished.patch.setenv("KIT_RUNS", "/dev/null")
    said = finished.refusal("import-predictions z DATA --oof x-oof.csv")
    assert "/dev/null is not a folder. Name another." in said


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=named)
def test_a_decision_with_a_wrong_value_is_named(finished: Place, field: str, value: object) -> None:
    path = finished.folder / "decision.json"
    edit_unsealed(path, lambda content: content.update({field: value}))
    assert "decision.json" in finished.refusal(SCORE)


@pytest.mark.parametrize(
    ("content", "is_page"),
    [(b"<!doctype HTML>", True), (b"\xef\xbb\xbf\n<html>", True), (b"PK", False), (b"", False)],
)
def test_a_web_page_is_told_by_its_beginning(tmp_path: Path, content: bytes, is_page: bool) -> None:
    (tmp_path / "train.zip").write_bytes(content)
    assert is_web_page(tmp_path / "train.zip") == is_page
