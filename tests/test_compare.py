"""Comparing blends and runs: one cross-fitted number everywhere, the sign, and what is refused."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import edit_unsealed
from numpy.typing import NDArray
from prepared import save_folds

from kit.cli import main
from kit.competitions.base import Competition
from kit.competitions.metrics import macro_f1
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import BlendFiles, Workspace
from kit.data.folds import Folds, digest_labels, write_folds
from kit.data.imported import import_predictions
from kit.data.predictions import Predictions, read_predictions, write_predictions
from kit.data.runs import Run
from kit.ensemble import Decision, Options
from kit.report.html import write_report
from kit.report.view import held_out_pictures, view_blend
from kit.stages.blend import blend, blend_stage
from kit.stages.compare import compare_stage
from kit.stages.status import status_stage

MakeRun = Callable[..., Run]
Comparing = Callable[[str, str], tuple[tuple[float, float], str]]

PLAIN = Options("logit-mean", "exact")
FILLED = Options("logit-mean", "exact", steps=("fill",))


@pytest.fixture
def labels(shapes: Competition, workspace: Workspace, labels: LabelTable) -> LabelTable:
    """Labels of which no row is empty: giving a label to every row gains, and is taken."""
    labels.labels[labels.labels.sum(axis=1) == 0, 0] = 1
    text = shapes.label_format.text(labels, shapes.class_keys)
    (workspace.source / shapes.label_table).write_text(text)
    return labels


@pytest.fixture
def folds(labels: LabelTable, workspace: Workspace) -> Folds:
    """Four folds: without one, steps of post-processing can still be held out."""
    return save_folds(workspace, labels, 4)


@pytest.fixture
def make_run(make_run: MakeRun) -> MakeRun:
    """Makes a run with all folds done."""

    def make(name: str, seed: int, noise: float = 0.3) -> Run:
        return make_run(name, seed, done=range(4), noise=noise)

    return make


@pytest.fixture
def comparing(
    shapes: Competition, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> Comparing:
    """Compares two names; the interval, and what was printed."""

    def run(first: str, second: str) -> tuple[tuple[float, float], str]:
        capsys.readouterr()
        (difference,) = compare_stage(shapes, workspace, [first, second]).differences
        return difference.interval, capsys.readouterr().out

    return run


@pytest.fixture
def filled(shapes: Competition, workspace: Workspace, make_run: MakeRun) -> BlendFiles:
    """A blend of two runs whose post-processing changes labels."""
    make_run("one", seed=1, noise=0.5)
    make_run("two", seed=2, noise=0.5)
    made = blend(shapes, workspace, name="filled", options=FILLED)
    assert Decision.load(made.decision).postprocess.fill_empty
    return made


def printed_score(printed: str, name: str) -> str:
    """The cross-fitted score that was printed for one side."""
    return re.findall(rf"^{re.escape(name)}: cross-fitted (\d\.\d+), expected", printed, re.M)[0]


def stored_labels(shapes: Competition, path: Path, ids: tuple[str, ...]) -> NDArray[np.uint8]:
    return read_predictions(path, shapes.class_keys).take(ids).probs.astype(np.uint8)


# One number everywhere


def test_postprocessing_that_changes_labels_makes_another_blend(
    shapes: Competition, workspace: Workspace, filled: BlendFiles, comparing: Comparing
) -> None:
    plain = blend(shapes, workspace, name="plain", options=PLAIN)
    (low, high), printed = comparing("plain", "filled")
    assert (low, high) != (0.0, 0.0)
    assert low < high
    scores = [Decision.load(made.decision).cross_fitted for made in (plain, filled)]
    assert scores[0] != scores[1]
    for made, score in zip((plain, filled), scores, strict=True):
        assert printed_score(printed, made.name) == f"{score:.4f}"


@pytest.mark.parametrize("options", [PLAIN, FILLED, Options("mean", "fold-mean")])
def test_the_cross_fitted_score_is_that_of_the_stored_labels(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    filled: BlendFiles,
    options: Options,
) -> None:
    made = blend(shapes, workspace, name="best", options=options)
    decision = Decision.load(made.decision)
    found = stored_labels(shapes, made.labels, labels.ids)
    assert macro_f1(labels.labels, found) == decision.worth.score.cross_fitted
    averaged = stored_labels(shapes, made.averaged_labels, labels.ids)
    assert set(np.unique(np.stack([found, averaged]))) <= {0, 1}


def test_blend_status_report_and_compare_show_the_same_scores(
    shapes: Competition,
    workspace: Workspace,
    filled: BlendFiles,
    comparing: Comparing,
    pixels: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    blend_stage(shapes, workspace, [], "filled", FILLED)
    table = capsys.readouterr().out
    score = Decision.load(filled.decision).worth.score
    row = re.findall(r"^filled +(\S+) +(\S+) +(\S+ to \S+) +(\S+)", table, re.M)[0]
    interval = "{:.3f} to {:.3f}".format(*score.interval)
    told = (f"{score.cross_fitted:.3f}", f"{score.expected:.3f}", interval, f"{score.fitted:.3f}")
    assert row == told
    _, printed = comparing("filled", "filled")
    assert f"cross-fitted {score.cross_fitted:.4f}, expected on the test set" in printed
    assert f"expected on the test set {score.expected:.4f}" in printed
    status_stage(shapes, workspace)
    shown = re.findall(r"^ *filled +(\S+) +(\S+ to \S+)", capsys.readouterr().out, re.M)[0]
    assert shown == (f"{score.expected:.3f}", interval)
    page = write_report(shapes, workspace, "filled").read_text()
    cells = re.findall(r'<tr class="blend"><td>filled</td>(.*?)</tr>', page, re.S)[0]
    assert tuple(re.findall(r"<td>(.*?)</td>", cells)) == told


def test_the_report_shows_labels_with_postprocessing(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    filled: BlendFiles,
    pixels: None,
) -> None:
    plain = blend(shapes, workspace, name="plain", options=PLAIN)
    with_it, without = (
        view_blend(shapes, workspace, made.name).decided for made in (filled, plain)
    )
    assert (with_it.sum(axis=1) > 0).all()
    assert (without.sum(axis=1) == 0).any()
    view = view_blend(shapes, workspace, "filled")
    expected = stored_labels(shapes, filled.labels, view.folds.ids)
    np.testing.assert_array_equal(view.decided, expected)
    np.testing.assert_array_equal(view.labels, labels.of(view.folds.ids))
    names = np.array(shapes.class_names)
    pictures = held_out_pictures(view, 3)
    assert pictures
    truths = [tuple(names[row == 1]) for row in view.labels]
    for picture in pictures:
        rows = [number for number, true in enumerate(truths) if true == picture.true]
        assert picture.predicted in [tuple(names[expected[row] == 1]) for row in rows]
        assert picture.predicted


# Blends and runs


def test_a_blend_against_itself_is_no_different(filled: BlendFiles, comparing: Comparing) -> None:
    interval, printed = comparing("filled", "filled")
    assert interval == (0.0, 0.0)
    assert "95% CI +0.000 to +0.000: no clear difference." in printed


def test_the_difference_is_second_minus_first(make_run: MakeRun, comparing: Comparing) -> None:
    good, bad = make_run("good", seed=1, noise=0.1), make_run("bad", seed=2, noise=0.9)
    (low, high), printed = comparing(bad.name, good.name)
    assert 0 < low < high
    assert f"{good.name} minus {bad.name} on a test set of 8 rows: 95% CI +" in printed
    assert printed.rstrip().endswith(": better.")
    (other_low, other_high), printed = comparing(good.name, bad.name)
    assert (other_low, other_high) == pytest.approx((-high, -low))
    assert printed.rstrip().endswith(": worse.")


def test_a_run_is_a_blend_of_one_member(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, comparing: Comparing
) -> None:
    run = make_run("one", seed=1)
    made = blend(shapes, workspace, name="alone")
    interval, printed = comparing("alone", run.name)
    assert interval == (0.0, 0.0)
    score = Decision.load(made.decision).worth.score
    assert printed_score(printed, run.name) == f"{score.cross_fitted:.4f}"


def test_a_run_is_compared_with_a_blend(
    shapes: Competition, workspace: Workspace, filled: BlendFiles, comparing: Comparing
) -> None:
    run = workspace.run_names()[0]
    (low, high), printed = comparing(run, "filled")
    assert low < high
    lines = printed.splitlines()
    header = lines[lines.index("Classes that changed most, cross-fitted F1") + 1]
    assert header.split() == [run, "filled"]
    assert {line.split()[0] for line in lines if line.startswith(shapes.class_names)} == set(
        shapes.class_names
    )


def test_models_are_averaged_on_both_sides_or_on_neither(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, comparing: Comparing
) -> None:
    """The same labels by single models' scores, of which only one side has an average."""
    make_run("net", seed=1)
    blend(shapes, workspace, name="averaged", options=PLAIN)
    single = replace(PLAIN, transfer="thresholds")
    blend(shapes, workspace, name="single", options=single)
    blend(shapes, workspace, name="another", options=replace(single, method="mean"))
    interval, printed = comparing("averaged", "single")
    assert interval == (0.0, 0.0)
    words = (
        "Compared on single models' scores, because those of {} are not averaged over the folds."
    )
    assert words.format("single") in printed
    interval, printed = comparing("another", "single")
    assert interval == (0.0, 0.0)
    assert "Compared on single models" not in printed


