"""Figures: images with predictions, F1 per class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.competitions.base import Mixture

Value = TypeVar("Value", np.uint8, np.float32)

INK = "#22303c"
TRUE, WRONG, MISSED = "#2c7a4b", "#b3452c", "#8a8f94"


@dataclass(frozen=True)
class Captioned:
    """An image and its label names; `pixels` is uint8 (size, size, 3) in red, green, blue."""

    pixels: NDArray[np.uint8]
    true: tuple[str, ...]
    predicted: tuple[str, ...]


def to_rgb(pixels: NDArray[np.uint8], mixture: Mixture) -> NDArray[np.uint8]:
    """An RGB image for display: each channel adds its share of the mixture to red, green and blue.

    Stretches each channel so that its 99.5th percentile is white, as is common in microscopy. Takes
    uint8 (size, size, channels), returns uint8 (size, size, 3).
    """
    top = np.maximum(np.percentile(pixels, 99.5, axis=(0, 1)), 1)
    bright = np.minimum(pixels / top, 1.0)
    mixed = bright @ np.array(mixture)
    return (255 * np.minimum(mixed, 1.0)).astype(np.uint8)


def shrink(image: NDArray[Value], side: int) -> NDArray[Value]:
    """An image (height, width, channels) whose longer side is at most `side` pixels."""
    height, width, channels = image.shape
    factor = side / max(height, width)
    if factor >= 1:
        return image
    high, wide = max(1, round(height * factor)), max(1, round(width * factor))
    small = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    return small.reshape(high, wide, channels)  # OpenCV drops the axis of a single channel


def picture_grid(cells: Sequence[Captioned], columns: int) -> Figure:
    """A grid of images with their labels below: right in green, wrong in red, missed in grey."""
    rows = -(-len(cells) // columns)
    # In each cell a square on top, and an inch below it for four lines of labels.
    figure = Figure(figsize=(2.6 * columns, 3.6 * rows))
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0, wspace=0.04, hspace=0)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
        axis.set_anchor("N")
    for axis, cell in zip(axes, cells, strict=False):
        axis.imshow(cell.pixels)
        lines = [(name, TRUE, "✓") for name in cell.predicted if name in cell.true]
        lines += [(name, WRONG, "✗") for name in cell.predicted if name not in cell.true]
        lines += [(name, MISSED, "–") for name in cell.true if name not in cell.predicted]
        for position, (name, color, mark) in enumerate(lines[:4]):
            place = (0.0, -0.03 - 0.085 * position)
            text = f"{mark} {name}"
            drawn = axis.text(*place, text, va="top", transform=axis.transAxes)
            drawn.set(color=color, fontsize=9, parse_math=False)
    return figure


def f1_bars(names: Sequence[str], f1: NDArray[np.float64], positives: Sequence[int]) -> Figure:
    """Cross-fitted F1 per class with the number of positives, the most common class on top."""
    order = np.argsort(positives, kind="stable")
    figure = Figure(figsize=(7.5, 0.24 * len(names) + 0.9), layout="constrained")
    axis = figure.subplots()
    axis.barh(range(len(names)), f1[order], color="#4a7a9c")
    titles = [f"{names[row]} ({positives[row]})" for row in order]
    axis.set_yticks(range(len(names)), titles, parse_math=False)
    axis.tick_params(labelsize=8, colors=INK)
    axis.set(xlim=(0, 1), xlabel="cross-fitted F1", ylim=(-0.6, len(names) - 0.4))
    axis.spines[["top", "right"]].set_visible(False)
    return figure
