"""The table of a long run, printed and kept in docs/reliability.md."""

import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chaos.verdict import BAD, CRASH, DEAD_END, MENDED, REBUILT, SAME, SILENT, TRACEBACK, Result
from kit.core.disk import write_text
from kit.core.terminal import say, table

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- The table of make chaos -->", "<!-- Its end -->"
_HEADER = ["fault", "trials", SAME, REBUILT, MENDED, "bad"]


def rows(results: Sequence[Result]) -> list[list[str]]:
    """A row per kind of fault: how many trials ended in which way."""
    found = []
    for part in dict.fromkeys(one.part for one in results):
        counts = Counter(one.verdict for one in results if one.part == part)
        bad = sum(counts[verdict] for verdict in BAD)
        ends = (sum(counts.values()), *(counts[end] for end in (SAME, REBUILT, MENDED)), bad)
        found.append([part, *map(str, ends)])
    return found


def print_table(results: Sequence[Result], not_run: dict[str, str]) -> None:
    """Print the table, each bad end in full, and what was not run."""
    table("Chaos", _HEADER, rows(results))
    for one in results:
        if not one.good:
            say(f"{one.verdict}: {one.part}: {one.case}: {one.told}")
    for part, reason in not_run.items():
        say(f"{part}: {reason}")


def write_page(results: Sequence[Result], not_run: dict[str, str], minutes: float) -> None:
    """Replace the table in docs/reliability.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_text(PAGE, f"{before}{BEGIN}\n{_markdown(results, not_run, minutes)}{END}{after}")


def _markdown(results: Sequence[Result], not_run: dict[str, str], minutes: float) -> str:
    counts = Counter(one.verdict for one in results)
    named = {
        "tracebacks": TRACEBACK,
        "silent uses": SILENT,
        "dead ends": DEAD_END,
        "crashes": CRASH,
    }
    others = sum(counts[one] for one in BAD if one not in named.values())
    lines = [
        f"| {' | '.join(_HEADER)} |",
        f"|{'---|' * len(_HEADER)}",
        *(f"| {' | '.join(row)} |" for row in rows(results)),
        *(f"| {part} | {reason} |{' |' * (len(_HEADER) - 2)}" for part, reason in not_run.items()),
    ]
    totals = ", ".join(f"{name}: {counts[verdict]}" for name, verdict in named.items())
    told = (
        f"{len(results):,} trials in {minutes:.0f} minutes, on {platform.system()} with Python "
        f"{platform.python_version()}: {totals}, other bad ends: {others}."
    )
    return "\n".join([*lines, "", told, ""])
