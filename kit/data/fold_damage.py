"""What is wrong with the files of a fold: compared with its marker, or with its checkpoints."""

from collections.abc import Sequence
from pathlib import Path

from kit.core.paths import FoldRunFiles
from kit.core.seal import Damage, find_damage
from kit.data.run_files import attempt, load_progress, read_done


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
