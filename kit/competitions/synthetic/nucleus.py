"""Draws the green channel for proteins in the nucleus, classes 0 to 5.

Each takes a cell and a random stream and returns brightness, float32 (height, width), about 0 to 1.
"""

from __future__ import annotations

import numpy as np

from kit.competitions.synthetic.body import Cell, nucleus_points
from kit.competitions.synthetic.ink import (
    TURN,
    Bytes,
    Patch,
    Points,
    blur,
    dots,
    polar,
    some_between,
    texture,
    unit,
)


def nucleoplasm(cell: Cell, rng: np.random.Generator) -> Patch:
    """Fill the nucleus with fine mottling; the nucleoli stay darker."""
    mottle = 0.5 + 0.4 * texture(rng, cell.frame, 0.012)
    return mottle * (1 - 0.5 * unit(_nucleolus_discs(cell))) * cell.nucleus


def nuclear_membrane(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw the envelope as a thin bright line; its floor and roof shine through faintly."""
    edge = 4 * cell.nucleus * (1 - cell.nucleus)
    soft = unit(blur((edge * 255).astype(np.uint8), 0.0025 * cell.frame.scale))
    uneven = 0.8 + 0.4 * texture(rng, cell.frame, 0.02)
    return 1.5 * soft * uneven + 0.16 * cell.nucleus


def nucleoli(cell: Cell, rng: np.random.Generator) -> Patch:
    """Fill the one to four nucleoli, which are dark in the DNA stain."""
    uneven = 0.75 + 0.4 * texture(rng, cell.frame, 0.01)
    blobs = unit(_nucleolus_discs(cell)) * uneven
    return (1.1 * blobs + 0.12) * cell.nucleus


def fibrillar_centre(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw tight clusters of fine dots, four to six within each nucleolus."""
    spots = cell.shape.nucleoli
    each = int(rng.integers(4, 7))
    angles = rng.integers(0, TURN, (len(spots), each))
    radii = cell.shape.nucleolus_radii[:, None] * some_between(rng, 0.3, 1.0, each)
    offsets = polar((0.0, 0.0), angles, radii)
    points = (spots[:, None, :] + offsets).reshape(-1, 2)
    return _nuclear_dots(cell, rng, points, 0.0045, 0.0062, 0.05)


def nuclear_speckles(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw 20 to 30 irregular, unsharp patches all over the nucleus (splicing factors)."""
    points = nucleus_points(cell, rng, int(rng.integers(20, 31)), 0.86)
    points = _off_nucleoli(cell, points)
    twins = points + 0.011 * (rng.random(points.shape) - 0.5)
    both = np.concatenate((points, twins))
    radii = some_between(rng, 0.004, 0.0085, len(both))
    patches = unit(blur(dots(cell.frame, both, radii, [255] * len(both)), 0.002 * cell.frame.scale))
    return (patches + 0.16) * cell.nucleus


def nuclear_bodies(cell: Cell, rng: np.random.Generator) -> Patch:
    """Draw two to six sharp round dots, well apart and away from the nucleoli."""
    points = _off_nucleoli(cell, nucleus_points(cell, rng, 24, 0.85))
    points = _apart(points, 0.035)[: int(rng.integers(2, 7))]
    return _nuclear_dots(cell, rng, points, 0.0095, 0.0125, 0.1)


def _nucleolus_discs(cell: Cell) -> Bytes:
    spots, radii = cell.shape.nucleoli, cell.shape.nucleolus_radii
    # A second, smaller disc beside each makes them uneven.
    lobes = spots + 0.55 * radii[:, None] * np.array((0.8, -0.6))
    points, sizes = np.concatenate((spots, lobes)), np.concatenate((radii, 0.7 * radii))
    discs = dots(cell.frame, points, sizes, [255] * len(points))
    return blur(discs, 0.003 * cell.frame.scale)


def _nuclear_dots(
    cell: Cell, rng: np.random.Generator, points: Points, low: float, high: float, base: float
) -> Patch:
    radii = some_between(rng, low, high, len(points))
    levels = rng.integers(200, 256, len(points)).tolist()
    spots = blur(dots(cell.frame, points, radii, levels), 0.0018 * cell.frame.scale)
    return 1.5 * unit(spots) + base * cell.nucleus


def _off_nucleoli(cell: Cell, points: Points) -> Points:
    gap = points[:, None, :] - cell.shape.nucleoli[None, :, :]
    square = gap[..., 0] * gap[..., 0] + gap[..., 1] * gap[..., 1]
    limit = cell.shape.nucleolus_radii * cell.shape.nucleolus_radii
    kept = points[(square > limit).all(axis=1)]
    return kept if len(kept) else points[:1]


def _apart(points: Points, least: float) -> Points:
    """Keep each point at a distance of at least `least` from all points kept before it."""
    kept: list[list[float]] = []
    for x, y in points.tolist():
        if all((x - a) * (x - a) + (y - b) * (y - b) > least * least for a, b in kept):
            kept.append([x, y])
    return np.array(kept).reshape(-1, 2)
