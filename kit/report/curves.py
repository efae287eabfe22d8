"""Learning curves: loss, accuracy, F1 and learning rate by epoch, of one run or several in one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from kit.compare.logs import FoldLog, RunLog
from kit.core.errors import some
from kit.data.run_files import EpochLog
from kit.report.figures import INK
from kit.report.layout import Font, wrap

Score = Callable[[EpochLog], float | None]
Point = tuple[int, float]  # an epoch from 1, and the value after it

COLUMNS, WIDTH = 3, 12.0  # of panels; in inches
GREY = "#6a7783"
NOTE = Font(8)
NOTE_WIDTH = 3.4  # inches of a line below a panel, which is narrower than its column

# From here on, thick lines hide each other's ups and downs.
MANY_EPOCHS = 50
# Losses fall fast and then slowly; the slow part decides which epoch is kept.
LOG_FROM = 5.0
# A cosine ends near zero: the rest of a logarithmic axis stays readable.
LOG_DEPTH = 1000.0
# On a logarithmic axis that goes below, ticks are like 1e-4.
POWERS_BELOW = 1e-4


@dataclass(frozen=True)
class Style:
    """How a score is drawn: its line, the marker of a single epoch, and whether the kept is one."""

    line: str
    marker: str
    marks_kept: bool = True


TRAINING, HELD_OUT, AT_HALF = Style("--", "s"), Style("-", "o"), Style(":", "x", marks_kept=False)
PLAIN = Style("-", "o", marks_kept=False)


@dataclass(frozen=True)
class Panel:
    """One diagram and its scores, the first available of which marks the kept epoch.

    The axis starts at `bottom`, if given; with `may_be_log`, it is logarithmic for values that
    differ by more than LOG_FROM.
    """

    title: str
    scores: tuple[tuple[Score, Style], ...]
    bottom: float | None = 0.0
    may_be_log: bool = False


PANELS = (
    Panel(
        "loss",
        ((lambda line: line.val_loss, HELD_OUT), (lambda line: line.loss, TRAINING)),
        may_be_log=True,
    ),
    Panel(
        "accuracy: share of entries right at 0.5",
        ((lambda line: line.val_accuracy, HELD_OUT), (lambda line: line.accuracy, TRAINING)),
        bottom=None,
    ),
    Panel(
        "exact match: share of images all right at 0.5",
        (
            (lambda line: line.val_exact_match, HELD_OUT),
            (lambda line: line.exact_match, TRAINING),
        ),
    ),
    Panel(
        "batch-wise F1: micro, at 0.5",
        ((lambda line: line.val_batch_f1, HELD_OUT), (lambda line: line.batch_f1, TRAINING)),
    ),
    Panel(
        "macro-F1 at the best thresholds (optimistic)",
        (
            (lambda line: line.val_macro_f1_best_cut, HELD_OUT),
            (lambda line: line.val_macro_f1_at_half, AT_HALF),
        ),
    ),
    Panel("learning rate", ((lambda line: line.learning_rate, PLAIN),), may_be_log=True),
)


def draw_curves(runs: Sequence[RunLog]) -> Figure:
    """The curves of one or more runs, each with a logged epoch: a panel per score.

    A colour per run, a thin line per fold, and a thick one for the mean over the folds as far as
    all of them are trained. A score that a run did not log is left out of its panel with a note.
    """
    colors = _colors(len(runs))
    handles, names = _legend(runs, colors)
    columns = max(1, min(len(names), int(WIDTH / (0.7 + 0.075 * max(map(len, names))))))
    rows, panel_rows = -(-len(names) // columns), -(-len(PANELS) // COLUMNS)
    figure = Figure(figsize=(WIDTH, 3.05 * panel_rows + 0.19 * rows), layout="constrained")
    axes = figure.subplots(panel_rows, COLUMNS).ravel()
    for axis in axes[len(PANELS) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes, PANELS, strict=False):
        for run, color in zip(runs, colors, strict=True):
            _draw_run(axis, panel, run, color)
        _finish(axis, panel, runs)
    if len(runs) == 1:
        heading = figure.suptitle(runs[0].name, color=INK, fontsize=11, x=0.01, ha="left")
        heading.set_parse_math(False)
    # The texts are set afterwards: a legend drops labels that start with an underscore.
    legend = figure.legend(
        handles, ["-"] * len(names), loc="outside lower left", ncols=columns, fontsize=8, frameon=0
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=name, parse_math=False, color=INK)
    return figure


def _colors(count: int) -> list[str]:
    if count <= 10:
        return [f"C{number}" for number in range(count)]
    return [to_hex(colormaps["turbo"](share)) for share in np.linspace(0.05, 0.95, count)]


def _draw_run(axis: Axes, panel: Panel, run: RunLog, color: str) -> None:
    held_out = [log for log in run.folds if log.fold is not None]
    averaged = held_out or list(run.folds)
    for score, style in panel.scores:
        for log in run.folds:
            is_alone = averaged == [log]
            _draw(axis, _points(log, score), color, style, is_thick=is_alone)
        if len(averaged) > 1:
            mean = _mean([_points(log, score) for log in averaged])
            _draw(axis, mean, color, style, is_thick=True)
    for log in run.folds:
        marks = (score(log.kept_line) for score, style in panel.scores if style.marks_kept)
        value = next((mark for mark in marks if mark is not None), None)
        if value is not None:
            axis.plot(log.kept + 1, value, "o", color=color, ms=6, mec=INK, zorder=3)
    if run.frozen_epochs:
        axis.axvline(run.frozen_epochs + 0.5, color=color, lw=1, ls=(0, (1, 2)), zorder=0)


def _points(log: FoldLog, score: Score) -> list[Point]:
    """The epochs of which the score is known, with its values."""
    found = ((line.epoch + 1, score(line)) for line in log.lines)
    return [(epoch, value) for epoch, value in found if value is not None]


def _mean(folds: Sequence[list[Point]]) -> list[Point]:
    """The mean over the folds, at the epochs of which all of them have a value."""
    of_fold = [dict(points) for points in folds]
    common = sorted(set.intersection(*map(set, of_fold)))
    return [(epoch, float(np.mean([one[epoch] for one in of_fold]))) for epoch in common]


def _draw(axis: Axes, points: list[Point], color: str, style: Style, is_thick: bool) -> None:
    if not points:
        return
    thick = 2.0 if len(points) < MANY_EPOCHS else 1.2
    width, alpha = (thick, 1.0) if is_thick else (0.8, 0.45)
    epochs, values = zip(*points, strict=True)
    (line,) = axis.plot(epochs, values, style.line, color=color, lw=width, alpha=alpha)
    if len(points) == 1:
        _set_marker(line, style)


def _finish(axis: Axes, panel: Panel, runs: Sequence[RunLog]) -> None:
    """Title, scales, and the runs without values."""
    axis.set_title(panel.title, color=INK, fontsize=10, loc="left")
    epochs = max(len(log.lines) for run in runs for log in run.folds)
    room = 0.5 if epochs == 1 else 0.03 * epochs
    axis.set_xlim(1 - room, epochs + room)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(which="both", labelsize=8, colors=INK)
    of_run = [
        [
            value
            for log in run.folds
            for score, _ in panel.scores
            for _, value in _points(log, score)
        ]
        for run in runs
    ]
    values = [value for run in of_run for value in run]
    notes = _notes(panel, runs)
    axis.set_xlabel("\n".join(["epoch", *notes]) if values else "epoch", color=INK)
    axis.xaxis.label.set(parse_math=False, fontsize=NOTE.size)
    if not values:
        axis.set_yticks([])
        told = axis.text(0.5, 0.5, "\n".join(notes), ha="center", transform=axis.transAxes)
        told.set(parse_math=False, fontsize=NOTE.size, color=INK)
    elif panel.may_be_log and 0 < LOG_FROM * min(values) < max(values):
        axis.set_yscale("log")
        # No run is below the axis altogether.
        highest = min(max(run) for run in of_run if run)
        bottom = max(min(values) / 1.2, min(highest / 1.2, max(values) / LOG_DEPTH))
        axis.set_ylim(bottom=bottom)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(_power if bottom < POWERS_BELOW else "{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    elif panel.bottom is not None:
        axis.set_ylim(bottom=panel.bottom)


def _power(value: float, _: float) -> str:
    """A tick like 5e-5."""
    digits, power = f"{value:.0e}".split("e")
    return f"{digits}e{int(power)}"


def _notes(panel: Panel, runs: Sequence[RunLog]) -> list[str]:
    """Lines on which runs have none of the panel's scores, and why."""
    without = [
        run
        for run in runs
        if not any(_points(log, score) for log in run.folds for score, _ in panel.scores)
    ]
    unlogged = [run.name for run in without if run.has_held_out]
    unscored = [run.name for run in without if not run.has_held_out]
    notes = {"not in the log": unlogged, "trained on all rows, none held out": unscored}
    told = [f"{reason}: {some(names, 3)}" for reason, names in notes.items() if names]
    return [line for text in told for line in wrap(text, NOTE_WIDTH, NOTE)]


