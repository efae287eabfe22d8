"""Tables across models: training at the epoch that predicts, F1, size and time, for any number."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from logs import epoch_log, without_accuracy, without_held_out, write_log
from prepared import save_folds

from kit.cli import main
from kit.compare.model_size import run_parameters
from kit.compare.rows import Row, Training
from kit.competitions.base import Competition
from kit.competitions.exact import decide
from kit.competitions.metrics import macro_f1
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.folds import Folds
from kit.data.imported import import_predictions
from kit.data.predictions import write_predictions
from kit.data.run_files import EpochLog
from kit.data.runs import Run
from kit.ensemble import Decision, HonestScore, Options
from kit.models.build import build_model, count_parameters
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.report.f1_chart import draw_f1
from kit.report.html import write_report
from kit.report.png import to_png
from kit.stages.blend import blend
from kit.stages.compare import compare_stage

MakeRun = Callable[..., Run]
PLAIN = Options("logit-mean", "exact")


@pytest.fixture
def folds(labels: LabelTable, workspace: Workspace) -> Folds:
    """Three folds of `labels`, on disk."""
    return save_folds(workspace, labels, 3)


@pytest.fixture
def make_run(make_run: MakeRun) -> MakeRun:
    """Makes a run with logs: of two epochs in each done fold, the last of which predicts."""

    def make(
        name: str,
        seed: int,
        done: tuple[int, ...] = (0, 1, 2),
        noise: float = 0.3,
        change: Callable[[EpochLog], EpochLog] = lambda line: line,
    ) -> Run:
        run = make_run(name, seed, done=done, noise=noise)
        for fold in done:
            write_log(run, fold, [change(epoch_log(epoch, fold)) for epoch in range(2)], best=1)
        return run

    return make


def rows_below(printed: str, title: str) -> dict[str, str]:
    """The rows of the table whose title starts so: by first word, the others joined by a space."""
    lines = printed.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(title)]
    words = [line.split() for line in lines[start + 1 :]]
    return {first: " ".join(rest) for first, *rest in reversed(words)}


# Two runs, by hand


def test_training_is_the_mean_over_the_folds_at_the_epoch_that_predicts(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    # Fold 1 keeps its first epoch: steps are then 1, 0.1 and 1.2, their mean 2.3 / 3.
    write_log(two, 1, [epoch_log(epoch, 1) for epoch in range(2)], best=0)
    first, second = compare_stage(shapes, workspace, ["one", "two"]).rows
    assert first.training is not None
    assert asdict(first.training) == pytest.approx(
        {
            "loss": 0.39,
            "val_loss": 0.49,
            "accuracy": 0.911,
            "val_accuracy": 0.811,
            "exact_match": 0.41,
            "val_exact_match": 0.31,
            "batch_f1": 0.51,
            "val_batch_f1": 0.46,
        }
    )
    assert second.training is not None
    assert second.training.loss == pytest.approx(0.5 - 0.1 * 2.3 / 3)
    assert second.training.val_accuracy == pytest.approx(0.8 + 0.01 * 2.3 / 3)
    printed = capsys.readouterr().out
    shown = rows_below(printed, "Training, at the epoch")
    assert shown[one.name] == "0.3900 0.4900 0.911 0.811 0.410 0.310"
    assert shown[two.name].startswith("0.4233 0.5233 0.908 ")
    score = first.score
    assert score is not None
    told = [score.cross_fitted, score.expected, *score.interval]
    expected = "0.510 0.460 {:.3f} {:.3f} {:.3f} to {:.3f}".format(*told)
    assert rows_below(printed, "F1: batch-wise")[one.name] == expected
    assert first.minutes == pytest.approx(3.0)  # three folds of two epochs of half a minute
    assert rows_below(printed, "Size and time")[one.name] == "3 of 3 3.0"


def test_macro_f1_at_half_is_that_of_the_out_of_fold_rows(
    shapes: Competition, workspace: Workspace, labels: LabelTable, make_run: MakeRun
) -> None:
    run = make_run("one", seed=1)
    made = blend(shapes, workspace, name="best", options=PLAIN)
    rows = compare_stage(shapes, workspace, [run.name, made.name]).rows
    oof = run.read_oof(shapes)
    half = macro_f1(labels.of(oof.ids), decide(oof.probs, np.full(3, 0.5)))
    assert rows[0].macro_f1_at_half == half
    assert rows[1].macro_f1_at_half == half  # a blend of this run alone


def test_a_blend_sums_its_members_and_has_no_training(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    names = [make_run(name, seed).name for seed, name in enumerate(("one", "two"))]
    blend(shapes, workspace, name="best", options=PLAIN)
    rows = compare_stage(shapes, workspace, [*names, "best"]).rows
    assert rows[2].training is None
    assert rows[2].minutes == pytest.approx(6.0)
    assert rows[2].parameters is None  # no weights to count


@pytest.mark.parametrize("lost", ["whole run", "inputs"])
def test_a_blend_whose_run_was_deleted_or_damaged_is_still_compared(
    lost: str,
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    blend(shapes, workspace, [one.name], name="best", options=PLAIN)
    if lost == "inputs":
        one.files.inputs.unlink()
    else:
        shutil.rmtree(one.files.folder)
    capsys.readouterr()
    row = compare_stage(shapes, workspace, ["best", two.name]).rows[0]
    assert (row.minutes, row.parameters) == (None, None)
    assert row.score is not None
    note = f"best: No parameters and minutes: unknown for {one.name} (deleted or damaged).\n"
    assert note in capsys.readouterr().out


def test_what_an_imported_member_hides_of_a_blend_is_said_in_table_and_report(
    shapes: Competition,
    workspace: Workspace,
    tmp_path: Path,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = make_run("one", seed=1)
    files = tmp_path / "oof.parquet", [tmp_path / "test.parquet"]
    write_predictions(files[0], one.read_oof(shapes), {})
    write_predictions(files[1][0], one.read_test(shapes), {})
    other = import_predictions(shapes, workspace, "other", *files).run
    blend(shapes, workspace, name="best", options=PLAIN)
    sized = {one.name: 1000, other.name: None}
    monkeypatch.setattr("kit.compare.rows.run_parameters", lambda facts, run: sized[run.name])
    capsys.readouterr()
    row = compare_stage(shapes, workspace, ["best", one.name]).rows[0]
    assert (row.minutes, row.parameters) == (None, None)
    reason = f"unknown for {other.name} (imported)."
    note = f"best: No parameters and minutes: {reason}"
    assert f"{note}\n" in capsys.readouterr().out
    assert f'<p class="dim">{note}</p>' in report(shapes, workspace)
    sized[one.name] = None
    row = compare_stage(shapes, workspace, ["best", one.name]).rows[0]
    assert row.note is not None
    assert row.note.startswith("No parameters: unknown for ")
    assert row.note.endswith(f". No minutes: {reason}")


# More than two


def test_more_than_two_are_each_compared_with_the_first(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [
        make_run("bad", 1, noise=0.9),
        make_run("good", 2, noise=0.1),
        make_run("worse", 3, noise=2),
    ]
    compared = compare_stage(shapes, workspace, [run.name for run in runs])
    printed = capsys.readouterr().out
    assert compared.baseline == runs[0].name
    assert compared.class_changes == ()
    title = f"Macro-F1 minus that of {runs[0].name}, for 8 test rows"
    shown = rows_below(printed, title)
    assert set(shown) == {"gain", runs[1].name, runs[2].name}
    expected = [row.score.expected for row in compared.rows if row.score is not None]
    for row, one in zip(runs[1:], compared.differences, strict=True):
        pair = compare_stage(shapes, workspace, [runs[0].name, row.name]).differences
        assert pair == (one,)
        low, high = one.interval
        gain = f"{one.difference:+.3f} ({low:+.3f} to {high:+.3f})"
        assert shown[row.name] == f"{gain} {one.verdict}"
    assert [one.difference for one in compared.differences] == [
        expected[1] - expected[0],
        expected[2] - expected[0],
    ]
    assert compared.differences[0].verdict == "better"
    assert compared.differences[0].interval[0] > 0


def test_one_name_is_refused(workspace: Workspace, shapes: Competition, make_run: MakeRun) -> None:
    make_run("one", seed=1)
    with pytest.raises(UserError, match="Expected two or more blends or runs to compare, got 1"):
        compare_stage(shapes, workspace, ["one"])


def test_of_several_the_averaged_ones_are_compared_as_averaged(
    shapes: Competition,
    workspace: Workspace,
    tmp_path: Path,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = make_run("one", seed=1), make_run("two", seed=2)
    write_predictions(tmp_path / "oof.parquet", one.read_oof(shapes), {})
    other = import_predictions(shapes, workspace, "other", tmp_path / "oof.parquet", []).run
    compared = compare_stage(shapes, workspace, [one.name, other.name, two.name])
    assert [difference.single for difference in compared.differences] == [other.name, None]
    words = f"{other.name} is compared on single models' scores, because its own are not averaged"
    assert words in capsys.readouterr().out
    compared = compare_stage(shapes, workspace, [other.name, one.name, two.name])
    assert [difference.single for difference in compared.differences] == [other.name] * 2
    words = f"Compared on single models' scores, because those of {other.name} are not averaged"
    assert capsys.readouterr().out.count(words) == 1


# Runs that lack something


def test_a_run_with_one_fold_has_training_figures_and_a_command(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    folds: Folds,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    students = [make_run(name, seed, done=(0,)) for seed, name in enumerate(("one", "two"))]
    compared = compare_stage(shapes, workspace, [run.name for run in students])
    assert (compared.baseline, compared.differences) == (None, ())
    row = compared.rows[0]
    assert (row.folds_done, row.folds, row.score) == (1, 3, None)
    assert row.training is not None
    assert row.training.val_accuracy == pytest.approx(0.81)
    held_out = int((folds.fold == 0).sum())
    printed = capsys.readouterr().out
    assert row.macro_f1_at_half is not None
    assert row.interval_at_half is not None
    low, high = row.interval_at_half
    assert 0 <= low < row.macro_f1_at_half < high <= 1
    half = f"{row.macro_f1_at_half:.3f} (95% CI {low:.3f} to {high:.3f})"
    assert f"{row.name}: Macro-F1 at threshold 0.5 is {half} on the" in printed
    assert f"on the {held_out} held-out rows of fold 0. Fitted thresholds need" in printed
    assert f"kit train {students[0].name} --folds 1,2" in printed
    assert rows_below(printed, "F1: batch-wise")[row.name] == "0.500 0.450"
    assert rows_below(printed, "Size and time")[row.name] == "1 of 3 1.0"


def test_beside_finished_runs_it_is_listed_and_not_compared(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    half = make_run("half", seed=1, done=(0, 2))
    pair = [make_run(name, seed).name for seed, name in enumerate(("one", "two"))]
    expected = compare_stage(shapes, workspace, pair)
    capsys.readouterr()
    compared = compare_stage(shapes, workspace, [half.name, *pair])
    assert compared.rows[1:] == expected.rows
    assert compared.differences == expected.differences
    printed = capsys.readouterr().out
    assert "held-out rows of folds 0,2. Fitted" in printed
    assert printed.rstrip().endswith(f": {compared.differences[0].verdict}.")


def test_a_run_without_a_finished_fold_has_a_reason(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    begun, whole = make_run("begun", seed=1, done=()), make_run("whole", seed=2, done=())
    write_log(begun, 0, [epoch_log(0)], best=0, is_done=False)
    write_log(whole, None, [without_held_out(epoch_log(0))], best=0)
    rows = compare_stage(shapes, workspace, [begun.name, whole.name]).rows
    assert [row.training is None for row in rows] == [True, False]
    assert rows[1].training is not None
    assert (rows[1].training.loss, rows[1].training.val_loss) == (0.5, None)
    for row in rows:
        assert row.note is not None
        assert row.note.startswith("No fold is trained, so no row has a held-out score. Train it")


def test_an_imported_run_has_scores_alone(
    shapes: Competition,
    workspace: Workspace,
    tmp_path: Path,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run("net", seed=1)
    write_predictions(tmp_path / "oof.parquet", run.read_oof(shapes), {})
    other = import_predictions(shapes, workspace, "other", tmp_path / "oof.parquet", []).run
    row = compare_stage(shapes, workspace, ["net", "other"]).rows[1]
    assert (row.training, row.parameters, row.minutes) == (None, None, None)
    assert row.score is not None
    printed = capsys.readouterr().out
    assert rows_below(printed, "Training, at the epoch")[other.name] == ""
    assert rows_below(printed, "Size and time")[other.name] == "3 of 3"
    assert "not in the log" not in printed


def test_accuracy_that_an_older_version_did_not_log_is_said(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = make_run("old", seed=1, change=without_accuracy), make_run("new", seed=2)
    row = compare_stage(shapes, workspace, [old.name, new.name]).rows[0]
    assert row.training is not None
    assert (row.training.accuracy, row.training.val_exact_match) == (None, None)
    note = f"Accuracy and exact match are not in the log of {old.name}."
    assert f"{note}\n" in capsys.readouterr().out
    blend(shapes, workspace, name="best", options=PLAIN)
    assert f'<p class="dim">{note}</p>' in report(shapes, workspace)


# Width


def test_tables_fit_80_columns_and_long_names_are_numbered(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fits = "inceptionresnetv2_"  # its run's name has 30 characters
    runs = [make_run(fits, seed=1), make_run("a[b]_:star:$x$", seed=2), make_run("two", seed=3)]
    assert len(runs[0].name) == 30
    compare_stage(shapes, workspace, [run.name for run in runs])
    lines = capsys.readouterr().out.splitlines()
    drawn = [line for line in lines if line.startswith(tuple(run.name for run in runs))]
    assert max(map(len, drawn)) <= 80
    assert any(line.startswith("a[b]_:star:$x$-16-") for line in drawn)
    long = make_run("a_recipe_with_quite_a_long_name", seed=4)
    compare_stage(shapes, workspace, [long.name, runs[0].name, runs[2].name])
    printed = capsys.readouterr().out
    assert printed.startswith(f"1: {long.name}\n2: {runs[0].name}\n3: {runs[2].name}\n")
    assert set(rows_below(printed, "F1: batch-wise")) >= {"1", "2", "3"}
    assert set(rows_below(printed, "Macro-F1 minus")) == {"gain", "2", "3"}
    longer = make_run("another_recipe_with_quite_a_long_name", seed=5)
    compare_stage(shapes, workspace, [longer.name, long.name])
    title = "Classes that changed most, cross-fitted F1\n"
    assert capsys.readouterr().out.split(title)[1].split()[:2] == ["first", "second"]


# JSON and the chart


def test_json_is_the_same_values_and_nothing_else(
    blends: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(blends)
    out = tmp_path / "f1.png"
    names = ["other", "best", "other"]
    words = ["kit", "compare", *names, "-c", "cells", "--json", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    values = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in values["rows"]] == names
    score = Decision.load(Path("runs/cells/blends/best/decision.json")).worth.score
    kept = values["rows"][1]["score"]
    assert (kept["cross_fitted"], kept["expected"]) == (score.cross_fitted, score.expected)
    assert values["baseline"] == "other"
    assert [one["name"] for one in values["differences"]] == ["best", "other"]
    assert set(values["differences"][0]) == {"name", "difference", "interval", "verdict", "single"}
    assert out.read_bytes().startswith(b"\x89PNG")


def test_json_equals_what_the_stage_returns(
    shapes: Competition,
    workspace: Workspace,
    make_run: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [make_run(":star:", seed=1).name, make_run("two", seed=2, done=(0,)).name]
    capsys.readouterr()
    compared = compare_stage(shapes, workspace, names, as_json=True)
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads(json.dumps(asdict(compared)))
    assert workspace.pictures.comparison.exists()


def test_another_kind_of_file_is_refused_before_any_work(
    shapes: Competition, workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="pictures are PNG files"):
        compare_stage(shapes, workspace, ["a", "b"], tmp_path / "f1.pdf")


SCORE = HonestScore(0.5, 0.4, 0.45, (0.3, 0.6), 8)
TRAINING = Training(0.1, 0.2, None, None, None, None, 0.7, 0.65)


def test_the_chart_has_a_bar_for_what_is_known() -> None:
    rows = [
        Row("both_$x$", 3, 3, TRAINING, SCORE),
        Row("blend", 3, 3, None, SCORE),
        Row("one fold", 1, 3, TRAINING, macro_f1_at_half=0.25, interval_at_half=(0.1, 0.4)),
        Row("nothing", 0, 3),
    ]
    axis = draw_f1(rows).axes[0]
    bars = [bar.get_extents().transformed(axis.transData.inverted()) for bar in axis.patches]
    places = [((bar.y0 + bar.y1) / 2, bar.x1) for bar in bars]
    assert np.array(places) == pytest.approx(
        np.array([(-0.19, 0.45), (0.19, 0.65), (0.81, 0.45), (1.81, 0.25), (2.19, 0.65)])
    )
    whiskers = [np.asarray(line.get_xdata()).tolist() for line in axis.get_lines()]
    assert whiskers == [[0.3, 0.6], [0.3, 0.6], [0.1, 0.4]]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == [row.name for row in rows]
    assert not any(label.get_parse_math() for label in axis.get_yticklabels())
    assert to_png(draw_f1(rows[:1])).startswith(b"\x89PNG")


def test_the_chart_names_what_it_draws() -> None:
    def named(*rows: Row) -> list[str]:
        return [text.get_text() for one in draw_f1(rows).legends for text in one.get_texts()]

    expected = ["macro-F1 expected on the test set", "95% CI"]
    assert named(Row("blend", 3, 3, None, SCORE)) == expected
    half = Row("one fold", 1, 3, TRAINING, macro_f1_at_half=0.25)
    alone = ["macro-F1 at 0.5, held-out rows", "batch-wise F1 (micro) at 0.5, held-out rows"]
    assert named(half) == alone
    assert named(half, Row("blend", 3, 3, None, SCORE)) == [*expected, *alone]
    with_ci = replace(half, interval_at_half=(0.1, 0.4))
    assert named(with_ci) == [alone[0], "95% CI", alone[1]]
    assert named(Row("nothing", 0, 3)) == []


# Parameters


@pytest.mark.parametrize("settings", [["head=average"], ["stem=conv1x1", "normalize=batch"]])
def test_parameters_are_those_of_the_network_with_and_without_its_weights(
    shapes: Competition, make_run: MakeRun, settings: list[str]
) -> None:
    recipe = with_settings(recipes.get("convnet"), ["size=16", *settings])
    expected = count_parameters(recipe, shapes.channels, 3).total
    run = make_run("net", seed=1)
    assert run_parameters(shapes, run) is None  # a recipe without a backbone
    run = replace(run, recipe={**recipe.model_dump(), "weights": "moved.weights.h5"})
    assert run_parameters(shapes, run) == expected
    file = run.files.fold(1).weights(3)
    build_model(recipe, shapes.channels, 3, seed=0).save_weights(file)
    assert run_parameters(shapes, run) == expected
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="is not a readable Keras weights file"):
        run_parameters(shapes, run)


# The report


def report(shapes: Competition, workspace: Workspace) -> str:
    return write_report(shapes, workspace, "best").read_text()


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_the_report_has_tables_chart_and_curves(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, pixels: None
) -> None:
    runs = [make_run("a<b>$c$", seed=1), make_run("two", seed=2, change=without_accuracy)]
    blend(shapes, workspace, name="best", options=PLAIN)
    page = report(shapes, workspace)
    assert headings(page)[:2] == ["Runs and blend", "Training"]
    assert headings(page)[-1] == "Learning curves"
    assert "<b>$c$" not in page
    training = page.split("<h2>Training</h2>")[1].split("</table>")[0]
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in training.split("<tr")[2:]]
    first, second = ["0.3900", "0.4900", "0.911", "0.811", "0.410", "0.310"], ["0.3900", "0.4900"]
    assert cells[0] == ["a&lt;b&gt;$c$" + runs[0].name[7:], *first, "0.510", "0.460", "", "3.0"]
    assert cells[1] == [runs[1].name, *second, *[""] * 4, "0.510", "0.460", "", "3.0"]
    assert cells[2] == ["best", *[""] * 9, "6.0"]
    curves = re.findall(r'<img alt="Learning curves: (.*?)" src="data:image/png;base64,i', page)
    assert curves == ["All in one", "a&lt;b&gt;$c$" + runs[0].name[7:], runs[1].name]
    assert page.count("<details><summary>") >= 2
    assert '<img alt="F1 of runs and blend" src="data:image/png;base64,i' in page


def test_the_report_of_one_run_shows_its_curves_once(
    shapes: Competition, workspace: Workspace, make_run: MakeRun, pixels: None
) -> None:
    run = make_run("one", seed=1)
    blend(shapes, workspace, name="best", options=PLAIN)
    page = report(shapes, workspace)
    assert re.findall(r'<img alt="Learning curves: (.*?)"', page) == [run.name]


def test_the_report_of_imported_runs_leaves_out_what_needs_a_log(
    shapes: Competition, workspace: Workspace, tmp_path: Path, make_run: MakeRun
) -> None:
    run = make_run("net", seed=1)
    write_predictions(tmp_path / "oof.parquet", run.read_oof(shapes), {})
    write_predictions(tmp_path / "test.parquet", run.read_test(shapes), {})
    files = tmp_path / "oof.parquet", [tmp_path / "test.parquet"]
    other = import_predictions(shapes, workspace, "other", *files).run
    blend(shapes, workspace, [other.name], name="best", options=PLAIN)
    page = report(shapes, workspace)
    assert headings(page)[0] == "Runs and blend"
    assert not {"Training", "Learning curves"} & set(headings(page))
    assert "Learning curves" not in page
    assert '<img alt="F1 of runs and blend" src="data:image/png;base64,i' in page
