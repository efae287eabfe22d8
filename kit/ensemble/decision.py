"""The decision: how members' probabilities become labels, and the score to expect.

On disk it is `decision.json`. Only this module knows the keys of that file; others use `Decision`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, field_serializer, field_validator
from pydantic.dataclasses import dataclass

from kit.core.formats import EqualByValue, Floats, Format, Unreadable
from kit.ensemble.combine import Average, Stack, combine_test
from kit.ensemble.evaluate import ClassScore, HonestScore, Judged, JudgedStep
from kit.ensemble.interval import Counts, difference_interval, prediction_interval
from kit.ensemble.oof import Sample, Unseen, to_unseen
from kit.ensemble.postprocess import NOTHING, Postprocess

FORMAT = Format("a decision", version=1, remake="Blend or tune again.")

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Choice:
    """What was chosen: the blend method, the threshold policy, and the transfer."""

    method: str
    policy: str
    transfer: str


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class Weighed:
    """All candidates; empty if there was no choice."""

    methods: tuple[Candidate, ...] = ()
    policies: tuple[Candidate, ...] = ()
    steps: tuple[JudgedStep, ...] = ()


@dataclass(frozen=True, config=_STRICT, eq=False)
class Alone(EqualByValue):
    """One member alone, under the same policy: its score and test thresholds."""

    score: HonestScore
    thresholds: Floats


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class Worth:
    """What a decision is worth: its score, per-class scores, and each member alone, by name.

    `against_best` compares the decision with its best member; None for a single member.
    `out_of_fold` counts the labels on the fitting rows; `rates_disagree` names the classes
    predicted more or less often on the test set than chance explains.
    """

    score: HonestScore
    classes: dict[str, ClassScore]
    alone: dict[str, Alone]
    against_best: Difference | None
    out_of_fold: LabelCounts
    rates_disagree: tuple[str, ...]


@dataclass(frozen=True, config=_STRICT)
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
        words = [word for name, value in given for word in (f"--{name}", value)]
        return [*words, "--all-rows"] if self.all_rows else words


@dataclass(frozen=True, config=_STRICT, repr=False, eq=False)
class Decision:
    """How the probabilities of some members become labels, and the macro-F1 to expect.

    `combination` merges the members' probabilities. A label is set at or above its class's
    threshold: `thresholds` for test scores, `oof_thresholds` for out-of-fold scores, both float64
    (classes,), NEVER for a label that is never set. `postprocess` follows.
    """

    members: tuple[str, ...]
    class_keys: tuple[str, ...]
    chosen: Choice
    combination: Average | Stack
    thresholds: Floats
    oof_thresholds: Floats
    worth: Worth
    postprocess: Postprocess = NOTHING
    weighed: Weighed = Weighed()
    origin: Origin = Origin()

    @property
    def expected(self) -> float:
        """The macro-F1 to expect on the test set."""
        return self.worth.score.expected

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% CI of the test set's macro-F1."""
        return self.worth.score.interval

    @property
    def cross_fitted(self) -> float:
        """Nested macro-F1: every choice and fit on the other folds, scored on the held-out one."""
        return self.worth.score.cross_fitted

    def combine(self, unseen: Unseen) -> NDArray[np.float32]:
        """Combined probabilities of test rows, (rows, classes)."""
        return combine_test(self.combination, unseen)

    def label(
        self, probs: NDArray[np.float32], ids: NDArray[Any] | Sequence[str]
    ) -> NDArray[np.uint8]:
        """Labels, uint8 (rows, classes), of test rows from their combined probabilities."""
        return self.postprocess.copy(self.postprocess.decide(probs, self.thresholds), ids)

    def decide(self, tests: Any) -> NDArray[np.uint8]:
        """Labels of test rows, uint8 (rows, classes), from the members' probabilities.

        `tests` as given to the fit: for a single member an array or frame (rows, classes), or a
        list with one per fold model; for several members a list with one of these per member.
        Frames are aligned by their index; the labels have the order of the first. Raises UserError
        for other shapes, and for values that are not probabilities.
        """
        unseen = to_unseen(tests, len(self.members), self.class_keys)
        return self.label(self.combine(unseen), unseen.ids)

    def save(self, path: Path | str) -> None:
        """Write the decision as JSON, atomically."""
        FORMAT.write(Path(path), self.as_json())

    @classmethod
    def load(cls, path: Path | str) -> "Decision":
        """Read what `save` wrote; a one-line UserError for anything else."""
        content = FORMAT.read_body(Path(path))
        decision = FORMAT.as_kind(content, Decision, Path(path))
        # Defaults must not replace what decides labels: a file without it is damaged.
        plain = decision.as_json()
        for place in ("combination", "postprocess"):
            if content.get(place) != plain[place]:
                raise Unreadable(f"{path} is not valid: {place}: incomplete.", FORMAT.remake)
        return decision

    def as_json(self) -> dict[str, Any]:
        """Plain values, for JSON; thresholds by class key."""
        plain: dict[str, Any] = TypeAdapter(Decision).dump_python(self, mode="json")
        return plain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self.as_json() == other.as_json()

    @field_serializer("thresholds", "oof_thresholds")
    def _by_class(self, thresholds: NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self.class_keys, thresholds.tolist(), strict=True))

    @field_validator("thresholds", "oof_thresholds", mode="before")
    @classmethod
    def _in_order(cls, value: Any, info: Any) -> Any:
        keys = info.data.get("class_keys", ())
        if isinstance(value, np.ndarray) and value.shape == (len(keys),):
            return value
        if not isinstance(value, Mapping) or set(value) != set(keys):
            raise ValueError("expected one threshold per class")
        return [value[key] for key in keys]

    @field_validator("combination")
    @classmethod
    def _fits_members(cls, value: Average | Stack, info: Any) -> Average | Stack:
        sizes = [len(info.data.get(key, ())) for key in ("members", "class_keys")]
        if not value.fits(*sizes):
            raise ValueError("made for another number of members or classes")
        return value

    @field_validator("worth")
    @classmethod
    def _worth_of_all(cls, value: Worth, info: Any) -> Worth:
        keys, members = (info.data.get(key, ()) for key in ("class_keys", "members"))
        if not (set(value.classes) == set(value.out_of_fold.positives) == set(keys)):
            raise ValueError("expected one score and count per class")
        if value.alone and set(value.alone) != set(members):
            raise ValueError("expected one score per member")
        return value

    @field_validator("postprocess")
    @classmethod
    def _of_known_classes(cls, value: Postprocess, info: Any) -> Postprocess:
        columns = {column for rule in value.rules for column in (rule.column, rule.on)}
        columns |= {column for copy in value.copies.values() for column in copy.columns}
        if not columns <= set(range(len(info.data.get("class_keys", ())))):
            raise ValueError("names an unknown class")
        return value

    def __repr__(self) -> str:
        score, chosen = self.worth.score, self.chosen
        low, high = score.interval
        count = len(self.members)
        of = self.members[0] if count == 1 else f"{count} members by {chosen.method}"
        return (
            f"Decision for {of}: {chosen.policy} thresholds for {len(self.class_keys)} classes, "
            f"transfer {chosen.transfer}\n"
            f"Expected macro-F1 {score.expected:.3f} (95% CI {low:.3f} to {high:.3f}) on "
            f"{score.test_rows} test rows; cross-fitted {score.cross_fitted:.3f}, fitted "
            f"{score.fitted:.3f}"
        )
