"""Text and images at places of a figure given in inches, with text that fits its width."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from numpy.typing import NDArray

from kit.core.errors import printable, some
from kit.report.figures import INK

# The mean width of a letter and the height of a line, as shares of the font size.
_WIDE, _HIGH = 0.53, 1.25
_INCH = 72  # points
_TO_PATH = TextToPath()

# Inches from the left and from the bottom of the figure.
Place = tuple[float, float]


@dataclass(frozen=True)
class Font:
    """How letters look: their size in points, their colour, and `normal` or `bold`."""

    size: float
    color: str = INK
    weight: str = "normal"


def write(
    figure: Figure, place: Place, text: str, font: Font, va: Literal["top", "bottom"] = "top"
) -> None:
    """Write text that is not markup, in one or more lines; `place` is its left end."""
    width, height = figure.get_size_inches()
    x, y = place[0] / width, place[1] / height
    lines = "\n".join(map(printable, text.split("\n")))
    drawn = figure.text(x, y, lines, va=va, parse_math=False)
    drawn.set(color=font.color, fontsize=font.size, weight=font.weight)


def show(figure: Figure, place: Place, size: Place, image: NDArray[np.uint8]) -> None:
    """Show an image, uint8 (height, width, 3), in its proportions at the lower left of a box.

    `place` is that corner, `size` the box's width and height in inches.
    """
    width, height = figure.get_size_inches()
    box = (place[0] / width, place[1] / height, size[0] / width, size[1] / height)
    axis = figure.add_axes(box, anchor="SW")
    axis.set_axis_off()
    axis.imshow(image)


def fit_names(names: Sequence[str], inches: float, font: Font, lines: int) -> str:
    """Names joined by commas, wrapped to that width; those that do not fit are counted.

    A single name that is too long is shortened.
    """
    for most in range(len(names), 0, -1):
        wrapped = wrap(some(names, most), inches, font)
        if len(wrapped) <= lines:
            return "\n".join(wrapped)
    wrapped = wrap(some(names, 1), inches, font)[:lines]
    return "\n".join([*wrapped[:-1], f"{wrapped[-1][:-1]}…"]) if wrapped else ""


def wrap(text: str, inches: float, font: Font, indent: str = "") -> list[str]:
    """The lines of a text, no wider than `inches`; all but the first begin with `indent`.

    The lines are measured, because a line of W is three times as wide as one of i.
    """
    drawn = FontProperties(size=font.size, weight=font.weight)
    for letters in range(max(8, int(inches * _INCH / (font.size * _WIDE))), 0, -2):
        lines = textwrap.wrap(text, letters, subsequent_indent=indent, break_on_hyphens=False)
        widths = (_TO_PATH.get_text_width_height_descent(one, drawn, False)[0] for one in lines)
        if max(widths, default=0) <= inches * _INCH:
            break
    return lines


def lines_high(lines: int, font: Font) -> float:
    """The height of that many lines, in inches."""
    return lines * font.size * _HIGH / _INCH
