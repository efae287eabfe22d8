"""The blend: of whole runs on the present folds only, and the same again when nothing changed."""

import re
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
from kit.core.paths import BlendFiles, Workspace
from kit.data.folds import Folds, digest_labels, make_folds, write_folds
from kit.data.predictions import mean_of_logits, read_predictions, write_predictions
from kit.data.runs import Run, begin_run, open_run
from kit.ensemble.blend import How, blend
from kit.ensemble.members import blended_test, combination_from
from kit.ensemble.thresholds import read_score, read_thresholds

MakeRun = Callable[..., Run]

# The plain mean of logits under exact cuts, where it does not matter how runs are blended.
PLAIN = How(method="logit-mean", policy="exact", transfer="thresholds")


def runs_of(made: BlendFiles) -> list[str]:
    found: list[str] = read_json(made.weights)["runs"]
    return found


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
    with pytest.raises(UserError, match=f"No run 'nett' in .* Known: {name}"):
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


def test_a_plain_blend_is_the_mean_of_its_runs_logits(
    shapes: Competition, workspace: Workspace, folds: Folds, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace, how=PLAIN)
    assert runs_of(made) == [run.name for run in runs]
    oof = read_predictions(made.oof, shapes.class_keys)
    expected = mean_of_logits([run.read_oof(shapes).take(folds.ids) for run in runs])
    assert oof.ids == folds.ids
    np.testing.assert_allclose(oof.probs, expected.probs, rtol=1e-6)
    np.testing.assert_array_equal(oof.fold, folds.fold)
    test = read_predictions(made.test, shapes.class_keys)
    assert test.ids == shapes.read_test_ids(workspace.source)
    answers = mean_of_logits([run.read_test(shapes) for run in runs])
    np.testing.assert_allclose(test.probs, answers.probs, rtol=1e-5)


def test_the_blend_on_disk_is_its_combination_of_the_runs_on_disk(
    shapes: Competition, workspace: Workspace, folds: Folds, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace, how=How(method="stack", policy="exact"))
    saved = read_json(made.weights)["combination"]
    combination = combination_from(saved, tuple(run.name for run in runs))
    tests = [np.stack([run.read_tests(shapes)[fold].probs for run in runs]) for fold in range(2)]
    expected = blended_test(combination, tests)
    found = read_predictions(made.test, shapes.class_keys)
    np.testing.assert_array_equal(found.probs, expected)


