"""Text and images at places of a figure given in inches, with text that fits its width."""

import textwrap
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.core.errors import some
from kit.report.figures import INK

# The mean width of a letter and the height of a line, as shares of the font size.
_WIDE, _HIGH = 0.57, 1.25
_INCH = 72  # points

# Inches from the left and from the bottom of the figure.
Place = tuple[float, float]


def write(
    figure: Figure, place: Place, text: str, font: float, va: Literal["top", "bottom"] = "top"
) -> None:
    """Write text that is not markup, in letters of `font` points; `place` is its left end."""
    width, height = figure.get_size_inches()
    x, y = place[0] / width, place[1] / height
    figure.text(x, y, text, color=INK, fontsize=font, va=va, parse_math=False)


def show(figure: Figure, place: Place, size: Place, image: NDArray[np.uint8]) -> None:
    """Show an image, uint8 (height, width, 3), in its proportions at the lower left of a box.

    `place` is that corner, `size` the box's width and height in inches.
    """
    width, height = figure.get_size_inches()
    box = (place[0] / width, place[1] / height, size[0] / width, size[1] / height)
    axis = figure.add_axes(box, anchor="SW")
    axis.set_axis_off()
    axis.imshow(image)


def fit_names(names: Sequence[str], inches: float, font: float, lines: int) -> str:
    """Names joined by commas, wrapped to that width; those that do not fit are counted.

    `font` is the size of the letters in points. A single name that is too long is shortened.
    """
    for most in range(len(names), 0, -1):
        wrapped = wrap(some(names, most), inches, font)
        if len(wrapped) <= lines:
            return "\n".join(wrapped)
    wrapped = wrap(some(names, 1), inches, font)[:lines]
    return "\n".join([*wrapped[:-1], f"{wrapped[-1][:-1]}…"]) if wrapped else ""


def wrap(text: str, inches: float, font: float) -> list[str]:
    """The lines of a text in letters of `font` points, no wider than about `inches`."""
    letters = max(8, int(inches * _INCH / (font * _WIDE)))
    return textwrap.wrap(text, letters, break_on_hyphens=False)


def lines_high(lines: int, font: float) -> float:
    """The height of that many lines, in inches."""
    return lines * font * _HIGH / _INCH
