"""Positions and outlines of the cells in a synthetic field: geometry without pixels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import numpy as np

from kit.competitions.synthetic.ink import (
    ANGLES,
    COS,
    SIN,
    TURN,
    Floats,
    Points,
    between,
    generator,
    polar,
    some_between,
)
from kit.competitions.synthetic.style import CellLine, FieldStyle

BRIDGE = 16  # cytokinetic bridge
SPINDLE = 17  # mitotic spindle
_DARTS = 90  # places tried for cells in one field
_DIVIDING = 0.07  # chance of an unlabelled dividing cell, about a culture's mitotic index

Point = tuple[float, float]


class Phase(Enum):
    """The phase of cell division, as far as an image shows it."""

    INTERPHASE = "interphase"
    METAPHASE = "metaphase"  # rounded up, chromosomes in a plate between two spindle poles
    DAUGHTER = "daughter"  # one of two small cells, still tied to the other by a bridge


@dataclass(frozen=True, eq=False)
class Outline:
    """One cell; every outline is a distance from the centre at each of 256 angles."""

    centre: Point
    radius: float
    axis: int  # long axis; of a dividing cell the way to the other pole or daughter
    stretch: float
    phase: Phase
    body: Floats  # (256,) field widths
    nucleus: Floats  # (256,) field widths; of a metaphase cell the chromosome plate
    nucleoli: Points  # (n, 2)
    nucleolus_radii: Floats  # (n,)
    centrosome: Point
    reach: float  # of the outermost point from the centre


def place_cells(style: FieldStyle, labels: Collection[int]) -> tuple[Outline, ...]:
    """Scatter the cells of a field; labels 16 and 17 require a dividing pair or a spindle.

    Dividing cells lie well inside the field, the others anywhere, including its borders.
    """
    rng = generator(style.seed, 1)
    bridge, spindle = rng.random(2) < _DIVIDING
    cells: list[Outline] = []
    if SPINDLE in labels or spindle:
        cells.append(_metaphase(rng, _inner(rng)))
        if rng.random() < 0.5:
            cells.extend(_second(rng, cells))
    if BRIDGE in labels or (bridge and not cells):
        cells.extend(_daughters(rng, _clear_of(rng, cells)))
    wanted = len(cells) + max(3, int(style.line.cells * style.crowding + 0.5))
    # The first cells are placed well inside, so that no field is almost empty.
    spread = np.where(np.arange(_DARTS) < 3, 0.7, 1.16)[:, None]
    spots = 0.5 + spread * (rng.random((_DARTS, 2)) - 0.5)
    sizes = some_between(rng, 1 - style.line.spread, 1 + style.line.spread, _DARTS)
    for (x, y), size in zip(spots.tolist(), sizes.tolist(), strict=True):
        radius = style.line.radius * size
        if len(cells) < wanted and _free((x, y), radius, cells, style.line.packing):
            cells.append(_interphase(rng, style.line, (x, y), radius))
    return tuple(cells)


def _inner(rng: np.random.Generator) -> Point:
    return between(rng, 0.25, 0.75), between(rng, 0.25, 0.75)


def _second(rng: np.random.Generator, cells: list[Outline]) -> list[Outline]:
    spot = _clear_of(rng, cells)
    return [_metaphase(rng, spot)] if _free(spot, 0.15, cells, 1.0) else []


def _clear_of(rng: np.random.Generator, cells: list[Outline]) -> Point:
    """Draw some inner points and return the first outside all cells, else the last."""
    spots = [_inner(rng) for _ in range(12)]
    return next((spot for spot in spots if _free(spot, 0.25, cells, 1.0)), spots[-1])


def _free(spot: Point, radius: float, cells: list[Outline], packing: float) -> bool:
    for cell in cells:
        across, down = spot[0] - cell.centre[0], spot[1] - cell.centre[1]
        # A daughter also keeps its bridge clear, hence the reach.
        other = cell.radius if cell.phase is Phase.INTERPHASE else cell.reach
        least = packing * (radius + other)
        if across * across + down * down < least * least:
            return False
    return True


def _interphase(rng: np.random.Generator, line: CellLine, centre: Point, radius: float) -> Outline:
    axis = int(rng.integers(0, TURN))
    stretch = 1 + (line.stretch - 1) * between(rng, 0.4, 1.6)
    body = _ellipse(radius, stretch, axis) * _ripple(rng, 1.0) * _spikes(rng, line.spikes)
    tilt = axis + int(rng.integers(-20, 21))
    flat = 1 + (stretch - 1) * between(rng, 0.3, 0.7) + between(rng, 0.0, 0.2)
    size = radius * line.nucleus * between(rng, 0.88, 1.12)
    # Real nuclei are almost elliptic; about one in seven is lobed or dented.
    ripple = _ripple(rng, 1.1 if rng.random() < 0.15 else 0.4)
    nucleus = np.minimum(_ellipse(size, flat, tilt) * ripple, 0.78 * body)
    return _with_landmarks(rng, centre, radius, axis, stretch, Phase.INTERPHASE, body, nucleus)


def _metaphase(rng: np.random.Generator, centre: Point) -> Outline:
    radius = between(rng, 0.145, 0.175)
    axis = int(rng.integers(0, TURN))
    body = _ellipse(radius, 1.08, axis) * _ripple(rng, 0.35)
    plate = _ellipse(0.30 * radius, 3.4, axis + TURN // 4) * _ripple(rng, 0.7)
    return _with_landmarks(rng, centre, radius, axis, 1.0, Phase.METAPHASE, body, plate)


def _daughters(rng: np.random.Generator, middle: Point) -> list[Outline]:
    radius = between(rng, 0.125, 0.150)
    half = radius * between(rng, 1.25, 1.40)
    axis = int(rng.integers(0, TURN))
    pair = []
    for away in (axis, axis + TURN // 2):
        centre = (
            middle[0] + float(COS[away & 255]) * half,
            middle[1] + float(SIN[away & 255]) * half,
        )
        inward = (away + TURN // 2) & 255
        body = _ellipse(radius, 1.15, inward + TURN // 4) * _ripple(rng, 0.5)
        off = np.abs((ANGLES - inward + TURN // 2) % TURN - TURN // 2)
        body = np.where(off <= 3, half * 1.03, np.where(off <= 9, radius, body))
        nucleus = _ellipse(0.42 * radius, 1.5, inward + TURN // 4) * _ripple(rng, 0.5)
        pair.append(
            _with_landmarks(rng, centre, radius, inward, 1.0, Phase.DAUGHTER, body, nucleus)
        )
    return pair


def _with_landmarks(
    rng: np.random.Generator,
    centre: Point,
    radius: float,
    axis: int,
    stretch: float,
    phase: Phase,
    body: Floats,
    nucleus: Floats,
) -> Outline:
    count = int(rng.integers(1, 5))
    angles = int(rng.integers(0, TURN)) + rng.integers(-18, 19, count)
    angles = angles + np.arange(count) * (TURN // count)
    inner = nucleus[angles & 255] * some_between(rng, 0.30, 0.62, count)
    size = float(nucleus.min())
    radii = size * some_between(rng, 0.19, 0.32, count) * (1.25 if count < 3 else 0.9)
    beside = int(rng.integers(0, TURN))
    gap = float(nucleus[beside] * 1.08 + 0.06 * radius)
    return Outline(
        reach=max(float(body.max()), float(nucleus.max())),
        centre=centre,
        radius=radius,
        axis=axis & 255,
        stretch=stretch,
        phase=phase,
        body=body,
        nucleus=nucleus,
        nucleoli=polar(centre, angles, inner),
        nucleolus_radii=radii,
        centrosome=(
            centre[0] + float(COS[beside]) * gap,
            centre[1] + float(SIN[beside]) * gap,
        ),
    )


def _ellipse(radius: float, stretch: float, axis: int) -> Floats:
    root = float(np.sqrt(stretch))
    long, short = radius * root, radius / root
    along = short * COS[(ANGLES - axis) & 255]
    across = long * SIN[(ANGLES - axis) & 255]
    return long * short / np.sqrt(along * along + across * across)


def _ripple(rng: np.random.Generator, strength: float) -> Floats:
    """Return the factor that makes an outline uneven: a few slow waves around it."""
    wave = np.ones(TURN)
    for order, height in enumerate((0.10, 0.06, 0.06, 0.05, 0.03, 0.02), start=1):
        phase = int(rng.integers(0, TURN))
        height = height * strength * between(rng, 0.3, 1.3)
        wave = wave + height * COS[(order * ANGLES + phase) & 255]
    return wave


def _spikes(rng: np.random.Generator, length: float) -> Floats:
    """Return the factor that stretches an outline into two to four corners."""
    pull = np.ones(TURN)
    corners = rng.integers(0, TURN, 4)
    widths = rng.integers(14, 30, 4)
    lengths = some_between(rng, 0.3, 1.5, 4) * length
    for corner, width, high in zip(corners, widths, lengths, strict=True):
        off = np.abs((ANGLES - corner + TURN // 2) % TURN - TURN // 2)
        near = np.maximum(0.0, 1.0 - off / float(width))
        pull = pull + high * near * near
    return pull
