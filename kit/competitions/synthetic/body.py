"""Cells as pixels: which cell owns which pixel, and the textures shared by several channels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.competitions.synthetic.ink import (
    ANGLES,
    COS,
    SIN,
    TURN,
    Bytes,
    Floats,
    Frame,
    Ints,
    Patch,
    Points,
    blur,
    filled,
    generator,
    polar,
    ramp,
    some_between,
    strokes,
    texture,
    unit,
    walks,
)
from kit.competitions.synthetic.outline import Outline, Phase
from kit.competitions.synthetic.style import FieldStyle

_MARGIN = 0.03  # around a cell in its frame, field widths


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell in its own frame; every patch is float32 (height, width), 0 to 1."""

    shape: Outline
    frame: Frame
    body: Patch  # 1 inside the cell
    nucleus: Patch  # 1 inside the nucleus, or on the chromosome plate
    cytoplasm: Patch  # body without nucleus
    height: Patch  # thickness of the cell: 0 at the rim, 1 well inside
    halo: Patch  # 1 at the nucleus, falling off around it
    rim: Patch  # a line along the border of the cell
    beside: Bytes  # where other cells lie, uint8 0 or 255
    filaments: Patch  # microtubules
    reticulum: Patch  # endoplasmic reticulum
    brightness: float  # of the red and yellow stain, from cell to cell


def raster_cells(style: FieldStyle, outlines: Sequence[Outline], scale: int) -> Iterator[Cell]:
    """Turn outlines into cells at a scale in pixels per field width, one after the other."""
    for number, outline in enumerate(outlines):
        yield _raster(style, outlines, number, outline, scale)


def cytoplasm_points(
    cell: Cell, rng: np.random.Generator, count: int, near: float, far: float
) -> Points:
    """Scatter points between nucleus and rim, at most (count, 2), dropping those off the cell.

    near and far are shares of the distance from the nucleus, 0, to the outline, 1.
    """
    angles = rng.integers(0, TURN, count)
    return cytoplasm_at(cell, angles, some_between(rng, near, far, count))


def cytoplasm_at(cell: Cell, angles: Ints, shares: Floats) -> Points:
    """Return the cell's points at these shares of the distance from nucleus to outline."""
    turned = angles & (TURN - 1)
    start, end = cell.shape.nucleus[turned], cell.shape.body[turned]
    points = polar(cell.shape.centre, turned, start + (end - start) * shares)
    return points[owned(cell, points)]


