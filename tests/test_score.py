"""The score of predictions from anywhere: out-of-fold ones get the honest number beside."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import write_text
from kit.core.paths import Workspace
from kit.data.predictions import write_predictions
from kit.data.runs import Run
from kit.ensemble import make_members
from kit.ensemble.evaluate import cross_fit
from kit.ensemble.thresholds import find_policy
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
