"""Progress reports: lines and bars, sent to a `Reporter`; silent by default.

Code below `kit/stages/` prints nothing. It takes a `Reporter`: the command line passes
`kit.core.terminal.TERMINAL`; a notebook or a cluster worker passes `SILENT` or its own.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Bar(Protocol):
    """The progress of one piece of work, in its own units."""

    def advance(self, steps: int = 1) -> None:
        """Advance by `steps` units; back if negative."""

    def move_to(self, done: int) -> None:
        """Set the number of units done."""

    def describe(self, text: str) -> None:
        """Change the text before the bar."""

    def note(self, line: str) -> None:
        """Receive a line with more detail; without bars, a terminal prints one now and then.

        Lines that must not be lost go to `Reporter.say`.
        """


class Reporter(Protocol):
    """Receives what work reports while it runs."""

    def say(self, line: str) -> None:
        """Receive one line of plain text."""

    def bar(
        self, description: str, total: int, done: int = 0, lines: bool = False
    ) -> AbstractContextManager[Bar]:
        """Start a bar of `total` units, `done` of them done earlier.

        With `lines`, a terminal without bars prints a line now and then.
        """


class _Unseen:
    def advance(self, steps: int = 1) -> None:
        pass

    def move_to(self, done: int) -> None:
        pass

    def describe(self, text: str) -> None:
        pass

    def note(self, line: str) -> None:
        pass


class _Silent:
    def say(self, line: str) -> None:
        pass

    def bar(
        self, description: str, total: int, done: int = 0, lines: bool = False
    ) -> AbstractContextManager[Bar]:
        return nullcontext(_Unseen())


SILENT: Reporter = _Silent()


def duration(seconds: float) -> str:
    """A duration in a readable unit: `40 s`, `12 min`, `3.5 h`, `6 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def volume(count: int) -> str:
    """A number of bytes in a readable unit: `4.1 kB`, `12.3 MB`, `32.6 GB`."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
