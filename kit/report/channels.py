"""A picture of images with each channel in its own colour, beside all of them together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.competitions.base import Competition, Mixture
from kit.competitions.splits import splits_of
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.native import read_native
from kit.report.figures import shrink, to_rgb
from kit.report.layout import Font, fit_names, lines_high, show, wrap, write
from kit.report.png import write_png

MOST = 50
DPI = 150
PANEL, GAP = 2.2, 0.08  # in inches
TITLE, NAME = Font(9), Font(8)
COMPOSITE = "composite"


@dataclass(frozen=True)
class Panels:
    """An image's channels, each in its colour, then all of them: uint8 (height, width, 3) each.

    `about` are its labels, or that it is a test image.
    """

    image_id: str
    about: tuple[str, ...]
    pictures: tuple[NDArray[np.uint8], ...]


def look_channels(
    competition: Competition, workspace: Workspace, ids: Sequence[str], path: Path
) -> None:
    """Draw images of train or test, a row each, from the competition's own files.

    Each id is drawn once. Raises UserError for an unknown id, missing files, and too many images.
    """
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST:
        raise UserError(f"--channels: at most {MOST} images in one picture, got {len(wanted)}.")
    figure = draw_channels(list(make_panels(competition, workspace, wanted)), competition)
    write_png(path, figure, DPI)


def make_panels(
    competition: Competition, workspace: Workspace, ids: Sequence[str]
) -> Iterator[Panels]:
    """The panels of each image, in the order of the ids; UserError as `look_channels`."""
    table = competition.read_labels(workspace.source)
    labels = dict(zip(table.ids, table.labels, strict=True))
    split_of = splits_of(competition, workspace.source, table, ids)
    images = {
        split: read_native(
            competition, workspace, split, [one for one in ids if split_of[one] == split]
        )
        for split in dict.fromkeys(split_of.values())
    }
    for one in ids:
        about: tuple[str, ...] = ("test image",)
        if one in labels:
            present = np.flatnonzero(labels[one])
            about = tuple(competition.class_names[each] for each in present) or ("no labels",)
        yield Panels(one, about, split_channels(next(images[split_of[one]]), competition.mixture()))


def split_channels(pixels: NDArray[np.uint8], mixture: Mixture) -> tuple[NDArray[np.uint8], ...]:
    """Each channel in its colour, then all in display colours: uint8 (height, width, 3).

    Takes uint8 (height, width, channels); returns pictures no larger than they are drawn. A channel
    has the hue of its share of the mixture, as bright as possible; without a share, it is grey.
    """
    singles = [
        to_rgb(pixels[..., [each]], (full_colour(share),)) for each, share in enumerate(mixture)
    ]
    return tuple(
        shrink(picture, round(PANEL * DPI)) for picture in (*singles, to_rgb(pixels, mixture))
    )


def full_colour(share: tuple[float, float, float]) -> tuple[float, float, float]:
    """The hue of a channel's share of the display mixture, with its strongest part at 1."""
    most = max(share)
    if most == 0:
        return (1.0, 1.0, 1.0)
    red, green, blue = share
    return (red / most, green / most, blue / most)


def draw_channels(rows: Sequence[Panels], competition: Competition) -> Figure:
    """A row per image: its id and labels above, the name of each channel below."""
    names = (*competition.channels, COMPOSITE)
    width = len(names) * (PANEL + GAP) + GAP
    titles = [
        fit_names((f"{row.image_id}: {row.about[0]}", *row.about[1:]), width - 2 * GAP, TITLE, 2)
        for row in rows
    ]
    above = lines_high(max(len(one.splitlines()) for one in titles), TITLE) + GAP
    below = lines_high(1, NAME) + 2 * GAP
    panels = [_panel_height(row) for row in rows]
    about = "each channel in its colour, stretched to its 99.5th percentile, beside the composite"
    heading = wrap(f"{competition.title}: {about}", width - 2 * GAP, TITLE)
    top = lines_high(len(heading), TITLE) + GAP
    height = top + sum(panels) + len(rows) * (above + below)
    figure = Figure(figsize=(width, height))
    write(figure, (GAP, height - GAP), "\n".join(heading), TITLE)
    bottom = height - top + below
    for row, title, panel in zip(rows, titles, panels, strict=True):
        bottom -= below + above + panel
        write(figure, (GAP, bottom + panel + GAP / 2), title, TITLE, va="bottom")
        for column, (picture, name) in enumerate(zip(row.pictures, names, strict=True)):
            left = GAP + column * (PANEL + GAP)
            show(figure, (left, bottom), (PANEL, panel), picture)
            write(figure, (left, bottom - GAP / 2), name, NAME)
    return figure


def _panel_height(row: Panels) -> float:
    """The height of an image's panels, in inches; their width is that of the longer side."""
    height, width = row.pictures[0].shape[:2]
    return PANEL * height / max(height, width)
