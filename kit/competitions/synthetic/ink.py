"""Drawing primitives of the synthetic cells: geometry, strokes, dots and textures, bit-exact.

A seed must give the same pixels on every processor, so only three kinds of arithmetic are used:
integers, single IEEE operations on floats (+ - * / sqrt, never a sum, a power or a sine over an
array) and OpenCV functions that are bit-exact by design (fixed-point drawing, resize with
INTER_LINEAR_EXACT, GaussianBlur of bytes with ALGO_HINT_ACCURATE). Angles are integers, 256 per
turn, and their sines come from one rounded table. Lengths are in field widths, so that a field
looks the same at every size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Patch = npt.NDArray[np.floating[Any]]  # float32 (height, width), brightness, 0 to 1
Bytes = npt.NDArray[np.uint8]  # (height, width), 0 to 255
Points = npt.NDArray[np.float64]  # (..., 2), x and y in field widths
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TURN = 256
ANGLES: Ints = np.arange(TURN, dtype=np.int64)
# Six digits hide the last-bit differences between C libraries.
COS: Floats = np.array([round(math.cos(math.tau * i / TURN), 6) for i in range(TURN)])
SIN: Floats = np.array([round(math.sin(math.tau * i / TURN), 6) for i in range(TURN)])

SHIFT = 4  # fractional bits of a coordinate given to OpenCV
_DOT: Ints = np.arange(0, TURN, 16, dtype=np.int64)  # corners of a dot


@dataclass(frozen=True)
class Frame:
    """A window on the field: the pixel position of its corner, and its size."""

    left: int
    top: int
    width: int
    height: int
    scale: int  # pixels per field width

    def fixed(self, points: Points) -> npt.NDArray[np.int32]:
        """Turn points in field widths (..., 2) into OpenCV's fixed-point pixels, int32 (..., 2)."""
        corner = np.array((self.left, self.top), dtype=np.float64)
        # In OpenCV, zero is the centre of the first pixel, not its corner.
        pixels = points * float(self.scale) - corner - 0.5
        return np.floor(pixels * float(1 << SHIFT) + 0.5).astype(np.int32)

    def pixels(self, length: float) -> int:
        """Turn a length in field widths into whole pixels, at least one."""
        return max(1, int(length * self.scale + 0.5))

    def blank(self) -> Bytes:
        """Return a black patch, uint8 (height, width)."""
        return np.zeros((self.height, self.width), dtype=np.uint8)


def generator(*key: int) -> np.random.Generator:
    """Return the random generator for a key of non-negative integers (seed, part, ...)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw one float from low to high, rounded to six digits."""
    return round(low + (high - low) * float(rng.random()), 6)


def some_between(rng: np.random.Generator, low: float, high: float, count: int) -> Floats:
    """Draw floats from low to high, float64 (count,)."""
    return low + (high - low) * rng.random(count)


def unit(patch: Bytes) -> Patch:
    """Turn bytes into brightness: uint8 0..255 to float32 0..1."""
    return patch.astype(np.float32) / 255


