"""Greedy selection of models, by a fast macro-F1 of weighted means on the rows that matter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.predictions import to_logits
from kit.scores.oof import Members

# Greedy selection: bags, rounds per bag, and rounds without improvement that end a bag.
BAGS = 5
ROUNDS = 25
PATIENCE = 3

# All positives are kept, and this many negatives per positive, those that some model ranks highest:
# most useful thresholds are among them. No weighted mean exceeds its highest member.
NEGATIVES_A_POSITIVE = 4
LEAST_NEGATIVES = 100

# A row's place among sorted scores and its kind are one integer, because sorting integers is five
# times faster than sorting their indices. The two lowest bits of the score make room.
_KIND = 3
_POSITIVE, _DRAWN = 2, 1
_SIGN = 0x7FFFFFFF


@dataclass(frozen=True)
class ClassRows:
    """The rows of one class that matter most, and a sample of the others.

    `logits` is float32 (models, rows): first the `positives`, last the `drawn` rows, each of which
    represents `stands_for` rows.
    """

    logits: NDArray[np.float32]
    positives: int
    drawn: int
    stands_for: float

    def f1(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """The best F1 of each weighted mean, (candidates,), of `weights` (candidates, models).

        Scores that differ by less than a millionth are ties, and labelled together.
        """
        bits = (weights @ self.logits).view(np.int32)
        falling = ~(bits ^ ((bits >> 31) & _SIGN))  # integers in the order of falling scores
        falling &= ~_KIND
        falling[:, : self.positives] |= _POSITIVE
        falling[:, falling.shape[1] - self.drawn :] |= _DRAWN
        falling.sort(axis=1)
        # F1 is highest just below a positive. Of tied rows, positives are sorted last, so a
        # positive that a lower score follows is the last one of its ties.
        candidate, place = np.nonzero(falling & _POSITIVE)
        after = falling[candidate, np.minimum(place + 1, falling.shape[1] - 1)]
        last = (falling[candidate, place] | _KIND) != (after | _KIND)
        last |= place + 1 == falling.shape[1]
        drawn = (falling & _DRAWN).cumsum(axis=1, dtype=np.int32)[candidate, place]
        right = np.tile(np.arange(1.0, self.positives + 1), len(weights))
        taken = place + 1 + (self.stands_for - 1) * drawn
        f1 = np.where(last, 2 * right / (taken + self.positives), 0.0)
        best: NDArray[np.float64] = f1.reshape(len(weights), self.positives).max(axis=1)
        return best


@dataclass(frozen=True)
class FastF1:
    """The rows that matter, of each class with positives; `classes` counts all classes."""

    rows: tuple[ClassRows, ...]
    classes: int

    @classmethod
    def of(cls, members: Members) -> "FastF1":
        """Gather the rows of each class with positives; the sample has a fixed seed."""
        rng = np.random.Generator(np.random.PCG64(0))
        logits = to_logits(members.probs).astype(np.float32)
        gathered = []
        for column in np.flatnonzero(members.labels.any(axis=0)):
            positive = np.flatnonzero(members.labels[:, column])
            negative = np.flatnonzero(members.labels[:, column] == 0)
            highest = logits[:, negative, column].max(axis=0)
            wanted = NEGATIVES_A_POSITIVE * len(positive) + LEAST_NEGATIVES
            ranked = negative[np.argsort(-highest, kind="stable")]
            near, rest = ranked[:wanted], ranked[wanted:]
            drawn = rng.choice(rest, min(wanted, len(rest)), replace=False)
            rows = np.concatenate([positive, near, drawn])
            stands_for = len(rest) / max(len(drawn), 1)
            kept = np.ascontiguousarray(logits[:, rows, column])
            gathered.append(ClassRows(kept, len(positive), len(drawn), stands_for))
        return cls(tuple(gathered), members.labels.shape[1])

    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Approximate macro-F1 of weighted means of logits under exact thresholds, (candidates,).

        Fitted on these rows. `weights` is (candidates, models).
        """
        scaled = weights.astype(np.float32)
        total = np.zeros(len(weights))
        for rows in self.rows:
            total += rows.f1(scaled)
        return total / self.classes


def select_greedily(members: Members) -> NDArray[np.float64]:
    """Repeatedly add the model that improves the mean most, with replacement: (models,).

    Caruana et al. 2004, "Ensemble selection from libraries of models": each bag uses half of the
    groups, starts from the best single model, and stops after three rounds without a gain; the
    weights are the mean over bags, with fixed seeds. So they are non-negative and sum to one,
    which Purucker and Beel 2023 found to matter.
    """
    groups = int(members.group.max()) + 1
    weights = np.zeros(len(members.probs))
    for bag in range(BAGS):
        rng = np.random.Generator(np.random.PCG64(bag))
        weights += _one_bag(members.only((rng.random(groups) < 0.5)[members.group]))
    return weights / weights.sum()


def _one_bag(members: Members) -> NDArray[np.float64]:
    rows = FastF1.of(members)
    models = np.eye(len(members.probs))
    chosen = np.zeros(len(models))
    best, best_score, waited = chosen, -1.0, 0
    for _ in range(ROUNDS):
        scores = rows.scores(chosen + models)
        chosen = chosen + models[int(np.argmax(scores))]
        if scores.max() > best_score:
            best, best_score, waited = chosen, float(scores.max()), 0
        else:
            waited += 1
        if waited == PATIENCE:
            break
    return best / best.sum()
