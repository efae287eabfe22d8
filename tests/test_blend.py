"""The blend: of whole runs on the present folds only, and the same again when nothing changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kit.competitions.base import Competition
from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import macro_f1
from kit.competitions.tables import LabelTable
from kit.core.disk import read_json, write_json
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.folds import Folds, digest_labels, make_folds, write_folds
from kit.data.predictions import mean_of_logits, read_predictions
from kit.data.runs import Run, begin_run, open_run
from kit.ensemble.blend import blend
from kit.ensemble.thresholds import read_score, read_thresholds

MakeRun = Callable[..., Run]


def times(folder: Path) -> dict[str, int]:
    """When each file below a folder was last written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# Runs


def test_a_run_is_found_again_and_other_inputs_make_another(workspace: Workspace) -> None:
    first = begin_run(workspace, {"name": "net", "size": 16}, 2, "f", "l", {"train": "t"})
    assert begin_run(workspace, {"name": "net", "size": 16}, 2, "f", "l", {"train": "t"}) == first
    assert first.name.startswith("net-16-")
    others = [
        begin_run(workspace, {"name": "net", "size": 16, "seed": 1}, 2, "f", "l", {"train": "t"}),
        begin_run(workspace, {"name": "net", "size": 16}, 2, "g", "l", {"train": "t"}),
        begin_run(workspace, {"name": "net", "size": 16}, 2, "f", "l", {"train": "u"}),
        begin_run(workspace, {"name": "net", "size": 16}, 2, "f", "m", {"train": "t"}),
    ]
    assert len({run.name for run in [first, *others]}) == 5
    assert open_run(workspace, first.name) == first


def test_an_unknown_run_is_refused_with_the_runs_there_are(
    workspace: Workspace, make_run: MakeRun
) -> None:
    name = make_run("net", seed=1).name
    with pytest.raises(UserError, match=f"No run 'nett' in .* There are: {name}"):
        open_run(workspace, "nett")


