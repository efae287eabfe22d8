"""Optional post-processing of labels after the thresholds; each step is scored held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import f1_from_counts
from kit.core.errors import unknown
from kit.data.predictions import EPSILON, to_logits
from kit.scores.oof import Sample

# rules: a class's threshold depends on another class; fill: every row gets a label; copies: take
# the labels of near-duplicates among the training images.
STEPS = ("rules", "fill", "copies")

# A rule needs this many positives with and without the other class; with fewer it may be chance.
LEAST_SUPPORT = 20
# A rule must also gain this much F1 for its class, on the rows it was learned on.
LEAST_GAIN = 0.02


@dataclass(frozen=True)
class Rule:
    """One class's threshold, which depends on whether another class is labelled.

    Class `column` has the threshold `given` where class `on` is labelled, `otherwise` elsewhere.
    """

    column: int
    on: int
    given: float
    otherwise: float


@dataclass(frozen=True)
class Copied:
    """Copied labels: from the training row `source`, its columns that are 1."""

    source: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Twins:
    """Near-duplicates: for each training and each test row, a training row, or -1.

    Both are int64 (rows,), indices of training rows.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class TwinLabels:
    """Whether each row has a twin, bool (rows,), and the twin's labels, uint8 (rows, classes)."""

    known: NDArray[np.bool_]
    labels: NDArray[np.uint8]

    @classmethod
    def of(
        cls, labels: NDArray[np.uint8], twins: NDArray[np.int64], usable: NDArray[np.bool_]
    ) -> "TwinLabels":
        """Look up twins in the rows of `labels`, ignoring those that are not `usable`, (rows,)."""
        return cls((twins >= 0) & usable[twins], labels[twins])

    def only(self, rows: NDArray[np.bool_]) -> "TwinLabels":
        """The rows where `rows`, bool (rows,), is true."""
        return TwinLabels(self.known[rows], self.labels[rows])

    def replace(self, decisions: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (rows, classes), replaced by the twin's in rows that have one."""
        return np.where(self.known[:, None], self.labels, decisions)


@dataclass(frozen=True)
class Postprocess:
    """What follows the thresholds: co-occurrence rules, a label for every row, copied labels."""

    rules: tuple[Rule, ...] = ()
    fill_empty: bool = False
    copies: Mapping[str, Copied] = field(default_factory=dict)

    def decide(
        self, probs: NDArray[np.float32], thresholds: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Labels (rows, classes): thresholds first, then rules, then filling of empty rows.

        Rules depend only on the thresholds' labels, so their order does not matter. An empty row
        gets the label whose logit is highest above, or least below, its threshold.
        """
        before = decide(probs, thresholds)
        labels = before.copy()
        for rule in self.rules:
            threshold = np.where(before[:, rule.on] == 1, rule.given, rule.otherwise)
            labels[:, rule.column] = probs[:, rule.column].astype(np.float64) >= threshold
        if self.fill_empty and (thresholds < NEVER).any():
            empty = np.flatnonzero(labels.sum(axis=1) == 0)
            level = to_logits(np.clip(thresholds, EPSILON, 1 - EPSILON))
            above = np.where(thresholds < NEVER, to_logits(probs[empty]) - level, -np.inf)
            labels[empty, above.argmax(axis=1)] = 1
        return labels

    def copy(
        self, labels: NDArray[np.uint8], ids: NDArray[Any] | Sequence[str]
    ) -> NDArray[np.uint8]:
        """Labels (rows, classes), replaced by the source's in rows that are copies, by id."""
        copied = labels.copy()
        for row, image_id in enumerate(ids):
            if (copy := self.copies.get(str(image_id))) is not None:
                copied[row] = 0
                copied[row, list(copy.columns)] = 1
        return copied


NOTHING = Postprocess()


def check_steps(names: Sequence[str]) -> None:
    """Raise UserError for an unknown step; it lists the known ones."""
    for name in names:
        if name not in STEPS:
            raise unknown("post-processing", name, STEPS)


def learn(names: Sequence[str], sample: Sample, thresholds: NDArray[np.float64]) -> Postprocess:
    """Learn these steps from a sample and its thresholds; copies are not learned from scores."""
    rules = learn_rules(sample, thresholds) if "rules" in names else ()
    return Postprocess(rules, fill_empty="fill" in names)


def copied(
    labels: NDArray[np.uint8], ids: NDArray[Any], test_ids: NDArray[Any], twins: Twins
) -> dict[str, Copied]:
    """What each test row with a twin copies; `labels` and `ids` are the training rows'."""
    pairs = [(row, twins.test[row]) for row in np.flatnonzero(twins.test >= 0).tolist()]
    return {
        str(test_ids[row]): Copied(str(ids[source]), tuple(np.flatnonzero(labels[source]).tolist()))
        for row, source in pairs
    }


def learn_rules(sample: Sample, thresholds: NDArray[np.float64]) -> tuple[Rule, ...]:
    """For each class, the other class on which its threshold should depend most, if any.

    Labels co-occur: where the cytosol is labelled, plasma membrane needs less evidence. Given the
    best F1 so far, F, the best pair of thresholds maximizes 2 tp - F k in each part (Dinkelbach
    1967); repeated until F converges.
    """
    decided = decide(sample.probs, thresholds)
    rules = []
    for column in range(sample.labels.shape[1]):
        labels, probs = sample.labels[:, column], sample.probs[:, column]
        if labels.sum() < LEAST_SUPPORT or thresholds[column] >= NEVER:
            continue
        now = _f1(labels, decided[:, column])
        best: tuple[float, Rule] | None = None
        for on in range(sample.labels.shape[1]):
            given = decided[:, on] == 1
            if on == column or min(labels[given].sum(), labels[~given].sum()) < LEAST_SUPPORT:
                continue
            f1, first, second = _two_thresholds(labels, probs, given)
            if f1 - now >= LEAST_GAIN and (best is None or f1 > best[0]):
                best = (f1, Rule(column, on, first, second))
        if best is not None:
            rules.append(best[1])
    return tuple(rules)


def _two_thresholds(
    labels: NDArray[np.uint8], probs: NDArray[np.float32], given: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """The best F1 of one class with a threshold per part of the rows, and both thresholds."""
    parts = [_Part.of(labels[part], probs[part]) for part in (given, ~given)]
    positives = int(labels.sum())
    f1 = 0.0
    while True:
        chosen = [part.best(f1) for part in parts]
        right = sum(part.right[one] for part, one in zip(parts, chosen, strict=True))
        taken = sum(part.taken[one] for part, one in zip(parts, chosen, strict=True))
        raised = float(f1_from_counts(right, taken, positives))
        if raised <= f1 + 1e-12:
            break
        f1 = raised
    first, second = (part.thresholds[one] for part, one in zip(parts, chosen, strict=True))
    return f1, float(first), float(second)


@dataclass(frozen=True)
class _Part:
    """One part's rows by descending score: how many are positive and correct at each threshold."""

    thresholds: NDArray[np.float64]
    right: NDArray[np.int64]
    taken: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> "_Part":
        order = np.argsort(-probs)
        scores = probs[order].astype(np.float64)
        last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))
        below = np.append(scores[1:], 0.0)
        thresholds = np.append(NEVER, (scores[last] + below[last]) / 2)
        right = np.append(0, labels[order].astype(np.int64).cumsum()[last])
        return cls(thresholds, right, np.append(0, last + 1))

    def best(self, f1: float) -> int:
        """The index of the threshold that maximizes 2 tp - F k."""
        return int(np.argmax(2 * self.right - f1 * self.taken))


def _f1(labels: NDArray[np.uint8], decisions: NDArray[np.uint8]) -> float:
    right = int((labels & decisions).sum())
    return float(f1_from_counts(right, int(decisions.sum()), int(labels.sum())))
