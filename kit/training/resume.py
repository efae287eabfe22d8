"""How far a fold can resume from: its last complete checkpoint, whatever is damaged."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kit.core.formats import Unreadable
from kit.core.paths import FoldRunFiles
from kit.core.seal import Damage, find_damage, seal
from kit.core.unpack import UNREADABLE
from kit.data.run_files import (
    Progress,
    attempt,
    load_progress,
    parse_progress,
    read_done,
    readable,
)
from kit.models.weights import are_readable
from kit.recipes.base import Recipe
from kit.training.checkpoint import load_record, state_of, weights_of
from kit.training.schedule import best_epoch, is_over


@dataclass(frozen=True)
class Resumption:
    """The progress that a fold's training resumes from, empty for none.

    `told` are lines about damaged files, and what replaces them.
    """

    state: Progress = field(default_factory=Progress)
    told: tuple[str, ...] = ()

    @property
    def has_begun(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return bool(self.state.log) or self.state.within is not None


def find_resumption(files: FoldRunFiles, recipe: Recipe, label: str) -> Resumption:
    """The last complete checkpoint of a fold, which lines call `label`.

    Every byte of it is read. If it is damaged, the one before is used, and if that is damaged, too,
    the fold starts again. A damaged progress is restored from the last checkpoint's state, or from
    the marker of a finished fold.
    """
    again = f"{label} is trained again from the start."
    found = attempt(files.progress, lambda: load_progress(files))
    if isinstance(found, Progress) and _is_of_another_fold(files, found):
        found = Damage(files.progress, "is of another fold")
    told: list[str] = []
    if isinstance(found, Damage):
        restored = _restored(files)
        if restored is None and not files.all_checkpoints() and not files.done.exists():
            return Resumption()  # has not begun
        if restored is None:
            return Resumption(told=(f"{found}. {again}",))
        source, state = restored
        told.append(f"{found}. It is restored from {source.name}.")
    else:
        state = found
    damaged: Damage | None = None
    while state.log or state.within is not None:
        damages = _damages(files, recipe, state)
        if not damages:
            if damaged is not None:
                before = f"the checkpoint before, the end of epoch {len(state.log)}"
                told.append(f"{damaged}. {label} resumes from {before}.")
            return Resumption(_sealed(files, recipe, state), tuple(told))
        damaged = damaged or damages[0]
        state = _before(recipe, state)
    if damaged is not None:
        told.append(f"{damaged}. {again}")
    return Resumption(told=tuple(told))


def _is_of_another_fold(files: FoldRunFiles, state: Progress) -> bool:
    """Whether this progress contradicts a checkpoint, each of which holds its own.

    Its seals do not tell: where they do not fit, the checkpoint counts as damaged.
    """
    records = (_record(path) for path in files.all_states())
    logs = [record.log for record in records if record is not None]
    return any(log != state.log[: len(log)] for log in logs if len(log) <= len(state.log))


def _before(recipe: Recipe, state: Progress) -> Progress:
    """The progress at the end of the epoch before the last checkpoint."""
    log = state.log if state.within is not None else state.log[:-1]
    return replace(state, log=log, best=best_epoch(recipe, log), within=None)


def needed(files: FoldRunFiles, recipe: Recipe, state: Progress) -> Sequence[Path]:
    """The files without which this progress is worth nothing."""
    best = [] if state.best is None else [files.weights(state.best)]
    if state.within is None and is_over(recipe, len(state.log), state.best):
        return best
    return list(dict.fromkeys([weights_of(files, state), state_of(files, state), *best]))


def _damages(files: FoldRunFiles, recipe: Recipe, state: Progress) -> list[Damage]:
    found: list[Damage] = []
    for path in needed(files, recipe, state):
        if path.name in state.files:
            expected = {path.name: state.files[path.name]}
            found += find_damage(files.folder, expected, thorough=True)
        elif not path.exists():
            found.append(Damage(path, "is missing"))
        elif not _is_readable(path):  # of an earlier version, which wrote no seals
            found.append(Damage(path, "is damaged"))
    return found


def _is_readable(path: Path) -> bool:
    if path.suffix != ".npz":
        return are_readable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (*UNREADABLE, OSError):
        return False


def _sealed(files: FoldRunFiles, recipe: Recipe, state: Progress) -> Progress:
    """The progress with seals of all that it needs, which earlier versions did not write."""
    lacking = [path for path in needed(files, recipe, state) if path.name not in state.files]
    return (
        replace(state, files={**state.files, **seal(files.folder, lacking)}) if lacking else state
    )


def _restored(files: FoldRunFiles) -> tuple[Path, Progress] | None:
    """The progress that another file repeats, and that file."""
    done = readable(files.done, lambda: read_done(files))
    if done is not None and done.log:
        kept = {
            name: one
            for name, one in done.files.items()
            if name == files.weights(done.best or 0).name
        }
        return files.done, Progress(done.log, done.best, done.parts, kept)
    records = [(path, record) for path in files.all_states() if (record := _record(path))]
    return max(records, key=lambda one: _far(one[1]), default=None)


def _far(state: Progress) -> tuple[int, int]:
    return len(state.log), 0 if state.within is None else state.within.steps


def _record(path: Path) -> Progress | None:
    """The progress inside a complete state's file; None for any other file."""
    if not _is_readable(path):
        return None
    try:
        state = parse_progress(json.loads(load_record(path)), path)
    except (ValueError, RecursionError, Unreadable):
        return None
    return replace(state, files={**state.files, **seal(path.parent, [path])})
