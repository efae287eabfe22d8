"""What the operating system says when a file cannot be written, in words."""

import errno
import os
import shlex
import shutil
from pathlib import Path

from kit.core.errors import UserError
from kit.core.progress import volume

_FULL = "Free some space and rerun the command; finished work is kept."
_REASONS = {
    errno.ENOSPC: ("Disk full", _FULL),
    errno.EDQUOT: ("Disk quota exceeded", _FULL),
    errno.EFBIG: (
        "File too large for this file system or for the limit of the process (ulimit -f)",
        "Write to another file system, or raise the limit.",
    ),
    errno.EIO: (
        "Input/output error",
        "The disk or its connection failed. Check it and rerun the command; finished work is kept.",
    ),
    errno.EROFS: ("Read-only file system", "Name a folder that can be written."),
    errno.EACCES: ("Permission denied", "Make the folder writable, or name another."),
    errno.EPERM: ("Operation not permitted", "Make the folder writable, or name another."),
    errno.ENOTDIR: ("Not a folder", "Remove the file that is in the way."),
    errno.EEXIST: ("Not a folder", "Remove the file that is in the way."),
    errno.EISDIR: ("Is a folder", "It is in the way of a file."),
    errno.ENAMETOOLONG: ("File name too long", "Choose a shorter name."),
    errno.ELOOP: ("Symbolic links go in a circle", "Remove them."),
    errno.ESTALE: (
        "Stale file handle",
        "The network drive was remounted. Rerun the command; finished work is kept.",
    ),
}
# HDF5 and Arrow give the system's text instead of its number.
_IN_TEXT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def fault_of(error: BaseException) -> int | None:
    """The `errno` of an error that a file system caused; None for any other error."""
    if isinstance(error, OSError) and error.errno in _REASONS:
        return error.errno
    if isinstance(error, OSError | RuntimeError):
        return next((one for one in _IN_TEXT if os.strerror(one) in str(error)), None)
    return None


def unwritten(target: Path, error: BaseException) -> UserError:
    """The error for a file that was not written, because of a fault that `fault_of` knows."""
    number = fault_of(error) or errno.EIO
    reason, _ = _REASONS[number]
    return UserError(f"{reason}: {target} was not written. {_advice(number, target)}")


def told(error: OSError) -> str:
    """Any error of the operating system in one line, for the end of a command."""
    number = fault_of(error)
    reason = _REASONS[number][0] if number else error.strerror or str(error)
    path = error.filename2 or error.filename  # of a rename, the file that was not written
    where = "" if path is None else f": {path}"
    return f"{reason}{where}. {_advice(number, path) if number else ''}".strip()


def _advice(number: int, path: object) -> str:
    """What to do about a fault; for a folder in the way, with the command that removes it."""
    advice = _REASONS[number][1]
    if number != errno.EISDIR or path is None:
        return advice
    return f"{advice} Remove it: {shlex.join(['rm', '-r', str(path)])}"


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise UserError unless the disk of `folder`, which need not exist yet, has `needed` bytes."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise UserError(
            f"{what} needs {volume(needed)} in {folder}, where {volume(free)} are free. {_FULL}"
        )
