"""One owner per artifact: a lock, and who holds it, so that a second process can say so."""

import errno
import json
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.disk import make_folder
from kit.core.errors import UserError
from kit.core.faults import fault_of, unwritten
from kit.core.progress import SILENT, Reporter

if TYPE_CHECKING:
    from filelock import BaseFileLock, SoftFileLease

# Seconds without a heartbeat after which a lease counts as abandoned, and between attempts to get
# a lock that is held.
LEASE = 15.0
POLL = 0.5
# How file systems say that they have no locks.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


def without_passwords(word: str) -> str:
    """The word with the passwords of URLs in it replaced by `***`."""
    # A user's name may have an @, a password anything; in ODBC's URLs, signs are encoded.
    word = re.sub(r"(://[^/\s]*?):.*@", r"\1:***@", word)
    named = r"((?:[?&;]|%3B)\w*(?:password|passwd|pwd)(?:=|%3D))(?:(?!%3B)[^&;])*"
    return re.sub(named, r"\1***", word, flags=re.IGNORECASE)


class Busy(UserError):
    """An artifact that another process is working on."""


@dataclass(frozen=True)
class Owner:
    """Who works on an artifact: host, process, start as UTC text, and command."""

    host: str
    process: int
    since: str
    command: str

    @classmethod
    def current(cls) -> "Owner":
        """This process, from now on."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
        words = ["kit" if program == "__main__.py" else program, *sys.argv[1:]]
        command = shlex.join(map(without_passwords, words))
        return cls(socket.gethostname(), os.getpid(), now, command)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since} (command: {self.command})"


@dataclass(frozen=True)
class Held:
    """A lock that this process holds."""

    what: str
    lock: "BaseFileLock"

    def require(self) -> None:
        """Raise Busy if the lock was a lease and has been lost; call it before a file is replaced.

        A lease is lost if this process was suspended for longer than it lasts.
        """
        if getattr(self.lock, "compromise", None) is not None:
            raise Busy(
                f"{self.what} was taken over by another process, because this one was suspended "
                "or could not reach the disk. Nothing more was written; rerun the command."
            )


@contextmanager
def own(target: Path, what: str, wait: bool = False, reporter: Reporter = SILENT) -> Iterator[Held]:
    """Hold the lock of an artifact, a file or folder, while the block runs.

    The lock of a process that has died is free at once, on whichever host that was, because the
    file system releases it. Where the file system has no locks, a lease with a heartbeat replaces
    it; a dead process's lease is free after LEASE seconds. `what` begins the message: `fold 0 of
    net-64-0f3a9c11`. Raises Busy, naming the owner, if another process holds it; with `wait`, it
    waits, and says so to `reporter`. Two threads of one process exclude each other, too.
    """
    place = _Place(target)
    try:
        make_folder(target.parent)
        lock = place.acquire(what, wait, reporter)
    except OSError as error:
        if fault_of(error):
            raise unwritten(place.lock, error) from error
        raise
    try:
        place.write(Owner.current())
        held = Held(what, lock)
        yield held
    finally:
        if getattr(lock, "compromise", None) is None:
            place.owner.unlink(missing_ok=True)
            # Removed while still held: whoever opened it before finds out, and opens the next one.
            place.lock.unlink(missing_ok=True)
        lock.release()


@contextmanager
def own_all(
    targets: dict[Path, str], wait: bool = False, reporter: Reporter = SILENT
) -> Iterator[tuple[Held, ...]]:
    """As `own` for several artifacts, given with their descriptions: all of them or none."""
    with ExitStack() as stack:
        # In one order everywhere, or two processes could wait for each other.
        yield tuple(
            stack.enter_context(own(target, targets[target], wait, reporter))
            for target in sorted(targets)
        )


def owner_of(target: Path) -> Owner | None:
    """Who works on an artifact now, as far as its files say; None if nobody does."""
    place = _Place(target)
    return place.read() if place.lock.exists() or place.lease.exists() else None


@contextmanager
def noted(target: Path) -> Iterator[None]:
    """Note beside `target` who works on it, while this process holds a lock of another kind."""
    place = _Place(target)
    place.write(Owner.current())
    try:
        yield
    finally:
        place.owner.unlink(missing_ok=True)


def noted_owner(target: Path) -> Owner | None:
    """Who noted that it works on `target`; only true while that lock is held."""
    return _Place(target).read()


@dataclass(frozen=True)
class _Place:
    """The files of a lock: hidden, beside the artifact."""

    target: Path

    @property
    def lock(self) -> Path:
        return self.target.with_name(f".{self.target.name}.lock")

    @property
    def lease(self) -> Path:
        return self.target.with_name(f".{self.target.name}.lease")

    @property
    def owner(self) -> Path:
        return self.target.with_name(f".{self.target.name}.owner.json")

    def write(self, owner: Owner) -> None:
        # Not atomic: it only informs, and is written while the lock is held.
        self.owner.write_text(json.dumps(asdict(owner)), encoding="utf-8")

    def read(self) -> Owner | None:
        """Who wrote the owner file; None if there is none, or it is being written."""
        try:
            return Owner(**json.loads(self.owner.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def acquire(self, what: str, wait: bool, reporter: Reporter) -> "BaseFileLock":
        """Get the lock, or raise Busy; with `wait`, wait for it."""
        from filelock import Timeout  # late: the offline notebook has none and owns nothing

        try:
            return self._acquire(0)
        except Timeout:
            # Where no file can be made, as in /proc, filelock finds contention: this raises why.
            if not self.lock.exists() and not self.lease.exists():
                self.lock.touch()
            holder = self.read() or "another process"
        if not wait:
            raise Busy(f"{what} is in use by {holder}. Add --wait to wait for it, or stop it.")
        reporter.say(f"Waiting: {what} is in use by {holder}.")
        return self._acquire(-1)

    def _acquire(self, seconds: float) -> "BaseFileLock":
        """The lock within some seconds (-1: wait), else Timeout; a lease if there are no locks."""
        from filelock import FileLock

        lock = FileLock(
            self.lock,
            timeout=seconds,
            poll_interval=POLL,
            thread_local=False,
            fallback_to_soft=False,
        )
        try:
            lock.acquire()
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self.lock.unlink(missing_ok=True)
            return self._acquire_lease(seconds)
        return lock

    def _acquire_lease(self, seconds: float) -> "SoftFileLease":
        """As `_acquire`. A lease without a heartbeat is watched until it expires, then taken."""
        from filelock import SoftFileLease, Timeout

        lease = SoftFileLease(self.lease, lease_duration=LEASE, timeout=0, thread_local=False)
        beat = self._heartbeat()
        while True:
            try:
                lease.acquire()
            except Timeout:
                if seconds >= 0 and self._heartbeat() != beat:
                    raise
                time.sleep(POLL)
            else:
                return lease

    def _heartbeat(self) -> int:
        """When the lease was last refreshed, on the file system's clock; 0 without a lease."""
        try:
            return self.lease.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
