"""The demonstration in small: it ends in a graded submission, and the second time does nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import inside, kit
from kaggle_place import Place, StillClock, grade_bytes, sent_to
from kaggle_server import KaggleServer

from kit.competitions.cells import ANSWER, CLASS_KEYS, LABELS
from kit.competitions.metrics import macro_f1
from kit.core.disk import read_json
from kit.data.predictions import read_predictions
from kit.demo import DemoPlan, DemoRun, run_demo

ROOT = Path(__file__).parent.parent

F1 = r"([01]\.\d{3})"

QUICK = ("epochs=2", "batch=8", "keep=last")
SMALL = DemoPlan(
    n_train=84,
    n_test=84,
    cell_size=48,
    folds=2,
    runs=(DemoRun("convnet", 32, QUICK), DemoRun("convnet", 48, QUICK)),
)


def demo(folder: Path) -> str:
    with inside(folder) as shown:
        run_demo(SMALL)
    return shown.getvalue()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder)


def submission(folder: Path) -> Path:
    (csv,) = (folder / "submissions").glob("cells-auto-*.csv")
    return csv


def test_it_prints_every_run_and_the_blend_beside_their_grades(first: tuple[Path, str]) -> None:
    folder, printed = first
    assert "\n  make blend\n  make submit" in printed
    grades = read_json(submission(folder).with_suffix(".grades.json"))
    # Cross-fitted, expected, the interval, both grades.
    line = rf"^(\S+) +{F1} +{F1} +{F1} to {F1} +{F1} +{F1}$"
    rows = re.findall(line, printed, re.M)
    assert len(rows) == 3
    assert rows[-1][-2:] == (f"{grades['public']:.3f}", f"{grades['private']:.3f}")
    minutes = r"\d+\.\d"
    assert re.search(
        rf"^Minutes of training: {minutes}, {minutes}; {minutes} in all\.$", printed, re.M
    )
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
    assert "all requested folds are done" in printed


@pytest.mark.slow
def test_another_process_and_folder_get_the_same_submission_byte_for_byte(
    first: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = first
    code = "from kit.demo import run_demo; from test_demo import SMALL; run_demo(SMALL)"
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KIT_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    here, there = submission(folder), submission(tmp_path)
    assert here.name == there.name
    assert here.read_bytes() == there.read_bytes()
    assert here.with_suffix(".json").read_bytes() == there.with_suffix(".json").read_bytes()


def test_kaggle_would_give_its_submission_the_scores_of_the_local_grader(
    first: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the real client, to the stand-in, which alone has the solution and grades by it."""
    local = read_json(submission(first[0]).with_suffix(".grades.json"))
    folder = tmp_path / "demo"
    left_out = shutil.ignore_patterns("*.png", "*.npy", "*.grades.json", "*.h5")
    shutil.copytree(first[0], folder, ignore=left_out)
    hidden = shutil.move(folder / "data/cells/solution.csv", tmp_path)
    shutil.move(folder / "data/cells/usage.csv", tmp_path)
    assert Path(hidden).exists()
    monkeypatch.chdir(folder)
    server = KaggleServer(grade_bytes(tmp_path))
    with sent_to(server, tmp_path / "home", monkeypatch):
        place = Place(folder, tmp_path / "home", server, StillClock(), monkeypatch, capsys)
        status, out, err = place.kit("submit")
    assert (status, err) == (0, "")
    (sent,) = server.submissions
    assert (float(sent["publicScore"]), float(sent["privateScore"])) == (
        local["public"],
        local["private"],
    )
    back = read_json(submission(folder).with_suffix(".grades.json"))
    assert back == local
    assert f"public {local['public']:.4f}, private {local['private']:.4f}" in out


@pytest.mark.slow
def test_its_notebook_repeats_the_blend_with_the_network_blocked(
    first: tuple[Path, str],
) -> None:
    folder, _ = first
    printed = kit(folder, "kernel", "--competition", "cells", "--check", "--out", "notebook")
    assert "The notebook ran here with the network blocked" in printed
    (blend,) = (folder / "runs/cells/blends").glob("auto-*")
    made = read_predictions(folder / "notebook/check/working/test.parquet", CLASS_KEYS)
    expected = read_predictions(blend / "test.parquet", CLASS_KEYS).take(made.ids)
    assert np.abs(made.probs - expected.probs).max() <= 1e-5
    csv = folder / "notebook/check/working/submission.csv"
    assert csv.read_bytes() == submission(folder).read_bytes()
