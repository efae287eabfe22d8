"""Test scores of threshold policies, and coverage of the expected score's interval.

    python bench/thresholds.py --oof DIR      every protocol; without --oof all but (a) and (b)
    python bench/thresholds.py --only c       one of them: a, b, c, d or promises

Protocols: (a) a small version of a real competition: DIR with `train.csv`, `folds.csv`,
`solution.csv`, and for each model `NAME.oof.parquet` and `NAME.test.parquet`; (b) its out-of-fold
rows split at random into halves twenty times, fitted on one half and scored on the other; (c)
simulated competitions of the real one's size, with normal and with heavy-tailed noise, and a fresh
test set; (d) the same with test scores averaged over five models, each with its own noise;
`promises`: coverage of the interval. All seeded.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated import Kind, Simulated, simulate

from kit.competitions.exact import decide
from kit.competitions.hpa import hpa
from kit.competitions.metrics import macro_f1
from kit.core.disk import write_text
from kit.core.parallel import on_all_cores
from kit.core.terminal import TERMINAL, say
from kit.data.predictions import mean_of_logits, read_predictions
from kit.ensemble.evaluate import Choices, HeldOutFold, choose_policy, estimate
from kit.ensemble.thresholds import find_policies, find_policy
from kit.scores import choose_transfer
from kit.scores.oof import Sample
from kit.stages.tune import read_fold_table

OTHERS = ("fixed=0.5", "fixed=0.2", "constant", "exact", "class-rate", "scaled=0.7")
AUTO = find_policies("auto")
HALVES, WORLDS, AVERAGED_WORLDS, PROMISES = 20, 10, 6, 100

Scores = dict[str, float]


@dataclass(frozen=True)
class Real:
    """One model, or the blend, on the small version of the real competition."""

    name: str
    sample: Sample
    test_labels: NDArray[np.uint8]
    test: NDArray[np.float32]


def read_real(folder: Path) -> Iterator[Real]:
    """Every model in the folder, and the mean of their logits."""
    truth = hpa.label_format.read(folder / "train.csv", hpa.class_keys)
    solution = hpa.label_format.read(folder / "solution.csv", hpa.class_keys)
    models = {}
    for path in sorted(folder.glob("*.oof.parquet")):
        name = path.name.removesuffix(".oof.parquet")
        oof = read_predictions(path, hpa.class_keys).take(truth.ids)
        test = read_predictions(folder / f"{name}.test.parquet", hpa.class_keys)
        models[name] = (oof, test.take(solution.ids))
    blended = [mean_of_logits(side) for side in zip(*models.values(), strict=True)]
    models["blend"] = (blended[0], blended[1])
    for name, (oof, test) in models.items():
        oof, _ = read_fold_table(oof, folder / "folds.csv")
        assert oof.fold is not None
        ids = np.array(oof.ids, dtype=object)
        sample = Sample(ids, truth.labels, oof.fold, np.arange(len(ids)), oof.probs)
        yield Real(name, sample, solution.labels, test.probs)


def on_the_test_set(real: Real) -> Scores:
    """Protocol (a): fitted on all out-of-fold rows, scored on the held-out test set."""
    scores = {title: _plain(title, real.sample, real.test, real.test_labels) for title in OTHERS}
    transfer = choose_transfer("auto", real.sample, real.test)
    averaged = transfer.averaged(real.sample)
    thresholds = choose_policy(averaged, AUTO).fit(averaged)
    thresholds = transfer.carry(thresholds, averaged, real.test)
    return {**scores, "auto": macro_f1(real.test_labels, decide(real.test, thresholds))}


def on_the_other_half(job: tuple[Real, int]) -> Scores:
    """Protocol (b): fitted on a random half of the out-of-fold rows, scored on the other half."""
    real, seed = job
    order = np.random.default_rng(seed).permutation(len(real.sample.labels))
    half = order < len(order) // 2
    fit, other = real.sample.only(half), real.sample.only(~half)
    titles = [*OTHERS, choose_policy(fit, AUTO).title]
    scores = [_plain(title, fit, other.probs, other.labels) for title in titles]
    return dict(zip([*OTHERS, "auto"], scores, strict=True))


def on_fresh_rows(job: tuple[Kind, int]) -> Scores:
    """Protocols (c) and (d): fitted out of fold, scored on a fresh test set.

    `auto` applies its thresholds to the mean of logits and fits them on scores with the variance
    of averaged scores; the others use the mean of probabilities, as is common practice.
    """
    world = simulate(*job)
    mean = world.mean_of_probs()
    scores = {title: _plain(title, world.sample, mean, world.test_labels) for title in OTHERS}
    averaged = _as_averaged(world)
    thresholds = choose_policy(averaged, AUTO).fit(averaged)
    decided = decide(world.mean_of_logits(), thresholds)
    return {**scores, "auto": macro_f1(world.test_labels, decided)}


@dataclass(frozen=True)
class Promise:
    """The expected score and its interval, and the graded score."""

    expected: float
    interval: tuple[float, float]
    score: float

    @property
    def kept(self) -> bool:
        return self.interval[0] <= self.score <= self.interval[1]


def promise(job: tuple[Kind, int]) -> Promise:
    """Estimate one simulated competition by nested cross-fitting, then grade it."""
    world = simulate(*job)
    averaged = _as_averaged(world)
    rows = len(world.test_labels)
    folds = _hold_each_out(world.sample, averaged)
    around = estimate(world.sample, folds, Choices(AUTO), rows).around
    thresholds = choose_policy(averaged, AUTO).fit(averaged)
    score = macro_f1(world.test_labels, decide(world.mean_of_logits(), thresholds))
    return Promise(around.mean, around.macro, score)


def _hold_each_out(sample: Sample, averaged: Sample) -> list[HeldOutFold]:
    """Each fold, and the others; nothing but thresholds is fitted to these scores."""
    held_out = []
    for fold in sample.folds:
        inside = sample.fold == fold
        both = (sample, averaged)
        rows, averaged_rows = (one.only(inside) for one in both)
        others, averaged_others = (one.only(~inside) for one in both)
        held_out.append(HeldOutFold(inside, rows, others, averaged_rows, averaged_others))
    return held_out


def _plain(
    title: str, sample: Sample, probs: NDArray[np.float32], labels: NDArray[np.uint8]
) -> float:
    return macro_f1(labels, decide(probs, find_policy(title).fit(sample)))


def _as_averaged(world: Simulated) -> Sample:
    if len(world.tests) == 1:
        return world.sample
    return choose_transfer("auto", world.sample, world.mean_of_logits(), world.tests).averaged(
        world.sample
    )


def mean_scores(each: Sequence[Scores]) -> Scores:
    """The mean of each column."""
    return {title: float(np.mean([scores[title] for scores in each])) for title in each[0]}


def protocol_a(folder: Path) -> dict[str, Scores]:
    return {f"(a) {real.name}, test set": on_the_test_set(real) for real in read_real(folder)}


def protocol_b(folder: Path) -> dict[str, Scores]:
    rows = {}
    for real in read_real(folder):
        jobs = [(real, seed) for seed in range(HALVES)]
        halves = on_all_cores(f"(b) {real.name}", on_the_other_half, jobs, 10**6, TERMINAL)
        rows[f"(b) {real.name}, {HALVES} halves"] = mean_scores(halves)
    return rows


def protocol_c() -> dict[str, Scores]:
    return _worlds("(c)", WORLDS, (0.0,))


def protocol_d() -> dict[str, Scores]:
    return _worlds("(d)", AVERAGED_WORLDS, (0.3, 0.5, 0.8))


def _worlds(letter: str, count: int, shares: Sequence[float]) -> dict[str, Scores]:
    rows = {}
    for own in shares:
        for heavy in (False, True):
            name = f"{letter} {'heavy-tailed' if heavy else 'normal'} noise, {count} worlds"
            if own:
                name += f", {own:.0%} model-specific"
            jobs = [(Kind(heavy=heavy, own=own), seed) for seed in range(count)]
            rows[name] = mean_scores(on_all_cores(name, on_fresh_rows, jobs, 10**6, TERMINAL))
    return rows


def promises() -> dict[str, list[Promise]]:
    """A hundred competitions without groups and a hundred with, half of each with heavy tails."""
    found: dict[str, list[Promise]] = defaultdict(list)
    for grouped in (False, True):
        kinds = [Kind(heavy=seed % 4 >= 2, grouped=grouped) for seed in range(PROMISES)]
        jobs = [(kind, 1000 + seed) for seed, kind in enumerate(kinds)]
        name = "rows in groups of four on average" if grouped else "independent rows"
        found[name] = on_all_cores(f"promises, {name}", promise, jobs, 10**6, TERMINAL)
    return found


def as_table(rows: dict[str, Scores]) -> str:
    """Markdown: one line per protocol, the best score in bold."""
    titles = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, scores in rows.items():
        best = max(scores.values())
        cells = [f"**{one:.4f}**" if one == best else f"{one:.4f}" for one in scores.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def promises_as_table(found: dict[str, list[Promise]]) -> str:
    """Markdown: coverage of the interval, and the error of the expected score."""
    lines = [
        "| | covered | expected minus score, mean | standard deviation | mean interval width |",
        "|---|---|---|---|---|",
    ]
    for name, each in found.items():
        off = np.array([one.expected - one.score for one in each])
        width = np.mean([one.interval[1] - one.interval[0] for one in each])
        kept = sum(one.kept for one in each)
        figures = f"{off.mean():+.4f} | {off.std():.4f} | {width:.4f}"
        lines.append(f"| {name} | {kept} of {len(each)} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Run the selected protocols; print their tables and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oof", type=Path, help="folder with a small real competition")
    parser.add_argument("--only", choices=["a", "b", "c", "d", "promises"])
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    asked = parser.parse_args()
    protocols: dict[str, Callable[[], str]] = {
        "c": lambda: as_table(protocol_c()),
        "d": lambda: as_table(protocol_d()),
        "promises": lambda: promises_as_table(promises()),
    }
    if asked.oof is not None:
        protocols["a"] = lambda: as_table(protocol_a(asked.oof))
        protocols["b"] = lambda: as_table(protocol_b(asked.oof))
    wanted = sorted(protocols) if asked.only is None else [asked.only]
    tables = []
    for letter in wanted:
        tables.append(protocols[letter]())
        for line in (*tables[-1].splitlines(), ""):
            say(line)
    if asked.out is not None:
        write_text(asked.out, "\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
