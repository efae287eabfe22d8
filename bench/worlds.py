"""Does the printed interval hold in worlds that are not kind? `python bench/worlds.py`.

    python bench/worlds.py [--competitions 30] [--only KIND --only KIND] [--oof DIR] [--out FILE]

A kind of world is a small competition: 3,000 rows, 1,500 test rows, 28 classes with the frequencies
of the real one but at least 12 positives, four models on five folds, 30% of a score's noise from
the model of its fold. Each kind changes some of this. For every kind, several fresh competitions
are drawn, each determined by its number; `auto` is compared with common practice, and its promise
with the score on the test set. With `--oof`, a folder as in `bench/thresholds.py` with the test
predictions of each fold's model in `NAME.test0.parquet` and so on, every real model and their blend
are promised twice: with those, and with their average. Tables are Markdown.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm, rankdata
from simulated import CLASSES, RATES

from kit.competitions.exact import decide
from kit.competitions.hpa import hpa
from kit.competitions.metrics import macro_f1
from kit.core.disk import write_text
from kit.core.parallel import on_all_cores
from kit.core.terminal import TERMINAL, say
from kit.data.predictions import read_predictions, to_logits, to_probs
from kit.ensemble import Decision, Members, Unseen, fit_decision
from kit.ensemble.thresholds import exact
from kit.stages.tune import read_fold_table

LEAST_POSITIVES = 12
# Classes are rare, and may be more frequent on the test set, below this share of the rows.
RARE = 0.02

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A kind of competition.

    `own` is the share of the noise's variance that is a fold model's own, `strength` the shift of a
    measurement by its label, in standard deviations of the noise, which `heavy` draws from
    Student's t with 4 degrees of freedom. `one_file`: test probabilities arrive as the mean over
    the folds. `shape` changes the scores. Of the first model, `leaked` shifts the out-of-fold
    measurements of positives, and the labels of a share `memorised` of the rows are known to it.
    A share `twins` of the rows copy the labels of another row and most of its noise; `grouped`
    keeps them in a fold. Rare classes are `rare_times` as frequent on the test set. The rarest
    `scarce` classes have three positives.
    """

    models: int = 4
    folds: int = 5
    own: float = 0.3
    strength: float = 2.0
    heavy: bool = False
    one_file: bool = False
    shape: str = ""
    leaked: float = 0.0
    memorised: float = 0.0
    twins: float = 0.0
    grouped: bool = False
    rare_times: float = 1.0
    scarce: int = 0
    rows: int = 3000
    test_rows: int = 1500


KINDS = {
    "friendly": World(),
    "one averaged test file": World(one_file=True),
    "squashed into 0.3 to 0.5": World(shape="squashed"),
    "the same, one file": World(shape="squashed", one_file=True),
    "tripled logits": World(shape="tripled"),
    "ranks": World(shape="ranks"),
    "votes of ten": World(shape="votes"),
    "0 or 1 with noise": World(shape="binary"),
    "float16": World(shape="float16"),
    "a strong leak": World(leaked=2.5),
    "a mild leak": World(leaked=0.3),
    "a mild leak, one file": World(leaked=0.3, one_file=True),
    "memorised rows": World(memorised=0.4),
    "undeclared twins": World(twins=0.3),
    "twins as groups": World(twins=0.3, grouped=True),
    "rare classes twice as common": World(rare_times=2.0),
    "two folds": World(folds=2),
    "eight classes with three positives": World(scarce=8),
    "heavy tails": World(heavy=True),
    "heavy tails, one file": World(heavy=True, one_file=True),
    "80% own noise": World(own=0.8),
    "80% own noise, one file": World(own=0.8, one_file=True),
    "weak models": World(strength=1.2),
    "forty members": World(models=40),
}


@dataclass(frozen=True)
class Drawn:
    """One competition: what the kit sees, and the labels of the test set."""

    members: Members
    unseen: Unseen
    test_labels: NDArray[np.uint8]


