"""Output to a terminal: lines, tables, and bars with the remaining time."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from kit.core.errors import is_control, printable
from kit.core.progress import Reporter, duration

# Standard output, so that `kit train ... | tee log` keeps the lines. Without a terminal, Rich would
# wrap at 80 columns, which breaks tables: a wide fixed width keeps each row on one line.
_probe = Console()
console = _probe if _probe.is_terminal else Console(width=140)

# Columns that lines and tables fit.
WIDTH = 80
# Without a terminal, the minimum number of seconds between lines.
SECONDS_BETWEEN_LINES = 15.0


def say(line: str) -> None:
    """Print one line of text: no markup, no emoji, and control characters as `\\n` or `\\x1b`."""
    _print(printable(line))


def _print(text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def say_wrapped(text: str, first: str = "", rest: str = "") -> None:
    """Print a text in lines of at most 80 columns, which begin with `first` and `rest`.

    Words are never broken, so that names can be copied.
    """
    for line in textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        say(line)


def say_json(value: object) -> None:
    """Print a value as indented JSON; ValueError for a NaN in it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # JSON escapes no control characters above the space.
    _print("".join(f"\\u{ord(c):04x}" if is_control(c) and c != "\n" else c for c in text))


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a title and a table: the first column aligned left, the others right.

    Cells are text, not markup. A newline in a header or cell makes it two lines.
    """
    if title:  # separately, because a table wraps its title to its own width
        say(title)
    drawn = Table(box=None, pad_edge=False)
    for position, name in enumerate(header):
        drawn.add_column(_cell(name), justify="right" if position else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*map(_cell, row))
    console.print(drawn)


def _cell(value: object) -> Text:
    return Text("\n".join(map(printable, str(value).split("\n"))))


class TerminalBar:
    """One progress bar; with `lines`, printed as lines where there is no terminal."""

    def __init__(self, progress: Progress, task: TaskID, done: int, lines: bool) -> None:
        self._progress = progress
        self._task = task
        self._at = done
        self._lines = lines and progress.disable
        self._begun = self._last_line = monotonic()
        self._steps = 0

    def advance(self, steps: int = 1) -> None:
        """Advance by `steps` units."""
        self._progress.advance(self._task, steps)
        self._at += steps
        self._steps += steps
        now = monotonic()
        due = now - self._last_line >= SECONDS_BETWEEN_LINES
        if self._lines and due and self._steps > 0:  # it may have restarted
            task = self._progress.tasks[0]
            left = (now - self._begun) / self._steps * (task.remaining or 0)
            so_far = f"{task.completed:.0f} of {task.total:.0f}"
            say(f"{task.description}: {so_far}, about {duration(left)} left")
            self._last_line = now

    def move_to(self, done: int) -> None:
        """Set the number of units done, also backwards."""
        self.advance(done - self._at)

    def describe(self, text: str) -> None:
        """Change the text before the bar."""
        self._progress.update(self._task, description=printable(text))

    def note(self, line: str) -> None:
        """Print the line if no bar is drawn, unless too soon after the last one."""
        now = monotonic()
        if self._progress.disable and now - self._last_line >= SECONDS_BETWEEN_LINES:
            say(line)
            self._last_line = now


@contextmanager
def bar(description: str, total: int, done: int = 0, lines: bool = False) -> Iterator[TerminalBar]:
    """Show a bar of `total` units, `done` of them done earlier.

    Without a terminal it shows nothing or, with `lines`, a line now and then.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(printable(description), total=total, completed=done)
        yield TerminalBar(progress, task, done, lines)


class _Terminal:
    """A `Reporter` that prints."""

    say = staticmethod(say)
    bar = staticmethod(bar)


TERMINAL: Reporter = _Terminal()