def _legend(runs: Sequence[RunLog], colors: Sequence[str]) -> tuple[list[Line2D], list[str]]:
    """Handles and texts: what the lines mean, then the runs if there are several."""
    scores = [score for panel in PANELS for score, _ in panel.scores]
    folds = [log for run in runs for log in run.folds]
    has_single = any(len(_points(log, score)) == 1 for log in folds for score in scores)
    named = {
        "validation: held-out rows": _handle(HELD_OUT, has_single),
        "training": _handle(TRAINING, has_single),
        "macro-F1 at 0.5": _handle(AT_HALF, has_single),
        "kept epoch": Line2D([], [], color=GREY, ls="", marker="o", ms=6, mec=INK),
    }
    if any(len(run.folds) > 1 for run in runs):
        named["each fold (thick: their mean)"] = Line2D([], [], color=GREY, lw=0.8)
    if any(run.frozen_epochs for run in runs):
        named["end of the frozen epochs"] = Line2D([], [], color=GREY, lw=1, ls=(0, (1, 2)))
    handles, texts = list(named.values()), list(named)
    if len(runs) > 1:
        handles += [Line2D([], [], color=color, lw=3) for color in colors]
        texts += [run.name for run in runs]
    return handles, texts


def _handle(style: Style, has_marker: bool) -> Line2D:
    """A score's line in the legend, with the marker of a single epoch if one is drawn."""
    line = Line2D([], [], color=GREY, ls=style.line, lw=2)
    if has_marker:
        _set_marker(line, style)
    return line


def _set_marker(line: Line2D, style: Style) -> None:
    line.set(marker=style.marker, markersize=5, markerfacecolor="none")