def draw(world: World, seed: int) -> Drawn:
    """One competition of a kind, determined by the seed."""
    rng = np.random.default_rng(seed)
    rates = np.maximum(RATES, LEAST_POSITIVES / world.rows)
    rates[np.argsort(rates, kind="stable")[: world.scarce]] = 3 / world.rows
    strength = np.clip(rng.normal(world.strength, 0.4, CLASSES), 0.8, None)
    strength = (strength * rng.uniform(0.85, 1.1, (world.models, CLASSES)))[:, None]
    labels = draw_labels(rng, rates, world.rows)
    more = np.where(rates < RARE, world.rare_times, 1.0)
    test_labels = draw_labels(rng, rates * more, world.test_rows)
    (noise,) = draw_noise(rng, world, world.rows, 1)
    copies = int(world.twins * world.rows)
    twin = np.arange(world.rows)
    twin[world.rows - copies :] = rng.integers(0, world.rows - copies, copies)
    labels = labels[twin]
    noise = np.where(
        (twin != np.arange(world.rows))[:, None],
        np.sqrt(0.8) * noise[:, twin] + np.sqrt(0.2) * noise,
        noise,
    )
    group = twin if world.grouped else np.arange(world.rows)
    fold = deal(rng, labels, group, world.folds, rates)
    known = _known(rng, world, labels, twin, fold)

    def odds(measured: Scores) -> Scores:
        return strength * measured - strength**2 / 2 + np.log(rates / (1 - rates))

    train = odds(strength * labels + noise + known)
    tests = [
        odds(strength * test_labels + one)
        for one in draw_noise(rng, world, world.test_rows, world.folds)
    ]
    shaped = [reshape(rng, world.shape, one).astype(np.float32) for one in (train, *tests)]
    number = np.unique(group, return_inverse=True)[1]
    names = tuple(f"model{position}" for position in range(world.models))
    keys = tuple(map(str, range(CLASSES)))
    members = Members(np.arange(world.rows), labels, fold, number, shaped[0], names, keys)
    by_fold = tuple(shaped[1:])
    if world.one_file:
        by_fold = (np.stack(by_fold).mean(axis=0, dtype=np.float64).astype(np.float32),)
    return Drawn(members, Unseen(np.arange(world.test_rows), by_fold), test_labels)


def draw_labels(rng: np.random.Generator, rates: Scores, rows: int) -> NDArray[np.uint8]:
    """Labels at these rates, (rows, classes), that occur together as in every competition."""
    together = 0.35 * np.random.default_rng(0).normal(size=(CLASSES, 4))
    drive = rng.normal(size=(rows, 4)) @ together.T + rng.normal(size=(rows, CLASSES))
    drive /= np.sqrt((together**2).sum(axis=1) + 1)
    return (drive > norm.isf(rates)).astype(np.uint8)


def draw_noise(rng: np.random.Generator, world: World, rows: int, models: int) -> list[Scores]:
    """The noise of each fold's model, (members, rows, classes); half of the rest is common."""

    def law(members: int) -> Scores:
        shape = (members, rows, CLASSES)
        return rng.standard_t(4, shape) / np.sqrt(2) if world.heavy else rng.normal(size=shape)

    rest = np.sqrt(0.5) * (law(1) + law(world.models))
    return [
        np.sqrt(1 - world.own) * rest + np.sqrt(world.own) * law(world.models)
        for _ in range(models)
    ]


