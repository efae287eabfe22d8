"""The decision: how members' probabilities become labels, and the score to expect.

On disk it is `decision.json`. Only this module knows the keys of that file; others use `Decision`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, field_serializer, field_validator
from pydantic.dataclasses import dataclass

from kit.core.formats import Floats, Format, Unreadable
from kit.ensemble.combine import Average, Stack, combine_test
from kit.ensemble.postprocess import NOTHING, Postprocess
from kit.ensemble.worth import STRICT, Choice, Origin, Weighed, Worth
from kit.scores.oof import Unseen, to_unseen

FORMAT = Format("a decision", version=1, remake="Blend or tune again.")
# Fields that are written only if they differ from this.
_NEUTRAL: dict[str, Any] = {
    "scales": [],
    "suspects": [],
    "doubts": [],
    "at_least": False,
    "public": None,
}


@dataclass(frozen=True, config=STRICT, repr=False, eq=False)
class Decision:
    """How the probabilities of some members become labels, and the macro-F1 to expect.

    `combination` merges the members' probabilities. A label is set at or above its class's
    threshold: `thresholds` for test scores, `oof_thresholds` for out-of-fold scores, both float64
    (classes,), NEVER for a label that is never set. `postprocess` follows. `members` are all that
    were given; those in `left_out` are not used.
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

    @property
    def promised(self) -> bool:
        """Whether nothing speaks against the expected score and its interval."""
        return not self.worth.doubts

    @property
    def left_out(self) -> tuple[str, ...]:
        """The members that are not used, because their out-of-fold scores know too much."""
        return tuple(one.name for one in self.worth.suspects if not one.trusted)

    def combine(self, unseen: Unseen) -> NDArray[np.float32]:
        """Combined probabilities of test rows, (rows, classes)."""
        used = [name not in self.left_out for name in self.members]
        return combine_test(self.combination, unseen.only(np.array(used)))

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
        _drop_neutral(plain)
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
        classes = len(info.data.get("class_keys", ()))
        most = len(info.data.get("members", ()))
        if not any(value.fits(models, classes) for models in range(1, most + 1)):
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
        left_out = {one.name for one in value.suspects if not one.trusted}
        used = len(set(members) - left_out)
        combination = info.data.get("combination")
        if combination is not None and not combination.fits(used, len(keys)):
            raise ValueError("the combination is for another number of members")
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


def _drop_neutral(plain: Any) -> None:
    """Remove, at any depth, newer fields that say nothing: older files have none."""
    if isinstance(plain, dict):
        for key in [key for key, value in plain.items() if value == _NEUTRAL.get(key, plain)]:
            del plain[key]
    for value in plain.values() if isinstance(plain, dict) else plain:
        if isinstance(value, dict | list):
            _drop_neutral(value)
