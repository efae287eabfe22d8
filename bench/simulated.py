"""Simulated competitions without images: realistic labels, and scores of imperfect models.

Seeded, so that every figure can be reproduced. Labels have the frequencies of the Human Protein
Atlas competition and fixed co-occurrences; a model's score for a label is its log-odds from one
noisy measurement, and part of the noise is specific to the model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from kit.data.predictions import to_logits, to_probs
from kit.scores.oof import Members, Sample

ROWS, TEST_ROWS = 31_072, 11_702
# Rows of the competition's train.csv with each label.
COUNTS = (
    12885, 1254, 3621, 1561, 1858, 2513, 1008, 2822, 53, 45, 28, 1093, 688, 537,
    1066, 21, 530, 210, 902, 1482, 172, 3777, 802, 2965, 322, 8228, 328, 11,
)  # fmt: skip
RATES = np.array(COUNTS) / ROWS
CLASSES = len(COUNTS)
FOLDS = 5


@dataclass(frozen=True)
class Kind:
    """The settings of a simulated competition.

    `heavy` draws noise from Student's t with 4 degrees of freedom instead of a normal
    distribution; `grouped` puts rows in groups of four on average, which share their labels and
    half of their noise; `own` is the share of the noise variance that is specific to a fold model;
    `strength` is the mean shift of a measurement by its label, in standard deviations of the noise.
    """

    heavy: bool = False
    grouped: bool = False
    own: float = 0.0
    strength: float = 3.0
    rows: int = ROWS
    test_rows: int = TEST_ROWS


@dataclass(frozen=True)
class Simulated:
    """A training sample with out-of-fold scores, and a fresh test set.

    `tests` are each fold model's probabilities for the test rows.
    """

    sample: Sample
    test_labels: NDArray[np.uint8]
    tests: tuple[NDArray[np.float32], ...]

    def mean_of_probs(self) -> NDArray[np.float32]:
        return np.stack(self.tests).mean(axis=0, dtype=np.float64).astype(np.float32)

    def mean_of_logits(self) -> NDArray[np.float32]:
        return to_probs(np.mean([to_logits(probs) for probs in self.tests], axis=0))


def simulate(kind: Kind, seed: int) -> Simulated:
    """One competition of this kind, determined by the seed."""
    rng = np.random.default_rng(seed)
    strength = np.clip(rng.normal(kind.strength, 0.5, CLASSES), 1.2, None)
    labels, group = draw_labels(rng, kind.rows, kind.grouped)
    shared = draw_noise(rng, group, kind)
    train = _scores(labels, strength, _mixed(shared, _own(rng, shared.shape, kind), kind))
    fold = deal_folds(rng, labels, group)
    test_labels, test_group = draw_labels(rng, kind.test_rows, kind.grouped)
    shared = draw_noise(rng, test_group, kind)
    models = FOLDS if kind.own else 1
    tests = tuple(
        _scores(test_labels, strength, _mixed(shared, _own(rng, shared.shape, kind), kind))
        for _ in range(models)
    )
    sample = Sample(np.arange(kind.rows), labels, fold, group, train)
    return Simulated(sample, test_labels, tests)


def draw_labels(
    rng: np.random.Generator, rows: int, grouped: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Labels (rows, classes) with the competition's frequencies, and each row's group (rows,)."""
    sizes = rng.geometric(0.25, rows) if grouped else np.ones(rows, np.int64)
    group = np.repeat(np.arange(rows), sizes)[:rows]
    # Label co-occurrences are the same in every competition.
    together = 0.35 * np.random.default_rng(0).normal(size=(CLASSES, 4))
    drive = rng.normal(size=(rows, 4)) @ together.T + rng.normal(size=(rows, CLASSES))
    drive /= np.sqrt((together**2).sum(axis=1) + 1)
    return (drive > norm.isf(RATES)).astype(np.uint8)[group], group


