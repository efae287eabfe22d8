"""A folder with two blends of the synthetic cells, ready to be submitted to the stand-in."""

import base64
import contextlib
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from kaggle_server import KEY, TOKEN, USERNAME, KaggleServer, environment, serving

from kit.cli import main
from kit.competitions.base import Grades
from kit.competitions.cells import CLASS_KEYS, SOLUTION, USAGE, cells, grade_cells
from kit.competitions.tables import LabelTable
from kit.core.disk import csv_text, write_json, write_text
from kit.core.paths import Workspace
from kit.data.folds import digest_labels, make_folds, write_folds
from kit.data.predictions import Predictions, write_predictions
from kit.data.runs import begin_run
from kit.kaggle.clock import Clock
from kit.stages.blend import blend_stage

ROOT = Path(__file__).parent.parent
FILE = str(Path(__file__).parent / "kaggle_cells.py")

# What no output may hold: the token, the key, and what an upload's address is signed with.
SECRETS = (TOKEN, KEY, "marker0", base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode())
CREDENTIALS = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")


def write_blends(folder: Path) -> None:
    """Fill a folder as training and `kit blend` leave it; the blend made last is "best"."""
    with contextlib.chdir(folder):
        workspace = Workspace.of("cells")
        _write_tables(workspace.source)
        table = cells.read_labels(workspace.source)
        folds = make_folds(table, 2, seed=0)
        write_folds(workspace.folds, folds, {"labels_digest": digest_labels(table)})
        for seed, noise in ((1, 0.35), (2, 0.25)):
            _write_run(workspace, table, folds.of(table.ids), folds.digest, seed, noise)
        first, second = workspace.run_names()
        blend_stage(cells, workspace, [first], "other")
        blend_stage(cells, workspace, [first, second], "best")


def _write_tables(source: Path) -> None:
    """The tables of the cells without their images, which no blend asks for."""
    rng = np.random.default_rng(4)
    common = np.linspace(0.3, 0.02, len(CLASS_KEYS))
    for split, rows in (("train", 120), ("test", 80)):
        ids = tuple(f"{split}{number:03d}" for number in range(rows))
        labels = (rng.random((rows, len(CLASS_KEYS))) < common).astype(np.uint8)
        text = cells.label_format.text(LabelTable(ids, labels), CLASS_KEYS)
        name = "train.csv" if split == "train" else SOLUTION
        write_text(source / name, text)
        if split == "test":
            sample = [(image_id, "0") for image_id in ids]
            write_text(source / "sample_submission.csv", csv_text([("Id", "Predicted"), *sample]))
            usage = [(name, "Private" if rng.random() < 0.7 else "Public") for name in ids]
            write_text(source / USAGE, csv_text([("Id", "Usage"), *usage]))


def _write_run(
    workspace: Workspace,
    table: LabelTable,
    fold_of: np.ndarray,
    digest: str,
    seed: int,
    noise: float,
) -> None:
    rng = np.random.default_rng(seed)
    recipe = {"name": f"run{seed}", "size": 16}
    run = begin_run(workspace, recipe, 2, digest, digest_labels(table), {})
    truth = cells.label_format.read(workspace.source / SOLUTION, CLASS_KEYS)

    def probs(labels: np.ndarray) -> np.ndarray:
        noisy = 0.2 + 0.5 * labels + rng.normal(0, noise, labels.shape)
        return np.clip(noisy, 0.01, 0.99).astype(np.float32)

    for fold in (0, 1):
        rows = np.flatnonzero(fold_of == fold)
        ids, files = tuple(table.ids[row] for row in rows), run.files.fold(fold)
        oof = Predictions(ids, probs(table.labels[rows]), CLASS_KEYS, fold_of[rows])
        write_predictions(files.oof, oof, {})
        write_predictions(files.test, Predictions(truth.ids, probs(truth.labels), CLASS_KEYS), {})
        write_json(files.done, {})


@dataclass
class StillClock:
    """A clock on which only sleeping takes time; `then` is called after each sleep."""

    time: datetime = datetime(2018, 11, 21, 20, 30, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.then()

    def as_clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


@dataclass
class Place:
    """A folder, the stand-in, a clock, and the command line in between."""

    folder: Path
    home: Path
    server: KaggleServer
    clock: StillClock
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def kit(self, *words: str, competition: str = FILE) -> tuple[int, str, str]:
        """Run the command line here; its exit status, output and errors, which hold no secret."""
        before = 2 if words[0] == "--verbose" else 1
        of = ("-c", competition)
        self.patch.setattr(sys, "argv", ["kit", *words[:before], *of, *words[before:]])
        failed = ""
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except Exception:  # noqa: BLE001 - as Python ends: with the traceback, and status 1
            status, failed = 1, traceback.format_exc()
        shown = self.capture.readouterr()
        self.check_secrets(shown.out + shown.err + failed)
        return status, shown.out, shown.err + failed

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start the command line as a process of its own."""
        command = [sys.executable, "-m", "kit", words[0], "--competition", FILE, *words[1:]]
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def check_secrets(self, shown: str) -> None:
        """Fail if a secret stands in what was shown, or in any file of the folder."""
        texts = [shown]
        for path in self.folder.rglob("*"):
            if path.is_file():
                texts.append(path.read_bytes().decode(errors="ignore"))
        for text in texts:
            assert [secret for secret in SECRETS if secret in text] == []

    def give_token(self) -> None:
        self.patch.setenv("KAGGLE_API_TOKEN", TOKEN)

    def give_key(self) -> None:
        self.patch.setenv("KAGGLE_USERNAME", USERNAME)
        self.patch.setenv("KAGGLE_KEY", KEY)

    def give_file(self, mode: int = 0o600, under: str = ".kaggle") -> None:
        path = self.home / under / "kaggle.json"
        write_json(path, {"username": USERNAME, "key": KEY})
        path.chmod(mode)

    def take_all(self) -> None:
        """Leave no credentials."""
        for name in CREDENTIALS:
            self.patch.delenv(name, raising=False)


def grade_bytes(source: Path) -> Callable[[bytes], Grades]:
    """The competition's own grader, for the bytes that reached the stand-in."""

    def grade(content: bytes) -> Grades:
        with tempfile.TemporaryDirectory() as folder:
            csv = Path(folder) / "submission.csv"
            csv.write_bytes(content)
            return grade_cells(source, csv)

    return grade


@contextlib.contextmanager
def sent_to(server: KaggleServer, home: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the real client in this process and its children take the stand-in for Kaggle."""
    for name in (*CREDENTIALS, "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME", "KIT_DATA", "KIT_RUNS"):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(home))
    patch.setenv("KAGGLE_API_TOKEN", TOKEN)
    with serving(server):
        for name, value in environment(server).items():
            patch.setenv(name, value)
        from kaggle.api.kaggle_api_extended import KaggleApi

        # The client reads KAGGLE_API_ENVIRONMENT once, at its import, which another test may
        # have had before this.
        patch.setattr(KaggleApi, "args", ["--local"])
        yield
