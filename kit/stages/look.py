"""The stage `look`: pictures of what a recipe shows its network."""

from collections.abc import Sequence
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.quiet import without_announcements
from kit.core.terminal import TERMINAL, say
from kit.recipes import recipes
from kit.recipes.base import with_settings


def look_stage(
    competition: Competition,
    workspace: Workspace,
    model: str,
    size: int | None,
    settings: Sequence[str],
) -> Path:
    """Draw training images with a recipe's augmentation; prints and returns the PNG's path."""
    sized = [f"size={size}"] if size is not None else []
    recipe = with_settings(recipes.get(model), [*settings, *sized])
    with without_announcements():
        from kit.report.look import look

    path = look(competition, workspace, recipe, TERMINAL)
    say(f"Wrote {path}")
    return path
