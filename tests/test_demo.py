"""The demonstration in small: it ends in a graded submission, and the second time does nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kit.competitions.cells import ANSWER, CLASS_KEYS, LABELS
from kit.competitions.metrics import macro_f1
from kit.core.disk import read_json

ROOT = Path(__file__).parent.parent

F1 = r"([01]\.\d{3})"

SMALL = """
from kit.demo import DemoPlan, Entry, run_demo
quick = ("epochs=2", "batch=8", "keep=last")
run_demo(
    DemoPlan(
        n_train=84,
        n_test=84,
        cell_size=48,
        folds=2,
        entries=(Entry("convnet", 32, quick), Entry("convnet", 48, quick)),
    )
)
"""


def demo(folder: Path) -> str:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("KIT_DATA", None)
    environment.pop("KIT_RUNS", None)
    command = [sys.executable, "-c", SMALL]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder)


def submission(folder: Path) -> Path:
    (csv,) = (folder / "submissions").glob("cells-auto-*.csv")
    return csv


def test_it_prints_every_run_and_the_blend_beside_their_grades(first: tuple[Path, str]) -> None:
    folder, printed = first
    grades = read_json(submission(folder).with_suffix(".grades.json"))
    # Cross-fitted, expected, the interval, both grades, minutes.
    line = rf"^(\S+) +{F1} +{F1} +{F1} to {F1} +{F1} +{F1} +\d+\.\d$"
    rows = re.findall(line, printed, re.M)
    assert len(rows) == 3
    assert rows[-1][-2:] == (f"{grades['public']:.3f}", f"{grades['private']:.3f}")
    assert "make train MODEL=inceptionresnetv2" in printed
    assert "report.html" in printed


def test_the_grades_are_macro_f1_on_each_side_of_the_hidden_split(
    first: tuple[Path, str],
) -> None:
    folder, _ = first
    answer = ANSWER.read(submission(folder), CLASS_KEYS)
    truth = LABELS.read(folder / "data/cells/solution.csv", CLASS_KEYS)
    usage = dict(
        line.split(",") for line in (folder / "data/cells/usage.csv").read_text().splitlines()
    )
    private = [image_id for image_id in truth.ids if usage[image_id] == "Private"]
    grades = read_json(submission(folder).with_suffix(".grades.json"))
    assert grades["private"] == macro_f1(truth.of(private), answer.of(private))
    assert 0 < len(private) < len(truth.ids)


def test_the_second_time_nothing_changes(first: tuple[Path, str]) -> None:
    folder, _ = first
    files = [path for path in folder.rglob("*") if path.is_file()]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}
    printed = demo(folder)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files} == before
    assert "all folds asked for are done" in printed


def test_another_folder_gets_the_same_submission_byte_for_byte(
    first: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = first
    demo(tmp_path)
    here, there = submission(folder), submission(tmp_path)
    assert here.name == there.name
    assert here.read_bytes() == there.read_bytes()
    assert here.with_suffix(".json").read_bytes() == there.with_suffix(".json").read_bytes()
