"""One command of the kit in a process of its own, disturbed as a trial wants it.

Importing TensorFlow takes seconds, so the processes are forked from a server that has imported the
kit and not yet used it: Python's own "forkserver".
"""

import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ensure_running
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from chaos.events import NONE, Fault
from kit.core.interrupts import end_at_once

# Far more than any command takes, on a machine that does other work, too.
PATIENCE = 240.0
# Seconds in which the workers of a killed process end by themselves.
GRACE = 20.0
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["chaos.warm"])
# Starting a process asks all others whether they have ended. Of two threads that ask at once, one
# would find the answer gone, and take the status to be 255.
_ASKING = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit status (negative: by that signal), and what it printed."""

    words: tuple[str, ...]
    status: int
    output: str

    @property
    def last_line(self) -> str:
        """The end of the output, where an error is."""
        lines = self.output.strip().splitlines()
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Running:
    """A command that has been started."""

    words: tuple[str, ...]
    process: ForkServerProcess
    reader: threading.Thread
    printed: list[bytes]

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.process.pid is not None and self._status() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.process.pid, number)

    def ended(self, seconds: float) -> bool:
        """Whether it ends within some seconds."""
        return bool(multiprocessing.connection.wait([self.process.sentinel], seconds))

    def _status(self) -> int | None:
        with _ASKING:
            return self.process.exitcode

    def wait(self) -> Outcome:
        """Wait for the end; a command that takes far too long is killed, and says so."""
        if not self.ended(PATIENCE):
            self.process.kill()
            self.ended(GRACE)
            self.printed.append(f"\nHANGS: killed after {PATIENCE:.0f} s".encode())
        self.reader.join(GRACE)
        output = b"".join(self.printed).decode(errors="replace")
        if self.reader.is_alive():
            output += "\nHANGS: a process that it started lives on"
        return Outcome(self.words, self._status() or 0, output)


def start(
    folder: Path,
    words: Sequence[str],
    fault: Fault = NONE,
    together: Barrier | None = None,
    ready: Event | None = None,
) -> Running:
    """Start `kit WORDS` in a folder; with `together`, when the other commands are ready, too.

    `ready` is set as soon as the command handles signals.
    """
    _start_server()
    source, sink = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(
        target=_command, args=(str(folder), tuple(words), sink, fault, together, ready)
    )
    with _ASKING:
        process.start()
    sink.close()
    printed: list[bytes] = []
    reader = threading.Thread(target=_read, args=(source, printed), daemon=True)
    reader.start()
    return Running(tuple(words), process, reader, printed)


@cache
def _start_server() -> None:
    """Start the server, from which all processes are forked, where it finds the tests.

    Before Python 3.12 it is not told of sys.path, and passes over what it cannot import.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _read(source: Connection, printed: list[bytes]) -> None:
    """Collect what is printed, until nobody can print any more."""
    while part := os.read(source.fileno(), 1 << 16):
        printed.append(part)
    source.close()


def run(folder: Path, words: Sequence[str], fault: Fault = NONE) -> Outcome:
    """Run `kit WORDS` in a folder to its end."""
    return start(folder, words, fault).wait()


def run_until(
    folder: Path, words: Sequence[str], seconds: float, numbers: Sequence[int]
) -> Outcome:
    """Run `kit WORDS`, and send these signals, one after the other, seconds after its start."""
    ready = CONTEXT.Event()
    running = start(folder, words, ready=ready)
    # Before that, a signal ends the server's copy, which is not a command yet.
    ready.wait(PATIENCE)
    running.ended(seconds)
    for number in numbers:
        running.send(number)
        time.sleep(0.02)  # or both arrive as one
    return running.wait()


def _command(
    folder: str,
    words: tuple[str, ...],
    sink: Connection,
    fault: Fault,
    together: Barrier | None,
    ready: Event | None,
) -> None:
    """In the new process: the command line, as a shell would start it."""
    for number in (1, 2):
        os.dup2(sink.fileno(), number)
    # Those of the server may have been made for a file.
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    sink.close()
    # As the console script begins.
    end_at_once()
    if ready is not None:
        ready.set()
    os.chdir(folder)
    for name in ("KIT_DATA", "KIT_RUNS"):
        os.environ.pop(name, None)
    sys.argv = ["kit", *words]
    from kit.cli import main

    if together is not None:
        together.wait()
    status: object = 0
    try:
        with fault.applied(Path(folder)):
            main()
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - as Python ends: with the traceback, and status 1
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)
