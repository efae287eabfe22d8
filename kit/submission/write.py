"""The submission CSV of a blend, and beside it the whole ancestry as JSON."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import digest_file, read_json, write_json, write_text
from kit.core.paths import BlendFiles, SubmissionFiles, Workspace
from kit.data.predictions import read_predictions
from kit.ensemble.decided import decide_test
from kit.submission.check import check_submission

_OF_THRESHOLDS = ("policy", "transfer", "thresholds", "finish", "copies", "scores")


@dataclass(frozen=True)
class Submission:
    """A written and checked submission: its name, its files, and how many labels it sets."""

    name: str
    files: SubmissionFiles
    rows: int
    labels_per_row: float
    empty_rows: int


def submission_name(competition: Competition, blend: BlendFiles) -> str:
    """What a blend's submission is called: competitions share one folder of submissions."""
    return f"{competition.name}-{blend.name}"


def write_submission(
    competition: Competition, workspace: Workspace, blend: BlendFiles
) -> Submission:
    """Decide every test row of a blend, write the CSV in the sample's order, and check it.

    Running it again writes the same bytes. Raises UserError when the check fails.
    """
    test_ids = competition.read_test_ids(workspace.source)
    test = read_predictions(blend.test, competition.class_keys).take(test_ids)
    decisions = decide_test(competition, workspace, blend, test)

    name = submission_name(competition, blend)
    files = workspace.submission(name)
    write_text(files.csv, competition.answer(test_ids, decisions))
    check_submission(competition, files.csv, test_ids)
    write_json(files.provenance, _provenance(competition, workspace, blend, files, decisions))
    per_row = decisions.sum(axis=1)
    return Submission(name, files, len(test_ids), float(per_row.mean()), int((per_row == 0).sum()))


def _provenance(
    competition: Competition,
    workspace: Workspace,
    blend: BlendFiles,
    files: SubmissionFiles,
    decisions: NDArray[np.uint8],
) -> dict[str, Any]:
    thresholds = read_json(blend.thresholds)
    runs = {}
    for name, made in thresholds["inputs"].items():
        run = workspace.run(name)
        inputs = read_json(run.inputs)
        runs[name] = {"predictions": made, "recipe": read_json(run.recipe), "inputs": inputs}
    return {
        "competition": competition.name,
        "csv_digest": digest_file(files.csv),
        "blend": _mixture(blend),
        "thresholds": {key: thresholds[key] for key in _OF_THRESHOLDS},
        "test": _counts(competition, decisions),
        "oof": read_json(blend.weights)["out_of_fold"],
        "runs": runs,
    }


def _mixture(blend: BlendFiles) -> dict[str, Any]:
    """How the runs were mixed, as far as it belongs to a submission's ancestry."""
    saved = read_json(blend.weights)
    kept = ("method", "combination", "all_rows")
    return {"name": blend.name, **{key: saved[key] for key in kept}}


def _counts(competition: Competition, decisions: NDArray[np.uint8]) -> dict[str, Any]:
    """How many rows there are, how many without a label, how many with each."""
    positives = decisions.sum(axis=0, dtype=np.int64).tolist()
    return {
        "rows": len(decisions),
        "empty_rows": int((decisions.sum(axis=1) == 0).sum()),
        "positives": dict(zip(competition.class_keys, positives, strict=True)),
    }
