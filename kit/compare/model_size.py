"""How many parameters the network of a run has."""

import math
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.quiet import without_announcements
from kit.data.runs import Run
from kit.recipes.base import recipe_of


def run_parameters(competition: Competition, run: Run) -> int | None:
    """The number of weights of a run's network; None for an imported run, which has no network.

    Counted in one of its weights files or, without any, by building the network, which takes
    seconds. Also None if no weights are left and this version of the kit cannot read the recipe.
    """
    if run.is_imported:
        return None
    folds = [run.files.fold(fold) for fold in (*range(run.folds), None)]
    files = [path for fold in folds for path in fold.all_weights()]
    if files:
        return _weights_in(files[0])
    try:
        # Initial weights from a file, which may be gone, do not change the number.
        recipe = recipe_of({**run.recipe, "weights": "none"}, run.files.recipe)
    except UserError:
        return None
    with without_announcements():
        from kit.models.build import count_parameters
    return count_parameters(recipe, competition.channels, len(competition.class_keys)).total


def _weights_in(path: Path) -> int:
    """The number of floats in a Keras weights file; UserError for a damaged one."""
    import h5py

    sizes: list[int] = []

    def count(_: str, item: object) -> None:
        # States of random generators are integers.
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            sizes.append(math.prod(item.shape))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(count)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        # HDF5 reports nearly everything as RuntimeError.
        raise UserError(
            f"{path} is not a readable Keras weights file; it may be truncated. Move the fold's "
            "folder away and train the fold again."
        ) from error
    return sum(sizes)