def owned(cell: Cell, points: Points) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which points, float64 (n, 2), lie on the cell: bool (n,)."""
    corner = np.array((cell.frame.left, cell.frame.top))
    pixels = np.floor(points * float(cell.frame.scale)).astype(np.int64) - corner
    columns = np.clip(pixels[:, 0], 0, cell.frame.width - 1)
    rows = np.clip(pixels[:, 1], 0, cell.frame.height - 1)
    return np.asarray(cell.body[rows, columns] > 0.5)


def nucleus_points(cell: Cell, rng: np.random.Generator, count: int, far: float) -> Points:
    """Scatter points over the nucleus out to a share of its radius, float64 (count, 2)."""
    angles = rng.integers(0, TURN, count)
    # The square root spreads them evenly over the area.
    shares = far * np.sqrt(rng.random(count))
    return polar(cell.shape.centre, angles, cell.shape.nucleus[angles] * shares)


def _frame(outline: Outline, scale: int) -> Frame:
    """Return the box around the cell, clipped to the field and a margin."""
    points = polar(outline.centre, ANGLES, np.maximum(outline.body, outline.nucleus))
    low = np.clip(points.min(axis=0), -_MARGIN, 1.0) - _MARGIN
    high = np.clip(points.max(axis=0), 0.0, 1.0 + _MARGIN) + _MARGIN
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    return Frame(
        left=math.floor(left * scale),
        top=math.floor(top * scale),
        width=int((right - left) * scale) + 2,
        height=int((bottom - top) * scale) + 2,
        scale=scale,
    )


def _raster(
    style: FieldStyle, outlines: Sequence[Outline], number: int, outline: Outline, scale: int
) -> Cell:
    rng = generator(style.seed, 2, number)
    frame = _frame(outline, scale)
    own, beside = _territory(frame, outline, outlines)
    nucleus_mask = filled(frame, polar(outline.centre, ANGLES[::4], outline.nucleus[::4]))
    radius = outline.radius * scale
    soft = unit(blur(own, 0.008 * scale))
    body = ramp(soft, 0.35, 0.75)
    nucleus = unit(blur(nucleus_mask, 0.0025 * scale))
    wide = ramp(unit(blur(own, 0.15 * radius)), 0.45, 1.0)
    halo = ramp(unit(blur(nucleus_mask, 0.24 * radius)), 0.0, 0.5)
    none = np.zeros_like(body)
    unstained = Cell(
        shape=outline,
        frame=frame,
        body=body,
        nucleus=nucleus,
        cytoplasm=body * (1 - nucleus),
        height=np.sqrt(wide),
        halo=halo,
        rim=body * (1 - ramp(soft, 0.6, 0.97)),
        beside=beside,
        filaments=none,
        reticulum=none,
        brightness=0.55 + 0.45 * float(rng.random()),
    )
    tubes = _spindle_fibres if outline.phase is Phase.METAPHASE else _microtubules
    filaments = tubes(unstained, style, rng)
    return replace(unstained, filaments=filaments, reticulum=_reticulum(unstained, rng))


def _territory(frame: Frame, outline: Outline, outlines: Sequence[Outline]) -> tuple[Bytes, Bytes]:
    """Return a cell's pixels and its neighbours'; where outlines overlap, the nearer cell wins.

    Distances are relative to each cell's long and short axes, so that borders are curved as in a
    crowded culture.
    """
    own = filled(frame, polar(outline.centre, ANGLES[::2], outline.body[::2]))
    beside = frame.blank()
    mine = _nearness(frame, outline)
    for other in outlines:
        across = other.centre[0] - outline.centre[0]
        down = other.centre[1] - outline.centre[1]
        reach = outline.reach + other.reach
        if other is outline or across * across + down * down > reach * reach:
            continue
        theirs = filled(frame, polar(other.centre, ANGLES[::2], other.body[::2]))
        if (own & theirs).any():
            theirs[(own > 0) & (mine <= _nearness(frame, other))] = 0
            own[theirs > 127] = 0
        np.maximum(beside, theirs, out=beside)
    return own, beside


def _nearness(frame: Frame, outline: Outline) -> Patch:
    columns = np.arange(frame.width, dtype=np.float32) + (frame.left + 0.5)
    rows = np.arange(frame.height, dtype=np.float32) + (frame.top + 0.5)
    x = columns / frame.scale - outline.centre[0]
    y = rows / frame.scale - outline.centre[1]
    c, s = float(COS[outline.axis]), float(SIN[outline.axis])
    along = (x * c)[None, :] + (y * s)[:, None]
    across = (y * c)[:, None] - (x * s)[None, :]
    size = outline.radius * outline.radius
    return (along * along / outline.stretch + across * across * outline.stretch) / size


def _microtubules(cell: Cell, style: FieldStyle, rng: np.random.Generator) -> Patch:
    """Grow filaments outwards from the nucleus, and others along the cell's long axis."""
    shape, frame = cell.shape, cell.frame
    count = style.line.filaments * (2 if shape.phase is Phase.INTERPHASE else 1) // 2
    angles = rng.integers(0, TURN, count)
    shares = some_between(rng, 0.0, 0.75, count)
    reach = shape.nucleus[angles] + (shape.body - shape.nucleus)[angles] * shares
    starts = polar(shape.centre, angles, reach)
    outward = angles + rng.integers(-36, 37, count)
    around = angles + 64 + 128 * rng.integers(0, 2, count) + rng.integers(-18, 19, count)
    lengthwise = shape.axis + 128 * rng.integers(0, 2, count) + rng.integers(-12, 13, count)
    kind = np.arange(count) % 6
    headings = np.where(kind < 2, outward, np.where(kind < 4, around, lengthwise))
    wobble = style.line.wobble
    paths = walks(rng, starts, headings, 13, 0.1 * shape.radius, wobble, wobble // 2 + 1)
    half = count // 2
    faint = strokes(frame, paths[:half], 0.0036, 150)
    bright = strokes(frame, paths[half:], 0.0036, 255)
    mesh = 0.7 * (unit(faint) + unit(bright))
    # Filaments too fine and dense to resolve blur into a glow.
    glow = unit(blur(np.maximum(faint, bright), 0.010 * frame.scale))
    density = 0.42 + 0.78 * np.maximum(cell.halo, cell.height * 0.4)
    red = (mesh + 0.4 * glow) * density * cell.cytoplasm
    if shape.phase is Phase.DAUGHTER:
        red = red + 0.6 * bridge_line(cell, 0.5, 1.0, 0.007, 255) * cell.body
    return np.clip(red, 0.0, 1.0)


def bridge_line(cell: Cell, start: float, end: float, width: float, level: int) -> Patch:
    """Draw the strand to the other daughter between two shares of the distance to its middle."""
    half = float(cell.shape.body[cell.shape.axis])
    shares = np.array((start, end)) * half
    axis = np.array((cell.shape.axis, cell.shape.axis), dtype=np.int64)
    line = polar(cell.shape.centre, axis, shares)
    return unit(strokes(cell.frame, line[None], width, level))


def spindle_poles(cell: Cell) -> Points:
    """Return the two poles of a metaphase cell, float64 (2, 2)."""
    angles = np.array((cell.shape.axis, cell.shape.axis + TURN // 2), dtype=np.int64)
    return polar(cell.shape.centre, angles, np.full(2, 0.62 * cell.shape.radius))


def spindle_paths(cell: Cell, rng: np.random.Generator, count: int) -> Points:
    """Draw fibres from both poles towards the plate, float64 (2 * count, 3, 2)."""
    poles = np.repeat(spindle_poles(cell), count, axis=0)
    across = cell.shape.axis + TURN // 4
    offsets = some_between(rng, -0.42, 0.42, 2 * count) * cell.shape.radius
    plate = polar(cell.shape.centre, np.full(2 * count, across, dtype=np.int64), offsets)
    # Fibres bulge: halfway they are already at 0.72 of their final width.
    middle = 0.5 * (poles + plate)
    bulge = polar((0.0, 0.0), np.full(2 * count, across, dtype=np.int64), offsets * 0.22)
    return np.stack((poles, middle + bulge, plate), axis=1)


def _spindle_fibres(cell: Cell, style: FieldStyle, rng: np.random.Generator) -> Patch:
    """Draw the spindle that replaces the microtubule network of a cell in metaphase."""
    fibres = strokes(cell.frame, spindle_paths(cell, rng, 10), 0.003, 255)
    glow = unit(blur(fibres, 0.008 * cell.frame.scale))
    red = 0.7 * unit(fibres) + 0.8 * glow + 0.12 * cell.height
    return np.clip(red * cell.body * (1 - 0.5 * cell.nucleus), 0.0, 1.0)


def _reticulum(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw a mesh of fine bright walls and dark holes, densest around the nucleus."""
    coarse = texture(rng, cell.frame, 0.045)
    fine = texture(rng, cell.frame, 0.014)
    walls = 1 - np.abs(2 * fine - 1)
    walls = walls * walls
    mesh = (0.35 + 1.25 * walls) * (0.5 + coarse)
    fall = 0.22 + 0.9 * cell.halo
    inside = 0.10 * cell.nucleus * cell.body
    return np.clip(mesh * fall * cell.height * cell.cytoplasm + inside, 0.0, 1.0)
