"""Crop, shift, scale and rotate an image in a single interpolation."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Szegedy et al. 2015 draw the aspect ratio of a crop between 1 / this and this.
_ASPECT = 4 / 3


@dataclass(frozen=True)
class Moves:
    """How far an image may be moved at most; by default not at all.

    `crop` is the smallest share of the area that a crop keeps (random resized crop, Szegedy et al.
    2015, arXiv:1409.4842), `shift` a share of the side, `scale` a relative change of size (0.2:
    from 0.8 to 1.2), `rotate` an angle in degrees.
    """

    crop: float = 1.0
    shift: float = 0.0
    scale: float = 0.0
    rotate: float = 0.0


@dataclass(frozen=True)
class Placement:
    """How an image is moved: cropped, then scaled and rotated about its middle, then shifted.

    Lengths are shares of the side. The crop is `width` by `height` around `middle`, relative to the
    middle of the image, and is stretched to the whole square. `degrees` turn counterclockwise.
    """

    width: float = 1.0
    height: float = 1.0
    middle: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    degrees: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    def matrix(self, size: int) -> NDArray[np.float64]:
        """The affine map from a pixel (x, y) of the new image to its position in the old: (2, 3).

        `size` is the side of both in pixels; pixel centres are at integers.
        """
        angle = math.radians(self.degrees)
        cos, sin = math.cos(angle) / self.scale, math.sin(angle) / self.scale
        turned = np.array([[cos, -sin], [sin, cos]])
        linear = np.diag([self.width, self.height]) @ turned
        moved = np.array(self.middle) - linear @ np.array(self.shift)
        centre = (size - 1) / 2
        offset = centre - linear @ np.full(2, centre) + size * moved
        return np.column_stack([linear, offset])


def draw_placement(moves: Moves, rng: np.random.Generator) -> Placement:
    """Draw a placement within these bounds: all values uniform, the aspect ratio log-uniform."""
    area = rng.uniform(moves.crop, 1)
    # Neither side of the crop may exceed the image's.
    longest = min(math.log(_ASPECT), abs(math.log(area)))
    aspect = math.exp(rng.uniform(-longest, longest))
    width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
    return Placement(
        width=width,
        height=height,
        middle=(rng.uniform(width - 1, 1 - width) / 2, rng.uniform(height - 1, 1 - height) / 2),
        scale=1 + rng.uniform(-moves.scale, moves.scale),
        degrees=rng.uniform(-moves.rotate, moves.rotate),
        shift=(rng.uniform(-moves.shift, moves.shift), rng.uniform(-moves.shift, moves.shift)),
    )


def place(image: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """Move an image: uint8 (size, size, channels) in and out.

    Beyond the border the image is reflected, never black. Interpolation is linear, without
    averaging where the image shrinks: at these strengths it shrinks by a factor of less than two.
    """
    import cv2  # listing recipes must not need OpenCV

    size = image.shape[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved: NDArray[np.uint8] = cv2.warpAffine(
        image, placement.matrix(size), (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    return moved.reshape(image.shape)
