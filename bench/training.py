"""Gains of oversampling, losses, averaged weights, views, sizes and blends on synthetic cells.

    python bench/training.py FOLDER [--seeds 3] [--epochs 16]

Trains the variants in `RUNS` of one small network, each with several seeds and the same number of
steps, and compares them in pairs: cross-fitted macro-F1, and mean F1 of the rarest classes. FOLDER
keeps cells and runs. Safe to interrupt; rerun to resume. Figures are differences between the two
sides; the 95% CI resamples seeds and groups of rows.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from places import cells_in

from kit.competitions.cells import cells
from kit.competitions.metrics import macro_f1
from kit.core.terminal import TERMINAL, say
from kit.data.folds import Folds, read_folds
from kit.data.predictions import to_logits, to_probs
from kit.data.runs import Run
from kit.ensemble.evaluate import judge
from kit.ensemble.interval import Counts
from kit.ensemble.thresholds import find_policy
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.scores.oof import Sample

FOLDS = 3
# Classes with a smaller share of the rows than this are rare.
RARE = 0.03
DRAWS = 2000

# All see the same number of images: 29 batches of 32 are one pass over two thirds of the rows.
SHARED = (
    *("sampling=none", "steps=29", "batch=32", "optimizer=adamw", "learning_rate=2e-3"),
    *("schedule=cosine", "warmup=0.1", "keep=last"),
)
SMALL = ("convnet", "size=64")
RUNS: Mapping[str, tuple[str, ...]] = {
    "plain": SMALL,
    "repeat": (*SMALL, "sampling=repeat"),
    "inverse": (*SMALL, "sampling=inverse"),
    "focal": (*SMALL, "loss=focal"),
    "asymmetric": (*SMALL, "loss=asymmetric"),
    "lovasz": (*SMALL, "loss=0.5*focal+0.5*lovasz"),
    "first": (*SMALL, "loss=14*focal+0.5*lovasz"),
    "ema": (*SMALL, "ema=0.98"),
    "views": (*SMALL, "tta=8"),
    "96 pixels": ("convnet", "size=96"),
    "gapnet": ("gapnet", "size=64", "dropout=0", "learning_rate=1.5e-3"),
}
# Comparisons: a title, then each side as runs to blend; `+1` means the next seed.
PAIRS: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    ("repeat-factor oversampling vs none", ["plain"], ["repeat"]),
    ("sampling by inverse frequency vs every row once", ["plain"], ["inverse"]),
    ("focal loss vs BCE", ["plain"], ["focal"]),
    ("asymmetric loss vs BCE", ["plain"], ["asymmetric"]),
    ("0.5 focal + 0.5 Lovász vs BCE", ["plain"], ["lovasz"]),
    ("focal summed over classes + Lovász (first place) vs BCE", ["plain"], ["first"]),
    ("averaged weights (EMA) vs last", ["plain"], ["ema"]),
    ("eight views (TTA) vs one", ["plain"], ["views"]),
    ("96 pixels vs 64", ["plain"], ["96 pixels"]),
    ("64 and 96 pixels blended vs 96", ["96 pixels"], ["plain", "96 pixels"]),
    (
        "64 and 96 pixels blended vs two seeds of 96",
        ["96 pixels", "96 pixels+1"],
        ["plain", "96 pixels"],
    ),
    ("three models blended vs the best of them", ["best"], ["plain", "96 pixels", "gapnet"]),
)


@dataclass(frozen=True)
class Bench:
    """Labels and folds of the training rows, and every run by name and seed."""

    labels: NDArray[np.uint8]
    folds: Folds
    group: NDArray[np.int64]
    runs: Mapping[tuple[str, int], Run]
    seeds: int

    def sample(self, names: Sequence[str], seed: int) -> Sample:
        """A sample with the mean logits of these runs; `+1` takes the next seed."""
        logits = []
        for name in names:
            base, _, step = name.partition("+")
            run = self.runs[base, (seed + int(step or 0)) % self.seeds]
            logits.append(to_logits(run.read_oof(cells).take(self.folds.ids).probs))
        probs = to_probs(np.mean(logits, axis=0))
        ids = np.array(self.folds.ids, dtype=object)
        return Sample(ids, self.labels, self.folds.fold, self.group, probs)

    def decisions(self, names: Sequence[str], seed: int) -> NDArray[np.uint8]:
        """Labels for every row by thresholds fitted on the other folds, (rows, classes)."""
        return judge(self.sample(names, seed), find_policy("fold-mean")).decisions

    def best_single(self, names: Sequence[str]) -> str:
        """The run with the best cross-fitted macro-F1, averaged over seeds."""

        def mean(name: str) -> float:
            scores = [
                macro_f1(self.labels, self.decisions([name], seed)) for seed in range(self.seeds)
            ]
            return float(np.mean(scores))

        return max(names, key=mean)


def train_all(folder: Path, seeds: int, epochs: int) -> Bench:
    """Draw the cells, fold them, and train every run with every seed."""
    # The trainer imports Keras; nothing else here does.
    from kit.training.predict_run import predict_run
    from kit.training.train import train

    workspace = cells_in(folder, FOLDS)
    runs: dict[tuple[str, int], Run] = {}
    for seed in range(seeds):
        for name, (recipe, *settings) in RUNS.items():
            everything = [*SHARED, *settings, f"epochs={epochs}", f"seed={seed}"]
            chosen = with_settings(recipes.get(recipe), everything)
            if chosen.tta > 1:
                runs[name, seed] = predict_run(
                    cells, workspace, runs["plain", seed].name, chosen.tta, TERMINAL
                )
            else:
                runs[name, seed] = train(cells, workspace, chosen, reporter=TERMINAL)
    table = cells.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table)
    group = np.unique(np.asarray(folds.group), return_inverse=True)[1].astype(np.int64)
    return Bench(table.of(folds.ids), folds, group, runs, seeds)


def compare(bench: Bench, first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The cells of one row: both scores of the first side, and the gain of the second."""
    sides = [
        [
            Counts.of(bench.labels, bench.decisions(names, seed), bench.group)
            for seed in range(bench.seeds)
        ]
        for names in (first, second)
    ]
    rare = bench.labels.mean(axis=0) < RARE
    lines = []
    for score in (np.mean, lambda f1: np.mean(f1[rare])):
        before, after = ([float(score(one.f1())) for one in side] for side in sides)
        low, high = _interval(sides, score)
        each = ", ".join(f"{b - a:+.3f}" for a, b in zip(before, after, strict=True))
        mean = np.mean(after) - np.mean(before)
        lines += [f"{np.mean(before):.3f}", f"{mean:+.3f} ({low:+.3f} to {high:+.3f})", each]
    return lines


