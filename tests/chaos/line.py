"""The line that is disturbed: every writing command, on a small meadow; its golden bytes."""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from flowers import flowers, write_flowers

from chaos.child import run
from chaos.events import Fault, recorded
from kit.core.disk import csv_text, read_csv, write_text

# The competition, as the command line takes it; only commands import it, since it registers a
# network.
FILE = str(Path(__file__).with_name("meadow.py"))
_TRAIN = ("backbone=two_layers", "epochs=3", "batch=8", "repeat_threshold=0.5")
_COMMON = ("-c", FILE)


@dataclass(frozen=True)
class Stage:
    """A command of the line: a name for tables, and its words."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Golden:
    """An undisturbed line: its stages, what each took, and how many file events it had.

    `folder` has a copy of the workspace before each stage, by number, and one at the end.
    """

    folder: Path
    stages: tuple[Stage, ...]
    seconds: tuple[float, ...]
    events: tuple[int, ...]

    def before(self, stage: int) -> Path:
        """The workspace before a stage; `len(stages)` for the finished one."""
        return self.folder / f"{stage}"

    @property
    def finished(self) -> Path:
        return self.before(len(self.stages))

    @property
    def interrupted(self) -> Path:
        """The workspace after two epochs of the second fold."""
        return self.folder / "interrupted"

    def written(self, stage: int) -> list[str]:
        """The files that a stage adds."""
        before, after = (self.before(stage), self.before(stage + 1))
        names = [path.relative_to(after).as_posix() for path in after.rglob("*") if path.is_file()]
        return [name for name in names if not (before / name).exists()]

    def number(self, name: str) -> int:
        """Which stage has this name."""
        return [stage.name for stage in self.stages].index(name)


def stages_after_training(run_name: str) -> tuple[Stage, ...]:
    """The commands that follow the training; the kernel's blend must have no imported run."""
    theirs = ("--oof", "theirs.csv", "--test", "theirs-test.csv")
    quick = ("--method", "mean", "--policy", "fold-mean")
    return (
        Stage("import", ("import-predictions", "theirs", *theirs, *_COMMON)),
        Stage("blend", ("blend", "--name", "both", *quick, *_COMMON)),
        Stage("submit", ("submit", "both", *_COMMON)),
        Stage("blend-trained", ("blend", run_name, "--name", "trained", *quick, *_COMMON)),
        Stage("kernel", ("kernel", "trained", *_COMMON)),
        Stage("report", ("report", "trained", *_COMMON)),
    )


def stages_to_training() -> tuple[Stage, ...]:
    """The commands up to the training."""
    changes = [word for change in _TRAIN for word in ("--set", change)]
    return (
        Stage("folds", ("folds", "--n", "2", *_COMMON)),
        Stage("pack", ("pack", "--size", "16", *_COMMON)),
        Stage("train", ("train", "convnet", "--size", "16", *changes, *_COMMON)),
    )


STATUS = ("status", *_COMMON)
VERIFY = ("verify", *_COMMON)
DRY_RUN = ("submit", "both", "--dry-run", *_COMMON)


def make_golden(folder: Path) -> Golden:
    """Run the line undisturbed in `folder`/work, and keep its snapshots; read if finished."""
    marker = folder / "golden.json"
    if marker.exists():
        return _read(folder, json.loads(marker.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    work = folder / "work"
    work.mkdir(parents=True)
    write_flowers(work / "data" / "flowers", n_train=24, n_test=8)
    stages = list(stages_to_training())
    seconds, events = [], []
    for number in range(len(stages) + len(stages_after_training(""))):
        if number == len(stages):
            (trained,) = (work / "runs" / "flowers").glob("convnet-*")
            stages += stages_after_training(trained.name)
        shutil.copytree(work, folder / f"{number}")
        begun = time.monotonic()
        done = run(work, stages[number].words, Fault("record"))
        seconds.append(time.monotonic() - begun)
        assert done.status == 0, done.output
        if number == 0:  # they have the folds of this table, and are there from the start
            for place in (work, folder / "0"):
                _write_theirs(place, work / "folds" / "flowers.csv")
        written = recorded(work)
        events.append(len(written.read_text().splitlines()) if written.exists() else 0)
        written.touch()
        written.rename(folder / f"{number}.events")
    shutil.copytree(work, folder / f"{len(stages)}")
    _interrupt(folder, number=2, stage=stages[2])
    shutil.rmtree(work)
    golden = Golden(folder, tuple(stages), tuple(seconds), tuple(events))
    write_text(marker, json.dumps({**asdict(golden), "folder": ""}))
    return golden


def _interrupt(folder: Path, number: int, stage: Stage) -> None:
    """Keep a workspace in which the training was killed after two epochs of the second fold."""
    lines = (folder / f"{number}.events").read_text().splitlines()
    saves = [
        at for at, line in enumerate(lines) if line.startswith("open ") and "/fold1/events" in line
    ]
    place = folder / "interrupted"
    shutil.copytree(folder / f"{number}", place)
    run(place, stage.words, Fault("kill", saves[1]))


def _read(folder: Path, content: dict[str, list[object]]) -> Golden:
    stages = tuple(Stage(one["name"], tuple(one["words"])) for one in content["stages"])  # type: ignore
    return Golden(folder, stages, tuple(content["seconds"]), tuple(content["events"]))  # type: ignore


def _write_theirs(work: Path, table: Path) -> None:
    """Predictions of another framework: its probabilities lean to the labels."""
    rng = np.random.Generator(np.random.PCG64(3))
    labels = flowers.read_labels(work / "data" / "flowers")
    folds = dict(row[:2] for _, row in read_csv(table)[1:])
    rows = [["Id", "fold", *flowers.class_keys]]
    for name, truth in zip(labels.ids, labels.labels, strict=True):
        probs = 0.3 + 0.4 * truth + rng.uniform(-0.25, 0.25, len(truth))
        rows.append([name, folds[name], *(f"{one:.4f}" for one in probs)])
    write_text(work / "theirs.csv", csv_text(rows))
    rows = [["Id", *flowers.class_keys]]
    for name in flowers.read_test_ids(work / "data" / "flowers"):
        rows.append([name, *(f"{one:.4f}" for one in rng.uniform(0, 1, len(flowers.class_keys)))])
    write_text(work / "theirs-test.csv", csv_text(rows))
