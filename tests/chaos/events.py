"""File events: where a process touches its folder, and what goes wrong at one of them.

An event is a file opened for writing, renamed, removed, truncated or synced, and a folder made or
removed. Python announces all but the syncs to audit hooks. What C++ libraries write (HDF5, Parquet)
is seen where the kit syncs and renames it; a limit on the size of files reaches the writing itself.
"""

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.link",
    "os.symlink",
)


@dataclass(frozen=True)
class Fault:
    """What goes wrong: `kill`, `ENOSPC` or `EIO` at an event, or a `limit` of bytes per file.

    `at` is the number of the event, from 0, or the limit. `record` writes each event to a file
    beside the folder, and `none` does nothing.
    """

    kind: str
    at: int = 0

    def __str__(self) -> str:
        return {"limit": f"files of at most {self.at} bytes"}.get(
            self.kind, f"{self.kind} at file event {self.at}"
        )

    @contextmanager
    def applied(self, folder: Path) -> Iterator[None]:
        """Disturb this process while the block runs, as far as it works in `folder`."""
        if self.kind == "none":
            yield
        elif self.kind == "limit":
            # Python ignores SIGXFSZ, so a write that goes beyond fails with EFBIG.
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.at, self.at))
            yield
        else:
            yield from self._at_events(folder)

    def _at_events(self, folder: Path) -> Iterator[None]:
        record = recorded(folder) if self.kind == "record" else None
        count = 0
        busy = False

        def happens(what: str, path: str) -> None:
            nonlocal count, busy
            if busy:
                return
            number, count = count, count + 1
            if record is not None:
                busy = True
                with record.open("a") as file:
                    file.write(f"{what} {os.path.relpath(path, folder)}\n")
                busy = False
            elif number == self.at and self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif number == self.at:
                code = getattr(errno, self.kind)
                raise OSError(code, os.strerror(code), path)

        _watch(os.path.realpath(folder), happens)
        yield


NONE = Fault("none")


def recorded(folder: Path) -> Path:
    """Where the events in a folder are written down, a line each."""
    return folder.with_name(f"{folder.name}.events")


def _watch(root: str, happens: Callable[[str, str], None]) -> None:
    """Call `happens` with each event below `root`, from now to the end of the process."""

    def inside(path: object) -> str | None:
        """The absolute path, if it lies below the root."""
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        whole = os.path.join(os.getcwd(), os.fsdecode(path))
        return whole if whole.startswith(root + os.sep) else None

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and (found := inside(path)):
                happens("open", found)
        elif event in _CHANGES and (found := inside(arguments[0])):
            # Making a folder that exists, or removing a file that does not, changes nothing.
            if os.path.lexists(found) != (event == "os.mkdir"):
                happens(event.removeprefix("os."), found)

    sync = os.fsync

    def fsync(file: int) -> None:
        path = os.readlink(f"/proc/self/fd/{file}")
        if found := inside(path):
            happens("fsync", found)
        sync(file)

    sys.addaudithook(hook)
    os.fsync = fsync  # type: ignore[assignment]
