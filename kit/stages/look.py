"""The stage `look`: pictures of images, and of what a recipe shows its network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.quiet import without_announcements
from kit.core.terminal import TERMINAL, say
from kit.recipes import recipes
from kit.recipes.base import with_settings, with_size
from kit.report.png import png_path


@dataclass(frozen=True)
class LookOptions:
    """How to look at a recipe: its changed settings, and which picture to draw where.

    Without a `grid`, such as 10x5, a few images over several epochs. With one, many images as the
    network sees them, or `raw`: before stem and scaling.
    """

    size: int | None = None
    settings: tuple[str, ...] = ()
    grid: str | None = None
    raw: bool = False
    out: Path | None = None


def look_stage(
    competition: Competition, workspace: Workspace, model: str, options: LookOptions
) -> Path:
    """Draw training images with a recipe's augmentation; prints and returns the PNG's path."""
    recipe = with_settings(recipes.get(model), with_size(options.settings, options.size))
    if options.grid is None:
        path = png_path(options.out, workspace.pictures.look(recipe.name, recipe.size))
        with without_announcements():
            from kit.report.look import look

            if recipe.mix.mixes:
                import keras  # noqa: F401  Mixing needs it, and announces it on import.

        look(competition, workspace, recipe, path, TERMINAL)
        say(f"Wrote {path}")
        return path
    from kit.report.grid import parse_grid

    grid = parse_grid(options.grid)
    usual = workspace.pictures.look_grid(recipe.name, recipe.size, str(grid), options.raw)
    path = png_path(options.out, usual)
    with without_announcements():
        from kit.report.network_view import GridPicture, look_grid

    picture = GridPicture(grid, options.raw, path)
    told = look_grid(competition, workspace, recipe, picture, TERMINAL)
    say(f"Wrote {path}, {told}")
    return path


def channels_stage(
    competition: Competition, workspace: Workspace, ids: Sequence[str], out: Path | None = None
) -> Path:
    """Draw images with each channel in its colour; prints and returns the PNG's path."""
    path = png_path(out, workspace.pictures.channels)
    from kit.report.channels import look_channels

    look_channels(competition, workspace, ids, path)
    say(f"Wrote {path}")
    return path
