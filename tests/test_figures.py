"""Pictures: each channel adds what the competition says, however many there are."""

from dataclasses import replace

import numpy as np
import pytest

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.competitions.registry import find_competition
from kit.report.figures import Captioned, f1_bars, picture_grid, to_rgb
from kit.report.png import to_png


def lit(channels: int) -> np.ndarray:
    """One row of pixels; in the pixel of its number each channel alone is bright."""
    return np.diag(np.full(channels, 200, np.uint8))[None]


def test_yellow_goes_half_into_red_and_half_into_green() -> None:
    seen = to_rgb(lit(4), find_competition("hpa").mixture())
    assert seen.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255], [127, 127, 0]]]


def test_three_channels_are_red_green_and_blue(shapes: Competition) -> None:
    seen = to_rgb(lit(3), shapes.mixture())
    assert seen.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


@pytest.mark.parametrize(("channels", "grey"), [(1, 255), (2, 127), (5, 51)])
def test_other_channels_are_greys_and_make_a_picture(
    shapes: Competition, channels: int, grey: int
) -> None:
    names = tuple(f"stain{number}" for number in range(channels))
    few = replace(shapes, channels=names, images=OneFile("{id}.tiff"))
    seen = to_rgb(lit(channels), few.mixture())
    assert seen.tolist() == [[[grey] * 3] * channels]
    assert to_png(picture_grid([Captioned(seen, ("Star",), ())], columns=2)).startswith(b"\x89PNG")


def test_light_in_every_channel_is_white_and_no_light_black() -> None:
    mixture = find_competition("hpa").mixture()
    assert (to_rgb(np.full((4, 4, 4), 90, np.uint8), mixture) == 255).all()
    assert (to_rgb(np.zeros((4, 4, 4), np.uint8), mixture) == 0).all()


def test_class_names_are_no_formulas() -> None:
    """Read as one, `$_$` would be a syntax error."""
    grey = np.full((4, 4, 3), 128, np.uint8)
    cell = Captioned(grey, ("$_$", "missed $_$"), ("$_$", "wrong $_$"))
    assert to_png(picture_grid([cell], columns=1)).startswith(b"\x89PNG")
    assert to_png(f1_bars(["$_$", "b"], np.array([0.1, 0.9]), [3, 4])).startswith(b"\x89PNG")
