"""A grid of training images as a recipe's network sees them, after stem and scaling."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition, Mixture
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.batches import EpochPlan, read_planned
from kit.data.stacked import Images
from kit.data.store import pack
from kit.models.build import build_front, is_blue_first
from kit.models.stems import LEARNED
from kit.recipes.base import Recipe
from kit.report.figures import shrink, to_rgb
from kit.report.grid import Grid, draw_grid
from kit.report.look import list_mixed, title
from kit.report.png import write_png
from kit.training.check import check_recipe
from kit.training.fold import training_seed
from kit.training.plan import plan_epoch, recipe_sampling

Pixels = NDArray[np.uint8] | NDArray[np.float32]
# An image as training shows it, uint8, or float32 from 0 to 255 if mixed; its labels, float32.
Example = tuple[Pixels, NDArray[np.float32]]


@dataclass(frozen=True)
class GridPicture:
    """Which grid to draw, and where: as the network sees the images, or before that if `raw`."""

    grid: Grid
    raw: bool
    path: Path


@dataclass(frozen=True)
class Seen:
    """What a network sees: `pixels` is float32 (images, side, side, channels), red first.

    `labels` is float32 (images, classes). `least` and `most` are the extreme values before the
    pixels were reduced for drawing.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.float32]
    least: float
    most: float

    @property
    def black(self) -> float:
        """The value drawn as black: 0, or the least below it."""
        return min(0.0, self.least)

    @property
    def white(self) -> float:
        """The value drawn as white: 1, or the most above it."""
        return max(1.0, self.most)


def look_grid(
    competition: Competition,
    workspace: Workspace,
    recipe: Recipe,
    picture: GridPicture,
    reporter: Reporter = SILENT,
) -> str:
    """Draw the first images of the recipe's first epoch of training on all rows.

    Returns what the picture shows, as a line. Packs the store at the recipe's size if that has not
    been done; needs no folds and no weights. Raises UserError for missing data, for a recipe that
    cannot be trained, and for a grid of more images than an epoch shows.
    """
    check_recipe(recipe, competition)
    table = competition.read_labels(workspace.source)
    ids = tuple(sorted(table.ids))
    labels = table.of(ids)
    plan = plan_first_epoch(recipe, labels, competition.class_keys)
    count = picture.grid.cells
    if count > len(plan.rows):
        raise UserError(
            f"--grid {picture.grid}: that is {count} images, and an epoch of {recipe.name} shows "
            f"{len(plan.rows)}. Choose a smaller grid."
        )
    store = pack(competition, workspace, "train", recipe.store_kind, ids, reporter)
    shown = show_first(store.images, labels, plan, recipe, count)
    mixture, side = competition.mixture(), picture.grid.side
    if picture.raw:
        told = f"before stem and scaling, {'each image ' if count > 1 else ''}stretched"
        images, shares = stretch(shown, mixture, side)
    else:
        seen = see(shown, recipe, competition.channels, side)
        told = describe(seen, recipe, competition.channels)
        images, shares = to_display(seen, mixture), seen.labels
    told = f"{count} {'image' if count == 1 else 'images'} {told}"
    # A single one is "the first image".
    shown_first = f"First epoch, first {told.removeprefix('1 ')}"
    heading = f"{title(recipe)}, sampling={recipe.sampling}\n{shown_first}"
    captions = [caption_of(one, competition.class_names) for one in shares]
    figure = draw_grid(images, captions, picture.grid, heading)
    write_png(picture.path, figure)
    return told


def plan_first_epoch(
    recipe: Recipe, labels: NDArray[np.uint8], class_keys: Sequence[str]
) -> EpochPlan:
    """What the first epoch of training on all rows shows; `labels` is (rows, classes)."""
    sampling = recipe_sampling(recipe, labels, class_keys)
    seed = training_seed(recipe, fold=None)
    return plan_epoch(recipe, np.arange(len(labels)), sampling, seed, epoch=0)


