"""Draws the green channel for protein locations outside the nucleus, one function per class.

Each takes a cell and a random stream and returns brightness, float32 (height, width), about 0 to 1.
The appearance of each location follows the Cell Atlas of the Human Protein Atlas
(Thul et al., Science 2017); counts and sizes are adjusted where 64 to 128 pixels would hide them.
"""

from __future__ import annotations

import numpy as np

from kit.competitions.synthetic.body import (
    Cell,
    bridge_line,
    cytoplasm_at,
    cytoplasm_points,
    owned,
    spindle_paths,
    spindle_poles,
)
from kit.competitions.synthetic.ink import (
    TURN,
    Bytes,
    Patch,
    Points,
    blur,
    dots,
    polar,
    ramp,
    rings,
    some_between,
    strokes,
    texture,
    unit,
    walks,
)
from kit.competitions.synthetic.outline import Phase


def endoplasmic_reticulum(cell: Cell, rng: np.random.Generator) -> Patch:
    """Follow the yellow stain."""
    return 1.15 * cell.reticulum


def golgi_apparatus(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw a ribbon of thick curls that hugs one side of the nucleus."""
    count = 9
    angles = int(rng.integers(0, TURN)) + rng.integers(-26, 27, count)
    starts = cytoplasm_at(cell, angles, some_between(rng, 0.10, 0.34, count))
    headings = rng.integers(0, TURN, len(starts))
    curls = walks(rng, starts, headings, 6, 0.009, 26, 14)
    return _ink(cell, strokes(cell.frame, curls, 0.009, 255), 1.25, 0.003)


def peroxisomes(cell: Cell, rng: np.random.Generator) -> Patch:
    """Sow many fine dots evenly over the cytoplasm."""
    points = cytoplasm_points(cell, rng, 75, 0.05, 0.92)
    return _dots(cell, rng, points, 0.0045, 0.0065)


def endosomes(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw a dozen small vesicles, bright-walled, halfway out to the rim."""
    points = cytoplasm_points(cell, rng, 16, 0.15, 0.75)
    radii = some_between(rng, 0.009, 0.012, len(points))
    levels = rng.integers(190, 256, len(points)).tolist()
    walls = rings(cell.frame, points, radii, levels, 0.005)
    inner = dots(cell.frame, points, radii, [120] * len(points))
    return _ink(cell, np.maximum(walls, inner), 1.0, 0.0015)


def lysosomes(cell: Cell, rng: np.random.Generator) -> Patch:
    """Crowd large bright drops around the nucleus, most of them on one side."""
    side = int(rng.integers(0, TURN))
    angles = side + np.where(np.arange(18) % 3 < 2, rng.integers(-45, 46, 18), 128)
    points = cytoplasm_at(cell, angles + rng.integers(-20, 21, 18), some_between(rng, 0.1, 0.5, 18))
    return _dots(cell, rng, points, 0.011, 0.017)


def intermediate_filaments(cell: Cell, rng: np.random.Generator) -> Patch:
    """Wind long wavy bundles around the nucleus like a ball of wool (vimentin, keratins)."""
    shape, count = cell.shape, 34
    angles = rng.integers(0, TURN, count)
    inner, outer = shape.nucleus[angles], shape.body[angles]
    shares = some_between(rng, 0.02, 0.60, count)
    starts = polar(shape.centre, angles, inner + (outer - inner) * shares)
    headings = angles + TURN // 4 + rng.integers(-10, 11, count)
    bundles = walks(rng, starts, headings, 16, 0.08 * shape.radius, 10, 12)
    wool = unit(blur(strokes(cell.frame, bundles, 0.006, 255), 0.002 * cell.frame.scale))
    return 1.15 * wool * (0.45 + 0.65 * cell.halo) * cell.cytoplasm + _haze(cell)


def actin_filaments(cell: Cell, rng: np.random.Generator) -> Patch:
    """Stretch straight parallel stress fibres along the cell, over the nucleus too."""
    shape, count = cell.shape, 15
    radius = shape.radius
    offsets = some_between(rng, -0.9, 0.9, count) * radius
    back = some_between(rng, -1.1, -0.5, count) * radius
    axis = np.full(count, shape.axis, dtype=np.int64)
    starts = polar(shape.centre, axis, back)
    starts = starts + polar((0.0, 0.0), axis + TURN // 4, offsets)
    fibres = walks(rng, starts, axis + rng.integers(-4, 5, count), 4, 0.45 * radius, 2, 1)
    lines = unit(blur(strokes(cell.frame, fibres, 0.004, 255), 0.0018 * cell.frame.scale))
    return (1.35 * lines + 0.3 * cell.rim + 0.05) * cell.body


def focal_adhesion_sites(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw short thick streaks just within the rim, pointing outwards."""
    count = 26
    angles = rng.integers(0, TURN, count)
    starts = polar(cell.shape.centre, angles, cell.shape.body[angles] * 0.80)
    streaks = walks(rng, starts, angles + rng.integers(-14, 15, count), 2, 0.014, 3, 0)
    kept = streaks[owned(cell, streaks[:, 1])]
    return _ink(cell, strokes(cell.frame, kept, 0.009, 255), 1.1, 0.002)


def microtubules(cell: Cell, rng: np.random.Generator) -> Patch:
    """Follow the red stain."""
    return 1.1 * cell.filaments


def microtubule_ends(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw comets, short dashes pointing outwards, in the outer half of the cell (EB1)."""
    count = 60
    angles = rng.integers(0, TURN, count)
    shares = some_between(rng, 0.30, 0.95, count)
    inner, outer = cell.shape.nucleus[angles], cell.shape.body[angles]
    starts = polar(cell.shape.centre, angles, inner + (outer - inner) * shares)
    dashes = walks(rng, starts, angles + rng.integers(-22, 23, count), 2, 0.0115, 4, 0)
    return _ink(cell, strokes(cell.frame, dashes[owned(cell, starts)], 0.005, 255), 1.4, 0.001)


def cytokinetic_bridge(cell: Cell, rng: np.random.Generator) -> Patch:
    """Light up the strand between two daughter cells; other cells keep a faint haze."""
    if cell.shape.phase is not Phase.DAUGHTER:
        return _haze(cell)
    strand = unit(blur((bridge_line(cell, 0.6, 0.93, 0.010, 255) * 255).astype(np.uint8), 1.0))
    return 1.5 * strand + _haze(cell)


def mitotic_spindle(cell: Cell, rng: np.random.Generator) -> Patch:
    """Light up the spindle of a cell in metaphase; other cells keep a faint haze."""
    if cell.shape.phase is not Phase.METAPHASE:
        return _haze(cell)
    fibres = strokes(cell.frame, spindle_paths(cell, rng, 12), 0.004, 255)
    poles = dots(cell.frame, spindle_poles(cell), np.full(2, 0.012), (255, 255))
    glow = unit(blur(fibres, 0.007 * cell.frame.scale))
    spindle = 0.7 * unit(fibres) + 0.6 * glow + unit(poles)
    return spindle * cell.body * (1 - 0.4 * cell.nucleus) + _haze(cell)


def microtubule_organizing_center(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw one large unsharp spot beside the nucleus with an aster of short fibres."""
    spots = _centres(cell)
    angles = rng.integers(0, TURN, 9 * len(spots))
    rays = walks(rng, np.repeat(spots, 9, axis=0), angles, 5, 0.013, 8, 6)
    aster = unit(strokes(cell.frame, rays, 0.004, 200))
    spot = dots(cell.frame, spots, np.full(len(spots), 0.022), [255] * len(spots))
    core = unit(blur(spot, 0.006 * cell.frame.scale))
    return (aster + 1.1 * core) * cell.body + _haze(cell)


def centrosome(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw the two centrioles: a pair of sharp dots beside the nucleus."""
    spots = _centres(cell)
    angles = rng.integers(0, TURN, len(spots))
    apart = polar((0.0, 0.0), angles, np.full(len(spots), 0.0105))
    pair = np.concatenate((spots + apart, spots - apart))
    discs = dots(cell.frame, pair, np.full(len(pair), 0.0095), [255] * len(pair))
    return 1.8 * unit(discs) + _haze(cell)


def lipid_droplets(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw clusters of rings, bright at the surface of the drop and dark within."""
    angles = np.repeat(rng.integers(0, TURN, 4), 6) + rng.integers(-20, 21, 24)
    shares = np.repeat(some_between(rng, 0.2, 0.7, 4), 6) + some_between(rng, -0.2, 0.2, 24)
    points = cytoplasm_at(cell, angles, shares)
    radii = some_between(rng, 0.013, 0.023, len(points))
    return _ink(cell, rings(cell.frame, points, radii, [255] * len(points), 0.006), 1.3, 0.0)


def plasma_membrane(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw the whole border of the cell, with ruffles, and a weak veil over the cell."""
    uneven = 0.6 + 0.8 * texture(rng, cell.frame, 0.03)
    return 1.1 * cell.rim * uneven + 0.10 * cell.body


def cell_junctions(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw the border only where another cell touches, beaded and bright."""
    contact = ramp(unit(blur(cell.beside, 0.012 * cell.frame.scale)), 0.05, 0.30)
    beads = 0.7 + 0.9 * texture(rng, cell.frame, 0.012)
    return 1.5 * cell.rim * contact * beads + _haze(cell)


def mitochondria(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw a network of short thick worms, denser around the nucleus."""
    points = cytoplasm_points(cell, rng, 90, 0.02, 0.8)
    worms = walks(rng, points, rng.integers(0, TURN, len(points)), 6, 0.009, 26, 8)
    mesh = unit(blur(strokes(cell.frame, worms, 0.0055, 255), 0.0012 * cell.frame.scale))
    near = 0.5 + 0.6 * cell.halo
    return mesh * near * cell.cytoplasm


def aggresome(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw one big dense lump beside the nucleus."""
    angle = int(rng.integers(0, TURN))
    angles = angle + rng.integers(-12, 13, 5)
    points = cytoplasm_at(cell, angles, some_between(rng, 0.16, 0.34, 5))
    radii = some_between(rng, 0.022, 0.034, len(points))
    lump = blur(dots(cell.frame, points, radii, [255] * len(points)), 0.004 * cell.frame.scale)
    return 1.5 * unit(lump) * cell.cytoplasm + _haze(cell)


def cytosol(cell: Cell, rng: np.random.Generator) -> Patch:
    """Fill the cytoplasm evenly; the nucleus stays darker."""
    mottle = 0.55 + 0.25 * texture(rng, cell.frame, 0.012)
    return 0.8 * mottle * cell.height * (cell.body - 0.75 * cell.nucleus)


def cytoplasmic_bodies(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw up to eleven round compact dots far out in the cytoplasm (P-bodies)."""
    points = cytoplasm_points(cell, rng, int(rng.integers(6, 12)), 0.25, 0.85)
    return _dots(cell, rng, points, 0.0085, 0.0115)


def rods_and_rings(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw a few stiff rods and large rings in the cytoplasm (IMPDH2, CTPS1)."""
    spots = cytoplasm_points(cell, rng, 4, 0.1, 0.6)
    rods = walks(rng, spots, rng.integers(0, TURN, len(spots)), 3, 0.025, 2, 1)
    centres = cytoplasm_points(cell, rng, 3, 0.2, 0.6)
    loops = rings(cell.frame, centres, np.full(len(centres), 0.034), [255] * len(centres), 0.008)
    bars = strokes(cell.frame, rods, 0.009, 255)
    return 1.7 * unit(np.maximum(bars, loops)) * cell.body + _haze(cell)


def _ink(cell: Cell, patch: Bytes, gain: float, sigma: float) -> Patch:
    """Blur a drawing by a sigma in field widths and keep it within the cytoplasm."""
    soft = unit(blur(patch, sigma * cell.frame.scale))
    return gain * soft * cell.cytoplasm + _haze(cell)


def _dots(cell: Cell, rng: np.random.Generator, points: Points, low: float, high: float) -> Patch:
    radii = some_between(rng, low, high, len(points))
    levels = rng.integers(150, 256, len(points)).tolist()
    return _ink(cell, dots(cell.frame, points, radii, levels), 1.2, 0.0015)


def _haze(cell: Cell) -> Patch:
    """Stain the cell faintly: the share of the protein outside its main location."""
    return 0.05 * cell.height * cell.body


def _centres(cell: Cell) -> Points:
    """Return the centrosome, or the two poles of a spindle: float64 (1 or 2, 2)."""
    if cell.shape.phase is Phase.METAPHASE:
        return spindle_poles(cell)
    return np.array((cell.shape.centrosome,))
