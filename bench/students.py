"""Makes docs/students.md and its figures: both student projects, small and short, on cells.

    python bench/students.py [FOLDER] [--docs docs]

Trains the six recipes on the students' split in FOLDER (data/students by default), where a second
call resumes, and draws each of their figures with the kit's own commands. The text comes from
students.md next to this file; it says how the runs differ from the published ones. On two CPU cores
it takes under 20 minutes.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from kit.competitions.cells import cells
from kit.competitions.exact import decide, exact_thresholds
from kit.competitions.metrics import batch_f1, macro_f1
from kit.core.disk import write_text
from kit.core.paths import Workspace
from kit.data.predictions import read_predictions
from kit.data.run_files import EpochLog, load_progress
from kit.data.runs import Run, open_run

TEMPLATE = Path(__file__).with_suffix(".md")
SMALL = ("weights=none",)
# Recipe: settings that make it small and short.
REPORT = {
    "inceptionresnetv2": (*SMALL, "size=75", "steps=20", "frozen_epochs=2", "epochs=13"),
    "vgg16": (*SMALL, "size=75", "steps=20", "epochs=16"),
}
POSTER = {
    "convnet_rgb": ("size=64", "epochs=10"),
    "convnet_rgby": ("size=128", "epochs=6", "batch=16"),
    "xception": (*SMALL, "size=75", "epochs=3", "batch=8", "steps=110"),
    "gapnet": ("size=96", "epochs=25", "batch=20"),
}
CUT = 0.2  # the report's threshold

# Published: training F1, validation F1, training accuracy, validation accuracy; None where the
# report has no number.
PUBLISHED_REPORT = {
    "inceptionresnetv2": ("0.6379", "0.6862", "0.9652", "0.9675"),
    "vgg16": ("0.5043", None, "about 0.955", None),
}
# Published: training accuracy, validation accuracy, training loss, validation loss.
PUBLISHED_POSTER = {
    "convnet_rgb": ("simple convnet, RGB, 299 px", "0.122", "0.121", "0.8", "0.78"),
    "convnet_rgby": ("simple convnet, RGBY, 1024 px", "0.942", "0.9", "0.22", "0.21"),
    "xception": ("Xception, RGB, 299 px", "0.99", "0.96", "0.1", "0.02"),
    "gapnet": ("GapNet, RGBY, 700 px", "0.942", "0.94", "0.0219", "0.0218"),
}


@dataclass(frozen=True)
class Kit:
    """Runs the kit's commands on the cells in a folder."""

    folder: Path

    def __call__(self, *words: str) -> str:
        """The output of one command; stops the script if it fails."""
        print("kit", *words, file=sys.stderr)
        command = [sys.executable, "-m", "kit", *words]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KIT_")}
        done = subprocess.run(
            command, cwd=self.folder, env=plain, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout

    def workspace(self) -> Workspace:
        """The folders that the commands use."""
        return Workspace(
            source=self.folder / "data" / cells.name,
            stores=self.folder / "data" / cells.name / "store",
            runs=self.folder / "runs" / cells.name,
            folds=self.folder / "folds" / f"{cells.name}.csv",
            submissions=self.folder / "submissions",
        )


def train_all(kit: Kit) -> dict[str, Run]:
    """Make the cells and the students' split, and train every recipe on its first fold."""
    kit("data", "-c", "cells")
    # The competition has no groups; the cells do, and the students' split knew none.
    kit("folds", "-c", "cells", "--how", "random", "--seed", "101", "--groups", "none")
    runs = {}
    for name, settings in {**REPORT, **POSTER}.items():
        options = [word for setting in settings for word in ("--set", setting)]
        said = kit("train", name, "-c", "cells", "--folds", "0", *options)
        (run,) = re.findall(rf"{name}-\d+-[0-9a-f]{{8}}(?=$|: all requested folds)", said, re.M)
        runs[name] = open_run(kit.workspace(), run)
    return runs


def draw_all(kit: Kit, runs: dict[str, Run], figures: Path) -> dict[str, str]:
    """Draw every figure into a folder; returns the printed tables by name."""
    report = [runs[name].name for name in REPORT]
    poster = [runs[name].name for name in POSTER]
    figures.mkdir(parents=True, exist_ok=True)

    def draw(command: str, name: str, *words: str) -> str:
        return kit(command, *words, "-c", "cells", "--out", str(figures.resolve() / name))

    small = [word for setting in REPORT["inceptionresnetv2"] for word in ("--set", setting)]
    draw("look", "grid.png", "inceptionresnetv2", "--grid", "10x5", *small)
    draw("curves", "curves-report.png", *report)
    draw("curves", "curves-poster.png", *poster)
    draw("look", "channels.png", "--channels", first_id(kit))
    told = draw("look", "first-ten.png", *report, "--at", f"{CUT}", "--first", "10", "--as-trained")
    compared = draw("compare", "f1.png", *poster)
    for figure in figures.glob("*.png"):
        reduce_colours(figure)
    return {
        "first_ten": without_paths(told[told.index("10 training images") :], figures),
        "compared": without_paths(compared, figures),
        "summary": "\n\n".join(layers(kit("models", name, "--summary")) for name in REPORT),
    }


def without_paths(printed: str, figures: Path) -> str:
    """Printed tables without the paths of pictures, and without notes too long for the page."""
    lines = printed.splitlines()
    return "\n".join(one for one in lines if str(figures.resolve()) not in one and len(one) <= 80)


def reduce_colours(figure: Path) -> None:
    """Rewrite a PNG with 256 colours, which more than halves it: images compress badly."""
    with Image.open(figure) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    reduced.save(figure, optimize=True)


def first_id(kit: Kit) -> str:
    """The first image of the label table."""
    return cells.read_labels(kit.workspace().source).ids[0]


def layers(printed: str) -> str:
    """Keras' summary of a network, without the kit's tables around it."""
    lines = printed[printed.index("Model: ") :].splitlines()
    (end,) = (number for number, line in enumerate(lines) if "Non-trainable params:" in line)
    return "\n".join(lines[: end + 1])


def kept(run: Run) -> EpochLog:
    """The log line of the epoch that predicts, on the only fold."""
    state = load_progress(run.files.fold(0))
    assert state.best is not None
    return state.log[state.best]


def milliseconds(run: Run) -> str:
    """The time of a training step, all layers trainable; the median over epochs."""
    lines = load_progress(run.files.fold(0)).log[int(run.recipe["frozen_epochs"]) :]
    speed = float(np.median([line.samples_per_second for line in lines]))
    return f"{1000 * int(run.recipe['batch']) / speed:.0f}"


def report_rows(runs: dict[str, Run]) -> list[list[str]]:
    """Published and own scores of the report's two systems, a row per score."""
    titles = ("F1, training", "F1, validation", "accuracy, training", "accuracy, validation")
    keys = ("batch_f1", "val_batch_f1", "accuracy", "val_accuracy")
    rows = []
    for position, (title, key) in enumerate(zip(titles, keys, strict=True)):
        row = [title]
        for name, published in PUBLISHED_REPORT.items():
            value = published[position]
            row += [
                "not given" if value is None else value,
                f"{getattr(kept(runs[name]), key):.3f}",
            ]
        rows.append(row)
    extra = {
        "exact matches, training": "exact_match",
        "exact matches, validation": "val_exact_match",
        "loss, training": "loss",
        "loss, validation": "val_loss",
    }
    for title, key in extra.items():
        values = [f"{getattr(kept(runs[name]), key):.3f}" for name in PUBLISHED_REPORT]
        rows.append([title, *(cell for value in values for cell in ("not given", value))])
    return rows


def poster_rows(runs: dict[str, Run]) -> list[list[str]]:
    """Published and own scores of the poster's four systems, two rows per system."""
    rows = []
    for name, published in PUBLISHED_POSTER.items():
        line = kept(runs[name])
        own = (line.accuracy, line.val_accuracy, line.loss, line.val_loss)
        rows.append([f"{published[0]}, published", *published[1:]])
        rows.append(["the kit's run", *(f"{value:.3f}" for value in own)])
    return rows


def score_rows(kit: Kit, runs: dict[str, Run]) -> list[list[str]]:
    """What each system scores on all held-out rows, by F1 of several kinds."""
    table = cells.read_labels(kit.workspace().source)
    rows = []
    for name, run in runs.items():
        oof = read_predictions(run.files.fold(0).oof, cells.class_keys)
        labels = table.of(oof.ids)
        half, low = (decide(oof.probs, np.full(labels.shape[1], cut)) for cut in (0.5, CUT))
        scores = (
            batch_f1(labels, half, int(run.recipe["batch"])),
            batch_f1(labels, low, len(labels)),
            macro_f1(labels, low),
            exact_thresholds(labels, oof.probs).f1.mean(),
        )
        rows.append([f"`{name}`", *(f"{score:.3f}" for score in scores)])
    return rows


def facts(kit: Kit, runs: dict[str, Run]) -> dict[str, Any]:
    """The numbers of the page that come from the data and the runs."""
    held_out = read_predictions(runs["vgg16"].files.fold(0).oof, cells.class_keys)
    table = cells.read_labels(kit.workspace().source)
    sizes = [int(runs[name].recipe["size"]) for name in POSTER]
    return {
        "train_rows": f"{len(table.ids) - len(held_out.ids):,}",
        "val_rows": f"{len(held_out.ids):,}",
        "epochs": {name: len(load_progress(run.files.fold(0)).log) for name, run in runs.items()},
        "runs": {name: run.name for name, run in runs.items()},
        "poster_runs": [runs[name].name for name in POSTER],
        "poster_sizes": f"{', '.join(map(str, sizes[:-1]))} and {sizes[-1]} pixels",
        "channel_id": first_id(kit),
        "convnet": kept(runs["convnet_rgb"]),
        "milliseconds": {name: milliseconds(runs[name]) for name in REPORT},
        "empty_accuracy": 1 - table.of(held_out.ids).mean(),
        "report_rows": report_rows(runs),
        "poster_rows": poster_rows(runs),
        "score_rows": score_rows(kit, runs),
    }


def main() -> None:
    """Train, draw, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("data/students"), help="for cells and runs"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder for the page")
    asked = parser.parse_args()
    begun = time.monotonic()
    asked.folder.mkdir(parents=True, exist_ok=True)
    kit = Kit(asked.folder)
    runs = train_all(kit)
    printed = draw_all(kit, runs, asked.docs / "students")
    trained = sum(run.seconds() for run in runs.values())
    page = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined)
    text = page.render(
        **facts(kit, runs), **{name: text.rstrip().splitlines() for name, text in printed.items()}
    )
    write_text(asked.docs / "students.md", text + "\n")
    print(
        f"Wrote {asked.docs / 'students.md'} in {(time.monotonic() - begun) / 60:.1f} minutes, "
        f"{trained / 60:.1f} of them training."
    )


if __name__ == "__main__":
    main()
