"""The submission CSV of a blend, and beside it its full provenance as JSON."""

import hashlib
from dataclasses import dataclass
from typing import Any

from kit.blends.opened import open_blend
from kit.competitions.base import Competition
from kit.core.disk import write_text
from kit.core.owner import own
from kit.core.paths import BlendFiles, SubmissionFiles, Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.runs import open_run
from kit.ensemble import Decision, LabelCounts
from kit.submission.ancestry import (
    ancestry_content,
    find_submission_damage,
    is_written,
    write_ancestry,
)
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
    competition: Competition,
    workspace: Workspace,
    blend: BlendFiles,
    reporter: Reporter = SILENT,
) -> Submission:
    """Label every test row of a blend, write the CSV in the sample's order, and check it.

    A rerun writes the same bytes; it reports a CSV that was changed meanwhile and replaces it.
    Raises UserError if the check fails.
    """
    opened = open_blend(workspace, blend.name)
    decision = opened.decision
    test_ids = competition.read_test_ids(workspace.source)
    test = opened.read_test(competition).take(test_ids)
    labels = decision.label(test.probs, test.ids)

    name = submission_name(competition, blend)
    files = workspace.submission(name)
    text = competition.answer(test_ids, labels)
    counts = LabelCounts.of(labels, competition.class_keys)
    about = {
        "competition": competition.name,
        "csv_digest": hashlib.sha256(text.encode()).hexdigest(),
        "blend": blend.name,
        "runs": _runs(workspace, decision),
    }
    content = ancestry_content(about, decision, counts)
    if not is_written(files, text, content):
        with own(files.csv, f"Submission {name}", workspace.wait, reporter) as held:
            if damage := find_submission_damage(files):
                reporter.say(f"{damage} The submission is written again.")
            held.require()
            write_text(files.csv, text)
            check_submission(competition, files.csv, test_ids)
            write_ancestry(files, content)
    check_submission(competition, files.csv, test_ids)
    return Submission(name, files, counts.rows, counts.labels_per_row, counts.empty_rows)


def _runs(workspace: Workspace, decision: Decision) -> dict[str, Any]:
    """Every run with its predictions' digest, its recipe and what it was trained on."""
    runs = {}
    for name, made in decision.origin.inputs.items():
        run = open_run(workspace, name)
        inputs = run.inputs.content()
        runs[name] = {"predictions": made, "recipe": dict(run.recipe), "inputs": inputs}
    return runs