def test_thresholds_on_disk_reach_the_fitted_score(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    made = blend(shapes, workspace, how=PLAIN)
    oof = read_predictions(made.oof, shapes.class_keys).take(labels.ids)
    cuts = read_thresholds(made.thresholds, shapes.class_keys)
    score = read_score(made.thresholds)
    assert macro_f1(labels.labels, decide(oof.probs, cuts)) == score.fitted
    assert score.cross_fitted < score.fitted
    assert score.interval[0] < score.expected < score.interval[1]
    saved = read_json(made.weights)["score"]
    assert (saved["fitted"], saved["expected"]) == (score.fitted, score.expected)


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
    for policy in ("exact", "calibrated", "fold-mean"):
        made = blend(shapes, workspace, how=How("logit-mean", policy))
        assert read_thresholds(made.thresholds, shapes.class_keys)[2] == NEVER


def test_a_blend_says_what_it_is_made_of(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace, how=How(method="logit-mean"))
    inputs = {run.name: run.digest() for run in runs}
    chosen = read_json(made.thresholds)
    assert chosen["inputs"] == inputs
    assert chosen["how"]["method"] == "logit-mean"
    assert chosen["transfer"] == "averaged"
    mixed = read_json(made.weights)
    assert mixed["method"] == "logit-mean"
    assert mixed["combination"] == {"mean of": "logits", "weights": dict.fromkeys(inputs, 0.5)}
    assert mixed["transfer"] == chosen["transfer"]
    assert mixed["runs"] == list(mixed["alone"]) == list(inputs)
    assert [one["name"] for one in mixed["methods"]] == ["logit-mean"]
    assert chosen["policy"] in [one["name"] for one in mixed["policies"]]
    assert list(mixed["classes"]) == list(shapes.class_keys)
    assert mixed["score"]["test_rows"] == 8
    assert set(mixed["rates_disagree"]) <= set(shapes.class_keys)


def test_a_blend_is_held_against_its_best_run(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    good, bad = make_run("good", seed=1, noise=0.1), make_run("bad", seed=2, noise=0.9)
    mixed = read_json(blend(shapes, workspace, how=PLAIN).weights)
    alone = mixed["alone"]
    assert alone[good.name]["expected"] > alone[bad.name]["expected"]
    against = mixed["better_than"]
    assert against["run"] == good.name
    ahead = mixed["score"]["expected"] - alone[good.name]["expected"]
    assert against["difference"] == pytest.approx(ahead)
    assert against["interval"][0] <= against["difference"] <= against["interval"][1]


def test_what_each_class_is_worth_comes_with_its_interval(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    classes = read_json(blend(shapes, workspace, how=PLAIN).weights)["classes"]
    positives = labels.labels.sum(axis=0).tolist()
    assert [one["positives"] for one in classes.values()] == positives
    for one in classes.values():
        low, high = one["interval"]
        assert 0 <= low <= one["f1"] <= high <= 1
        reach = max(one["f1"] - low, high - one["f1"])
        assert one["noisy"] == (reach >= 0.5 * one["f1"])


# The same again


@pytest.mark.parametrize("how", [How(), PLAIN], ids=["auto", "plain"])
def test_blending_again_writes_nothing(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, how: How
) -> None:
    make_run("one", seed=1)
    first = blend(shapes, workspace, how=how)
    assert re.fullmatch(rf"{how.method}-[0-9a-f]{{8}}", first.name)
    before = times(workspace.blends)
    assert blend(shapes, workspace, how=how) == first
    assert times(workspace.blends) == before


def test_another_way_of_blending_is_another_blend(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    make_run("two", seed=2)
    ways = [
        PLAIN,
        replace(PLAIN, method="mean"),
        replace(PLAIN, policy="fixed=0.5"),
        replace(PLAIN, policy="fixed=0.4"),
        replace(PLAIN, transfer="rates"),
    ]
    names = [blend(shapes, workspace, how=how).name for how in ways]
    assert len(set(names)) == len(ways)
    assert workspace.blend_names() == tuple(sorted(names))


def test_a_named_blend_is_made_anew_in_another_way(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    for policy in ("fixed=0.5", "fixed=0.4"):
        made = blend(shapes, workspace, name="best", how=replace(PLAIN, policy=policy))
        assert read_json(made.thresholds)["policy"] == policy
    assert read_thresholds(made.thresholds, shapes.class_keys).tolist() == [0.4] * 3
    assert workspace.blend_names() == ("best",)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (How(method="stak"), "No method 'stak'. Known: .* Did you mean 'stack'?"),
        (How(policy="exakt"), "No policy 'exakt'. Known: .* Did you mean 'exact'?"),
        (How(policy="fixed=x"), "Policy fixed needs a number"),
        (
            How(method="mean", transfer="rate"),
            "No transfer 'rate'. Known: .* Did you mean 'rates'?",
        ),
    ],
)
def test_an_unknown_way_is_refused_and_leaves_nothing(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, how: How, message: str
) -> None:
    make_run("one", seed=1)
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        blend(shapes, workspace, how=how)
    assert not workspace.blends.exists()


def test_runs_with_averaged_tests_are_blended_once_averaged(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    by_fold, averaged = make_run("one", seed=1), make_run("two", seed=2)
    write_predictions(averaged.files.averaged_test, averaged.read_test(shapes), {})
    made = blend(shapes, workspace, how=How("logit-mean", "exact"))
    assert read_json(made.thresholds)["transfer"] in ("thresholds", "rates")
    expected = mean_of_logits([by_fold.read_test(shapes), averaged.read_test(shapes)])
    found = read_predictions(made.test, shapes.class_keys)
    np.testing.assert_allclose(found.probs, expected.probs, rtol=1e-5)
    with pytest.raises(UserError, match="--transfer averaged wants"):
        blend(shapes, workspace, how=How("logit-mean", "exact", "averaged"))


def test_a_blend_that_was_killed_before_its_marker_is_finished(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    first = blend(shapes, workspace, how=PLAIN)
    before = {path: path.read_bytes() for path in first.folder.iterdir()}
    first.thresholds.unlink()
    assert workspace.blend_names() == ()
    assert blend(shapes, workspace, how=PLAIN) == first
    assert {path: path.read_bytes() for path in first.folder.iterdir()} == before


def test_a_named_blend_is_made_anew_from_other_runs(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    blend(shapes, workspace, [one.name], "best", PLAIN)
    made = blend(shapes, workspace, [two.name, two.name], "best", PLAIN)
    assert runs_of(made) == [two.name]
    assert list(read_json(made.thresholds)["inputs"]) == [two.name]
    assert workspace.blend_names() == ("best",)


# Which runs


def test_an_unfinished_run_is_left_out_and_said_so(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = make_run("whole", seed=1), make_run("half", seed=2, done=[1])
    assert runs_of(blend(shapes, workspace, how=PLAIN)) == [whole.name]
    assert f"{half.name} is left out: folds 0 are not trained." in capsys.readouterr().out


def test_an_unfinished_run_that_was_asked_for_is_refused(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    half = make_run("half", seed=2, done=[1])
    with pytest.raises(UserError, match=f"{half.name}: untrained folds: 0"):
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
    assert runs_of(blend(shapes, workspace, how=PLAIN)) == [here.name]
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


def test_a_score_reads_back_as_it_was_written(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    made = blend(shapes, workspace, how=PLAIN)
    score, scores = read_score(made.thresholds), read_json(made.thresholds)["scores"]
    assert list(scores) == ["fitted", "cross_fitted", "expected", "interval", "interval_rows"]
    assert [scores["fitted"], scores["cross_fitted"], scores["expected"]] == [
        score.fitted,
        score.cross_fitted,
        score.expected,
    ]
    assert (tuple(scores["interval"]), scores["interval_rows"]) == (score.interval, 8)


def test_thresholds_without_a_class_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", {"thresholds": {"circle": 0.5}})
    with pytest.raises(UserError, match=r"has no threshold for: square, star\."):
        read_thresholds(tmp_path / "t.json", ("circle", "square", "star"))
