"""Atomic writes: every file is written beside its target, flushed, then renamed into place."""

import codecs
import csv
import errno
import glob
import hashlib
import json
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from kit.core.csv_rows import csv_rows
from kit.core.errors import Advised, UserError, brief
from kit.core.faults import fault_of, unwritten
from kit.core.process import is_alive, machine_token

_PARTIAL = ".partial-"
# Seconds after which a leftover of another machine counts as abandoned.
ABANDONED = 24 * 3600
# Rows of a table that is kept in memory as text: about 200 MB.
MOST_ROWS = 1_000_000
# The advice for a damaged JSON file, unless the caller has better.
_REMAKE = "Delete it and make it again."
_LINE_END = "\r\n"
# How file systems say that a folder cannot be synced.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS)


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` when the block succeeds.

    If the block raises, the process is killed or the power fails, the old target stays unchanged:
    file and folder reach the disk in that order. The temporary name keeps the target's suffix,
    because some writers infer the format from it. Leftovers of a killed process for the same target
    are removed. Raises UserError that names the target when the file system refuses to write it.
    """
    temporary = target.with_name(f"{_PARTIAL}{machine_token()}-{os.getpid()}-{target.name}")
    try:
        make_folder(target.parent)
        _remove_abandoned(target)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
        sync_folder(target.parent)
    except (OSError, RuntimeError) as error:  # HDF5 raises the latter when a flush fails
        own = (None, str(temporary), str(target), str(target.parent))
        if fault_of(error) and getattr(error, "filename", None) in own:
            raise unwritten(target, error) from error
        raise
    finally:
        # Where the folder cannot be written or read at all, there is nothing to remove.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def removal(*paths: Path) -> str:
    """The command of a shell that removes files or folders."""
    folders = ["-r"] if any(path.is_dir() for path in paths) else []
    return shlex.join(["rm", *folders, *map(str, paths)])


def in_the_way(folder: Path) -> str:
    """What is wrong with a folder that has the place of a file, with the command to remove it."""
    return f"is a folder instead of a file; remove it: {removal(folder)}"


def make_folder(folder: Path) -> None:
    """Create a folder and its parents so that they survive a power failure."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; some file systems cannot, and need not."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder may be writable and yet not readable
        return
    try:
        os.fsync(opened)
    except OSError as error:
        # Network and FUSE file systems refuse to sync a folder.
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(opened)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Delete temporary files of killed processes for this target in a folder; by default all.

    Only the owner of what they belong to may call it: it asks neither their age nor their process.
    """
    for path in folder.glob(f"{_PARTIAL}*-{name}"):
        path.unlink(missing_ok=True)


def _remove_abandoned(target: Path) -> None:
    """Delete temporary files of `target` whose process is gone, or that are a day old."""
    own = f"{_PARTIAL}{machine_token()}-"
    for path in target.parent.glob(f"{_PARTIAL}*-{glob.escape(target.name)}"):
        process = path.name.removeprefix(own).removesuffix(f"-{target.name}")
        with suppress(FileNotFoundError):  # its owner has just finished
            if path.name.startswith(own) and process.isdigit():
                gone = not is_alive(int(process))
            else:
                gone = time.time() - path.stat().st_mtime > ABANDONED
            if gone:
                path.unlink()


def write_bytes(target: Path, content: bytes | memoryview) -> None:
    """Write `content` atomically."""
    with atomic(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, text: str) -> None:
    """Write `text` atomically as UTF-8, newlines unchanged.

    A file that already holds this text is not touched, so its modification time stays.
    """
    if has_text(target, text):
        return
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def has_text(path: Path, text: str) -> bool:
    """Whether a file holds exactly this text in UTF-8."""
    return path.is_file() and path.read_bytes() == text.encode()


def write_json(target: Path, value: Any) -> None:
    """Write `value` atomically as indented JSON, keys in the given order; NaN is refused."""
    write_text(target, json_text(value))


def json_text(value: Any) -> str:
    """`value` as indented JSON, keys in the given order; NaN is refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """Read a JSON file of the kit; UserError when it is missing or cannot be parsed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise Advised(f"{path} {in_the_way(path)}.", _REMAKE) from None
    except (ValueError, RecursionError) as error:
        raise Advised(f"{path} is not JSON ({brief(error)}).", _REMAKE) from error


def is_web_page(path: Path) -> bool:
    """Whether a file is HTML, whatever its name: a site's page of login or error, saved instead."""
    with path.open("rb") as file:
        start = file.read(1024).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _refuse_constant(name: str) -> Any:
    """JSON has no NaN or Infinity, and the kit writes none; Python would read them."""
    raise ValueError(f"{name} is not a JSON value")


def read_csv(path: Path) -> list[tuple[int, list[str]]]:
    """Every row of a CSV file with its line number, without byte order mark and blank lines.

    Raises UserError when the file is missing, is not UTF-8 CSV, or has over MOST_ROWS rows.
    """
    rows = list(islice(csv_rows(path), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise UserError(f"{path} has over {MOST_ROWS:,} rows: it is not a table of the kit.")
    return rows


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with LF line endings; cells are quoted only where needed."""
    lines = _Lines()
    # Before Python 3.13, a cell is quoted only for the characters that end lines here, and one
    # with a bare carriage return would be read as two lines.
    csv.writer(lines, lineterminator=_LINE_END).writerows(rows)
    return "".join(f"{line.removesuffix(_LINE_END)}\n" for line in lines)


class _Lines(list[str]):
    """The lines of a text, each of which a CSV writer writes at once."""

    write = list.append


def digest(value: Any) -> str:
    """SHA-256 in hex of a JSON-serializable value, independent of key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 in hex of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
