"""The score of predictions from anywhere: out-of-fold ones get the honest number beside."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import edit_unsealed

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import write_text
from kit.core.errors import UserError
from kit.core.paths import BlendFiles, Workspace
from kit.data.predictions import read_predictions, write_predictions
from kit.data.runs import Run
from kit.ensemble import Decision, Options, make_members
from kit.ensemble.evaluate import cross_fit
from kit.ensemble.postprocess import Copied, Postprocess, Rule
from kit.ensemble.thresholds import find_policy
from kit.stages.blend import blend
from kit.stages.score import score_stage


def test_out_of_fold_predictions_get_the_cross_fitted_score_beside(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    make_run: Callable[..., Run],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from sklearn.metrics import f1_score

    oof = make_run("one", seed=1).read_oof(shapes)
    write_predictions(tmp_path / "oof.parquet", oof, {})
    score_stage(shapes, tmp_path / "oof.parquet", workspace.source / "labels.csv", None)
    truth = labels.of(oof.ids)
    sample = make_members(truth, [oof], ["one"]).with_probs(oof.probs)
    decisions = cross_fit(sample, lambda _: find_policy("exact"))
    honest = f1_score(truth, decisions, average="macro", zero_division=0)
    plain = f1_score(truth, (oof.probs >= 0.5).astype(int), average="macro", zero_division=0)
    out = capsys.readouterr().out
    assert f"macro-F1 is {honest:.6f}" in out
    assert f"macro-F1 {plain:.6f}" in out


def test_the_predictions_of_a_single_fold_are_scored_as_they_are(
    shapes: Competition,
    labels: LabelTable,
    make_run: Callable[..., Run],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run("one", seed=1)
    oof = run.read_oof(shapes)
    assert oof.fold is not None
    ids = tuple(np.array(oof.ids)[oof.fold == 0])
    text = shapes.label_format.text(LabelTable(ids, labels.of(ids)), shapes.class_keys)
    write_text(tmp_path / "labels.csv", text)
    score_stage(shapes, run.files.fold(0).oof, tmp_path / "labels.csv", None)
    assert "out-of-fold" not in capsys.readouterr().out


# By a decision's file


@pytest.fixture
def blended(shapes: Competition, workspace: Workspace, make_run: Callable[..., Run]) -> BlendFiles:
    make_run("one", seed=1)
    options = Options("logit-mean", "exact", "thresholds")
    return blend(shapes, workspace, name="best", options=options)


def test_a_decision_labels_out_of_fold_predictions(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    labels = workspace.source / "labels.csv"
    value = score_stage(shapes, blended.oof, labels, blended.decision)
    assert value == Decision.load(blended.decision).worth.score.fitted


def test_a_decision_labels_test_predictions_with_copies_and_rules(
    shapes: Competition, workspace: Workspace, blended: BlendFiles, tmp_path: Path
) -> None:
    ids = shapes.read_test_ids(workspace.source)
    steps = Postprocess((Rule(1, 0, 0.0, 2.0),), True, {ids[2]: Copied("train00", (2,))})
    decision = replace(Decision.load(blended.decision), postprocess=steps)
    decision.save(tmp_path / "decision.json")
    test = read_predictions(blended.test, shapes.class_keys).take(ids)
    expected = decision.label(test.probs, ids)
    assert expected[2].tolist() == [0, 0, 1]
    text = shapes.label_format.text(LabelTable(ids, expected), shapes.class_keys)
    write_text(tmp_path / "labels.csv", text)
    path, labels = tmp_path / "decision.json", tmp_path / "labels.csv"
    assert score_stage(shapes, blended.test, labels, path) == 1.0
    assert score_stage(shapes, blended.test, labels, blended.decision) < 1.0


def test_a_decision_of_other_classes_is_refused(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    def rename(saved: dict[str, Any]) -> None:
        saved.update(json.loads(json.dumps(saved).replace('"star"', '"moon"')))

    edit_unsealed(blended.decision, rename)
    labels = workspace.source / "labels.csv"
    with pytest.raises(UserError, match=r"decision\.json is for other classes than those of Shap"):
        score_stage(shapes, blended.oof, labels, blended.decision)


def test_a_csv_is_decided_already(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    csv = workspace.source / "sample.csv"
    with pytest.raises(UserError, match=r"--decision is for probabilities; .*\.csv is already"):
        score_stage(shapes, csv, workspace.source / "labels.csv", blended.decision)