def deal(
    rng: np.random.Generator,
    labels: NDArray[np.uint8],
    group: NDArray[np.int64],
    folds: int,
    rates: Scores,
) -> NDArray[np.int64]:
    """Assign groups to folds round-robin, those with the rarest label first: (rows,)."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    rarest = np.where(labels[first] > 0, rates, 2.0).min(axis=1)
    order = np.lexsort((rng.random(len(first)), rarest))
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % folds
    dealt: NDArray[np.int64] = fold[inverse]
    return dealt


def _known(
    rng: np.random.Generator,
    world: World,
    labels: NDArray[np.uint8],
    twin: NDArray[np.int64],
    fold: NDArray[np.int64],
) -> Scores:
    """By how much out-of-fold measurements know the labels, (members, rows, classes)."""
    known = np.zeros((world.models, *labels.shape))
    known[0] += world.leaked * labels
    remembered = rng.random(world.rows) < world.memorised
    known[0, remembered] += 2.5 * (labels[remembered] - 0.2)
    other = np.flatnonzero(twin != np.arange(world.rows))
    across = other[fold[other] != fold[twin[other]]]
    seen = np.union1d(across, twin[across])
    known[:, seen] += 1.5 * (labels[seen] - 0.1)
    return known


def reshape(rng: np.random.Generator, shape: str, odds: Scores) -> Scores:
    """Scores of a shape, from log-odds (members, rows, classes)."""
    probs = expit(odds)
    if shape == "squashed":
        return 0.3 + 0.2 * probs
    if shape == "tripled":
        return expit(3 * odds)
    if shape == "ranks":
        return rankdata(odds, axis=1) / (odds.shape[1] + 1)
    if shape == "votes":
        return rng.binomial(10, probs) / 10
    if shape == "binary":
        return np.clip(0.05 + 0.9 * (probs > 0.25) + 0.02 * rng.normal(size=odds.shape), 0, 1)
    return probs.astype(np.float16) if shape == "float16" else probs


@dataclass(frozen=True)
class Outcome:
    """What `auto` promised and got, and what common practice got."""

    expected: float
    interval: tuple[float, float]
    promised: bool
    left_out: int
    got: float
    common: tuple[float, float]

    @property
    def kept(self) -> bool:
        return self.interval[0] <= self.got <= self.interval[1]


def compete(kind: str, seed: int) -> Outcome:
    """Fit `auto` and common practice to one competition, and grade both."""
    drawn = draw(KINDS[kind], seed)
    made = fit_decision(drawn.members, drawn.unseen).decision
    return grade(made, drawn.members, drawn.unseen, drawn.test_labels)


def grade(made: Decision, members: Members, unseen: Unseen, labels: NDArray[np.uint8]) -> Outcome:
    """Compare with the means of logits and of probabilities under exact thresholds."""
    common = []
    for in_logits in (True, False):
        mean = _mean_of_logits if in_logits else _mean_of_probs
        thresholds = exact(members.with_probs(mean(members.probs[None])))
        common.append(macro_f1(labels, decide(mean(np.stack(unseen.by_fold)), thresholds)))
    return Outcome(
        made.expected,
        made.interval,
        made.promised,
        len(made.left_out),
        macro_f1(labels, made.decide(unseen)),
        (common[0], common[1]),
    )


def _mean_of_logits(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    return to_probs(to_logits(probs).mean(axis=(0, 1)))


def _mean_of_probs(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    return probs.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)


def as_table(rows: dict[str, list[Outcome]]) -> str:
    """Markdown: one line per kind, averaged over its competitions."""
    lines = [
        "| world | `auto` | against common practice | promised | held | expected minus test | "
        "members left out |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, outcomes in rows.items():
        got = np.mean([one.got for one in outcomes])
        common = max(np.mean([one.common for one in outcomes], axis=0))
        promised = [one for one in outcomes if one.promised]
        held = f"{sum(one.kept for one in promised)} of {len(promised)}" if promised else "-"
        off = [one.expected - one.got for one in promised]
        error = f"{np.mean(off):+.4f}" if promised else "-"
        left_out = np.mean([one.left_out for one in outcomes])
        lines.append(
            f"| {name} | {got:.4f} | {got - common:+.4f} | {len(promised)} of {len(outcomes)} | "
            f"{held} | {error} | {left_out:.2f} |"
        )
    return "\n".join(lines)


def real_models(folder: Path) -> str:
    """Markdown: each real model and their blend, promised by fold and by the averaged file."""
    truth = hpa.label_format.read(folder / "train.csv", hpa.class_keys)
    solution = hpa.label_format.read(folder / "solution.csv", hpa.class_keys)
    names = sorted(path.name.removesuffix(".oof.parquet") for path in folder.glob("*.oof.parquet"))

    def read(name: str, kind: str) -> NDArray[np.float32]:
        path = folder / f"{name}.{kind}.parquet"
        return read_predictions(path, hpa.class_keys).take(solution.ids).probs

    lines = [
        "| model | test predictions | expected | 95% CI | promised | test score |",
        "|---|---|---|---|---|---|",
    ]
    for chosen in (*((name,) for name in names), tuple(names)):
        oofs = [read_predictions(folder / f"{one}.oof.parquet", hpa.class_keys) for one in chosen]
        oofs = [read_fold_table(one.take(truth.ids), folder / "folds.csv")[0] for one in oofs]
        assert oofs[0].fold is not None
        row = np.arange(len(truth.ids))
        members = Members(
            row,
            truth.labels,
            oofs[0].fold,
            row,
            np.stack([one.probs for one in oofs]),
            chosen,
            hpa.class_keys,
        )
        files = {"one a fold": [f"test{fold}" for fold in range(5)], "averaged": ["test"]}
        for title, kinds in files.items():
            by_fold = tuple(np.stack([read(one, kind) for one in chosen]) for kind in kinds)
            unseen = Unseen(np.arange(len(solution.ids)), by_fold)
            made = fit_decision(members, unseen, reporter=TERMINAL).decision
            score = macro_f1(solution.labels, made.decide(unseen))
            low, high = made.interval
            least = "at least " if made.worth.score.at_least else ""
            lines.append(
                f"| {', '.join(chosen)} | {title} | {least}{made.expected:.4f} | {low:.3f} to "
                f"{high:.3f} | {'yes' if made.promised else 'no'} | {score:.4f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Draw, fit, grade; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--competitions", type=int, default=30, help="of each kind")
    parser.add_argument("--only", action="append", choices=list(KINDS))
    parser.add_argument("--first", type=int, default=1000, help="number of the first one")
    parser.add_argument("--oof", type=Path, help="folder with a small real competition")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    asked = parser.parse_args()
    tables: list[Callable[[], str]] = []
    rows: dict[str, list[Outcome]] = {}
    for kind in asked.only or KINDS:
        seeds = range(asked.first, asked.first + asked.competitions)
        rows[kind] = on_all_cores(kind, partial(compete, kind), seeds, 10**6, TERMINAL)
        say(as_table({kind: rows[kind]}).splitlines()[-1])
        if asked.out is not None:
            write_text(asked.out, as_table(rows) + "\n")
    tables.append(lambda: as_table(rows))
    if asked.oof is not None:
        tables.append(partial(real_models, asked.oof))
    texts = [make() for make in tables]
    for text in texts:
        for line in (*text.splitlines(), ""):
            say(line)
    if asked.out is not None:
        write_text(asked.out, "\n\n".join(texts) + "\n")


if __name__ == "__main__":
    main()