def draw_noise(
    rng: np.random.Generator, group: NDArray[np.int64], kind: Kind
) -> NDArray[np.float64]:
    """Noise of unit variance, (rows, classes), half of it shared within a group."""
    shape = (len(group), CLASSES)
    own = _law(rng, shape, kind.heavy)
    if not kind.grouped:
        return own
    return np.sqrt(0.5) * own + np.sqrt(0.5) * _law(rng, shape, kind.heavy)[group]


def deal_folds(
    rng: np.random.Generator, labels: NDArray[np.uint8], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Assign whole groups to folds round-robin, those with the rarest label first: (rows,)."""
    _, first = np.unique(group, return_index=True)
    rarest = np.where(labels[first] > 0, RATES, 2.0).argmin(axis=1)
    order = np.lexsort((rng.random(len(first)), RATES[rarest]))
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % FOLDS
    return fold[np.unique(group, return_inverse=True)[1]]


def _own(rng: np.random.Generator, shape: tuple[int, ...], kind: Kind) -> NDArray[np.float64]:
    return _law(rng, shape, kind.heavy) if kind.own else np.zeros(shape)


def _mixed(
    shared: NDArray[np.float64], own: NDArray[np.float64], kind: Kind
) -> NDArray[np.float64]:
    return np.sqrt(1 - kind.own) * shared + np.sqrt(kind.own) * own


def _law(rng: np.random.Generator, shape: tuple[int, ...], heavy: bool) -> NDArray[np.float64]:
    """Noise of zero mean and unit variance; Student's t with 4 degrees has variance two."""
    return rng.standard_t(4, shape) / np.sqrt(2) if heavy else rng.normal(size=shape)


def _scores(
    labels: NDArray[np.uint8], strength: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Posterior probabilities of labels after one measurement, `strength * label + noise`.

    Correct for normal noise; with heavy tails, the model wrongly assumes normal noise.
    """
    measured = strength * labels + noise
    odds = strength * measured - strength**2 / 2 + np.log(RATES / (1 - RATES))
    return expit(odds).astype(np.float32)


@dataclass(frozen=True)
class SimulatedBlend:
    """Several models' out-of-fold scores for one training set, and their scores for fresh rows.

    `test_probs` is float32 (models, rows, classes).
    """

    members: Members
    test_labels: NDArray[np.uint8]
    test_probs: NDArray[np.float32]


def simulate_models(seed: int, models: int, alike: bool, rows: int = ROWS) -> SimulatedBlend:
    """A training set and a test set scored by several models, determined by the seed.

    All models share half of the noise. Models that are not `alike` differ in how well they see each
    class, and in scale and offset of their logits; models that are differ only in noise.
    """
    rng = np.random.default_rng(seed)
    shape = (models, 1, CLASSES)
    strength = np.clip(rng.normal(2.2, 0.5, (1, 1, CLASSES)), 1.0, None)
    scale, offset = np.ones(shape), np.zeros(shape)
    if not alike:
        strength = strength * rng.uniform(0.4, 1.2, shape)
        scale, offset = rng.uniform(0.5, 1.5, shape), rng.normal(0, 0.5, shape)
    sides = []
    for count in (rows, TEST_ROWS):
        labels, group = draw_labels(rng, count, grouped=False)
        noise = np.sqrt(0.5) * rng.normal(size=(1, count, CLASSES))
        noise = noise + np.sqrt(0.5) * rng.normal(size=(models, count, CLASSES))
        odds = strength * (strength * labels + noise) - strength**2 / 2
        odds = scale * (odds + np.log(RATES / (1 - RATES))) + offset
        sides.append((labels, group, expit(odds).astype(np.float32)))
    (labels, group, probs), (test_labels, _, test_probs) = sides
    fold = deal_folds(rng, labels, group)
    names = tuple(f"model{number}" for number in range(models))
    keys = tuple(map(str, range(CLASSES)))
    members = Members(np.arange(rows), labels, fold, group, probs, names, keys)
    return SimulatedBlend(members, test_labels, test_probs)
