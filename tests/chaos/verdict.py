"""How a trial ends, and what its user would do: rerun the command, or what the message prints."""

import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.child import Outcome, run
from chaos.compare import differences

# Good ends.
SAME = "same bytes"
REBUILT = "rebuilt"
MENDED = "refused, mended"
GOOD = (SAME, REBUILT, MENDED)
# Bad ends.
TRACEBACK = "TRACEBACK"
CRASH = "CRASH"
HANGS = "HANGS"
SILENT = "SILENT USE"
DEAD_END = "DEAD END"
DIFFERS = "OTHER BYTES"
UNTOLD = "NOT ONE LINE"
BAD = (TRACEBACK, CRASH, HANGS, SILENT, DEAD_END, DIFFERS, UNTOLD)
# What is said of a file that a user may edit: damage looks the same as an edit.
KEPT = r"^.* was changed since the kit wrote it, and is kept\. .*$"
# How often a message is followed before it counts as a dead end.
TRIES = 3
# Interrupted commands exit with 128 and the signal's number.
STOPPED = tuple(
    128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
)


@dataclass(frozen=True)
class Result:
    """The end of a trial: what was tried, the verdict, and what was printed or differed."""

    part: str
    case: str
    verdict: str
    told: str = ""

    @property
    def good(self) -> bool:
        return self.verdict in GOOD


class Bad(Exception):
    """A trial has ended badly."""

    def __init__(self, verdict: str, told: str) -> None:
        super().__init__(told)
        self.verdict = verdict
        self.told = told


@dataclass
class Session:
    """What a user does in a folder after a fault, and what was printed to them."""

    folder: Path
    refusals: list[str] = field(default_factory=list)

    def settle(self, words: Sequence[str]) -> None:
        """Run a command until it succeeds, doing what it says on the way. Raises Bad."""
        for _ in range(TRIES + 1):
            done = run(self.folder, words)
            check(done)
            lines = [done.last_line] if done.status else re.findall(KEPT, done.output, re.M)
            if not lines:
                return
            for line in lines:
                self.refusals.append(line)
                self._follow(line)
        raise Bad(DEAD_END, f"{shlex.join(done.words)}: {done.last_line}")

    def _follow(self, line: str) -> None:
        commands = suggested(line)
        if not commands and not re.search(r"\b[Rr]erun\b", line):
            raise Bad(DEAD_END, f"no command in: {line}")
        for command in commands[:1]:
            words = shlex.split(command)
            if words[0] == "rm":
                # With a folder of its own as the current one, and no path may leave it.
                assert not any(one.startswith(("/", "..")) for one in words[1:]), command
                subprocess.run(words, cwd=self.folder, check=False)
                continue
            done = run(self.folder, words[1:])
            check(done)
            if done.status:
                self.refusals.append(done.last_line)

    def require(self, golden: Path) -> str:
        """The verdict if the folder is now the golden one. Raises Bad otherwise."""
        if found := differences(self.folder, golden):
            verdict = DIFFERS if self.refusals else SILENT
            raise Bad(verdict, "; ".join([*found[:4], *self.refusals[:2]]))
        return MENDED if self.refusals else SAME


def check(done: Outcome) -> None:
    """Raise Bad unless a command ended well or refused in one line."""
    command = shlex.join(done.words[:3])
    if "HANGS: " in done.output[-200:]:
        raise Bad(HANGS, command)
    if done.status < 0:
        raise Bad(CRASH, f"{command}: {signal.Signals(-done.status).name}")
    damaged = done.words[0] == "verify" and done.status == 1
    if "Traceback (most recent call last)" in done.output or (done.status == 1 and not damaged):
        raise Bad(TRACEBACK, f"{command}: {done.last_line}")
    if done.status > 1 and not done.last_line.startswith("kit: "):
        raise Bad(UNTOLD, f"{command}: status {done.status}: {done.last_line}")


def suggested(line: str) -> list[str]:
    """The commands in a message, of the kit or to remove a file, without places to be filled.

    Each follows a colon.
    """
    found = re.findall(r"(?<=: )(?:kit [a-z]|rm ).*?(?=; |\. [A-Z]|, or |\.?$)", line)
    return [one for one in found if not re.search(r"\b(MODEL|FILE|NAME|RUN|FOLDER)\b", one)]
