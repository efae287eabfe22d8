"""A bar chart of F1 between models: macro-F1 with its interval, and batch-wise F1 beside it."""

import textwrap
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kit.compare.rows import Row
from kit.report.figures import INK

MACRO, AT_HALF, BATCH, CI = "#4a7a9c", "#a9c3d4", "#d0b98a", "#22303c"
HEIGHT = 0.38  # of a bar; a model has two
NAME_WIDTH = 36  # characters of a line of a name


def draw_f1(rows: Sequence[Row]) -> Figure:
    """Two bars per row: the expected macro-F1 with its 95% CI, and batch-wise F1.

    The latter is micro-F1 at 0.5 of held-out batches, as the trainer logs it. Without all folds
    there is no expected score, and the first bar is macro-F1 at 0.5 on the rows held out so far,
    with its 95% CI. A row without one of the two, such as a blend, has the other bar alone.
    """
    figure = Figure(figsize=(9, 0.62 * len(rows) + 1.4), layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(rows):
        above, below = place - HEIGHT / 2, place + HEIGHT / 2
        if row.score is not None:
            _bar(axis, above, row.score.expected, MACRO, row.score.interval)
        elif row.macro_f1_at_half is not None:
            _bar(axis, above, row.macro_f1_at_half, AT_HALF, row.interval_at_half)
        batch = None if row.training is None else row.training.val_batch_f1
        if batch is not None:
            _bar(axis, below, batch, BATCH)
    names = [textwrap.fill(row.name, NAME_WIDTH) for row in rows]
    axis.set_yticks(range(len(rows)), names, parse_math=False)
    axis.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
    axis.set_xlabel("F1", color=INK, fontsize=8)
    axis.tick_params(labelsize=8, colors=INK)
    axis.spines[["top", "right"]].set_visible(False)
    _add_legend(figure, rows)
    return figure


def _bar(
    axis: Axes, place: float, value: float, color: str, interval: tuple[float, float] | None = None
) -> None:
    """A bar with its value at the end, and a whisker for the interval, if any."""
    axis.barh(place, value, HEIGHT, color=color)
    if interval is not None:
        axis.plot(interval, [place, place], "|-", color=CI, lw=1.2, ms=6)
    end = max(value, *(interval or (value,)))
    axis.text(end + 0.01, place, f"{value:.3f}", color=INK, fontsize=8, va="center")


def _add_legend(figure: Figure, rows: Sequence[Row]) -> None:
    """Name what is drawn, above the axes."""
    whisker = Line2D([], [], color=CI, ls="-", marker="|", lw=1.2, ms=6)
    named: dict[str, Artist] = {}
    if any(row.score is not None for row in rows):
        named |= {"macro-F1 expected on the test set": Patch(color=MACRO), "95% CI": whisker}
    if any(row.score is None and row.macro_f1_at_half is not None for row in rows):
        named["macro-F1 at 0.5, held-out rows"] = Patch(color=AT_HALF)
    if any(row.score is None and row.interval_at_half is not None for row in rows):
        named["95% CI"] = whisker
    if any(row.training is not None for row in rows):
        named["batch-wise F1 (micro) at 0.5, held-out rows"] = Patch(color=BATCH)
    if not named:
        return
    legend = figure.legend(list(named.values()), list(named), loc="outside upper left", ncols=2)
    legend.set_frame_on(False)
    for text in legend.get_texts():
        text.set(color=INK, fontsize=8)
