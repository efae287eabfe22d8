"""The provenance beside a submission's CSV: its digest, its runs, and the decision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kit.core.formats import UNVERSIONED, Format
from kit.core.paths import SubmissionFiles
from kit.ensemble import Decision, HonestScore, LabelCounts
from kit.submission.record import Promise

FORMAT = Format("a submission's provenance", version=1, oldest=0, remake="Blend again.")


@dataclass(frozen=True)
class Ancestry:
    """The provenance of a submission's CSV.

    `runs` are the names of its runs. `score` is the decision's, None if the test predictions are
    those of models trained on all rows, whose score is unknown. `out_of_fold` counts the labels
    that the same thresholds set out of fold.
    """

    competition: str
    csv_digest: str
    runs: tuple[str, ...]
    score: HonestScore | None
    out_of_fold: LabelCounts


def write_ancestry(
    files: SubmissionFiles, about: Mapping[str, Any], decision: Decision, test: LabelCounts
) -> None:
    """Write the provenance of a CSV.

    `about` has the competition, the CSV's digest, the blend's name, and each run's recipe and
    inputs; `test` counts the labels of the CSV.
    """
    content = {**about, "decision": decision.as_json(), "test": asdict(test)}
    FORMAT.write(files.provenance, content)


def read_ancestry(files: SubmissionFiles) -> Ancestry:
    """The provenance of a CSV, written by this release or 0.1; UserError for anything else."""
    content = FORMAT.read(files.provenance)
    if content.get("format", UNVERSIONED) == UNVERSIONED:
        return FORMAT.as_kind(content, _FirstRelease, files.provenance).ancestry()
    return FORMAT.as_kind(content, _ThisRelease, files.provenance).ancestry()


@dataclass(frozen=True)
class _ThisRelease:
    """The fields that are read of what `write_ancestry` wrote."""

    competition: str
    csv_digest: str
    decision: Decision

    def ancestry(self) -> Ancestry:
        decision = self.decision
        known = None if decision.origin.all_rows else decision.worth.score
        counts = decision.worth.out_of_fold
        return Ancestry(self.competition, self.csv_digest, decision.members, known, counts)


@dataclass(frozen=True)
class _Scores:
    fitted: float
    cross_fitted: float
    expected: float
    interval: tuple[float, float]
    interval_rows: int


@dataclass(frozen=True)
class _Thresholds:
    scores: _Scores


@dataclass(frozen=True)
class _Blend:
    all_rows: bool = False


@dataclass(frozen=True)
class _FirstRelease:
    """The fields that are read of what release 0.1 wrote, which had no decision."""

    competition: str
    csv_digest: str
    runs: dict[str, Any]
    thresholds: _Thresholds
    oof: LabelCounts
    blend: _Blend = _Blend()

    def ancestry(self) -> Ancestry:
        old = self.thresholds.scores
        score = HonestScore(
            old.fitted, old.cross_fitted, old.expected, old.interval, old.interval_rows
        )
        known = None if self.blend.all_rows else score
        return Ancestry(self.competition, self.csv_digest, tuple(self.runs), known, self.oof)


def promise_of(files: SubmissionFiles, csv_digest: str) -> tuple[tuple[str, ...], Promise | None]:
    """The runs that a CSV is made of, and its expected score.

    `()` and None if the CSV has another digest; None if the score is unknown.
    """
    ancestry = read_ancestry(files)
    if ancestry.csv_digest != csv_digest:
        return (), None
    if ancestry.score is None:
        return ancestry.runs, None
    score = ancestry.score
    return ancestry.runs, Promise(expected=score.expected, interval=score.interval)
