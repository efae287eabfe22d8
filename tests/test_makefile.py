"""The Makefile: the four commands of the README on data as the download is, and the tests."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kit.competitions.cells import generate_cells

ROOT = Path(__file__).parent.parent


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `make` with the kit's Makefile in another folder, by the Python that runs the tests."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    for name in ("KIT_DATA", "KIT_RUNS", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        environment.pop(name, None)
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", "setup", f"KIT={sys.executable} -m kit"]
    return subprocess.run(
        [*command, *words], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/hpa` as it is after the download: two tables and two archives."""
    folder = tmp_path_factory.mktemp("competition")
    source = folder / "data" / "hpa"
    generate_cells(source, seed=3, n_train=60, n_test=10, size=32)
    for split in ("train", "test"):
        with zipfile.ZipFile(source / f"{split}.zip", "w") as archive:
            for png in sorted((source / split).iterdir()):
                archive.write(png, png.name)
                png.unlink()
        (source / split).rmdir()
    return folder


def test_test_all_and_the_checks_before_a_change_lands_run_every_test_once() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--old-file=setup", "test", "test-all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r" -m pytest .* -m (.+)", done.stdout) == ['"not slow"', "slow"]
    assert "\nmake test test-all " in (ROOT / ".ci" / "run").read_text()


def test_folds_train_blend_submit(competition: Path) -> None:
    folds = make(competition, "folds")
    assert folds.returncode == 0, folds.stderr
    assert (competition / "folds" / "hpa.csv").exists()

    train = make(competition, "train", "MODEL=convnet", "SIZE=32", "SET=epochs=1 batch=8")
    assert train.returncode == 0, train.stderr
    assert train.stdout.count("epoch 1/1") == 5

    blend = make(competition, "blend")
    assert blend.returncode == 0, blend.stderr
    (csv,) = (competition / "submissions").glob("hpa-*.csv")
    assert csv.read_text().startswith("Id,Predicted\n")

    # Without an account all is checked and nothing is sent.
    submit = make(competition, "submit", f"NAME={csv.stem.removeprefix('hpa-')}", "MESSAGE=a b")
    assert "kit: No Kaggle credentials." in submit.stderr
    assert re.search(rf"{csv.name}, \d+ bytes, for Human Protein Atlas", submit.stdout)

    for word in ("ledger", "status", "report"):
        assert make(competition, word).returncode == 0
