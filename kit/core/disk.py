"""Atomic writes: every file is written beside its target, flushed, then renamed into place."""

import csv
import errno
import hashlib
import io
import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit.core.errors import UserError


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` when the block succeeds.

    If the block raises or the process is killed, the old target stays unchanged. The temporary
    name keeps the target's suffix, because some writers infer the format from it. Leftovers of a
    killed process for the same target are removed. Raises UserError when the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    temporary = target.with_name(f".partial-{socket.gethostname()}-{os.getpid()}-{target.name}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except (OSError, RuntimeError) as error:  # HDF5 raises the latter when a flush fails
        if is_disk_full(error):
            raise disk_full(target) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(target: Path) -> None:
    """Delete temporary files of `target` whose process on this machine no longer exists."""
    start = f".partial-{socket.gethostname()}-"
    for path in target.parent.glob(f"{start}*-{target.name}"):
        process = path.name.removeprefix(start).removesuffix(f"-{target.name}")
        if process.isdigit() and not _is_alive(int(process)):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_disk_full(error: Exception) -> bool:
    """Whether an error means a full disk or quota; HDF5 and Arrow only say so in the message."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error)


def disk_full(target: Path) -> UserError:
    """The error for a disk that filled up while writing `target`."""
    return UserError(
        f"Disk full: {target} was not written. Free some space and rerun the command; finished "
        "work is kept."
    )


def write_text(target: Path, text: str) -> None:
    """Write `text` atomically as UTF-8, newlines unchanged.

    A file that already holds this text is not touched, so its modification time stays.
    """
    if target.exists() and target.read_bytes() == text.encode():
        return
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(target: Path, value: Any) -> None:
    """Write `value` atomically as indented JSON, keys in the given order; NaN is refused."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of the kit; UserError when it is missing or cannot be parsed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a JSON file.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}). Delete it and make it again.") from error


def _refuse_constant(name: str) -> Any:
    """JSON has no NaN or Infinity, and the kit writes none; Python would read them."""
    raise ValueError(f"{name} is not a JSON value")


def read_csv(path: Path) -> list[tuple[int, list[str]]]:
    """Every row of a CSV file with its line number, without byte order mark and blank lines.

    Raises UserError when the file is missing or is not UTF-8 CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            return [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not UTF-8 CSV ({error}).") from error


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with LF line endings; cells are quoted only where needed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def digest(value: Any) -> str:
    """SHA-256 in hex of a JSON-serializable value, independent of key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 in hex of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
