"""The provenance beside a submission's CSV: its digest, its runs, and the decision."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kit.core.disk import digest_file, in_the_way
from kit.core.errors import UserError
from kit.core.formats import UNVERSIONED, Format, Unreadable
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


def ancestry_content(
    about: Mapping[str, Any], decision: Decision, test: LabelCounts
) -> dict[str, Any]:
    """The provenance of a CSV as plain values.

    `about` has the competition, the CSV's digest, the blend's name, and each run's recipe and
    inputs; `test` counts the labels of the CSV.
    """
    content = {**about, "decision": decision.as_json(), "test": asdict(test)}
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def write_ancestry(files: SubmissionFiles, content: Mapping[str, Any]) -> None:
    """Write the provenance of a CSV, as `ancestry_content` returns it."""
    FORMAT.write(files.provenance, content)


def is_written(files: SubmissionFiles, csv: str, content: Mapping[str, Any]) -> bool:
    """Whether this CSV and its provenance are on disk already."""
    if find_submission_damage(files) or not files.csv.exists():
        return False
    return files.csv.read_bytes() == csv.encode() and FORMAT.read_body(files.provenance) == content


def find_submission_damage(files: SubmissionFiles) -> str | None:
    """What is wrong with a CSV and its provenance, in a sentence; None if there are neither.

    A CSV that was changed on purpose is the same to the kit as a damaged one.
    """
    if not files.csv.exists() and not files.provenance.exists():
        return None
    for path in (files.csv, files.provenance):
        if not path.exists():
            return f"{path} is missing."
        if path.is_dir():
            return f"{path} {in_the_way(path)}."
    try:
        known = read_ancestry(files).csv_digest
    except Unreadable as error:
        return error.problem
    if known != digest_file(files.csv):
        return f"{files.csv} was changed since the kit wrote it."
    return None


def require_complete(files: SubmissionFiles, command: str) -> None:
    """Raise UserError unless the CSV and its provenance can be read; `command` writes them.

    A CSV with other contents than the kit wrote passes.
    """
    for path in (files.csv, files.provenance):
        if not path.exists():
            raise UserError(f"{path} does not exist. Write it: {command}")
    damage = find_submission_damage(files)
    if damage is not None and not was_changed(files):
        raise UserError(f"{damage} Write the submission again: {command}")


def was_changed(files: SubmissionFiles) -> bool:
    """Whether a CSV has other contents than the kit wrote; False if that is not known."""
    try:
        return read_ancestry(files).csv_digest != digest_file(files.csv)
    except (UserError, OSError):
        return False


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
