"""What the user sees while a stage works: lines, tables, and bars with the time that is left."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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

# Standard output, so that `kit train ... | tee log` keeps the lines. Off a terminal Rich would
# fold at 80 columns, which breaks tables: a wide fixed width keeps a row on a line.
_probe = Console()
console = _probe if _probe.is_terminal else Console(width=140)


def say(line: str) -> None:
    """Print one line; square brackets are text, not markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: the first column to the left, the others, mostly numbers, to the right."""
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for position, name in enumerate(header):
        drawn.add_column(name, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*(str(cell) for cell in row))
    console.print(drawn)


class Bar:
    """One progress bar: how far, how fast, how long still."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, steps: int = 1) -> None:
        """Move on by that many of the bar's units."""
        self._progress.advance(self._task, steps)

    def describe(self, text: str) -> None:
        """Change the words before the bar."""
        self._progress.update(self._task, description=text)


@contextmanager
def bar(description: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Show a bar of `total` units, `done` of them from earlier; off a terminal, show nothing."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress, progress.add_task(description, total=total, completed=done))


def duration(seconds: float) -> str:
    """A length of time in the unit that a person would use: `40 s`, `12 min`, `3.5 h`, `6 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
