"""What a decision is worth, what it was chosen from, and what it was made of."""

from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from kit.core.formats import EqualByValue, Floats
from kit.ensemble.evaluate import ClassScore, HonestScore, Judged, JudgedStep
from kit.ensemble.interval import Counts, difference_interval, prediction_interval
from kit.scores.oof import Sample

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Choice:
    """What was chosen: the blend method, the threshold policy, and the transfer."""

    method: str
    policy: str
    transfer: str


@dataclass(frozen=True, config=STRICT)
class Candidate:
    """A method or policy to choose from: macro-F1 fitted and held out, with the latter's 95% CI.

    On all rows, with scores as averaged over the fold models: not the nested, cross-fitted score.
    """

    name: str
    fitted: float
    held_out: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, name: str, sample: Sample, judged: Judged, test_rows: int) -> "Candidate":
        """A method or policy judged on a sample, with the CI for a test set of `test_rows` rows."""
        counts = Counts.of(sample.labels, judged.decisions, sample.group)
        interval = prediction_interval(counts, test_rows / len(sample.labels)).macro
        return cls(name, judged.fitted, judged.held_out, interval)


@dataclass(frozen=True, config=STRICT)
class Weighed:
    """All candidates; empty if there was no choice."""

    methods: tuple[Candidate, ...] = ()
    policies: tuple[Candidate, ...] = ()
    steps: tuple[JudgedStep, ...] = ()


@dataclass(frozen=True, config=STRICT, eq=False)
class Alone(EqualByValue):
    """One member alone, under the same policy: its score and test thresholds."""

    score: HonestScore
    thresholds: Floats


@dataclass(frozen=True, config=STRICT)
class Difference:
    """The decision minus its best member alone, in macro-F1 on one test set, with its 95% CI."""

    member: str
    difference: float
    interval: tuple[float, float]

    @classmethod
    def to_best(
        cls,
        score: HonestScore,
        counts: Counts,
        alone: Mapping[str, tuple[Alone, Counts]],
        rows_ratio: float,
    ) -> "Difference | None":
        """The difference to the member with the highest expected score; None without members.

        `counts` are the decision's; `rows_ratio` is the size of the test set over that of the rows.
        """
        if not alone:
            return None
        member = max(alone, key=lambda name: alone[name][0].score.expected)
        best, of_best = alone[member]
        interval = difference_interval(of_best, counts, rows_ratio)
        return cls(member, score.expected - best.score.expected, interval)


@dataclass(frozen=True, config=STRICT)
class LabelCounts:
    """The number of rows, of rows without a label, and of rows per class."""

    rows: int
    empty_rows: int
    positives: dict[str, int]

    @property
    def labels_per_row(self) -> float:
        """The mean number of labels."""
        return sum(self.positives.values()) / self.rows

    @classmethod
    def of(cls, labels: NDArray[np.uint8], class_keys: Sequence[str]) -> "LabelCounts":
        """Count labels, (rows, classes)."""
        positives = labels.sum(axis=0, dtype=np.int64).tolist()
        empty = int((labels.sum(axis=1) == 0).sum())
        return cls(len(labels), empty, dict(zip(class_keys, positives, strict=True)))


@dataclass(frozen=True, config=STRICT)
class Suspect:
    """A member whose out-of-fold scores know the labels better than its test scores can.

    `shift` is how far ahead its scores of positives are, in standard deviations of its scores of
    negatives, and `error` the standard error of that. It is left out unless `trusted`; then
    `without` is the score of the decision without it.
    """

    name: str
    shift: float
    error: float
    trusted: bool = False
    without: HonestScore | None = None


@dataclass(frozen=True, config=STRICT)
class PublicScore:
    """What to expect of the part of the test set that is scored before the deadline."""

    rows: int
    expected: float
    interval: tuple[float, float]


@dataclass(frozen=True, config=STRICT)
class Worth:
    """What a decision is worth: its score, per-class scores, and each member alone, by name.

    `against_best` compares the decision with its best member; None for a single member.
    `out_of_fold` counts the labels on the fitting rows; `rates_disagree` names the classes
    predicted more or less often on the test set than chance explains. `suspects` are members that
    know too much. `doubts` say, a sentence each, why the score cannot be promised. `public`: the
    score before the deadline, where its part of the test set is known.
    """

    score: HonestScore
    classes: dict[str, ClassScore]
    alone: dict[str, Alone]
    against_best: Difference | None
    out_of_fold: LabelCounts
    rates_disagree: tuple[str, ...]
    suspects: tuple[Suspect, ...] = ()
    doubts: tuple[str, ...] = ()
    public: PublicScore | None = None


@dataclass(frozen=True, config=STRICT)
class Origin:
    """What a decision was made from: digests of its inputs, options, and the files next to it.

    `all_rows`: the test predictions come from models trained on all rows, for which no score is
    known. `files` has the digest of each file next to the decision.
    """

    inputs: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    all_rows: bool = False
    files: dict[str, str] = field(default_factory=dict)

    def words(self) -> list[str]:
        """Its options as the command line takes them, without defaults."""
        steps = filter(None, self.options.get("postprocess", "").split("+"))
        chosen = {name: self.options.get(name, "auto") for name in ("method", "policy", "transfer")}
        given = [(name, value) for name, value in chosen.items() if value != "auto"]
        given += [("postprocess", step) for step in steps]
        given += [
            ("trust", name) for name in filter(None, self.options.get("trust", "").split("+"))
        ]
        words = [word for name, value in given for word in (f"--{name}", value)]
        return [*words, "--all-rows"] if self.all_rows else words
