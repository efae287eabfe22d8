"""What is wrong with the files of a run, and of a fold: compared with markers and checkpoints."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kit.core.paths import FoldRunFiles, RunFiles
from kit.core.seal import Damage, find_damage
from kit.data.run_files import attempt, load_progress, read_copy, read_done, readable
from kit.data.run_records import find_exchanged


def damage_of_run(
    files: RunFiles, expected: Mapping[int | None, Sequence[Path]], thorough: bool = False
) -> tuple[Damage, ...]:
    """Every damaged or missing file of a run's finished folds.

    `expected` has the predictions of each fold. With `thorough`, all contents are read, also those
    of unfinished folds and of the copy of recipe and inputs.
    """
    found: list[Damage] = []
    for fold in expected:
        of_fold = files.fold(fold)
        if of_fold.done.exists():
            found += damage_of_finished(of_fold, expected[fold], thorough)
        elif thorough:
            found += damage_of_unfinished(of_fold, thorough)
    if thorough and (files.copy.exists() or any(_is_sealed(files.fold(fold)) for fold in expected)):
        copy = attempt(files.copy, lambda: read_copy(files))
        exchanged = find_exchanged(files)
        found += [one for one in (copy, exchanged) if isinstance(one, Damage)]
    return tuple(found)


def _is_sealed(files: FoldRunFiles) -> bool:
    """Whether this version finished a fold; it then wrote a copy of recipe and inputs, too."""
    done = readable(files.done, lambda: read_done(files))
    return done is not None and bool(done.files)


def damage_of_finished(
    files: FoldRunFiles, expected: Sequence[Path] = (), thorough: bool = False
) -> tuple[Damage, ...]:
    """Every damaged or missing file of a fold that has a marker.

    Markers of earlier versions hold no seals: of those folds, only `expected` files must exist.
    With `thorough`, all contents are read, otherwise once per version of a file.
    """
    done = attempt(files.done, lambda: read_done(files))
    if isinstance(done, Damage):
        return (done,)
    if done.files:
        return find_damage(files.folder, done.files, thorough)
    return tuple(Damage(path, "is missing") for path in expected if not path.exists())


def damage_of_unfinished(files: FoldRunFiles, thorough: bool = False) -> tuple[Damage, ...]:
    """Every damaged or missing file of the checkpoints of a fold that is being trained."""
    state = attempt(files.progress, lambda: load_progress(files))
    if isinstance(state, Damage):
        return (state,) if files.progress.exists() or files.all_states() else ()
    return find_damage(files.folder, state.files, thorough)
