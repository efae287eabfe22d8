"""A run's recipe and inputs and their copy: whether they belong together, and writing them."""

from collections.abc import Mapping
from typing import Any

from kit.core.disk import digest
from kit.core.paths import RunFiles
from kit.core.seal import Damage
from kit.data.identity import Settings, current, identity
from kit.data.run_files import (
    RunCopy,
    RunInputs,
    find_copy,
    is_imported,
    read_inputs,
    read_recipe,
    readable,
    write_copy,
    write_inputs,
    write_recipe,
)


def run_name(recipe: Settings, inputs: RunInputs) -> str:
    """The name of a new run: its end is eight digits of the digest of what distinguishes it.

    The Keras backend is not part of that: a recipe is the same model on all of them.
    """
    made_as: Any = recipe["name"] if is_imported(recipe) else identity(recipe)
    kind = "imported" if is_imported(recipe) else recipe["size"]
    return f"{recipe['name']}-{kind}-{digest([made_as, inputs.content()])[:8]}"


def find_exchanged(files: RunFiles) -> Damage | None:
    """Which of a run's recipe, its inputs and their copy is of another run; None if none is.

    Also None if one is missing or damaged. The folder's name tells which one to trust. Raises
    UserError for settings that this version does not know.
    """
    copy = find_copy(files)
    recipe = readable(files.recipe, lambda: read_recipe(files))
    inputs = readable(files.inputs, lambda: read_inputs(files))
    if copy is None or recipe is None or inputs is None:
        return None
    is_same = _identity(recipe, files) == _identity(copy.recipe, files)
    if is_same and inputs == copy.inputs:
        return None
    wrong = files.inputs if is_same else files.recipe
    if is_named_for(files, copy.recipe, copy.inputs):
        return Damage(wrong, "is of another run")
    if is_named_for(files, recipe, inputs):
        return Damage(files.copy, "is of another run")
    either = f"does not match {files.copy.name}; one of them is of another run, move that one away"
    return Damage(wrong, either)


def is_named_for(files: RunFiles, recipe: Settings, inputs: RunInputs) -> bool:
    """Whether a run's folder has the name that this version gives to such a run."""
    settings = recipe if is_imported(recipe) else current(recipe, files.copy)
    return run_name(settings, inputs) == files.name


def write_run(files: RunFiles, recipe: Settings, inputs: RunInputs) -> None:
    """Write a run's recipe and inputs, whichever is missing, damaged or of another run.

    A copy of both comes first: `find_copy` restores a run that was damaged or never completed.
    """
    exchanged = find_exchanged(files)
    wrong = None if exchanged is None else exchanged.path
    known = readable(files.recipe, lambda: read_recipe(files))
    if wrong == files.recipe:
        known = None
    copy = find_copy(files)
    if copy is None or wrong == files.copy:
        copy = RunCopy(dict(recipe if known is None else known), inputs)
        write_copy(files, copy)
    if known is None:
        write_recipe(files, copy.recipe if is_imported(copy.recipe) else recipe)
    if readable(files.inputs, lambda: read_inputs(files)) != inputs:
        write_inputs(files, inputs)


def _identity(recipe: Settings, files: RunFiles) -> Mapping[str, Any]:
    """What distinguishes a recipe; of an imported run, also the files it came from."""
    return recipe if is_imported(recipe) else identity(current(recipe, files.copy))
