"""A picture of images with their true labels and those of several models below them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from numpy.typing import NDArray

from kit.compare.beside import Shown
from kit.report.figures import INK, MISSED, TRUE, WRONG

COLUMNS = 5
# In inches: a column, the gap between two, and a line of text; the font's size in points.
WIDTH, GAP, LINE = 2.6, 0.2, 0.155
FONT, POINTS = 8, 72
# The most letters in a line; fewer where they are wide.
LETTERS = 44
_TO_PATH = TextToPath()


@dataclass(frozen=True)
class _Line:
    text: str
    color: str = INK
    weight: str = "normal"


def draw_beside(shown: Shown, pixels: Sequence[NDArray[np.uint8]]) -> Figure:
    """A grid of images; below each its id, the truth, and each model's labels.

    Right labels are green, wrong ones red, missed ones grey; those of test images, whose truth is
    unknown, are plain. `pixels` has a uint8 (size, size, 3) per image. Rows are as high as their
    longest list of labels.
    """
    cells = [_lines(shown, image) for image in range(len(shown.ids))]
    columns = min(COLUMNS, len(cells))
    grid = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [WIDTH + LINE * (max(map(len, row)) + 2) for row in grid]
    width = max(columns, 2) * (WIDTH + GAP) + GAP
    heading = textwrap.wrap(shown.caption, int(width / (WIDTH + GAP) * LETTERS * 0.9))
    height = LINE * (len(heading) + 3) + sum(heights)
    figure = Figure(figsize=(width, height))

    def write(lines: Sequence[_Line], left: float, top: float) -> None:
        """Lines below each other; `left` and `top` in inches from the upper left corner."""
        for number, line in enumerate(lines):
            # Class names and ids may contain a dollar sign, which is not a formula.
            figure.text(
                left / width,
                1 - (top + LINE * number) / height,
                line.text,
                color=line.color,
                weight=line.weight,
                fontsize=FONT,
                va="top",
                parse_math=False,
            )

    write([_Line(text) for text in heading], GAP, LINE)
    marks = (("✓ right", TRUE), ("✗ wrong", WRONG), ("– missed", MISSED))
    top = LINE * (len(heading) + 1)
    for number, (text, color) in enumerate(marks):
        write([_Line(text, color)], GAP + 0.8 * number, top)
    top = LINE * (len(heading) + 3)
    for row, (in_row, row_height) in enumerate(zip(grid, heights, strict=True)):
        for column, lines in enumerate(in_row):
            left = GAP + column * (WIDTH + GAP)
            place = (left / width, 1 - (top + WIDTH) / height, WIDTH / width, WIDTH / height)
            axis = figure.add_axes(place)
            axis.set_axis_off()
            axis.imshow(pixels[row * columns + column])
            write(lines, left, top + WIDTH + LINE / 2)
        top += row_height
    return figure


def _lines(shown: Shown, image: int) -> list[_Line]:
    """What is written below an image."""
    lines = _wrapped(shown.ids[image], MISSED)
    if not shown.is_train[image]:
        for model in shown.labels:
            lines += _wrapped(model, weight="bold")
            lines += _named("", shown.predicted(model, image), INK) or [_Line("no label", MISSED)]
        return [*lines, _Line("test image: truth unknown", MISSED)]
    lines += _wrapped("truth", weight="bold")
    lines += _named("", shown.true(image), INK) or [_Line("no label", MISSED)]
    for model in shown.labels:
        marked = shown.marked(model, image)
        lines += _wrapped(model, weight="bold")
        labelled = _named("✓ ", marked.right, TRUE) + _named("✗ ", marked.wrong, WRONG)
        missed = _named("– ", marked.missed, MISSED)
        lines += labelled + missed or [_Line("✓ no label", TRUE)]
    return lines


def _named(mark: str, names: Sequence[str], color: str) -> list[_Line]:
    return [line for name in names for line in _wrapped(mark + name, color)]


def _wrapped(text: str, color: str = INK, weight: str = "normal") -> list[_Line]:
    """The text in lines that fit a column; all but the first are indented."""
    font = FontProperties(size=FONT, weight=weight)
    for letters in range(LETTERS, 0, -4):
        parts = textwrap.wrap(text, letters, subsequent_indent="   ")
        widths = (_TO_PATH.get_text_width_height_descent(part, font, False)[0] for part in parts)
        if max(widths, default=0) <= POINTS * WIDTH:
            break
    return [_Line(part, color, weight) for part in parts]
