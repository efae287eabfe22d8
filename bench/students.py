"""Plots batch-wise F1 by epoch of the students' two systems on synthetic cells.

    python bench/students.py FOLDER [--epochs 20] [--out docs/students.png]

Both recipes unchanged but small and short: 75 pixels, no ImageNet weights and hence no frozen
epochs, 20 steps per epoch, and the students' split, a random fifth of the rows for validation. The
curves are micro-F1 on batches, as the students reported, not the competition's macro-F1. The table
adds the macro-F1 at their threshold, a probability of 0.2.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from places import cells_in

from kit.competitions.cells import cells
from kit.competitions.exact import decide
from kit.competitions.metrics import batch_f1, macro_f1
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say
from kit.data.predictions import read_predictions
from kit.data.runs import Run
from kit.recipes import recipes
from kit.recipes.base import with_settings

SYSTEMS = ("inceptionresnetv2", "vgg16")
SETTINGS = ("size=75", "weights=none", "frozen_epochs=0", "steps=20")
CUT = 0.2


def train_both(folder: Path, epochs: int) -> tuple[Workspace, list[Run]]:
    """Train both systems on 80% of the cells."""
    from kit.training.train import train

    workspace = cells_in(folder, 5, "random")
    runs = []
    for name in SYSTEMS:
        recipe = with_settings(recipes.get(name), [*SETTINGS, f"epochs={epochs}"])
        runs.append(train(cells, workspace, recipe, [0], reporter=TERMINAL))
    return workspace, runs


def draw(runs: list[Run], out: Path) -> None:
    """Plot batch-wise F1 in training and validation by epoch, one panel per system."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(runs), figsize=(9, 3.2), sharey=True, layout="constrained")
    for axis, run, name in zip(axes, runs, SYSTEMS, strict=True):
        with run.files.fold(0).log.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        epochs = [int(line["epoch"]) + 1 for line in lines]
        for key, label in (("batch_f1", "training"), ("val_batch_f1", "validation")):
            axis.plot(epochs, [float(line[key]) for line in lines], label=label)
        axis.set(title=name, xlabel="epoch", ylim=(0, 1))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("batch-wise F1 (micro)")
    axes[0].legend()
    figure.savefig(out, dpi=110)


def main() -> None:
    """Train, plot, and print both scores of each system."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder for cells and runs")
    parser.add_argument("--epochs", type=int, default=20, help="each of 20 steps of 10 images")
    parser.add_argument("--out", type=Path, default=Path("docs/students.png"))
    asked = parser.parse_args()
    workspace, runs = train_both(asked.folder, asked.epochs)
    draw(runs, asked.out)
    table = cells.read_labels(workspace.source)
    say("| | batch-wise F1 at 0.5 | batch-wise F1 at 0.2 | macro-F1 at 0.2 |")
    say("|---|---|---|---|")
    for name, run in zip(SYSTEMS, runs, strict=True):
        oof = read_predictions(run.files.fold(0).oof, cells.class_keys)
        labels = table.of(oof.ids)
        half, fifth = (decide(oof.probs, np.full(labels.shape[1], cut)) for cut in (0.5, CUT))
        batch = recipes.get(name).batch
        scores = (
            batch_f1(labels, half, batch),
            batch_f1(labels, fifth, batch),
            macro_f1(labels, fifth),
        )
        say(f"| {name} | " + " | ".join(f"{score:.3f}" for score in scores) + " |")
    say(f"Wrote {asked.out}")


if __name__ == "__main__":
    main()
