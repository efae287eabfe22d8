"""A picture of a recipe's augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.competitions.base import Competition, Mixture
from kit.core.errors import some
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.batches import EpochPlan, read_planned
from kit.data.sampling import rare_rows
from kit.data.stacked import Images
from kit.data.store import pack
from kit.recipes.base import Recipe
from kit.report.figures import INK, to_rgb
from kit.report.png import write_png

IMAGES, VERSIONS = 4, 5


@dataclass(frozen=True)
class Versions:
    """Images unchanged, and as a recipe shows them in some epochs.

    `pixels` is uint8 (images, 1 + epochs, size, size, channels), the unchanged images first;
    `labels` is float (images, 1 + epochs, classes), between 0 and 1 where images are mixed.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.float32]


def look(
    competition: Competition,
    workspace: Workspace,
    recipe: Recipe,
    path: Path,
    reporter: Reporter = SILENT,
) -> None:
    """Draw training images of rare classes with the recipe's augmentation, to a PNG.

    Packs the store at the recipe's size if that has not been done; needs no folds. Raises UserError
    for missing data.
    """
    table = competition.read_labels(workspace.source)
    ids = tuple(sorted(table.ids))
    store = pack(competition, workspace, "train", recipe.store_kind, ids, reporter)
    labels = table.of(store.ids)
    rows = rare_rows(labels, IMAGES)
    versions = vary_rows(store.images, labels, rows, recipe, VERSIONS)
    figure = draw_versions(versions, competition.class_names, competition.mixture(), title(recipe))
    write_png(path, figure)


def vary_rows(
    images: Images,
    labels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    recipe: Recipe,
    epochs: int,
) -> Versions:
    """These rows unchanged, and as one batch in each of `epochs` epochs of the recipe."""
    everything = slice(None)
    plain = labels[rows].astype(np.float32)
    columns = [(read_planned(images, EpochPlan.unchanged(rows), everything), plain)]
    for epoch in range(epochs):
        symmetries = recipe.augment.symmetries(len(rows), recipe.seed, epoch)
        plan = EpochPlan(rows, symmetries, recipe.augment, recipe.seed, epoch)
        pixels = read_planned(images, plan, everything)
        mixed, shares = recipe.mix.apply(pixels, plain, recipe.seed, epoch, step=0)
        columns.append((np.rint(mixed).astype(np.uint8), shares))
    return Versions(
        np.stack([pixels for pixels, _ in columns], axis=1),
        np.stack([shares for _, shares in columns], axis=1),
    )


def title(recipe: Recipe) -> str:
    """The picture's title: the recipe, its size, its augmentation and its mixing."""
    mixed = f", mix={recipe.mix}" if recipe.mix.mixes else ""
    return f"{recipe.name} at {recipe.size} px: augment={recipe.augment}{mixed}"


def draw_versions(
    versions: Versions, names: tuple[str, ...], mixture: Mixture, heading: str
) -> Figure:
    """One row per image, titled with its labels; mixed versions have their shares below.

    All versions of an image share one stretch of the channels, so that brightness changes show.
    """
    images, columns, size = versions.pixels.shape[:3]
    # In inches: 0.7 for the title, and room for four lines of labels below each image.
    width, height = 1.9 * columns, 2.5 * images + 0.7
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left=0.01, right=0.99, top=1 - 0.7 / height, bottom=0.5 / height, wspace=0.03, hspace=0.3
    )
    figure.suptitle(heading, color=INK, fontsize=10, x=0.01, ha="left", wrap=True, parse_math=False)
    axes = figure.subplots(images, columns, squeeze=False)
    for row in range(images):
        strip = np.concatenate(list(versions.pixels[row]), axis=1)
        seen = to_rgb(strip, mixture)
        own = versions.labels[row, 0]
        for column, axis in enumerate(axes[row]):
            axis.set_axis_off()
            axis.imshow(seen[:, column * size : (column + 1) * size])
            shares = versions.labels[row, column]
            if not np.array_equal(shares, own):
                _below(axis, "\n".join(list_mixed(shares, names)[:3]))
        labels = some([names[each] for each in np.flatnonzero(own)], most=4)
        axes[row, 0].set_title(labels, color=INK, fontsize=9, loc="left", parse_math=False)
    return figure


def list_mixed(shares: NDArray[np.float32], names: Sequence[str]) -> list[str]:
    """The labels of a mixed image, each with its share before it, largest first."""
    largest = [each for each in np.argsort(-shares, kind="stable") if shares[each] >= 0.005]
    return [f"{shares[each]:.2f} {names[each]}" for each in largest]


def _below(axis: Axes, text: str) -> None:
    axis.text(
        0,
        -0.03,
        text,
        color=INK,
        fontsize=6,
        va="top",
        transform=axis.transAxes,
        parse_math=False,
    )
