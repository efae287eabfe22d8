"""The submission CSV of a blend, and beside it its full provenance as JSON."""

from dataclasses import dataclass
from typing import Any

from kit.competitions.base import Competition
from kit.core.disk import digest_file, write_text
from kit.core.paths import BlendFiles, SubmissionFiles, Workspace
from kit.data.predictions import read_predictions
from kit.data.runs import open_run
from kit.ensemble import Decision, LabelCounts
from kit.submission.ancestry import write_ancestry
from kit.submission.check import check_submission


@dataclass(frozen=True)
class Submission:
    """A written and checked submission: its name, its files, and how many labels it sets."""

    name: str
    files: SubmissionFiles
    rows: int
    labels_per_row: float
    empty_rows: int


def submission_name(competition: Competition, blend: BlendFiles) -> str:
    """The name of a blend's submission; competitions share one folder of submissions."""
    return f"{competition.name}-{blend.name}"


def write_submission(
    competition: Competition, workspace: Workspace, blend: BlendFiles
) -> Submission:
    """Label every test row of a blend, write the CSV in the sample's order, and check it.

    A rerun writes the same bytes. Raises UserError if the check fails.
    """
    decision = Decision.load(blend.decision)
    test_ids = competition.read_test_ids(workspace.source)
    test = read_predictions(blend.test, competition.class_keys).take(test_ids)
    labels = decision.label(test.probs, test.ids)

    name = submission_name(competition, blend)
    files = workspace.submission(name)
    write_text(files.csv, competition.answer(test_ids, labels))
    check_submission(competition, files.csv, test_ids)
    counts = LabelCounts.of(labels, competition.class_keys)
    about = {
        "competition": competition.name,
        "csv_digest": digest_file(files.csv),
        "blend": blend.name,
        "runs": _runs(workspace, decision),
    }
    write_ancestry(files, about, decision, counts)
    return Submission(name, files, counts.rows, counts.labels_per_row, counts.empty_rows)


def _runs(workspace: Workspace, decision: Decision) -> dict[str, Any]:
    """Every run with its predictions' digest, its recipe and what it was trained on."""
    runs = {}
    for name, made in decision.origin.inputs.items():
        run = open_run(workspace, name)
        inputs = run.inputs.content()
        runs[name] = {"predictions": made, "recipe": dict(run.recipe), "inputs": inputs}
    return runs
