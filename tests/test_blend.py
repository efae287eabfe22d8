"""The blend: of whole runs on the present folds only, and the same again when nothing changed."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import edit_unsealed

from kit.competitions.base import Competition
from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import macro_f1
from kit.competitions.tables import LabelTable
from kit.core.disk import digest_file, read_json
from kit.core.errors import UserError
from kit.core.owner import own
from kit.core.paths import BlendFiles, Workspace
from kit.data.folds import Folds, digest_labels, make_folds, write_folds
from kit.data.predictions import mean_of_logits, read_predictions, write_predictions
from kit.data.runs import Run, begin_run, open_run
from kit.ensemble import Decision, Options, make_unseen
from kit.stages.blend import blend, blend_stage

MakeRun = Callable[..., Run]

# The plain mean of logits under exact thresholds, where it does not matter how runs are blended.
PLAIN = Options(method="logit-mean", policy="exact", transfer="thresholds")


def decision_of(made: BlendFiles) -> Decision:
    return Decision.load(made.decision)


def runs_of(made: BlendFiles) -> list[str]:
    return list(decision_of(made).members)


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
        with pytest.raises(UserError, match=r"untrained folds: 1\. .*kit train net-.* --folds 1"):
            read()


# Blending


def test_a_plain_blend_is_the_mean_of_its_runs_logits(
    shapes: Competition, workspace: Workspace, folds: Folds, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace, options=PLAIN)
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
    made = blend(shapes, workspace, options=Options(method="stack", policy="exact"))
    decision = decision_of(made)
    assert decision.members == tuple(run.name for run in runs)
    expected = decision.combine(make_unseen([run.read_tests(shapes) for run in runs]))
    found = read_predictions(made.test, shapes.class_keys)
    np.testing.assert_array_equal(found.take(runs[0].read_test(shapes).ids).probs, expected)


def test_thresholds_on_disk_reach_the_fitted_score(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    made = blend(shapes, workspace, options=PLAIN)
    oof = read_predictions(made.oof, shapes.class_keys).take(labels.ids)
    decision = decision_of(made)
    score = decision.worth.score
    assert macro_f1(labels.labels, decide(oof.probs, decision.thresholds)) == score.fitted
    assert score.cross_fitted < score.fitted
    assert score.interval[0] < score.expected < score.interval[1]
    saved = read_json(made.decision)
    assert list(saved["thresholds"].values()) == decision.thresholds.tolist()
    written = saved["worth"]["score"]
    assert (written["fitted"], written["expected"]) == (score.fitted, score.expected)


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
        made = blend(shapes, workspace, options=Options("logit-mean", policy))
        assert decision_of(made).thresholds[2] == NEVER


def test_a_blend_says_what_it_is_made_of(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    runs = [make_run("one", seed=1), make_run("two", seed=2)]
    made = blend(shapes, workspace, options=Options(method="logit-mean"))
    inputs = {run.name: run.digest() for run in runs}
    saved = read_json(made.decision)
    assert saved["origin"]["inputs"] == inputs
    assert saved["origin"]["options"] == {
        "method": "logit-mean",
        "policy": "auto",
        "transfer": "auto",
        "postprocess": "",
    }
    assert saved["chosen"]["transfer"] == "averaged"
    assert saved["chosen"]["method"] == "logit-mean"
    assert saved["combination"] == {"weights": [0.5, 0.5], "in_logits": True}
    assert saved["members"] == list(saved["worth"]["alone"]) == list(inputs)
    assert saved["weighed"]["methods"] == []  # there was no choice
    assert saved["chosen"]["policy"] in [one["name"] for one in saved["weighed"]["policies"]]
    assert list(saved["worth"]["classes"]) == list(shapes.class_keys)
    assert saved["worth"]["score"]["test_rows"] == 8
    assert set(saved["worth"]["rates_disagree"]) <= set(shapes.class_keys)
    beside = {path.name for path in made.folder.iterdir()} - {"decision.json", "command.json"}
    assert saved["origin"]["files"].keys() == beside
    for name, digest in saved["origin"]["files"].items():
        assert digest_file(made.folder / name) == digest


def test_a_blend_is_held_against_its_best_run(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    good, bad = make_run("good", seed=1, noise=0.1), make_run("bad", seed=2, noise=0.9)
    decision = decision_of(blend(shapes, workspace, options=PLAIN))
    alone = decision.worth.alone
    assert alone[good.name].score.expected > alone[bad.name].score.expected
    against = decision.worth.against_best
    assert against is not None
    assert against.member == good.name
    ahead = decision.expected - alone[good.name].score.expected
    assert against.difference == pytest.approx(ahead)
    assert against.interval[0] <= against.difference <= against.interval[1]


def test_what_each_class_is_worth_comes_with_its_interval(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    classes = decision_of(blend(shapes, workspace, options=PLAIN)).worth.classes
    positives = labels.labels.sum(axis=0).tolist()
    assert list(classes) == list(shapes.class_keys)
    assert [one.positives for one in classes.values()] == positives
    for one in classes.values():
        low, high = one.interval
        assert 0 <= low <= one.f1 <= high <= 1
        reach = max(one.f1 - low, high - one.f1)
        assert one.unreliable == (reach >= 0.5 * one.f1)


# The same again


@pytest.mark.parametrize("how", [Options(), PLAIN], ids=["auto", "plain"])
def test_blending_again_writes_nothing(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, how: Options
) -> None:
    make_run("one", seed=1)
    first = blend(shapes, workspace, options=how)
    assert re.fullmatch(rf"{how.method}-[0-9a-f]{{8}}", first.name)
    before = times(workspace.blends)
    assert blend(shapes, workspace, options=how) == first
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
    names = [blend(shapes, workspace, options=how).name for how in ways]
    assert len(set(names)) == len(ways)
    assert workspace.blend_names() == tuple(sorted(names))


def test_a_named_blend_is_made_anew_in_another_way(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    for policy in ("fixed=0.5", "fixed=0.4"):
        made = blend(shapes, workspace, name="best", options=replace(PLAIN, policy=policy))
        assert decision_of(made).chosen.policy == policy
    assert decision_of(made).thresholds.tolist() == [0.4] * 3
    assert workspace.blend_names() == ("best",)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (Options(method="stak"), "No method 'stak'. Known: .* Did you mean 'stack'?"),
        (Options(policy="exakt"), "No policy 'exakt'. Known: .* Did you mean 'exact'?"),
        (Options(policy="fixed=x"), "Policy fixed needs a number"),
        (Options(steps=("fil",)), "No post-processing 'fil'. Known: .* Did you mean 'fill'?"),
        (
            Options(method="mean", transfer="rate"),
            "No transfer 'rate'. Known: .* Did you mean 'rates'?",
        ),
    ],
)
def test_an_unknown_way_is_refused_and_leaves_nothing(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, how: Options, message: str
) -> None:
    make_run("one", seed=1)
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        blend(shapes, workspace, options=how)
    assert not workspace.blends.exists()


def test_runs_with_averaged_tests_are_blended_once_averaged(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    by_fold, averaged = make_run("one", seed=1), make_run("two", seed=2)
    write_predictions(averaged.files.averaged_test, averaged.read_test(shapes), {})
    made = blend(shapes, workspace, options=Options("logit-mean", "exact"))
    assert decision_of(made).chosen.transfer in ("averaged", "rates")
    expected = mean_of_logits([by_fold.read_test(shapes), averaged.read_test(shapes)])
    found = read_predictions(made.test, shapes.class_keys)
    np.testing.assert_allclose(found.probs, expected.probs, rtol=1e-5)


def test_the_public_part_is_promised_where_its_size_is_known(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run("one", seed=1)
    assert shapes.count_public(workspace.source) is None
    parts = replace(shapes, private_share=0.75)
    assert (parts.count_private(workspace.source), parts.count_public(workspace.source)) == (6, 2)
    blend_stage(parts, workspace, (), None, PLAIN)
    lines = capsys.readouterr().out
    assert "Expected macro-F1 on 6 test rows: " in lines
    assert "On the public part, 2 rows: " in lines


def test_a_blend_that_was_killed_before_its_marker_is_finished(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    first = blend(shapes, workspace, options=PLAIN)
    before = {path: path.read_bytes() for path in first.folder.iterdir()}
    first.decision.unlink()
    assert workspace.blend_names() == ()
    assert blend(shapes, workspace, options=PLAIN) == first
    assert {path: path.read_bytes() for path in first.folder.iterdir()} == before


def test_a_named_blend_is_made_anew_from_other_runs(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    blend(shapes, workspace, [one.name], "best", PLAIN)
    made = blend(shapes, workspace, [two.name, two.name], "best", PLAIN)
    assert runs_of(made) == [two.name]
    assert list(decision_of(made).origin.inputs) == [two.name]
    assert workspace.blend_names() == ("best",)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b"])
def test_a_name_that_is_no_plain_one_is_refused(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, name: str
) -> None:
    make_run("one", seed=1)
    with pytest.raises(UserError, match=r"^--name .*: use only letters, digits"):
        blend(shapes, workspace, name=name, options=PLAIN)
    assert not workspace.blends.exists()


# Which runs


def test_an_unfinished_run_is_left_out_and_said_so(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = make_run("whole", seed=1), make_run("half", seed=2, done=[1])
    assert runs_of(blend(shapes, workspace, options=PLAIN)) == [whole.name]
    assert f"{half.name} is not blended: folds 0 are not trained." in capsys.readouterr().out


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
    assert runs_of(blend(shapes, workspace, options=PLAIN)) == [here.name]
    assert f"{other.name} is not blended: it was trained on other" in capsys.readouterr().out


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


# The decision on disk


def test_a_score_reads_back_as_it_was_written(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    made = blend(shapes, workspace, options=PLAIN)
    score, saved = decision_of(made).worth.score, read_json(made.decision)["worth"]["score"]
    assert list(saved) == ["fitted", "cross_fitted", "expected", "interval", "test_rows"]
    assert [saved["fitted"], saved["cross_fitted"], saved["expected"]] == [
        score.fitted,
        score.cross_fitted,
        score.expected,
    ]
    assert (tuple(saved["interval"]), saved["test_rows"]) == (score.interval, 8)


def test_thresholds_without_a_class_are_refused(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    made = blend(shapes, workspace, options=PLAIN)
    edit_unsealed(made.decision, lambda saved: saved["thresholds"].pop("star"))
    message = r"not valid: thresholds: expected one threshold per class\."
    with pytest.raises(UserError, match=message):
        decision_of(made)


# One owner


def test_a_blend_in_work_is_refused_with_its_owner_and_a_finished_one_needs_no_lock(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", seed=1)
    options = Options("mean", "exact")
    busy = pytest.raises(UserError, match=r"Blend both is in use by process .* Add --wait")
    with own(workspace.blend("both").folder, "Blend both"), busy:
        blend(shapes, workspace, name="both", options=options)
    made = blend(shapes, workspace, name="both", options=options)
    with own(made.folder, "Blend both"):
        assert blend(shapes, workspace, name="both", options=options) == made


@pytest.mark.parametrize("damaged", ["oof.parquet", "decision.json", "test.parquet"])
def test_a_damaged_blend_is_made_again_with_a_line(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
    damaged: str,
) -> None:
    make_run("one", seed=1)
    options = Options("mean", "exact")
    path = blend(shapes, workspace, name="both", options=options).folder / damaged
    before = path.read_bytes()
    path.write_bytes(b"")
    blend(shapes, workspace, name="both", options=options)
    assert path.read_bytes() == before
    assert f"{path} " in capsys.readouterr().out
