"""What lies beside a submission's CSV: the bytes it is of, the runs it is made of, the decision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kit.core.formats import UNVERSIONED, Format
from kit.core.paths import SubmissionFiles
from kit.ensemble import Decision, HonestScore, LabelCounts
from kit.submission.record import Promise

FORMAT = Format("a submission's ancestry", version=1, oldest=0, remake="Blend again.")


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
    content = {**about, "decision": decision.as_json(), "test": asdict(test)}
    FORMAT.write(files.provenance, content)


def read_ancestry(files: SubmissionFiles) -> Ancestry:
    """The origin of a CSV, as this release or 0.1 wrote it; UserError for anything else."""
    content = FORMAT.read(files.provenance)
    if content.get("format", UNVERSIONED) == UNVERSIONED:
        return FORMAT.as_kind(content, _FirstRelease, files.provenance).ancestry()
    return FORMAT.as_kind(content, _ThisRelease, files.provenance).ancestry()


@dataclass(frozen=True)
class _ThisRelease:
    """What `write_ancestry` wrote, as far as it is read."""

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
    """What release 0.1 wrote, as far as it is read: it had no decision."""

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
