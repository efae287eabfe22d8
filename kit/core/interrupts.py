"""Signals: what ends a command, and how work is told to finish its step first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

# Ctrl-C; a scheduler that ends a job; a closed terminal; a scheduler's warning before the end.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
)


class Interrupted(BaseException):
    """A signal asked this process to end. Not an Exception, so nothing handles it by accident."""

    def __init__(self, number: int, kept: str = "", resume: str = "") -> None:
        super().__init__()
        self.number = number
        # A sentence on what was kept, and the command that goes on; empty if the work knows none.
        self.kept = kept
        self.resume = resume

    def __str__(self) -> str:
        return self.told

    @property
    def told(self) -> str:
        """The line to print; empty if the work has nothing to say."""
        return f"{self.kept} Resume: {self.resume}" if self.resume else self.kept

    @property
    def name(self) -> str:
        """SIGINT and the like."""
        return signal.Signals(self.number).name

    @property
    def status(self) -> int:
        """The exit status by which a shell knows the signal: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


@dataclass
class Request:
    """Whether a signal has asked to stop: its number, or None."""

    number: int | None = None


@contextmanager
def interruptible() -> Iterator[Request]:
    """Raise Interrupted inside the block on every signal of SIGNALS.

    The Request that is yielded holds the last one: libraries in C, while they are imported, may
    turn what is raised into an error of their own.
    """
    request = Request()

    def stop(number: int, frame: FrameType | None) -> None:
        request.number = number
        raise Interrupted(number)

    with _handled_by(stop):
        yield request


@contextmanager
def noting() -> Iterator[Request]:
    """Only note the first signal of SIGNALS inside the block, so that a line can be printed."""
    request = Request()

    def note(number: int, frame: FrameType | None) -> None:
        request.number = request.number or number

    with _handled_by(note):
        yield request


def end_at_once() -> None:
    """End this process on each signal of SIGNALS with one line, until other handlers are set.

    For the moments in which the command line is imported: Python would end with a traceback.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, f"kit: Stopped by {signal.Signals(number).name}.\n".encode())
        os._exit(128 + number)

    _set(end)


def end_in_silence() -> None:
    """Let each signal of SIGNALS end this process as the system does, when its work is over."""
    _set(signal.SIG_DFL)


@contextmanager
def finishing_first() -> Iterator[Request]:
    """Note the first signal of SIGNALS in the Request that is yielded; the second raises.

    The block looks at the Request between steps. Other threads than the main one receive no
    signals, so their Request stays empty.
    """
    request = Request()
    former = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        if request.number is None:
            request.number = number
            return
        # A block of `interruptible` around this one notes it, too: see there.
        outer = former[number]
        if callable(outer) and outer is not signal.default_int_handler:
            outer(number, frame)
        raise Interrupted(number)

    with _handled_by(note):
        yield request


@contextmanager
def _handled_by(handler: "signal._HANDLER") -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = _set(handler)
    try:
        yield
    finally:
        for number, former in before.items():
            # None: the former handler was not set by Python and cannot be set again.
            signal.signal(number, signal.SIG_DFL if former is None else former)


def _set(handler: "signal._HANDLER") -> dict[int, "signal._HANDLER"]:
    """Handle all signals that are not spared; returns the former handlers."""
    return {number: signal.signal(number, handler) for number in SIGNALS if not _spared(number)}


def _spared(number: int) -> bool:
    """Whether a signal stays ignored: `nohup` ignores SIGHUP, and work outlives its terminal."""
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) == signal.SIG_IGN