def test_an_imported_run_without_test_predictions_is_compared(
    shapes: Competition,
    workspace: Workspace,
    tmp_path: Path,
    make_run: MakeRun,
    comparing: Comparing,
) -> None:
    run = make_run("net", seed=1)
    write_predictions(tmp_path / "oof.parquet", run.read_oof(shapes), {})
    other = import_predictions(shapes, workspace, "other", tmp_path / "oof.parquet", []).run
    (low, high), printed = comparing("other", "net")
    assert low <= 0 <= high
    assert f"because those of {other.name} are not averaged over the folds." in printed
    assert comparing(other.name, other.name)[0] == (0.0, 0.0)


# Names


def test_names_may_be_cut_short_after_a_dash(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, comparing: Comparing
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    full, shown = comparing(one.name, two.name)
    assert comparing("one", "two-16") == (full, shown)
    made = blend(shapes, workspace, options=PLAIN)
    assert made.name.startswith("logit-mean-")
    assert comparing("logit-mean", "one") == comparing(made.name, one.name)


def test_a_name_in_full_is_no_beginning_of_another(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, comparing: Comparing
) -> None:
    make_run("one", seed=1)
    for name in ("best", "best-two"):
        blend(shapes, workspace, name=name, options=PLAIN)
    assert comparing("best", "best-two")[0] == (0.0, 0.0)


def test_a_beginning_of_several_names_is_refused(make_run: MakeRun, comparing: Comparing) -> None:
    runs = [make_run("net", seed=1), make_run("net-big", seed=2)]
    names = ", ".join(sorted(run.name for run in runs))
    with pytest.raises(UserError) as raised:
        comparing("net", runs[0].name)
    assert str(raised.value) == f"'net' matches several: {names}. Name one."


@pytest.mark.parametrize("name", ["on", "ne", "nett", "one-1", ""])
def test_an_unknown_name_gets_a_list_of_those_there_are(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, comparing: Comparing, name: str
) -> None:
    run = make_run("one", seed=1)
    blend(shapes, workspace, name="best", options=PLAIN)
    with pytest.raises(UserError) as raised:
        comparing(run.name, name)
    assert str(raised.value) == f"No blend or run '{name}'. There are: best, {run.name}."


def test_with_nothing_to_compare_none_is_listed(folds: Folds, comparing: Comparing) -> None:
    with pytest.raises(UserError, match=r"No blend or run 'a'\. There are: none\."):
        comparing("a", "b")


# Other folds


@pytest.fixture
def refold(workspace: Workspace, labels: LabelTable, folds: Folds) -> Callable[[], None]:
    """Deals the same rows to other folds."""

    def write() -> None:
        made = replace(folds, fold=3 - folds.fold)
        write_folds(workspace.folds, made, {"labels_digest": digest_labels(labels)})

    return write


def test_a_blend_of_other_folds_is_refused(
    filled: BlendFiles, refold: Callable[[], None], comparing: Comparing
) -> None:
    refold()
    with pytest.raises(UserError, match=r"^filled was made on other folds\. Make it again: kit bl"):
        comparing("filled", "filled")


def test_a_run_on_other_folds_is_refused(
    make_run: MakeRun, refold: Callable[[], None], comparing: Comparing
) -> None:
    run = make_run("one", seed=1)
    refold()
    with pytest.raises(UserError, match=rf"^{run.name}: it was trained on other folds"):
        comparing(run.name, run.name)


def test_labels_without_folds_are_refused(
    shapes: Competition, filled: BlendFiles, comparing: Comparing
) -> None:
    read = read_predictions(filled.labels, shapes.class_keys)
    bare = Predictions(read.ids, read.probs, read.class_keys)
    write_predictions(filled.labels, bare, {})
    edit_unsealed(filled.decision, lambda decision: decision["origin"].pop("files"))
    with pytest.raises(UserError, match="filled was made on other folds"):
        comparing("filled", "filled")


# On the command line


def test_the_command_prints_both_scores_and_a_verdict(
    blends: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(blends)
    words = ["kit", "compare", "other", "best", "-c", "cells", "--out", str(tmp_path / "f1.png")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr().out
    for name in ("other", "best"):
        decision = Decision.load(Path("runs/cells/blends") / name / "decision.json")
        assert printed_score(printed, name) == f"{decision.cross_fitted:.4f}"
    assert re.search(r"best minus other on a test set of 56 rows: 95% CI \+0\.\d", printed)
