"""Damaged files for the readers of the kit: valid ones that were cut, flipped, or spoilt.

Damage finds more than chance does, so only some are random bytes.
"""

import re
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.core.errors import UserError
from kit.core.paths import Workspace

# The files of an earlier version.
FORMATS = Path(__file__).parent / "formats" / "1"
MOST_MEMORY = 500 * 2**20


@dataclass(frozen=True)
class Reader:
    """A file of the kit in a folder, a valid content of it, and what reads it."""

    file: str
    valid: Callable[[], bytes]
    read: Callable[[Path], object]


def workspace(folder: Path) -> Workspace:
    """The workspace of the competition of shapes in a folder like FORMATS."""
    return Workspace(
        source=folder / "data/shapes",
        stores=folder / "data/shapes/store",
        runs=folder / "runs/shapes",
        folds=folder / "folds/shapes.csv",
        submissions=folder / "submissions",
    )


def kept(file: str, read: Callable[[Path], object]) -> Reader:
    """A file of an earlier version."""
    return Reader(file, lambda: (FORMATS / file).read_bytes(), read)


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
def valid_of(reader: Reader) -> bytes:
    """The valid content of a reader's file, made once."""
    return reader.valid()


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


def check_any_bytes(reader: Reader, folder: Path, data: st.DataObject) -> None:
    """Give a reader damaged bytes and restore its file, if it is one of FORMATS."""
    content = data.draw(damaged(valid_of(reader)))
    if reader.file == "typed":
        content = content.decode(errors="replace").encode()
    try:
        outcome(reader, folder, content)
    finally:
        if (FORMATS / reader.file).exists():
            shutil.copy(FORMATS / reader.file, folder / reader.file)


def any_bytes(test: Callable[..., None]) -> Callable[..., None]:
    """Runs a test with `data` that draws bytes, 25 times."""
    few = settings(max_examples=25, suppress_health_check=list(HealthCheck))
    return few(given(data=st.data())(test))


def copy_formats(folder: Path) -> Path:
    """A new folder with the files of an earlier version, of which one at a time is damaged."""
    shutil.copytree(FORMATS, folder / "place")
    return folder / "place"
