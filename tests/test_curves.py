"""Learning curves: what is drawn of every kind of log, and what `kit curves` writes."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from logs import epoch_log, without_accuracy, without_held_out, write_log
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kit.cli import main
from kit.compare.logs import FoldLog, RunLog, read_log, require_log
from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.imported import import_predictions
from kit.data.predictions import write_predictions
from kit.data.run_files import EpochLog
from kit.data.runs import Run, open_run
from kit.ensemble import Options
from kit.report.curves import draw_curves
from kit.report.figures import INK
from kit.report.png import to_png
from kit.stages.blend import blend
from kit.stages.curves import curves_stage

MakeRun = Callable[..., Run]
PANELS = ("loss", "accuracy", "exact", "batch", "macro", "rate")


def fold_log(fold: int | None, epochs: int, kept: int = 0) -> FoldLog:
    lines = tuple(epoch_log(epoch, fold or 0) for epoch in range(epochs))
    return FoldLog(fold, lines, kept, is_done=True)


def run_log(name: str, *folds: FoldLog, frozen: int = 0) -> RunLog:
    return RunLog(name, frozen, folds)


def changed(log: FoldLog, change: Callable[[EpochLog], EpochLog]) -> FoldLog:
    return replace(log, lines=tuple(change(line) for line in log.lines))


def panels(figure: Figure) -> dict[str, Axes]:
    return dict(zip(PANELS, figure.axes, strict=True))


def lines_of(axis: Axes, style: str, width: float) -> list[Line2D]:
    lines = axis.get_lines()
    return [one for one in lines if (one.get_linestyle(), one.get_linewidth()) == (style, width)]


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(x, y) for x, y in np.asarray(line.get_xydata(), np.float64).tolist()]


def kept_in(axis: Axes) -> list[tuple[float, float]]:
    """The points that mark kept epochs."""
    dots = [one for one in axis.get_lines() if one.get_markeredgecolor() == INK]
    return [point for dot in dots for point in points(dot)]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_fold_is_one_thick_line_each_for_training_and_held_out_rows() -> None:
    loss = panels(draw_curves([run_log("net", fold_log(0, 3))]))["loss"]
    (training,), (held_out,) = lines_of(loss, "--", 2.0), lines_of(loss, "-", 2.0)
    assert points(training) == [(1, 0.5), (2, 0.4), (3, pytest.approx(0.3))]
    assert points(held_out) == [(1, 0.6), (2, 0.5), (3, pytest.approx(0.4))]
    assert lines_of(loss, "-", 0.8) == []


def test_folds_are_thin_and_their_mean_ends_with_the_shortest() -> None:
    figure = draw_curves([run_log("net", fold_log(0, 3), fold_log(1, 2))])
    loss = panels(figure)["loss"]
    (mean,) = lines_of(loss, "-", 2.0)
    assert points(mean) == [(1, pytest.approx(0.595)), (2, pytest.approx(0.495))]
    assert [len(points(line)) for line in lines_of(loss, "-", 0.8)] == [3, 2]
    assert "each fold (thick: their mean)" in texts(figure)


def test_the_kept_epoch_of_each_fold_is_marked() -> None:
    run = run_log("net", fold_log(0, 3, kept=2), fold_log(1, 3, kept=1))
    shown = panels(draw_curves([run]))
    assert kept_in(shown["loss"]) == [(3, pytest.approx(0.4)), (2, pytest.approx(0.49))]
    assert kept_in(shown["macro"]) == [(3, pytest.approx(0.4)), (2, pytest.approx(0.31))]
    assert kept_in(shown["rate"]) == []


def test_a_single_epoch_is_visible() -> None:
    shown = panels(draw_curves([run_log("net", fold_log(0, 1))]))
    for name, axis in shown.items():
        lines = [line for line in axis.get_lines() if len(points(line)) == 1]
        assert len(lines) >= (1 if name == "rate" else 3)
        assert all(line.get_marker() not in ("", "None") for line in lines)
        low, high = axis.get_xlim()
        assert [tick for tick in axis.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.parametrize("epochs", [2, 3, 30])
def test_epochs_are_whole_numbers(epochs: int) -> None:
    axis = panels(draw_curves([run_log("net", fold_log(0, epochs))]))["accuracy"]
    assert all(tick == int(tick) for tick in axis.get_xticks())


def test_the_end_of_the_frozen_epochs_is_between_two_epochs() -> None:
    figure = draw_curves([run_log("net", fold_log(0, 3), frozen=2)])
    for axis in figure.axes:
        assert [2.5, 2.5] in [[x for x, _ in points(line)] for line in axis.get_lines()]
    assert "end of the frozen epochs" in texts(figure)
    without = draw_curves([run_log("net", fold_log(0, 3))])
    assert "end of the frozen epochs" not in texts(without)


def test_an_older_log_leaves_its_panels_empty_with_a_note() -> None:
    old = run_log("$old$", changed(fold_log(0, 3), without_accuracy))
    shown = panels(draw_curves([old]))
    for name in ("accuracy", "exact"):
        assert shown[name].get_lines() == []
        (note,) = shown[name].texts
        assert (note.get_text(), note.get_parse_math()) == ("not in the log: $old$", False)
    assert shown["batch"].get_lines()
    new = run_log("new", fold_log(0, 3))
    label = panels(draw_curves([old, new]))["accuracy"].xaxis.label
    assert (label.get_text(), label.get_parse_math()) == ("epoch\nnot in the log: $old$", False)


def test_epochs_without_a_score_are_left_out() -> None:
    log = fold_log(0, 3)
    resumed = replace(log, lines=(without_accuracy(log.lines[0]), *log.lines[1:]))
    (line,) = lines_of(panels(draw_curves([run_log("net", resumed)]))["accuracy"], "--", 2.0)
    assert points(line) == [(2, pytest.approx(0.91)), (3, pytest.approx(0.92))]


def test_a_training_on_all_rows_has_no_held_out_scores() -> None:
    run = run_log("net", changed(fold_log(None, 3, kept=2), without_held_out))
    shown = panels(draw_curves([run]))
    assert lines_of(shown["loss"], "-", 2.0) == []
    assert len(lines_of(shown["loss"], "--", 2.0)) == 1
    assert kept_in(shown["loss"]) == [(3, pytest.approx(0.3))]
    (note,) = shown["macro"].texts
    assert note.get_text() == "trained on all rows, none held out: net"


def test_beside_folds_the_training_on_all_rows_is_not_averaged() -> None:
    whole = changed(fold_log(None, 3), without_held_out)
    loss = panels(draw_curves([run_log("net", fold_log(1, 3), whole)]))["loss"]
    (thick,) = lines_of(loss, "--", 2.0)
    assert points(thick)[0] == (1, pytest.approx(0.49))
    assert len(lines_of(loss, "--", 0.8)) == 1


def test_each_run_has_its_colour_and_its_name_is_text() -> None:
    names = ("_$a$", "b_<i>", "c$")
    figure = draw_curves([run_log(name, fold_log(0, 2)) for name in names])
    legend = figure.legends[0]
    assert tuple(texts(figure)[-3:]) == names
    assert not any(text.get_parse_math() for text in legend.get_texts())
    held_out = lines_of(panels(figure)["loss"], "-", 2.0)
    colors = [line.get_color() for line in held_out]
    assert len(set(colors)) == 3
    assert [line.get_color() for line in legend.get_lines()[-3:]] == colors
    alone = draw_curves([run_log("_$a$", fold_log(0, 2))])
    (heading,) = [text for text in alone.texts if text.get_text() == alone.get_suptitle()]
    assert (heading.get_text(), heading.get_parse_math()) == ("_$a$", False)


def test_more_than_ten_runs_still_have_different_colours() -> None:
    figure = draw_curves([run_log(f"net{number}", fold_log(0, 2)) for number in range(12)])
    assert len({line.get_color() for line in lines_of(panels(figure)["loss"], "-", 2.0)}) == 12


def test_a_loss_that_falls_far_has_a_logarithmic_axis() -> None:
    def steep(line: EpochLog) -> EpochLog:
        return replace(line, loss=10.0**-line.epoch, val_loss=2 * 10.0**-line.epoch)

    log = fold_log(0, 3)
    assert panels(draw_curves([run_log("net", log)]))["loss"].get_yscale() == "linear"
    assert panels(draw_curves([run_log("net", changed(log, steep))]))["loss"].get_yscale() == "log"


def with_rates(log: FoldLog, *rates: float) -> FoldLog:
    lines = (replace(line, learning_rate=one) for line, one in zip(log.lines, rates, strict=True))
    return replace(log, lines=tuple(lines))


def test_the_highest_learning_rate_of_each_run_is_on_the_axis() -> None:
    runs = [
        run_log("net", with_rates(fold_log(0, 3), 1e-3, 5e-4, 1e-9)),
        run_log("slow", with_rates(fold_log(0, 2), 1.7e-7, 1e-8)),
    ]
    low, high = panels(draw_curves(runs))["rate"].get_ylim()
    assert 1e-8 < low < 1.7e-7
    assert high > 1e-3
    # Of one run alone the end of a cosine does not squeeze the rest.
    assert panels(draw_curves(runs[:1]))["rate"].get_ylim()[0] == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("rates", "ticks"),
    [
        ((5e-4, 2e-5), {"2e-5", "5e-5", "1e-4", "2e-4", "5e-4"}),
        ((2e-3, 3e-4), {"0.0005", "0.001", "0.002"}),
    ],
)
def test_ticks_of_learning_rates_have_one_format(
    rates: tuple[float, float], ticks: set[str]
) -> None:
    figure = draw_curves([run_log("net", with_rates(fold_log(0, 2), *rates))])
    axis = panels(figure)["rate"]
    low, high = axis.get_ylim()
    places = [tick for tick in axis.get_yticks() if low <= tick <= high]
    assert set(axis.yaxis.get_major_formatter().format_ticks(places)) == ticks


def test_the_legend_has_the_markers_of_single_epochs() -> None:
    def markers(*folds: FoldLog) -> list[str]:
        handles = draw_curves([run_log("net", *folds)]).legends[0].get_lines()
        return [str(one.get_marker()) for one in handles[:4]]

    assert markers(fold_log(0, 1)) == ["o", "s", "x", "o"]
    assert markers(fold_log(0, 2), fold_log(1, 1)) == ["o", "s", "x", "o"]
    assert markers(fold_log(0, 2)) == ["None", "None", "None", "o"]


def test_curves_are_a_png() -> None:
    assert to_png(draw_curves([run_log("$", fold_log(0, 2), fold_log(1, 1))])).startswith(
        b"\x89PNG"
    )


# From the files of a run


def epochs(fold: int, count: int) -> list[EpochLog]:
    return [epoch_log(epoch, fold) for epoch in range(count)]


def test_a_run_in_training_shows_what_there_is(make_run: MakeRun) -> None:
    run = make_run("net", seed=1, done=[0])
    write_log(run, 0, epochs(0, 3), best=1)
    write_log(run, 1, epochs(1, 2), best=0, is_done=False)
    log = read_log(run)
    assert [(one.fold, len(one.lines), one.kept, one.is_done) for one in log.folds] == [
        (0, 3, 1, True),
        (1, 2, 0, False),
    ]
    assert log.has_held_out
    write_log(run, None, [without_held_out(line) for line in epochs(0, 1)], best=0)
    assert [one.fold for one in read_log(run).folds] == [0, 1, None]


def test_a_log_that_ends_before_its_kept_epoch_is_refused(make_run: MakeRun) -> None:
    run = make_run("net", seed=1)
    write_log(run, 0, epochs(0, 2), best=2)
    with pytest.raises(UserError, match=r"progress\.json ends before epoch 3, which predicts"):
        read_log(run)


def test_a_run_before_its_first_epoch_has_no_curves(make_run: MakeRun) -> None:
    run = make_run("net", seed=1)
    with pytest.raises(UserError, match=f"^{run.name} has not finished an epoch yet. Train it"):
        require_log(run)


@pytest.fixture
def runs(make_run: MakeRun) -> list[Run]:
    """Two runs with the logs of both folds."""
    made = [make_run(name, seed) for seed, name in enumerate(("one", "two"))]
    for run in made:
        for fold in (0, 1):
            write_log(run, fold, epochs(fold, 2), best=1)
    return made


def written(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in workspace.runs.glob("*.png"))


def test_one_run_is_one_picture(
    workspace: Workspace, runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace.pictures.curves(runs[0].name)
    assert curves_stage(workspace, ["one"]) == (path,)
    assert capsys.readouterr().out == f"Wrote {path}\n"
    assert written(workspace) == [f"curves-{runs[0].name}.png"]


def test_several_runs_are_a_picture_each_and_one_of_all(
    workspace: Workspace, runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = curves_stage(workspace, ["one", runs[1].name, "one"])
    each = [workspace.pictures.curves(run.name) for run in runs]
    assert paths == (*each, workspace.pictures.all_curves)
    assert capsys.readouterr().out == "".join(f"Wrote {path}\n" for path in paths)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_out_names_the_only_picture_or_that_of_all(
    workspace: Workspace, runs: list[Run], tmp_path: Path
) -> None:
    out = tmp_path / "new folder" / "my.png"
    assert curves_stage(workspace, ["two"], out) == (out,)
    assert out.exists()
    assert written(workspace) == []
    each = [workspace.pictures.curves(run.name) for run in runs]
    assert curves_stage(workspace, ["one", "two"], out) == (*each, out)
    assert not workspace.pictures.all_curves.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one.jpg", r"^--out .*one\.jpg: pictures are PNG files\. Name one that ends in \.png\.$"),
        ("folder.png", r"^--out .*folder\.png is a folder\. Name a file in it, such as .*\.png\.$"),
    ],
)
def test_another_kind_of_file_is_refused_before_any_work(
    workspace: Workspace, runs: list[Run], tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=message):
        curves_stage(workspace, ["one", "two"], tmp_path / name)
    assert written(workspace) == []


def test_a_blend_and_an_imported_run_have_no_curves(
    shapes: Competition, workspace: Workspace, runs: list[Run], tmp_path: Path
) -> None:
    blend(shapes, workspace, name="best", options=Options("mean", "exact"))
    with pytest.raises(UserError) as raised:
        curves_stage(workspace, ["best"])
    assert str(raised.value) == (
        "best is a blend and has no curves. Draw its runs: "
        f"kit curves {runs[0].name} {runs[1].name}"
    )
    write_predictions(tmp_path / "oof.parquet", runs[0].read_oof(shapes), {})
    other = import_predictions(shapes, workspace, "other", tmp_path / "oof.parquet", []).run
    with pytest.raises(UserError) as raised:
        curves_stage(workspace, ["one", "other"])
    assert str(raised.value) == f"{other.name} was imported: it has no log of epochs to draw."
    assert written(workspace) == []


def type_command(monkeypatch: pytest.MonkeyPatch, words: Sequence[str]) -> int | str | None:
    """The exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["kit", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_the_command_draws_into_the_folder_of_the_runs(
    blends: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "work"
    shutil.copytree(blends, folder)
    monkeypatch.chdir(folder)
    run = open_run(Workspace.of("cells"), "run1")
    write_log(run, 0, epochs(0, 2), best=1)
    assert not type_command(monkeypatch, ["curves", "run1", "-c", "cells"])
    path = Path("runs/cells") / f"curves-{run.name}.png"
    assert capsys.readouterr().out == f"Wrote {path}\n"
    assert path.read_bytes().startswith(b"\x89PNG")
