"""What lies beside a submission's CSV: the bytes it is of, the runs it is made of, the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.core.errors import UserError
from kit.core.formats import UNVERSIONED, Format
from kit.core.paths import SubmissionFiles
from kit.ensemble import Decision, HonestScore, LabelCounts
from kit.submission.record import Promise

FORMAT = Format("a submission's ancestry", version=1, oldest=0, remake="Make it again: kit blend")


@dataclass(frozen=True)
class Ancestry:
    """The origin of a submission's CSV.

    `runs` are the names of the runs it is made of, `score` what the decision is worth, None where
    its test predictions are those of models trained on all rows, which no score is known for.
    `out_of_fold` counts the labels that the same thresholds set out of fold.
    """

    competition: str
    csv_digest: str
    runs: tuple[str, ...]
    score: HonestScore | None
    out_of_fold: LabelCounts


def write_ancestry(
    files: SubmissionFiles, about: Mapping[str, Any], decision: Decision, test: LabelCounts
) -> None:
    """Write the origin of a CSV.

    `about` has the competition, the CSV's digest, the blend's name, and each run's recipe and
    inputs; `test` counts the labels of the CSV.
    """
    counted = {
        "rows": test.rows,
        "empty_rows": test.empty_rows,
        "positives": test.positives,
    }
    content = {**about, "decision": decision.as_json(), "test": counted}
    FORMAT.write(files.provenance, content)


def read_ancestry(files: SubmissionFiles) -> Ancestry:
    """The origin of a CSV, as this release or 0.1 wrote it; UserError for anything else."""
    content = FORMAT.read(files.provenance)
    try:
        if content.get("format", UNVERSIONED) == UNVERSIONED:
            return _OfFirstRelease.model_validate(content).ancestry()
        saved = _Saved.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{files.provenance} is damaged at {place}: {first['msg']}. {FORMAT.remake}"
        ) from None
    decision = Decision.from_json(saved.decision, files.provenance)
    return Ancestry(
        saved.competition,
        saved.csv_digest,
        decision.members,
        None if decision.origin.all_rows else decision.worth.score,
        decision.worth.out_of_fold,
    )


class _Saved(BaseModel):
    """What is read of an ancestry as this release writes it."""

    competition: str
    csv_digest: str
    decision: dict[str, Any]


class _Scores(BaseModel):
    fitted: float
    cross_fitted: float
    expected: float
    interval: tuple[float, float]
    interval_rows: int


class _Thresholds(BaseModel):
    scores: _Scores


class _Blend(BaseModel):
    all_rows: bool = False


class _OfFirstRelease(BaseModel):
    """What is read of an ancestry as release 0.1 wrote it, which had no decision."""

    competition: str
    csv_digest: str
    runs: dict[str, Any]
    blend: _Blend
    thresholds: _Thresholds
    oof: LabelCounts

    def ancestry(self) -> Ancestry:
        scores = self.thresholds.scores
        score = HonestScore(
            scores.fitted,
            scores.cross_fitted,
            scores.expected,
            scores.interval,
            scores.interval_rows,
        )
        known = None if self.blend.all_rows else score
        return Ancestry(self.competition, self.csv_digest, tuple(self.runs), known, self.oof)


def promise_of(files: SubmissionFiles, csv_digest: str) -> tuple[tuple[str, ...], Promise | None]:
    """The runs that a CSV is made of, and the score that was promised for it.

    Nothing and None where the bytes are of other origin; no promise where no score is known.
    """
    ancestry = read_ancestry(files)
    if ancestry.csv_digest != csv_digest:
        return (), None
    if ancestry.score is None:
        return ancestry.runs, None
    score = ancestry.score
    return ancestry.runs, Promise(expected=score.expected, interval=score.interval)
