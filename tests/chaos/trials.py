"""One trial of each kind: disturb a workspace, do what a user would, and judge the result."""

import random
import shutil
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.child import CONTEXT, Outcome, run, run_until, start
from chaos.damage import damage
from chaos.events import Fault
from chaos.line import DRY_RUN, STATUS, VERIFY, Golden
from chaos.verdict import (
    REBUILT,
    SAME,
    STOPPED,
    UNTOLD,
    Bad,
    Result,
    Session,
    check,
)

# A trial works in this folder and returns its verdict; it raises Bad.
Work = Callable[[Path], str]


@dataclass(frozen=True)
class Trial:
    """What is tried: the part of the table, one case of it, and the work."""

    part: str
    case: str
    work: Work

    def run(self, folder: Path) -> Result:
        """Run it in a folder, which is emptied first."""
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return Result(self.part, self.case, self.work(folder))
        except Bad as bad:
            return Result(self.part, self.case, bad.verdict, bad.told)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def at_event(golden: Golden, stage: int, fault: Fault) -> Work:
    """A fault in one stage; then the same command again."""

    def work(folder: Path) -> str:
        shutil.copytree(golden.before(stage), folder)
        words = golden.stages[stage].words
        done = run(folder, words, fault)
        killed = fault.kind == "kill" and done.status == -signal.SIGKILL
        session = Session(folder)
        if not killed:
            check(done)
        if done.status == 0:  # the fault is one that does not matter, so nothing may be missing
            session.require(golden.before(stage + 1))
        session.settle(words)
        return session.require(golden.before(stage + 1))

    return work


def killed_at(golden: Golden, second: float) -> Work:
    """SIGKILL after some seconds of the whole line; then all of it again from its start."""

    def work(folder: Path) -> str:
        stage, left = 0, second
        while stage + 1 < len(golden.stages) and left > golden.seconds[stage]:
            left -= golden.seconds[stage]
            stage += 1
        shutil.copytree(golden.before(stage), folder)
        run_until(folder, golden.stages[stage].words, left, [signal.SIGKILL])
        session = Session(folder)
        for one in golden.stages:
            session.settle(one.words)
        return session.require(golden.finished)

    return work


def damaged(golden: Golden, name: str, way: str, only: Collection[str] = ()) -> Work:
    """One file of the finished workspace damaged; then all commands, in a user's order.

    With `only`, the stages of these names.
    """

    def work(folder: Path) -> str:
        shutil.copytree(golden.finished, folder)
        damage(folder / name, way)
        session = Session(folder)
        words = [one.words for one in golden.stages if not only or one.name in only]
        for one in (STATUS, golden.stages[golden.number("blend")].words, DRY_RUN, *words, VERIFY):
            session.settle(one)
        verdict = session.require(golden.finished)
        return REBUILT if verdict == SAME else verdict

    return work


def damaged_while_training(golden: Golden, name: str, way: str) -> Work:
    """One file of an interrupted training damaged; then the training goes on."""

    def work(folder: Path) -> str:
        stage = golden.number("train")
        shutil.copytree(golden.interrupted, folder)
        damage(folder / name, way)
        session = Session(folder)
        session.settle(STATUS)
        session.settle(golden.stages[stage].words)
        verdict = session.require(golden.before(stage + 1))
        return REBUILT if verdict == SAME else verdict

    return work


def together(golden: Golden, first: int, second: int, again: Sequence[int]) -> Work:
    """Two commands at once, each with what it writes missing; then the stages `again`."""

    def work(folder: Path) -> str:
        shutil.copytree(golden.finished, folder)
        for stage in {first, second}:
            for name in golden.written(stage):
                (folder / name).unlink(missing_ok=True)
        barrier = CONTEXT.Barrier(2)
        pair = [
            start(folder, golden.stages[stage].words, together=barrier) for stage in (first, second)
        ]
        outcomes = [running.wait() for running in pair]
        for done in outcomes:
            check(done)
        session = Session(folder)
        for stage in again:
            session.settle(golden.stages[stage].words)
        session.refusals += [done.last_line for done in outcomes if done.status]
        return session.require(golden.finished)

    return work


def signalled(golden: Golden, stage: int, fraction: float, numbers: Sequence[int]) -> Work:
    """Signals at some moment of a stage; then the same command again."""

    def work(folder: Path) -> str:
        shutil.copytree(golden.before(stage), folder)
        words = golden.stages[stage].words
        done = run_until(folder, words, fraction * golden.seconds[stage], numbers)
        _check_stopped(done)
        session = Session(folder)
        session.settle(words)
        return session.require(golden.before(stage + 1))

    return work


def _check_stopped(done: Outcome) -> None:
    """Raise Bad unless the command had finished already, or stopped with one line."""
    if done.status not in STOPPED:
        check(done)
    elif not done.last_line.startswith("kit: ") or "Traceback" in done.output:
        raise Bad(UNTOLD, f"status {done.status}: {done.last_line}")


def moments(count: int, seed: int, end: float) -> list[float]:
    """So many random moments from 0 to `end`, in order."""
    chance = random.Random(seed)
    return sorted(chance.uniform(0, end) for _ in range(count))
