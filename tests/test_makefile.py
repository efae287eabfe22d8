"""The four commands of the README, through the Makefile, on data laid out as the download is."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kit.competitions.cells import generate_cells

ROOT = Path(__file__).parent.parent


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `make` with the kit's Makefile in another folder, by the Python that runs the tests."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("KIT_DATA", None)
    environment.pop("KIT_RUNS", None)
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

    # The kit has no grader for the real competition: it checks the file and says how to upload.
    submit = make(competition, "submit")
    assert submit.returncode == 0
    upload = ".venv/bin/kaggle competitions submit -c human-protein-atlas-image-classification"
    assert f"type: {upload} -f submissions/{csv.name}" in submit.stdout

    for word in ("status", "report"):
        assert make(competition, word).returncode == 0
