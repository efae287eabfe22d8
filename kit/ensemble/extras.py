"""What may be done to decisions after the cuts: each an option, and each judged like a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import f1_from_counts
from kit.data.predictions import EPSILON, to_logits
from kit.ensemble.sample import Sample

# What `--extra` can ask for. Copies are not learned from scores: see `kit/ensemble/copies.py`.
FINISHES = ("rules", "fill")
EXTRAS = (*FINISHES, "copies")

# A rule has to be seen on this many rows of either kind, or it is chance.
LEAST_SUPPORT = 20
# And to promise this much more F1 for its class, on the rows it was learned on.
LEAST_GAIN = 0.02


@dataclass(frozen=True)
class Rule:
    """One class's cut, which depends on whether another class was decided.

    `column` takes the cut `given` where the class `on` is decided, and `otherwise` elsewhere.
    """

    column: int
    on: int
    given: float
    otherwise: float


@dataclass(frozen=True)
class Finish:
    """How decisions are finished: rules of co-occurrence, and one label at least for every row."""

    rules: tuple[Rule, ...] = ()
    fill_empty: bool = False

    def decide(self, probs: NDArray[np.float32], cuts: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Decisions (rows, classes) by the cuts, then by the rules, then for rows still empty.

        Rules look at decisions by the cuts alone, so their order does not matter. An empty row
        gets the label whose logit is highest above, or least below, its cut.
        """
        by_cuts = decide(probs, cuts)
        decisions = by_cuts.copy()
        for rule in self.rules:
            cut = np.where(by_cuts[:, rule.on] == 1, rule.given, rule.otherwise)
            decisions[:, rule.column] = probs[:, rule.column].astype(np.float64) >= cut
        if self.fill_empty and (cuts < NEVER).any():
            empty = np.flatnonzero(decisions.sum(axis=1) == 0)
            level = to_logits(np.clip(cuts, EPSILON, 1 - EPSILON))
            above = np.where(cuts < NEVER, to_logits(probs[empty]) - level, -np.inf)
            decisions[empty, above.argmax(axis=1)] = 1
        return decisions

    def described(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "fill_empty": self.fill_empty,
            "rules": [[rule.column, rule.on, rule.given, rule.otherwise] for rule in self.rules],
        }


PLAIN = Finish()


def learn_finish(names: Sequence[str], sample: Sample, cuts: NDArray[np.float64]) -> Finish:
    """The finish that these extras, of `FINISHES`, make of a sample and its cuts."""
    rules = learn_rules(sample, cuts) if "rules" in names else ()
    return Finish(rules, fill_empty="fill" in names)


def finish_from(saved: dict[str, Any]) -> Finish:
    """The finish that `described` wrote."""
    rules = tuple(Rule(column, on, given, other) for column, on, given, other in saved["rules"])
    return Finish(rules, saved["fill_empty"])


def copy_labels(
    decisions: NDArray[np.uint8], labels: NDArray[np.uint8], copies: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Decisions with the rows that are copies taking the labels of what they are copies of.

    `copies` names a row of `labels` for each row of `decisions`, or -1, (rows,).
    """
    return np.where((copies >= 0)[:, None], labels[copies], decisions)


def learn_rules(sample: Sample, cuts: NDArray[np.float64]) -> tuple[Rule, ...]:
    """For each class the one other class whose presence should change its cut most, if any.

    Labels go together: where the cytosol is decided, plasma membrane needs less proof. With the
    best F1 at hand, F, the best pair of cuts takes from either part the rows with the most
    2 tp - F k (Dinkelbach 1967), raised until F stands still.
    """
    decided = decide(sample.probs, cuts)
    rules = []
    for column in range(sample.labels.shape[1]):
        labels, probs = sample.labels[:, column], sample.probs[:, column]
        if labels.sum() < LEAST_SUPPORT or cuts[column] >= NEVER:
            continue
        now = _f1(labels, decided[:, column])
        best: tuple[float, Rule] | None = None
        for on in range(sample.labels.shape[1]):
            given = decided[:, on] == 1
            if on == column or min(labels[given].sum(), labels[~given].sum()) < LEAST_SUPPORT:
                continue
            f1, first, second = _two_cuts(labels, probs, given)
            if f1 - now >= LEAST_GAIN and (best is None or f1 > best[0]):
                best = (f1, Rule(column, on, first, second))
        if best is not None:
            rules.append(best[1])
    return tuple(rules)


def _two_cuts(
    labels: NDArray[np.uint8], probs: NDArray[np.float32], given: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """The best F1 of one class under a cut for either part of the rows, and both cuts."""
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
    first, second = (part.cuts[one] for part, one in zip(parts, chosen, strict=True))
    return f1, float(first), float(second)


@dataclass(frozen=True)
class _Part:
    """One part's rows by falling score: at each possible cut, how many are taken and right."""

    cuts: NDArray[np.float64]
    right: NDArray[np.int64]
    taken: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], probs: NDArray[np.float32]) -> "_Part":
        order = np.argsort(-probs)
        scores = probs[order].astype(np.float64)
        last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))
        below = np.append(scores[1:], 0.0)
        cuts = np.append(NEVER, (scores[last] + below[last]) / 2)
        right = np.append(0, labels[order].astype(np.int64).cumsum()[last])
        return cls(cuts, right, np.append(0, last + 1))

    def best(self, f1: float) -> int:
        """Which cut has the most 2 tp - F k."""
        return int(np.argmax(2 * self.right - f1 * self.taken))


def _f1(labels: NDArray[np.uint8], decisions: NDArray[np.uint8]) -> float:
    right = int((labels & decisions).sum())
    return float(f1_from_counts(right, int(decisions.sum()), int(labels.sum())))
