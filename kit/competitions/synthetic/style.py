"""Cell lines, and the staining and imaging style of a synthetic field."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.competitions.synthetic.ink import between


@dataclass(frozen=True)
class CellLine:
    """The shape of a cell line; lengths in field widths, the rest are ratios."""

    name: str
    radius: float  # of a mean cell
    spread: float  # of the radius from cell to cell, relative
    stretch: float  # long over short axis
    spikes: float  # length of the protrusions over the radius
    nucleus: float  # radius of the nucleus over that of the cell
    packing: float  # minimum distance of two centres over the sum of their radii
    cells: int  # maximum number of cells to place
    filaments: int  # microtubules per cell
    wobble: int  # of a microtubule per step, 256 per turn


# Shapes follow the Cell Atlas (Thul et al., Science 2017), with radii scaled up so that a field of
# 128 pixels still shows the organelles.
CELL_LINES = (
    CellLine("U-2 OS", 0.250, 0.20, 1.35, 0.35, 0.40, 0.64, 9, 130, 5),
    CellLine("A-431", 0.205, 0.18, 1.20, 0.20, 0.48, 0.64, 13, 110, 8),
    CellLine("U-251 MG", 0.230, 0.22, 1.75, 0.55, 0.41, 0.70, 9, 120, 4),
    CellLine("HeLa", 0.200, 0.22, 1.40, 0.35, 0.48, 0.72, 11, 104, 7),
    CellLine("MCF7", 0.200, 0.16, 1.15, 0.12, 0.50, 0.62, 13, 100, 9),
    CellLine("HEK 293", 0.175, 0.20, 1.30, 0.35, 0.54, 0.68, 14, 84, 8),
    CellLine("BJ", 0.235, 0.18, 2.10, 0.50, 0.40, 0.68, 9, 130, 4),
)


@dataclass(frozen=True)
class FieldStyle:
    """Everything that drawing a field needs besides its labels."""

    seed: int  # of the field's own random streams, 0 to 2**32 - 1
    antibody: int  # seed shared by the fields of one antibody
    line: CellLine
    crowding: float  # share of the line's cells to place, 0 to 1
    red: float  # brightness of a channel, 1 is full scale
    green: float
    blue: float
    yellow: float
    haze: float  # unspecific green staining, relative to the specific
    veil: float  # where the haze lies: 0 in the cytoplasm, 1 in the nucleus
    variation: float  # of the green from cell to cell, 0 to 1
    contrast: float  # 0 leaves brightness linear, 1 squares it
    focus: float  # sigma of the blur, field widths
    noise: float  # camera noise at full signal, of full scale


def group_style(rng: np.random.Generator, touching: bool) -> FieldStyle:
    """Draw the style that the fields of one antibody share; its seed is still 0.

    touching requires a line that grows in contact, which cell junctions need.
    """
    lines = tuple(line for line in CELL_LINES if not touching or line.packing < 0.7)
    line = lines[int(rng.integers(0, len(lines)))]
    return FieldStyle(
        seed=0,
        antibody=int(rng.integers(0, 1 << 32)),
        line=line,
        crowding=between(rng, 0.85 if touching else 0.6, 1.0),
        red=between(rng, 0.8, 1.3),
        green=between(rng, 0.40, 1.0),
        blue=between(rng, 0.55, 1.0),
        yellow=between(rng, 0.65, 1.2),
        haze=between(rng, 0.05, 0.24),
        veil=between(rng, 0.0, 1.0),
        variation=between(rng, 0.15, 0.55),
        contrast=between(rng, 0.0, 0.35),
        focus=between(rng, 0.0015, 0.0045),
        noise=between(rng, 0.025, 0.09),
    )


def field_style(group: FieldStyle, rng: np.random.Generator) -> FieldStyle:
    """Draw one field's style from its group's: a seed, and brightness and focus a little off."""
    return replace(
        group,
        seed=int(rng.integers(0, 1 << 32)),
        crowding=round(group.crowding * between(rng, 0.85, 1.0), 6),
        red=round(group.red * between(rng, 0.9, 1.05), 6),
        green=round(group.green * between(rng, 0.85, 1.05), 6),
        blue=round(group.blue * between(rng, 0.9, 1.05), 6),
        yellow=round(group.yellow * between(rng, 0.9, 1.05), 6),
        focus=round(group.focus * between(rng, 0.8, 1.3), 6),
        noise=round(group.noise * between(rng, 0.9, 1.1), 6),
    )
