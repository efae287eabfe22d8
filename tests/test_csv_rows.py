"""CSV is read by content: as Python's `csv` reads it, and also where that gives up."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.core import csv_rows as csv_rows_module
from kit.core.csv_rows import csv_rows, split_rows
from kit.core.disk import csv_text, read_csv
from kit.core.errors import UserError, brief, some
from kit.core.unpack import is_compressed, is_parquet

TEXT = "Id,fold\n007,0\n\n8,1\n"
ROWS = [(1, ["Id", "fold"]), (2, ["007", "0"]), (4, ["8", "1"])]


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


@given(st.text('a"",,\n\r é', max_size=30))
def test_rows_and_lines_are_those_of_pythons_csv(text: str) -> None:
    reader = csv.reader(io.StringIO(text, newline=""))
    expected = [(reader.line_num, row) for row in reader if row]
    assert list(split_rows(io.StringIO(text, newline=""))) == expected


@given(st.lists(st.lists(st.text('a"",,\n\r é', max_size=6), min_size=1, max_size=3), max_size=4))
def test_what_the_kit_writes_reads_back(rows: list[list[str]]) -> None:
    lines = io.StringIO(csv_text(rows), newline="")
    assert [row for _, row in split_rows(lines)] == rows


def test_only_cells_that_need_it_are_quoted() -> None:
    assert csv_text([["a", "b c"], ["x\ry", "1,2"]]) == 'a,b c\n"x\ry","1,2"\n'


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_cell_may_be_longer_than_pythons_csv_takes(tmp_path: Path, quote: str) -> None:
    long, limit = "0 1 " * 50_000, csv.field_size_limit()
    (tmp_path / "x.csv").write_text(f"Id,t\na,{quote}{long}{quote}\nb,1\n")
    assert read_csv(tmp_path / "x.csv") == [(1, ["Id", "t"]), (2, ["a", long]), (3, ["b", "1"])]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("name", ["x.csv", "X.CSV", "x.csv.gz", "x.parquet", "x"])
@pytest.mark.parametrize("how", ["plain", *COMPRESSED])
def test_compression_is_found_whatever_the_file_is_called(
    tmp_path: Path, name: str, how: str
) -> None:
    content = COMPRESSED.get(how, bytes)(TEXT.encode())
    (tmp_path / name).write_bytes(content)
    assert read_csv(tmp_path / name) == ROWS
    assert is_compressed(tmp_path / name) == (how != "plain")
    assert not is_parquet(tmp_path / name)


@pytest.mark.parametrize("text", ["\ufeff" + TEXT, TEXT.replace("\n", "\r\n")])
def test_byte_order_marks_and_windows_line_ends_change_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert read_csv(tmp_path / "x.csv") == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "it is UTF-16. Save it as UTF-8."),
        (TEXT.encode("utf-16-le"), "it has zero bytes"),
        ((TEXT * 9 + "\0").encode(), "line 37 has zero bytes"),
        ("Id,é\n".encode("latin-1"), "Save it as UTF-8."),
        (b"PK\x03\x04rest", "it is a zip archive or an Excel workbook. Unpack it"),
        (b"<!DOCTYPE html><p>Sign in", "it is an HTML page. Download the file itself."),
        (b"\x80\x05\x95pickle", "it is a Python pickle."),
        (b"\x93NUMPY\x01\x00", "it is a NumPy array, which has no ids."),
        (gzip.compress(b"PAR1", mtime=0), "it is a Parquet file inside a compressed one."),
        *((pack(b"a,b\n" * 99)[:-9], "damaged") for pack in COMPRESSED.values()),
        *((pack(bytes(9))[:6] + b"\xff" * 40, "damaged") for pack in COMPRESSED.values()),
        (gzip.compress(b"a," * 2**20, mtime=0), "line 1 is too long for a table"),
    ],
    # Compressed bytes hold the time, and tests in several processes must have the same names.
    ids=str.split("utf16 utf16le zeros latin1 zip html pickle numpy parquet").__add__(
        [f"{how} {name}" for how in ("cut", "spoiled") for name in COMPRESSED] + ["long"]
    ),
)
def test_what_is_no_csv_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_csv(tmp_path / "x.csv")
    assert str(raised.value).startswith(f"{tmp_path / 'x.csv'} is not UTF-8 CSV")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.core.unpack.MOST_UNPACKED", 2**20)
    packed = gzip.compress(b"Id,a\n" + b"x,1\n" * 2**19, mtime=0)
    (tmp_path / "x.csv").write_bytes(packed)
    with pytest.raises(UserError, match=r"unpacks to over 1\.0 MB, more than 50 times its size"):
        for _ in csv_rows(tmp_path / "x.csv"):
            pass


def test_a_file_without_line_ends_is_read_as_far_as_a_line_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows_module, "MOST_CHARACTERS", 1000)
    (tmp_path / "x.csv").write_text("Id,a\n" + "x" * 1000)
    with pytest.raises(UserError, match="line 2 is too long for a table"):
        read_csv(tmp_path / "x.csv")


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, expected a file"):
        read_csv(tmp_path)
    with pytest.raises(UserError, match=r"nowhere\.csv does not exist"):
        read_csv(tmp_path / "nowhere.csv")


def test_names_from_data_stay_in_one_line() -> None:
    assert brief("a\nb\x1b[31mé") == r"a\nb\x1b[31mé"
    assert len(brief("x" * 10_000)) == 200
    assert some(["a\n", "b"]) == r"a\n, b"
