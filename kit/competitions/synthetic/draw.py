"""Synthetic fluorescence fields: cells stained in four channels, seen through a microscope."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from kit.competitions.synthetic.body import Cell, raster_cells
from kit.competitions.synthetic.ink import (
    Frame,
    Patch,
    between,
    blur,
    dots,
    generator,
    ramp,
    texture,
    to_bytes,
    unit,
)
from kit.competitions.synthetic.organelles import ORGANELLES
from kit.competitions.synthetic.outline import Phase, place_cells
from kit.competitions.synthetic.plan import FieldPlan
from kit.competitions.synthetic.style import FieldStyle

Canvas = npt.NDArray[np.float32]  # (4, pixels, pixels): red, green, blue, yellow
RED, GREEN, BLUE, YELLOW = range(4)
_CANVAS = 256  # minimum width of a drawn field; smaller images are shrunk from it


def draw_field(plan: FieldPlan, size: int) -> npt.NDArray[np.uint8]:
    """Draw a field of cells from its plan.

    Returns uint8 (size, size, 4), channels red, green, blue, yellow. The same plan and size give
    the same pixels on every machine. Raises ValueError for a size below 16.
    """
    if size < 16:
        raise ValueError(f"a field needs at least 16 pixels a side, not {size}")
    style = plan.style
    times = -(-_CANVAS // size)
    canvas = np.zeros((4, times * size, times * size), dtype=np.float32)
    outlines = place_cells(style, plan.labels)
    for number, cell in enumerate(raster_cells(style, outlines, times * size)):
        rng = generator(style.seed, 3, number)
        _add(canvas[RED], cell.frame, cell.filaments * cell.brightness)
        _add(canvas[YELLOW], cell.frame, cell.reticulum * cell.brightness)
        _add(canvas[BLUE], cell.frame, _chromatin(cell, rng))
        _add(canvas[GREEN], cell.frame, _protein(cell, plan.labels, style, rng, number))
    return _microscope(canvas, style, times)


def _add(channel: Patch, frame: Frame, patch: Patch) -> None:
    """Add a patch to a channel in place, ignoring what lies off the field."""
    size = len(channel)
    top, left = max(0, frame.top), max(0, frame.left)
    bottom, right = min(size, frame.top + frame.height), min(size, frame.left + frame.width)
    if top < bottom and left < right:
        channel[top:bottom, left:right] += patch[
            top - frame.top : bottom - frame.top, left - frame.left : right - frame.left
        ]


def _chromatin(cell: Cell, rng: np.random.Generator) -> Patch:
    """Stain DNA: mottled, darker in the nucleoli, condensed in a dividing cell."""
    level = 0.45 + 0.5 * float(rng.random())
    mottle = 0.45 * texture(rng, cell.frame, 0.013)
    mottle = mottle + 0.35 * texture(rng, cell.frame, 0.035)
    if cell.shape.phase is not Phase.INTERPHASE:
        return (0.75 + 0.4 * mottle) * cell.nucleus
    holes = dots(
        cell.frame,
        cell.shape.nucleoli,
        cell.shape.nucleolus_radii,
        [255] * len(cell.shape.nucleoli),
    )
    dark = 0.55 * unit(blur(holes, 0.004 * cell.frame.scale))
    return level * (0.45 + mottle) * (1 - dark) * cell.nucleus


def _protein(
    cell: Cell, labels: Collection[int], style: FieldStyle, rng: np.random.Generator, number: int
) -> Patch:
    """Stain the protein of interest at its labelled locations, over a weak unspecific haze.

    With several locations some are minor and stain weaker, the same ones throughout a group.
    """
    where = (1 - style.veil) * cell.cytoplasm + style.veil * cell.nucleus
    haze = style.haze * (0.5 + texture(rng, cell.frame, 0.02))
    green = haze * cell.height * (0.4 * cell.body + where)
    for label in labels:
        drawn = ORGANELLES[label](cell, generator(style.seed, 4, number, label))
        share = between(generator(style.antibody, label), 0.45, 1.0) if len(labels) > 1 else 1.0
        green = green + share * drawn
    return green * (1 - style.variation * float(rng.random()))


def _microscope(canvas: Canvas, style: FieldStyle, times: int) -> npt.NDArray[np.uint8]:
    """Blur, expose and shrink the canvas, and add camera noise."""
    size = canvas.shape[1] // times
    rng = generator(style.seed, 5)
    picture = np.empty((size, size, 4), dtype=np.uint8)
    for channel, gain in enumerate((style.red, style.green, style.blue, style.yellow)):
        sharp = to_bytes(canvas[channel] * 0.9)
        light = unit(_shrink(blur(sharp, style.focus * canvas.shape[1]), times))
        light = light * (1 + style.contrast * (light - 1))
        light = gain * ramp(light, 0.0, 0.9)
        # Photon noise grows with the square root of the signal; three summed bytes are near normal.
        dice = rng.integers(0, 256, (3, size, size), dtype=np.uint8).astype(np.int16)
        grain = (dice[0] + dice[1] + dice[2] - 382).astype(np.float32) / 128
        noise = style.noise * (np.sqrt(light) + 0.06) * grain
        picture[..., channel] = to_bytes(light + noise)
    return picture


def _shrink(patch: npt.NDArray[np.uint8], times: int) -> npt.NDArray[np.uint8]:
    """Average blocks of times x times pixels in integer arithmetic."""
    if times == 1:
        return patch
    size = len(patch) // times
    total = np.zeros((size, size), dtype=np.uint32)
    for down in range(times):
        for across in range(times):
            total += patch[down::times, across::times]
    return ((total + times * times // 2) // (times * times)).astype(np.uint8)
