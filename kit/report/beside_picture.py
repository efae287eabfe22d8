"""A picture of images with their true labels and those of several models below them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.compare.shown import Shown
from kit.report.figures import MISSED, TRUE, WRONG
from kit.report.layout import Font, show, wrap, write

COLUMNS = 5
# In inches: a column, the gap between two, and a line of text.
WIDTH, GAP, LINE = 2.6, 0.2, 0.155
SIZE = 8.0  # of the letters, in points
PLAIN, BOLD, GREY = Font(SIZE), Font(SIZE, weight="bold"), Font(SIZE, MISSED)
GREEN, RED = Font(SIZE, TRUE), Font(SIZE, WRONG)
INDENT = "   "

Line = tuple[str, Font]


def draw_beside(shown: Shown, pixels: Sequence[NDArray[np.uint8]]) -> Figure:
    """A grid of images; below each its id, the truth, and each model's labels.

    Right labels are green, wrong ones red, missed ones grey; those of test images, whose truth is
    unknown, are plain. `pixels` has a uint8 (size, size, 3) per image. Rows are as high as their
    longest list of labels.
    """
    cells = [_lines(shown, image) for image in range(len(shown.ids))]
    columns = min(COLUMNS, len(cells))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [WIDTH + LINE * (max(map(len, row)) + 2) for row in rows]
    width = max(columns, 2) * (WIDTH + GAP) + GAP
    heading = [(line, PLAIN) for line in wrap(shown.caption, width - 2 * GAP, PLAIN)]
    height = LINE * (len(heading) + 3) + sum(heights)
    figure = Figure(figsize=(width, height))
    top = height - LINE
    _write(figure, GAP, top, heading)
    top -= LINE * len(heading)
    for number, mark in enumerate((("✓ right", GREEN), ("✗ wrong", RED), ("– missed", GREY))):
        _write(figure, GAP + 0.8 * number, top, [mark])
    top -= 2 * LINE
    for number, lines in enumerate(cells):
        row, column = divmod(number, columns)
        left, bottom = GAP + column * (WIDTH + GAP), top - sum(heights[:row]) - WIDTH
        show(figure, (left, bottom), (WIDTH, WIDTH), pixels[number])
        _write(figure, left, bottom - LINE / 2, lines)
    return figure


def _write(figure: Figure, left: float, top: float, lines: Sequence[Line]) -> None:
    """Lines below each other, from a place in inches on."""
    for number, (text, font) in enumerate(lines):
        write(figure, (left, top - LINE * number), text, font)


def _lines(shown: Shown, image: int) -> list[Line]:
    """What is written below an image."""
    lines = _wrapped(shown.ids[image], GREY)
    if not shown.is_train[image]:
        for model in shown.labels:
            lines += _wrapped(model, BOLD)
            lines += _named("", shown.predicted(model, image), PLAIN) or [("no label", GREY)]
        return [*lines, ("test image: truth unknown", GREY)]
    lines += _wrapped("truth", BOLD)
    lines += _named("", shown.true(image), PLAIN) or [("no label", GREY)]
    for model in shown.labels:
        marked = shown.marked(model, image)
        lines += _wrapped(model, BOLD)
        labelled = _named("✓ ", marked.right, GREEN) + _named("✗ ", marked.wrong, RED)
        missed = _named("– ", marked.missed, GREY)
        lines += labelled + missed or [("✓ no label", GREEN)]
    return lines


def _named(mark: str, names: Sequence[str], font: Font) -> list[Line]:
    return [line for name in names for line in _wrapped(mark + name, font)]


def _wrapped(text: str, font: Font) -> list[Line]:
    """The text in lines that fit a column."""
    return [(line, font) for line in wrap(text, WIDTH, font, INDENT)]
