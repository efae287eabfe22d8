"""A grid of images with their labels below: how it is typed, and how it is drawn."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.report.layout import Font, fit_names, lines_high, show, wrap, write
from kit.report.png import DPI

MOST = 20
CAPTION, HEADING = Font(7), Font(10)
LINES = 3  # of labels below an image
GAP = 0.06  # in inches, between images and around them
NARROWEST = 6.0  # in inches, for the heading


@dataclass(frozen=True)
class Grid:
    """How many rows and columns of images; prints as it is typed: 10x5."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"

    @property
    def cells(self) -> int:
        """The number of images."""
        return self.rows * self.columns

    @property
    def inches(self) -> float:
        """The side of an image in the figure; larger where there are few."""
        return max(1.9, min(4.5, 9.5 / self.columns, 14 / self.rows))

    @property
    def side(self) -> int:
        """The same in pixels: larger images are reduced to it."""
        return round(self.inches * DPI)


def parse_grid(text: str) -> Grid:
    """Parse rows x columns, such as `10x5`; UserError for another text and more than 20x20."""
    found = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text.strip().lower())
    if not found:
        raise UserError(f"--grid expects rows x columns, such as 10x5; got '{text}'.")
    grid = Grid(int(found[1]), int(found[2]))
    if not (1 <= grid.rows <= MOST and 1 <= grid.columns <= MOST):
        raise UserError(f"--grid {text}: allowed are 1x1 to {MOST}x{MOST}.")
    return grid


def draw_grid(
    images: NDArray[np.uint8], captions: Sequence[Sequence[str]], grid: Grid, heading: str
) -> Figure:
    """Images row by row, each with the names of its caption below, as many as fit.

    `images` is uint8 (cells, side, side, 3) in red, green, blue. The lines of the heading are
    wrapped to the figure's width.
    """
    cell = grid.inches
    below = [fit_names(names, cell, CAPTION, LINES) for names in captions]
    deepest = max(len(caption.splitlines()) for caption in below)
    row_height = cell + lines_high(deepest, CAPTION) + 2 * GAP
    width = max(NARROWEST, grid.columns * (cell + GAP) + GAP)
    lines = [part for line in heading.splitlines() for part in wrap(line, width - 2 * GAP, HEADING)]
    top = lines_high(len(lines), HEADING) + 3 * GAP
    height = top + grid.rows * row_height
    figure = Figure(figsize=(width, height))
    write(figure, (GAP, height - GAP), "\n".join(lines), HEADING)
    for number, (image, caption) in enumerate(zip(images, below, strict=True)):
        row, column = divmod(number, grid.columns)
        left = GAP + column * (cell + GAP)
        bottom = height - top - row * row_height - cell
        show(figure, (left, bottom), (cell, cell), image)
        write(figure, (left, bottom - GAP / 2), caption, CAPTION)
    return figure