def _interval(
    sides: Sequence[Sequence[Counts]], score: Callable[[NDArray[np.float64]], np.floating]
) -> tuple[float, float]:
    """95% CI of the difference in means, resampling seeds and groups jointly for both sides."""
    rng = np.random.Generator(np.random.PCG64(0))
    groups, seeds = len(sides[0][0].by_group), len(sides[0])
    differences = []
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(0, groups, groups), minlength=groups)[:, np.newaxis]
        drawn = rng.integers(0, seeds, seeds)
        first, second = (
            np.mean([score(Counts(side[seed].by_group * times).f1()) for seed in drawn])
            for side in sides
        )
        differences.append(second - first)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Train, compare, print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder for cells and runs")
    parser.add_argument("--seeds", type=int, default=3, help="training runs per variant")
    parser.add_argument("--epochs", type=int, default=16, help="passes over the training rows")
    asked = parser.parse_args()
    bench = train_all(asked.folder, asked.seeds, asked.epochs)
    rare = int((bench.labels.mean(axis=0) < RARE).sum())
    say(f"{len(bench.labels)} rows, {FOLDS} folds, {asked.seeds} seeds, {rare} rare classes")
    say("| | macro-F1 before | gain (95% CI) | per seed | rare F1 before | gain | per seed |")
    say("|---|---|---|---|---|---|---|")
    for title, first, second in PAIRS:
        named = [bench.best_single(second)] if list(first) == ["best"] else first
        shown = f"{title}, {named[0]}" if list(first) == ["best"] else title
        say(f"| {shown} | " + " | ".join(compare(bench, named, second)) + " |")


if __name__ == "__main__":
    main()
