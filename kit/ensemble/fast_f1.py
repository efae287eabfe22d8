"""A fast, approximate macro-F1 of weighted means, on the rows that matter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.predictions import to_logits
from kit.ensemble.oof import Members

# All positives are kept, and this many negatives per positive, those that some model ranks highest:
# most useful thresholds are among them. No weighted mean exceeds its highest member.
NEGATIVES_A_POSITIVE = 4
LEAST_NEGATIVES = 100


@dataclass(frozen=True)
class FastF1:
    """Per class, the logits of the rows that matter most and of a sample of the others.

    For each class with positives: `logits` (models, rows), `hits` (rows,), 1 for positives, and
    `weights` (rows,), the number of rows that each represents. `classes` counts all classes.
    """

    logits: tuple[NDArray[np.float32], ...]
    hits: tuple[NDArray[np.float64], ...]
    weights: tuple[NDArray[np.float64], ...]
    classes: int

    @classmethod
    def of(cls, members: Members) -> "FastF1":
        """Gather the rows of each class with positives; the sample has a fixed seed."""
        rng = np.random.Generator(np.random.PCG64(0))
        logits = to_logits(members.probs).astype(np.float32)
        gathered, hits, weights = [], [], []
        for column in np.flatnonzero(members.labels.any(axis=0)):
            positive = np.flatnonzero(members.labels[:, column])
            negative = np.flatnonzero(members.labels[:, column] == 0)
            highest = logits[:, negative, column].max(axis=0)
            wanted = NEGATIVES_A_POSITIVE * len(positive) + LEAST_NEGATIVES
            ranked = negative[np.argsort(-highest, kind="stable")]
            near, rest = ranked[:wanted], ranked[wanted:]
            drawn = rng.choice(rest, min(wanted, len(rest)), replace=False)
            rows = np.concatenate([positive, near, drawn])
            gathered.append(np.ascontiguousarray(logits[:, rows, column]))
            hits.append((np.arange(len(rows)) < len(positive)).astype(np.float64))
            stands_for = np.ones(len(rows))
            stands_for[len(rows) - len(drawn) :] = len(rest) / max(len(drawn), 1)
            weights.append(stands_for)
        return cls(tuple(gathered), tuple(hits), tuple(weights), members.labels.shape[1])

    def score(self, weights: NDArray[np.float64]) -> float:
        """Approximate macro-F1 of the weighted mean of logits under exact thresholds.

        Fitted on these rows. Tied scores are ignored: weighted means of float logits have next to
        none.
        """
        scaled = weights.astype(np.float32)
        total = 0.0
        for logits, hits, counts in zip(self.logits, self.hits, self.weights, strict=True):
            order = np.argsort(scaled @ logits)[::-1]
            right = hits[order].cumsum()
            total += float((2 * right / (counts[order].cumsum() + right[-1])).max())
        return total / self.classes
