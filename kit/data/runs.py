"""Runs: a recipe, folds and stores, frozen together under one digest."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.core.errors import UserError
from kit.core.paths import RunFiles, Workspace
from kit.core.progress import SILENT, Reporter
from kit.core.seal import Damage, Damaged
from kit.data.identity import current, identity
from kit.data.run import Run
from kit.data.run_files import (
    RunCopy,
    RunInputs,
    attempt,
    extra_of,
    find_copy,
    import_command,
    is_imported,
    read_command,
    read_inputs,
    read_recipe,
    readable,
    write_copy,
)
from kit.data.run_records import find_exchanged, is_named_for, run_name, write_run

__all__ = [
    "BrokenRun",
    "Run",
    "begin_run",
    "full_name",
    "how_to_fix",
    "keep_copy",
    "open_run",
    "open_runs",
    "open_trained",
    "restore_run",
]


@dataclass(frozen=True)
class BrokenRun:
    """A run with a missing or damaged file, and a sentence that names it and the command for it."""

    name: str
    reason: str


def begin_run(
    workspace: Workspace,
    recipe: Mapping[str, Any],
    folds: int,
    folds_digest: str,
    labels_digest: str,
    stores: Mapping[str, str],
) -> Run:
    """Create a run, or find the existing one with the same identity and inputs.

    `stores` maps a split to its store's digest. A run is found by the contents of its files,
    whatever its folder is called and whichever version of the kit created it. The name of a new one
    ends in eight digits of the digest of its identity and inputs. Raises UserError when another run
    has that name. Other runs may be damaged; this one's recipe and inputs are written again.
    """
    inputs = RunInputs(folds, folds_digest, labels_digest, dict(stores))
    made_as = identity(recipe)
    files = workspace.run(run_name(recipe, inputs))
    runs, broken = _open_all(workspace)
    for run in sorted(runs, key=lambda run: run.name != files.name):
        if not run.is_imported and run.inputs == inputs and identity(run.recipe) == made_as:
            return run
    if files.is_begun() and files.name not in [one.name for one in broken]:
        raise UserError(
            f"{files.folder} holds a different run than its name says. Rename that folder."
        )
    run = Run(files, current(recipe, files.recipe), inputs, workspace.typed)
    write_run(files, run.recipe, inputs)
    return run


def keep_copy(run: Run, extra: str | None = None) -> None:
    """Write the copy of a run's recipe and inputs, if it is missing, damaged or different.

    `extra` is the CSV:IMAGES that the run is trained with; by default the one known before.
    """
    known = extra_of(run.files) if extra is None else extra
    write_copy(run.files, RunCopy(dict(run.recipe), run.inputs, known))


def open_run(workspace: Workspace, name: str) -> Run:
    """Open a run by its name, or by a unique prefix that ends before a dash.

    `net` opens `net-64-0f3a9c11` if no other run starts with `net`. Otherwise raises UserError that
    lists the existing runs; Damaged, with the command that fixes it, for a run whose recipe or
    inputs are damaged.
    """
    return _open(workspace, full_name(workspace, name))


def restore_run(workspace: Workspace, name: str, reporter: Reporter = SILENT) -> Run:
    """As `open_run`, but restores a damaged recipe or damaged inputs from their copy.

    Raises UserError when there is no copy; the run of an earlier version has none.
    """
    files = workspace.run(full_name(workspace, name))
    copy = find_copy(files)
    for path, read in _records(files).items():
        found = attempt(path, read)
        if isinstance(found, Damage) and copy is not None:
            reporter.say(f"{found}. It is restored from {files.copy.name}.")
    exchanged = find_exchanged(files)
    own = copy is not None and is_named_for(files, copy.recipe, copy.inputs)
    if exchanged is not None and (own or exchanged.path == files.copy):
        reporter.say(f"{exchanged}. It is written again.")
    if copy is not None and (own or exchanged is None):
        write_run(files, copy.recipe, copy.inputs)
    return _open(workspace, files.name)


def full_name(workspace: Workspace, name: str) -> str:
    """The name of the run that `open_run` opens; UserError likewise."""
    if workspace.run(name).is_begun():
        return workspace.run(name).name
    begun = workspace.run_names_of(name)
    if len(begun) > 1:
        raise UserError(f"'{name}' is ambiguous: {', '.join(begun)}. Name one.")
    if not begun:
        names = workspace.run_names()
        train = workspace.typed.command("train", "MODEL")
        known = f"Known: {', '.join(names)}." if names else f"Train one: {train}"
        raise UserError(f"No run '{name}' in {workspace.runs}. {known}")
    return begun[0]


def open_runs(
    workspace: Workspace, names: Collection[str] | None = None
) -> tuple[tuple[Run, ...], tuple[BrokenRun, ...]]:
    """Every run whose finished folds are complete, and the others, each by name.

    With `names`, only those among them that exist.
    For commands that take all runs: they use the first and say why they pass over the second, in
    one line each: `f"{broken.name}: {broken.reason}"`. Runs of a newer kit are among those.
    """
    opened, broken = _open_all(workspace, names)
    found = {run.name: run.find_damage() for run in opened}
    damaged = [
        BrokenRun(run.name, f"{found[run.name][0]}. {how_to_fix(run, found[run.name][0])}")
        for run in opened
        if found[run.name]
    ]
    sound = tuple(run for run in opened if not found[run.name])
    return sound, tuple(sorted((*broken, *damaged), key=lambda one: one.name))


def how_to_fix(run: Run, damage: Damage) -> str:
    """A sentence with the command that fixes one finding of `Run.find_damage`."""
    folds = (*range(run.folds), None)
    where = [fold for fold in folds if run.files.fold(fold).folder == damage.path.parent]
    return run.how_to_fix(where[0] if where else 0)


def _open_all(
    workspace: Workspace, names: Collection[str] | None = None
) -> tuple[tuple[Run, ...], tuple[BrokenRun, ...]]:
    """The runs whose recipe and inputs can be read, and the others."""
    runs, broken = [], []
    for name in (one for one in workspace.run_names() if names is None or one in names):
        try:
            runs.append(_open(workspace, name))
        except UserError as error:  # damaged, or written by a newer version
            broken.append(BrokenRun(name, str(error)))
    return tuple(runs), tuple(broken)


def _open(workspace: Workspace, name: str) -> Run:
    files = workspace.run(name)
    for path, read in _records(files).items():
        found = attempt(path, read)
        if isinstance(found, Damage):
            raise Damaged(found, _how_to_restore(workspace, files))
    exchanged = find_exchanged(files)
    if exchanged is not None and exchanged.path != files.copy:
        copy = find_copy(files)
        assert copy is not None  # it is what the others were compared with
        told = is_named_for(files, copy.recipe, copy.inputs)
        raise Damaged(exchanged, _how_to_restore(workspace, files) if told else "")
    return Run(files, read_recipe(files), read_inputs(files), workspace.typed)


def _records(files: RunFiles) -> Mapping[Path, Callable[[], object]]:
    """What makes a folder a run, and how to read it."""
    return {
        files.recipe: lambda: read_recipe(files),
        files.inputs: lambda: read_inputs(files),
    }


def _how_to_restore(workspace: Workspace, files: RunFiles) -> str:
    """A sentence with the command that restores a run's recipe and inputs."""
    copy = find_copy(files)
    recipe = readable(files.recipe, lambda: read_recipe(files)) if copy is None else copy.recipe
    if recipe is not None and is_imported(recipe):
        return f"Import it again: {import_command(workspace.typed, recipe)}"
    if copy is not None:
        return f"Fix it: {workspace.typed.command('train', files.name)}"
    words = readable(files.command, lambda: read_command(files))
    if words is not None:  # of an earlier version, which wrote no copy
        return f"Fix it: {workspace.typed.command(*words)}"
    return f"Move {files.folder} away and train its recipe again."


def open_trained(workspace: Workspace, name: str, besides: Collection[str] = ()) -> Run:
    """As `open_run`, but of runs that differ only in their views, open the one with the fewest.

    `kit predict` makes such runs, and must find the trained one when it is rerun. Runs whose full
    names are in `besides` are ignored unless named in full.
    """
    begun = [one for one in workspace.run_names_of(name) if one not in besides]
    runs = [run for run in _open_all(workspace)[0] if run.name in begun]
    if runs and all({**run.recipe, "tta": 1} == {**runs[0].recipe, "tta": 1} for run in runs):
        return min(runs, key=lambda run: int(run.recipe.get("tta", 1)))
    return open_run(workspace, name)