def show_first(
    images: Images, labels: NDArray[np.uint8], plan: EpochPlan, recipe: Recipe, count: int
) -> Iterator[Example]:
    """The first `count` images of an epoch, as `EpochBatches` gives them to the network.

    One at a time, so that many large ones fit in memory.
    """
    batch = recipe.batch // recipe.accumulate
    for start in range(0, count, batch):
        # Unmixed images do not depend on the rest of their batch.
        stop = start + batch if recipe.mix.mixes else min(start + batch, count)
        part = slice(start, stop)
        pixels = read_planned(images, plan, part)
        multihot = labels[plan.rows[part]].astype(np.float32)
        batched: tuple[Pixels, NDArray[np.float32]] = (pixels, multihot)
        if recipe.mix.mixes:
            batched = recipe.mix.apply(pixels, multihot, plan.seed, plan.epoch, start // batch)
        yield from islice(zip(*batched, strict=True), count - start)


def see(shown: Iterable[Example], recipe: Recipe, channels: Sequence[str], side: int) -> Seen:
    """What the network sees of each image, reduced to at most `side` pixels."""
    front, is_swapped = build_front(recipe, channels), is_blue_first(recipe, channels)
    pixels, labels, least, most = [], [], [], []
    for image, shares in shown:
        values = np.asarray(keras.ops.convert_to_numpy(front(image[None].astype(np.float32))))[0]
        if is_swapped:
            values = values[..., [2, 1, 0, *range(3, values.shape[-1])]]
        least.append(float(values.min()))
        most.append(float(values.max()))
        pixels.append(shrink(values, side))
        labels.append(shares)
    return Seen(np.stack(pixels), np.stack(labels), min(least), max(most))


def stretch(
    shown: Iterable[Example], mixture: Mixture, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images in display colours, each channel stretched: (images, side, side, 3); and labels."""
    pixels, labels = [], []
    for image, shares in shown:
        pixels.append(shrink(to_rgb(np.rint(image).astype(np.uint8), mixture), side))
        labels.append(shares)
    return np.stack(pixels), np.stack(labels)


def to_display(seen: Seen, mixture: Mixture) -> NDArray[np.uint8]:
    """One range of grey levels for all images: uint8 (images, side, side, 3).

    Three channels are red, green and blue; others are mixed as the competition displays them.
    """
    levels = np.clip((seen.pixels - seen.black) / (seen.white - seen.black), 0, 1)
    if levels.shape[-1] != 3:
        levels = np.minimum(levels @ np.array(mixture, np.float32), 1)
    return np.rint(255 * levels).astype(np.uint8)


def describe(seen: Seen, recipe: Recipe, channels: Sequence[str]) -> str:
    """What the picture shows: stem, normalization, values, and how they are drawn."""
    stem = f"{recipe.stem} (its initial kernel)" if recipe.stem == LEARNED else recipe.stem
    them = "it" if len(seen.pixels) == 1 else "them"
    parts = [f"as the network sees {them}: stem {stem}, normalize {recipe.normalize}"]
    if recipe.normalize == "batch":
        parts[0] += " (a learned layer: shown before it, divided by 255)"
    parts.append(f"values {seen.least:.2f} to {seen.most:.2f}")
    if (seen.black, seen.white) != (0, 1):
        parts.append(f"drawn from {seen.black:.2f} (black) to {seen.white:.2f} (white)")
    if is_blue_first(recipe, channels):
        parts.append("its channels are blue, green, red, drawn in these colours")
    if seen.pixels.shape[-1] != 3:
        parts.append(f"{seen.pixels.shape[-1]} channels in display colours")
    return "; ".join(parts)


def caption_of(shares: NDArray[np.float32], names: Sequence[str]) -> list[str]:
    """The labels of an image, with their shares if it is mixed from images with others."""
    if ((shares > 0) & (shares < 1)).any():
        return list_mixed(shares, names)
    return [names[each] for each in np.flatnonzero(shares).tolist()] or ["no labels"]
