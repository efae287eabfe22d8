"""What is checked before a CSV is submitted, without asking Kaggle."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.paths import SubmissionFiles, Workspace
from kit.submission.check import find_problems
from kit.submission.record import Estimate, Upload
from kit.submission.sense import Counts, compare, describe, warn

MOST_COMPARED = 5  # earlier submissions, the nearest, to name the difference to


@dataclass(frozen=True)
class Findings:
    """What the checks found: what is so, what to look at twice, and what forbids sending."""

    facts: list[str]
    warnings: list[str]
    problems: list[str]


@dataclass(frozen=True)
class Draft:
    """A CSV to submit, called `name`, of a competition that is on Kaggle."""

    competition: Competition
    workspace: Workspace
    name: str
    csv_digest: str

    @property
    def files(self) -> SubmissionFiles:
        return self.workspace.submission(self.name)

    @property
    def slug(self) -> str:
        assert self.competition.kaggle is not None
        return self.competition.kaggle.slug


def examine(
    draft: Draft, estimate: Estimate | None, sent: Sequence[tuple[str, Upload]], again: bool
) -> Findings:
    """Everything that can be found out without Kaggle."""
    competition, csv = draft.competition, draft.files.csv
    test_ids = competition.read_test_ids(draft.workspace.source)
    found = Findings([], [], list(find_problems(competition, csv, test_ids)))
    provenance = read_json(draft.files.provenance)
    oof = provenance.get("oof")
    if oof is None:
        raise UserError(f"{draft.files.provenance} was written by an older kit. Anew: kit blend")
    if estimate is None and provenance["csv_digest"] == draft.csv_digest:
        found.warnings.append("its models were trained on all rows: no score is told beforehand.")
    elif estimate is None:
        found.warnings.append(
            "its bytes are not those that kit blend wrote: what to expect of it is not known."
        )
    else:
        low, high = estimate.interval
        found.facts.append(
            f"expected score {estimate.expected:.3f}, 95 % from {low:.3f} to {high:.3f}"
        )
    if found.problems:
        return found  # what cannot be read cannot be compared
    table = competition.answer_format.read(csv, competition.class_keys)
    test, of_oof = Counts.of(competition, table), Counts(**oof)
    found.facts.append(describe(test, of_oof))
    found.warnings.extend(warn(competition, test, of_oof))
    if not sum(test.positives.values()):
        found.problems.append(f"{csv} has no label in any row, and would score 0.")
    _hold_against_earlier(draft, table, sent, again, found)
    return found


def _hold_against_earlier(
    draft: Draft,
    table: LabelTable,
    sent: Sequence[tuple[str, Upload]],
    again: bool,
    found: Findings,
) -> None:
    """Add to the findings how far the file is from each that was sent, which it must not equal."""
    compared = compare(draft.competition, draft.workspace, table, draft.csv_digest, sent)
    for other in compared[:MOST_COMPARED]:
        if other.labels == 0 and not again:
            found.problems.append(
                f"{draft.files.csv} is the same as {other.name}, submitted {_said(other.upload)}. "
                "To send it all the same: --again."
            )
            return
        found.facts.append(
            f"differs from {other.name} ({_said(other.upload)}) in {other.rows} rows, "
            f"{other.labels} labels"
        )
    if rest := compared[MOST_COMPARED:]:
        found.facts.append(f"differs from {len(rest)} more in {rest[0].rows} rows or more")
    if lost := len(sent) - len(compared):
        found.facts.append(f"sent before, overwritten since and so not compared: {lost}")


def _said(upload: Upload) -> str:
    """When an upload was, and what came of it."""
    return f"{upload.begun:%Y-%m-%d}, {upload.outcome}"
