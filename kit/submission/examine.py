"""Checks a CSV before it is submitted, without asking Kaggle."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.blends.opened import how_to_remake
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.paths import SubmissionFiles, Workspace
from kit.ensemble import LabelCounts
from kit.submission.ancestry import read_ancestry
from kit.submission.check import find_problems
from kit.submission.record import Promise, Upload
from kit.submission.sense import compare, describe, warn

MOST_COMPARED = 5  # how many earlier submissions to compare with, the most similar first


@dataclass(frozen=True)
class Findings:
    """What the checks found: facts, warnings, and problems that forbid sending."""

    facts: list[str]
    warnings: list[str]
    problems: list[str]


@dataclass(frozen=True)
class Draft:
    """A CSV to submit, called `name`, for a competition on Kaggle."""

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


def how_to_write(competition: Competition, workspace: Workspace, name: str) -> str:
    """The command that writes the submission called `name` again: that of its blend."""
    return how_to_remake(workspace, name.removeprefix(f"{competition.name}-"))


def not_as_written(competition: Competition, workspace: Workspace, name: str) -> str:
    """The problem with a CSV that was changed since the kit wrote it, and both ways on."""
    again = how_to_write(competition, workspace, name)
    return (
        f"{workspace.submission(name).csv} was changed since the kit wrote it. To write it again: "
        f"{again}; to use your version: --edited."
    )


def examine(
    draft: Draft,
    estimate: Promise | None,
    sent: Sequence[tuple[str, Upload]],
    again: bool,
    edited: bool,
) -> Findings:
    """Everything that can be found without asking Kaggle."""
    competition, csv = draft.competition, draft.files.csv
    test_ids = competition.read_test_ids(draft.workspace.source)
    found = Findings([], [], list(find_problems(competition, csv, test_ids)))
    is_unreadable = bool(found.problems)
    ancestry = read_ancestry(draft.files)
    if estimate is None and ancestry.csv_digest == draft.csv_digest:
        found.warnings.append("its models were trained on all rows: the expected score is unknown.")
    elif estimate is None and not edited:
        found.problems.append(not_as_written(competition, draft.workspace, draft.name))
    elif estimate is None:
        found.warnings.append(
            "it was changed since the kit wrote it: the expected score is unknown."
        )
    else:
        low, high = estimate.interval
        found.facts.append(
            f"expected score {estimate.expected:.3f}, 95% CI {low:.3f} to {high:.3f}"
        )
    if is_unreadable:
        return found  # an unreadable file cannot be compared
    table = competition.answer_format.read(csv, competition.class_keys)
    test = LabelCounts.of(table.labels, competition.class_keys)
    found.facts.append(describe(test, ancestry.out_of_fold))
    found.warnings.extend(warn(competition, test, ancestry.out_of_fold))
    if not sum(test.positives.values()):
        found.problems.append(f"{csv} has no label in any row and would score 0.")
    _hold_against_earlier(draft, table, sent, again, found)
    return found


def _hold_against_earlier(
    draft: Draft,
    table: LabelTable,
    sent: Sequence[tuple[str, Upload]],
    again: bool,
    found: Findings,
) -> None:
    """Add to the findings how the file differs from each sent before; a problem if from none."""
    compared = compare(draft.competition, draft.workspace, table, draft.csv_digest, sent)
    for other in compared[:MOST_COMPARED]:
        if other.labels == 0 and not again:
            found.problems.append(
                f"{draft.files.csv} is identical to {other.name}, submitted {_said(other.upload)}. "
                "To send it anyway: --again."
            )
            return
        found.facts.append(
            f"differs from {other.name} ({_said(other.upload)}) in {other.rows} rows, "
            f"{other.labels} labels"
        )
    if rest := compared[MOST_COMPARED:]:
        found.facts.append(f"differs from {len(rest)} others in at least {rest[0].rows} rows")
    if lost := len(sent) - len(compared):
        found.facts.append(f"sent before but not compared, because overwritten since: {lost}")


def _said(upload: Upload) -> str:
    """When an upload was sent, and its result."""
    return f"{upload.begun:%Y-%m-%d}, {upload.outcome}"
