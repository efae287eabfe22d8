"""A reporter that keeps what it is given."""

from contextlib import AbstractContextManager, nullcontext

from kit.core.progress import Bar


class RecordedBar:
    """A bar that knows how far it is; its notes are lines of the reporter's."""

    def __init__(self, lines: list[str], description: str, total: int, done: int) -> None:
        self.descriptions = [description]
        self.total = total
        self.done = done
        self._lines = lines

    def advance(self, steps: int = 1) -> None:
        self.done += steps

    def move_to(self, done: int) -> None:
        self.done = done

    def describe(self, text: str) -> None:
        self.descriptions.append(text)

    def note(self, line: str) -> None:
        self._lines.append(line)


class Recording:
    """A `Reporter` that keeps the lines and the bars."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bars: list[RecordedBar] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def bar(
        self, description: str, total: int, done: int = 0, lines: bool = False
    ) -> AbstractContextManager[Bar]:
        self.bars.append(RecordedBar(self.lines, description, total, done))
        return nullcontext(self.bars[-1])
