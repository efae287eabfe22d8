"""All trials, part by part, and a sample of each part that is quick."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement
from pathlib import Path

from chaos.damage import WAYS
from chaos.disk import on_full_disk
from chaos.events import Fault
from chaos.line import Golden
from chaos.trials import (
    Trial,
    at_event,
    damaged,
    damaged_while_training,
    killed_at,
    moments,
    signalled,
    together,
)

KILLS = 100
SEED = 11
# Bytes that a file may have under `ulimit -f`: the last is less than a file of weights.
LIMITS = (0, 300, 3_000, 30_000, 1_000_000)
# Bytes that are free on a disk of its own.
FREE = (0, 20_000, 200_000, 2_000_000)
SIGNALS = {"SIGINT": 2, "SIGTERM": 15, "SIGHUP": 1, "SIGUSR1": 10}
_FAULTS = {
    "kill": "killed at each file event",
    "ENOSPC": "disk full at each file event",
    "EIO": "disk fails at each file event",
}


def events(golden: Golden) -> Iterator[Trial]:
    """Each file event of the line killed once, and failing once in two ways."""
    for kind, part in _FAULTS.items():
        for number, stage in enumerate(golden.stages):
            for at in range(golden.events[number]):
                work = at_event(golden, number, Fault(kind, at))
                yield Trial(part, f"{stage.name}, event {at}", work)


def limits(golden: Golden) -> Iterator[Trial]:
    """Files may not grow beyond a limit, which also stops what C++ libraries write."""
    for number, stage in enumerate(golden.stages):
        for limit in LIMITS:
            work = at_event(golden, number, Fault("limit", limit))
            yield Trial("files limited in size", f"{stage.name}, {limit} bytes", work)


def disk(golden: Golden) -> Iterator[Trial]:
    """A file system of its own that fills up; only root can mount one."""
    for number, stage in enumerate(golden.stages):
        for free in FREE:
            work = on_full_disk(golden, number, free)
            yield Trial("a small disk that is full", f"{stage.name}, {free} bytes free", work)


def kills(golden: Golden) -> Iterator[Trial]:
    """Random moments of the whole line."""
    for second in moments(KILLS, SEED, sum(golden.seconds)):
        work = killed_at(golden, second)
        yield Trial("killed at a random moment", f"after {second:.2f} s", work)


def artifacts(golden: Golden) -> list[str]:
    """Every file of the finished workspace that the kit has written."""
    return sorted(name for stage in range(len(golden.stages)) for name in golden.written(stage))


def checkpoints(golden: Golden) -> list[str]:
    """Every file of the run in the workspace whose training was interrupted."""
    place = golden.interrupted
    found = [path for path in place.glob("runs/**/*") if path.is_file() and path.name[0] != "."]
    return sorted(path.relative_to(place).as_posix() for path in found)


def damages(golden: Golden) -> Iterator[Trial]:
    """Each file damaged in each way, in the finished workspace and while it is trained."""
    for name in artifacts(golden):
        for way in WAYS:
            yield Trial("a damaged file", f"{name}: {way}", damaged(golden, name, way))
    for name in checkpoints(golden):
        for way in WAYS:
            work = damaged_while_training(golden, name, way)
            yield Trial("a damaged file of a training", f"{name}: {way}", work)


def pairs(golden: Golden) -> Iterator[Trial]:
    """Every pair of commands at once, each with itself, too."""
    for first, second in combinations_with_replacement(range(len(golden.stages)), 2):
        names = f"{golden.stages[first].name} and {golden.stages[second].name}"
        work = together(golden, first, second, range(len(golden.stages)))
        yield Trial("two commands at once", names, work)


def signals(golden: Golden) -> Iterator[Trial]:
    """Each signal, once and twice, at random moments of what takes long."""
    for stage in ("train", "kernel", "report", "pack", "blend"):
        count = 8 if stage == "train" else 3
        number = golden.number(stage)
        for name, signal_number in SIGNALS.items():
            for at in moments(count, signal_number, 1.0):
                for times, part in ((1, "a signal"), (2, "two signals")):
                    work = signalled(golden, number, at, [signal.Signals(signal_number)] * times)
                    yield Trial(part, f"{name} at {100 * at:.0f}% of {stage}", work)


PARTS: dict[str, Callable[[Golden], Iterator[Trial]]] = {
    "events": events,
    "limits": limits,
    "disk": disk,
    "kills": kills,
    "damage": damages,
    "pairs": pairs,
    "signals": signals,
}


def why_not(part: str) -> str | None:
    """Why a part cannot be run here; None if it can."""
    if part == "disk" and os.geteuid() != 0:
        return "not run: only root can mount a small disk"
    return None


# A sample for every test run

_SLOW = ("kernel", "report")
# Whatever was made again, they have the last word on which blend is the newest.
_BLENDS = ("blend", "blend-trained")
_SAMPLE = {
    "limits": ("pack, 300 ", "train, 30000 ", "blend, 3000 "),
    "disk": ("train, 20000 ",),
}


def sample(golden: Golden, part: str) -> list[Trial]:
    """A few trials of a part: every kind of fault, every artifact, the slow commands least."""
    if part == "events":
        return list(_few_events(golden))
    if part == "damage":
        return list(_few_damages(golden))
    trials = list(PARTS[part](golden))
    if part == "pairs":
        return list(_few_pairs(golden))
    if part == "kills":
        return trials[KILLS // 2 :: KILLS]
    if part == "signals":
        training = [one for one in trials if one.case.endswith("of train")]
        return [training[len(training) // 4], training[-1]]
    return [one for one in trials if one.case.startswith(_SAMPLE[part])]


def _few_pairs(golden: Golden) -> Iterator[Trial]:
    """Commands that write the same, and a command that reads what the other writes."""
    for names in (("folds", "folds"), ("pack", "pack"), ("import", "import"), ("blend", "submit")):
        first, second = (golden.number(name) for name in names)
        again = (first, second, *(golden.number(name) for name in _BLENDS))
        work = together(golden, first, second, again)
        yield Trial("two commands at once", " and ".join(names), work)


def _few_events(golden: Golden) -> Iterator[Trial]:
    """Faults in turn at events that lie apart, one of each slow command."""
    for number, stage in enumerate(golden.stages):
        count = golden.events[number]
        apart = count if stage.name in ("train", *_SLOW) else 12
        for turn, at in enumerate(range(apart // 2, count, max(1, apart))):
            kind = tuple(_FAULTS)[(turn + number) % len(_FAULTS)]
            work = at_event(golden, number, Fault(kind, at))
            yield Trial(_FAULTS[kind], f"{stage.name}, event {at}", work)


def _few_damages(golden: Golden) -> Iterator[Trial]:
    """The ways in turn; a file of each kind, not twice for the two folds or the two blends.

    The notebook's folder has copies of others, of which two are enough.
    """
    seen: list[str] = []
    for number, stage in enumerate(golden.stages):
        for name in golden.written(number):
            file = re.sub("[0-9]+|-both|-trained", "", Path(name).name)
            kind = f"{stage.name.removesuffix('-trained')} {file}"
            copied = stage.name == "kernel" and not kind.endswith(("kernel.json", ".weights.h"))
            if kind in seen or copied:
                continue
            way = WAYS[len(seen) % len(WAYS)]
            seen.append(kind)
            work = damaged(golden, name, way, {stage.name, *_BLENDS})
            yield Trial("a damaged file", f"{name}: {way}", work)
