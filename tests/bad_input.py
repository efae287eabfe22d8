"""A small finished competition to spoil, and how a command on it must refuse.

`prepare` makes it once: own.py, its data in d/, folds, two imported runs, a blend, and tables of
predictions. Nothing is trained, so it takes a second.
"""

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from command import kit

from kit.cli import main
from kit.core.disk import digest_file

COMPETITION = """\
from kit.competitions.base import Competition, OnKaggle
from kit.competitions.images import OneFile
from kit.competitions.tables import SpaceSeparated

own = Competition(
    name="own",
    title="Own",
    class_keys=("a", "b", "c"),
    class_names=("Alpha", "Beta", "Gamma"),
    channels=("red", "green", "blue"),
    images=OneFile("{id}.png"),
    label_table="train.csv",
    label_format=SpaceSeparated("image", "labels"),
    sample_table="sample.csv",
    id_column="image",
    answer_format=SpaceSeparated("image", "labels"),
    how_to_get_data="Make them.",
    kaggle=OnKaggle("own", ("train.csv",)),
)
"""
OWN = ("-c", "own.py")
KEYS = ("a", "b", "c")
TRAIN, TEST = 24, 6
# Variables that commands read; a case sets its own.
VARIABLES = (
    "KIT_DATA",
    "KIT_RUNS",
    "KAGGLE_API_TOKEN",
    "KAGGLE_USERNAME",
    "KAGGLE_KEY",
    "KAGGLE_CONFIG_DIR",
    "XDG_CONFIG_HOME",
)


def prepare(folder: Path, competition: str = COMPETITION, mark: str = "") -> None:
    """Make the competition in an empty folder; the ids of its images end in `mark`."""
    rng = np.random.default_rng(0)
    (folder / "own.py").write_text(competition)
    labels = rng.random((TRAIN, len(KEYS))) < 0.5
    train = [f"r{number:02d}{mark}" for number in range(TRAIN)]
    test = [f"t{number}{mark}" for number in range(TEST)]
    for split, ids in (("train", train), ("test", test)):
        (folder / "d" / split).mkdir(parents=True)
        for one in ids:
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / "d" / split / f"{one}.png"), pixels)
    cells = [" ".join(k for k, on in zip(KEYS, row, strict=True) if on) for row in labels]
    rows = [f"{one},{cell}" for one, cell in zip(train, cells, strict=True)]
    write_lines(folder / "d/train.csv", ["image,labels", *rows])
    write_lines(folder / "d/sample.csv", ["image,labels", *(f"{one},a" for one in test)])
    for name in ("x", "y"):
        for split, ids in (("oof", train), ("test", test)):
            probs = rng.random((len(ids), len(KEYS)))
            probs = 0.6 * labels + 0.4 * probs if split == "oof" else probs
            table = pd.DataFrame(probs.round(4), columns=list(KEYS))
            table.insert(0, "Id", ids)
            table.to_csv(folder / f"{name}-{split}.csv", index=False)
    pd.read_csv(folder / "x-oof.csv").to_parquet(folder / "oof.parquet", index=False)
    kit(folder, "folds", *OWN, "--data", "d", "--n", "2")
    for name in ("x", "y"):
        files = ("--oof", f"{name}-oof.csv", "--test", f"{name}-test.csv")
        kit(folder, "import-predictions", name, *OWN, "--data", "d", *files)
    choices = ("--method", "mean", "--policy", "exact", "--transfer", "rates")
    kit(folder, "blend", *OWN, "--data", "d", "--name", "best", *choices)
    tuned = ("--oof", "oof.parquet", "--labels", "d/train.csv", "--folds", "folds/own.csv")
    kit(folder, "tune", *OWN, *tuned, "--policy", "exact", "--out", "decision.json")


def write_lines(path: Path, lines: list[str]) -> None:
    """Write lines as a text file."""
    path.write_text("\n".join(lines) + "\n")


# Words of a command that stand for several.
SHORT = {
    "DATA": "-c own.py --data d",
    "TUNE": "-c own.py --oof oof.parquet --labels d/train.csv --folds folds/own.csv "
    "--policy exact --out new.json",
    "SCORE": "-c own.py --predictions oof.parquet --labels d/train.csv",
}


def rows_of(table: str) -> list[tuple[str, str]]:
    """The rows `words | message` of a table."""
    rows = (line.partition(" | ") for line in table.splitlines() if line)
    return [(words, says) for words, _, says in rows]


def listing(folder: Path) -> dict[str, str]:
    """Every file and link below a folder: its digest, or where it points."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[str(path.relative_to(folder))] = digest_file(path)
    return found


@dataclass(frozen=True)
class Place:
    """A folder in which commands are refused."""

    folder: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def refusal(self, command: str) -> str:
        """The one line of a command that ends with status 2 and leaves every file as it was."""
        for short, words in SHORT.items():
            command = re.sub(rf"\b{short}\b", words, command)
        before = listing(self.folder)
        self.patch.setattr(sys, "argv", ["kit", *shlex.split(command)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        shown = self.capsys.readouterr()
        assert left.value.code == 2, (left.value.code, shown)
        assert shown.err.startswith("kit: "), shown.err
        assert shown.err.count("\n") == 1, shown.err
        assert listing(self.folder) == before
        return shown.err


def place_in(folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    """A place without credentials and without the variables that commands read."""
    patch.chdir(folder)
    patch.setenv("HOME", str(folder / "home"))
    for name in VARIABLES:
        patch.delenv(name, raising=False)
    return Place(folder, patch, capsys)