def to_bytes(patch: Patch) -> Bytes:
    """Turn brightness into bytes: float32, clipped to 0..1, to uint8 0..255."""
    return (np.clip(patch, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def ramp(patch: Patch, low: float, high: float) -> Patch:
    """Stretch brightness so that low becomes 0 and high becomes 1, clipped; float32 as given."""
    return np.clip((patch - low) / (high - low), 0.0, 1.0)


def blur(patch: Bytes, sigma: float) -> Bytes:
    """Blur bytes by a Gaussian of sigma pixels; a sigma below a third of a pixel changes nothing.

    Wide Gaussians run at half resolution, since their result has no finer detail.
    """
    if sigma < 0.34:
        return patch
    if sigma > 2.5 and min(patch.shape) >= 32:
        height, width = patch.shape
        small = cv2.resize(patch, (width // 2, height // 2), interpolation=cv2.INTER_LINEAR_EXACT)
        soft = blur(np.asarray(small, dtype=np.uint8), sigma / 2)
        large = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
        return np.asarray(large, dtype=np.uint8)
    width_of = round(sigma, 3)
    soft_patch = cv2.GaussianBlur(
        patch,
        (0, 0),
        sigmaX=width_of,
        sigmaY=width_of,
        borderType=cv2.BORDER_REPLICATE,
        hint=cv2.ALGO_HINT_ACCURATE,
    )
    return np.asarray(soft_patch, dtype=np.uint8)


def texture(rng: np.random.Generator, frame: Frame, grain: float) -> Patch:
    """Return smooth mottling with a grain in field widths: float32, 0 to 1, mean 1/2, read-only.

    It is a random crop of one large sheet: a sheet per cell would cost a third of the drawing time.
    """
    left, top = (int(share * 0.85 * frame.scale) for share in rng.random(2).tolist())
    sheet = _sheet(grain, frame.scale)
    if rng.random() < 0.5:
        sheet = sheet.T
    return sheet[top : top + frame.height, left : left + frame.width]


@lru_cache(maxsize=32)
def _sheet(grain: float, scale: int) -> Patch:
    """Draw a square sheet of mottling, two field widths wide."""
    rng = generator(int(grain * 100_000))
    knots = int(2 / grain)
    lattice = rng.integers(0, 256, (knots, knots), dtype=np.uint8)
    cloud = cv2.resize(lattice, (2 * scale, 2 * scale), interpolation=cv2.INTER_LINEAR_EXACT)
    soft = blur(np.asarray(cloud, dtype=np.uint8), 0.35 * grain * scale)
    sheet = ramp(unit(soft), 0.15, 0.85)
    sheet.setflags(write=False)
    return sheet


def polar(centre: tuple[float, float], angles: Ints, lengths: Floats) -> Points:
    """Return the points at these angles and distances from the centre, float64 (..., 2)."""
    turned = angles & (TURN - 1)
    x = centre[0] + COS[turned] * lengths
    y = centre[1] + SIN[turned] * lengths
    return np.stack((x, y), axis=-1)


def walks(
    rng: np.random.Generator,
    starts: Points,
    headings: Ints,
    steps: int,
    stride: float,
    wobble: int,
    bend: int,
) -> Points:
    """Grow filaments from their starts, float64 (n, 2), into paths, float64 (n, steps + 1, 2).

    Every step is stride long and turns by up to wobble; each path also has a constant turn of up to
    bend, which makes it an arc. Sums are in integers: a float sum may depend on its order.
    """
    count = len(starts)
    turns = rng.integers(-wobble, wobble + 1, (count, steps))
    turns = turns + rng.integers(-bend, bend + 1, (count, 1))
    heading = (headings[:, None] + np.cumsum(turns, axis=1)) & (TURN - 1)
    moves = np.stack((COS[heading], SIN[heading]), axis=-1) * (stride * float(1 << 20))
    path = np.cumsum(np.rint(moves).astype(np.int64), axis=1) / float(1 << 20)
    return np.concatenate((starts[:, None, :], starts[:, None, :] + path), axis=1)


def strokes(frame: Frame, paths: Points, width: float, level: int) -> Bytes:
    """Draw paths, float64 (n, steps, 2), as lines of one width (field widths) and level 0..255."""
    patch = frame.blank()
    lines = list(frame.fixed(paths))
    thickness = frame.pixels(width)
    cv2.polylines(patch, lines, False, (level,), thickness, cv2.LINE_AA, SHIFT)
    return patch


def filled(frame: Frame, outline: Points) -> Bytes:
    """Fill a closed outline, float64 (n, 2), with 255."""
    patch = frame.blank()
    cv2.fillPoly(patch, [frame.fixed(outline)], (255,), cv2.LINE_AA, SHIFT)
    return patch


def dots(frame: Frame, points: Points, radii: Floats, levels: Sequence[int]) -> Bytes:
    """Draw discs at points (n, 2) with radii (n,) in field widths and levels 0..255.

    Their corners come from the sine table, not from OpenCV's circle, so libm is not involved.
    """
    patch = frame.blank()
    for corners, level in zip(frame.fixed(_rounds(points, radii)), levels, strict=True):
        cv2.fillConvexPoly(patch, corners, (int(level),), cv2.LINE_AA, SHIFT)
    return patch


def rings(
    frame: Frame, points: Points, radii: Floats, levels: Sequence[int], width: float
) -> Bytes:
    """Draw circles at points (n, 2) with radii (n,) and a line width in field widths."""
    patch = frame.blank()
    thickness = frame.pixels(width)
    for corners, level in zip(frame.fixed(_rounds(points, radii)), levels, strict=True):
        cv2.polylines(patch, [corners], True, (int(level),), thickness, cv2.LINE_AA, SHIFT)
    return patch


def _rounds(points: Points, radii: Floats) -> Points:
    circle = np.stack((COS[_DOT], SIN[_DOT]), axis=-1)
    return points[:, None, :] + circle[None, :, :] * radii[:, None, None]
