"""Writes the files that this version of the kit makes: `python tests/make_formats.py FOLDER`.

It is run once for each version of a format, and what it wrote is kept, to be opened by all later
versions. It uses the command line wherever that makes the file.
"""

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from kit.cli import main
from kit.competitions.base import Grades
from kit.core.disk import csv_text, digest_file, write_text
from kit.core.paths import Workspace
from kit.submission.grade import keep_grades
from kit.submission.record import Elsewhere, Upload, save_elsewhere, save_upload

HERE = Path(__file__).parent
CLASSES = ("circle", "square", "star")
TRAIN, TEST = 24, 6
# The recipe of the run: what `kit train` is given, here and where the run is found again.
TRAINED = (
    *("train", "convnet", "--competition", "shapes.py", "--size", "16"),
    *("--set", "epochs=1", "--set", "batch=4", "--set", "sampling=none", "--set", "keep=last"),
    *("--set", "augment=symmetries+gain(0.2)", "--set", "loss=0.5*focal+0.5*lovasz"),
)
# Weights and the images of the training rows are large, and nothing here needs them.
LEFT_OUT = ("*.h5", "events.*", "train.npy", "train.ids.csv", "train.meta.json", "report.html")


def draw(data: Path) -> None:
    """Write thirty pictures and their tables: red, green or blue where a class holds."""
    rng = np.random.Generator(np.random.PCG64(0))
    labels = rng.random((TRAIN + TEST, 3)) < 0.4
    names = [f"train{row:02d}" for row in range(TRAIN)] + [f"test{row}" for row in range(TEST)]
    for name, held, strength in zip(names, labels, rng.integers(80, 250, (30, 3)), strict=True):
        image = np.full((16, 16, 3), 20, np.uint8)
        image[4:12, 4:12] = np.where(held, strength, 40)
        path = data / ("train" if name.startswith("train") else "test") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])
    rows = [
        (name, " ".join(np.array(CLASSES)[held]))
        for name, held in zip(names[:TRAIN], labels, strict=False)
    ]
    write_text(data / "labels.csv", csv_text([("image", "shapes"), *rows]))
    sample = [(name, 0, 0, 0) for name in names[TRAIN:]]
    write_text(data / "sample.csv", csv_text([("image", *CLASSES), *sample]))


def predict(path: Path, names: list[str], seed: int) -> None:
    """Write predictions from elsewhere for these ids."""
    values = np.random.Generator(np.random.PCG64(seed)).random((len(names), 3)).round(3)
    rows = [(name, *row) for name, row in zip(names, values.tolist(), strict=True)]
    write_text(path, csv_text([("Id", *CLASSES), *rows]))


def record(workspace: Workspace) -> None:
    """Write the records of a submission as if Kaggle had scored it."""
    (name,) = workspace.submission_names()
    files = workspace.submission(name)
    upload = Upload(
        competition="shapes",
        mark="kit-0123456789ab",
        csv_digest=digest_file(files.csv),
        file_name=files.csv.name,
        description="two runs",
        begun=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        step="complete",
        made_of=("convnet", "other"),
        estimate=None,
        ref=1000,
        public=0.5,
        private=0.25,
    )
    save_upload(files, upload)
    keep_grades(files, upload.csv_digest, Grades(0.5, 0.25))
    by_hand = Elsewhere(
        ref=77,
        file_name="by_hand.csv",
        description="",
        date=datetime(2025, 1, 2),
        status="COMPLETE",
        public=0.75,
        private=None,
    )
    save_elsewhere(workspace, "shapes", [by_hand])


def make(folder: Path) -> None:
    """Write folds, two runs, a blend and a submission with its records into a new folder."""
    folder.mkdir(parents=True)
    shutil.copyfile(HERE / "shapes.py", folder / "shapes.py")
    os.chdir(folder)
    draw(Path("data/shapes"))
    predict(Path("oof.csv"), [f"train{row:02d}" for row in range(TRAIN)], 1)
    predict(Path("test.csv"), [f"test{row}" for row in range(TEST)], 2)
    here = ("--competition", "shapes.py")
    for command in (
        ("folds", *here, "--n", "2"),
        TRAINED,
        ("import-predictions", "other", *here, "--oof", "oof.csv", "--test", "test.csv"),
        ("blend", *here),
    ):
        sys.argv = ["kit", *command]
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise
    record(Workspace.of("shapes"))
    for pattern in LEFT_OUT:
        for path in Path().rglob(pattern):
            path.unlink()


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
