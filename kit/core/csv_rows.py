"""Reads CSV of any cell length, row by row.

Python's `csv` refuses cells of more than 131,072 characters unless a limit of the whole process is
raised, and Arrow gives no line numbers. On all other files this reads what `csv.reader` reads.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kit.core.errors import UserError
from kit.core.unpack import open_text

# No table comes near these: past them, a file is something else.
MOST_CHARACTERS = 2**26
MOST_CELLS = 100_000
MOST_LINES = 1_000_000

# The rest of a quoted cell, in which "" is a quote, and the quote that closes it if it is there.
_QUOTED = re.compile(r'((?:[^"]++|"")*+)("?)')
_PLAIN = re.compile(r"[^,\r\n]*+")


def csv_rows(path: Path, kind: str = "UTF-8 CSV") -> Iterator[tuple[int, list[str]]]:
    """Each row of a CSV file with the number of its last line, blank lines left out.

    The file may be compressed and have a byte order mark. Raises UserError, "PATH is not `kind`",
    when it is missing or is not UTF-8 text.
    """
    complaint = f"{path} is not {kind}"
    since = 0  # lines since the last row

    def lines() -> Iterator[str]:
        nonlocal since
        for number, line in enumerate(iter(lambda: text.readline(MOST_CHARACTERS), ""), start=1):
            if "\0" in line:
                raise UserError(f"{complaint}: line {number} has zero bytes. Save it as UTF-8.")
            if len(line) >= MOST_CHARACTERS or line.count(",") >= MOST_CELLS:
                raise UserError(f"{complaint}: line {number} is too long for a table.")
            since += 1
            if since > MOST_LINES:
                raise UserError(
                    f"{complaint}: before line {number} are {MOST_LINES:,} lines in one cell, or "
                    "blank."
                )
            yield line

    with open_text(path, kind) as text:
        for row in split_rows(lines()):
            since = 0
            yield row


def split_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of CSV text, given line by line with the line ends, as `csv_rows` returns them."""
    row: list[str] = []
    quoted: list[str] | None = None  # the parts of a quoted cell that no quote has closed yet
    number = 0
    for number, line in enumerate(lines, start=1):
        if quoted is None and '"' not in line:
            if cells := line.rstrip("\r\n"):
                yield number, cells.split(",")
            continue
        place = 0
        while True:
            if quoted is None and line.startswith('"', place):
                quoted, place = [], place + 1
            if quoted is not None:
                found = _QUOTED.match(line, place)
                assert found is not None
                quoted.append(found[1].replace('""', '"'))
                if not found[2]:
                    break  # the cell continues on the next line
                place = found.end()
            plain = _PLAIN.match(line, place)
            assert plain is not None
            row.append("".join([*(quoted or ()), plain[0]]))
            quoted, place = None, plain.end() + 1
            if not line.startswith(",", plain.end()):
                yield number, row
                row = []
                break
    if quoted is not None:  # the end of the file closes it
        yield number, [*row, "".join(quoted)]