def test_a_run_reads_back_by_id(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    run = make_run("net", seed=1)
    assert run.read_oof(shapes).ids == tuple(sorted(labels.ids))
    parts = [read_predictions(run.files.fold(fold).test, shapes.class_keys) for fold in range(2)]
    np.testing.assert_array_equal(run.read_test(shapes).probs, mean_of_logits(parts).probs)


def test_a_run_with_a_fold_missing_names_it_and_the_command(
    shapes: Competition, make_run: MakeRun
) -> None:
    run = make_run("net", seed=1, done=[0])
    for read in (run.digest, lambda: run.read_oof(shapes), lambda: run.read_test(shapes)):
        with pytest.raises(UserError, match=r"not trained: 1\. .*net --size 16 --folds 1"):
            read()


# Blending


def test_a_blend_is_the_mean_of_its_runs_logits(
    shapes: Competition, workspace: Workspace, folds: Folds, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace)
    assert made.runs == tuple(run.name for run in runs)
    oof = read_predictions(made.files.oof, shapes.class_keys)
    expected = mean_of_logits([run.read_oof(shapes).take(folds.ids) for run in runs])
    assert oof.ids == folds.ids
    np.testing.assert_array_equal(oof.probs, expected.probs)
    np.testing.assert_array_equal(oof.fold, folds.fold)
    test = read_predictions(made.files.test, shapes.class_keys)
    assert test.ids == shapes.read_test_ids(workspace.source)


def test_thresholds_on_disk_reach_the_fitted_score(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    made = blend(shapes, workspace)
    oof = read_predictions(made.files.oof, shapes.class_keys).take(labels.ids)
    cuts = read_thresholds(made.files.thresholds, shapes.class_keys)
    score = read_score(made.files.thresholds)
    assert macro_f1(labels.labels, decide(oof.probs, cuts)) == score.fitted
    assert score == made.scores[-1].score
    assert score.cross_fitted < score.fitted


def test_a_class_that_is_never_there_is_never_said(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    # As a competition with one class more than its label table ever uses.
    labels.labels[:, 2] = 0
    text = shapes.label_format.text(labels, shapes.class_keys)
    (workspace.source / shapes.label_table).write_text(text)
    remade = make_folds(labels, 2, seed=0)
    write_folds(workspace.folds, remade, {"labels_digest": digest_labels(labels)})
    make_run("one", seed=1, on=remade)
    made = blend(shapes, workspace)
    assert read_thresholds(made.files.thresholds, shapes.class_keys)[2] == NEVER


def test_a_blend_says_what_it_is_made_of(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace)
    inputs = {run.name: run.digest() for run in runs}
    assert read_json(made.files.thresholds)["inputs"] == inputs
    assert read_json(made.files.weights)["weights"] == dict.fromkeys(inputs, 0.5)
    assert [scored.name for scored in made.scores] == [*inputs, made.files.name]


def test_blending_again_writes_nothing(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    first = blend(shapes, workspace)
    before = times(workspace.blends)
    assert blend(shapes, workspace) == first
    assert times(workspace.blends) == before


def test_a_blend_that_was_killed_before_its_marker_is_finished(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    first = blend(shapes, workspace)
    before = {path: path.read_bytes() for path in first.files.folder.iterdir()}
    first.files.thresholds.unlink()
    assert workspace.blend_names() == ()
    assert blend(shapes, workspace) == first
    assert {path: path.read_bytes() for path in first.files.folder.iterdir()} == before


def test_a_named_blend_is_made_anew_from_other_runs(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    blend(shapes, workspace, [one.name], "best")
    made = blend(shapes, workspace, [two.name, two.name], "best")
    assert made.runs == (two.name,)
    assert list(read_json(made.files.thresholds)["inputs"]) == [two.name]
    assert workspace.blend_names() == ("best",)


# Which runs


def test_an_unfinished_run_is_left_out_and_said_so(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = make_run("whole", seed=1), make_run("half", seed=2, done=[1])
    assert blend(shapes, workspace).runs == (whole.name,)
    assert f"{half.name} is left out: folds 0 are not trained." in capsys.readouterr().out


def test_an_unfinished_run_that_was_asked_for_is_refused(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    half = make_run("half", seed=2, done=[1])
    with pytest.raises(UserError, match=f"{half.name}: folds that are not trained: 0"):
        blend(shapes, workspace, [half.name])


@pytest.fixture
def elsewhere(folds: Folds) -> Folds:
    """The same ids on other folds."""
    return replace(folds, fold=1 - folds.fold)


def test_a_run_on_other_folds_is_left_out_and_said_so(
    shapes: Competition,
    workspace: Workspace,
    elsewhere: Folds,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here, other = make_run("here", seed=1), make_run("other", seed=2, on=elsewhere)
    assert blend(shapes, workspace).runs == (here.name,)
    assert f"{other.name} is left out: it was trained on other" in capsys.readouterr().out


def test_a_run_on_other_folds_that_was_asked_for_is_refused(
    shapes: Competition, workspace: Workspace, elsewhere: Folds, make_run: MakeRun
) -> None:
    other = make_run("other", seed=2, on=elsewhere)
    with pytest.raises(UserError, match=f"{other.name}: it was trained on other folds"):
        blend(shapes, workspace, [other.name])
    assert workspace.blend_names() == ()


def test_no_finished_run_comes_with_the_next_step(
    shapes: Competition, workspace: Workspace, folds: Folds
) -> None:
    with pytest.raises(UserError, match=r"No finished run .* Train one: kit train MODEL"):
        blend(shapes, workspace)


# Thresholds


def test_thresholds_without_a_class_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", {"thresholds": {"circle": 0.5}})
    with pytest.raises(UserError, match=r"has no threshold for: square, star\."):
        read_thresholds(tmp_path / "t.json", ("circle", "square", "star"))
