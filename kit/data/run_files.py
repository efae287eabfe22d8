"""The JSON files of a run and their contents; no other module spells their keys."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from kit.core.formats import Format, Unreadable
from kit.core.paths import FoldRunFiles, RunFiles
from kit.core.seal import Damage, Seal
from kit.core.suggest import Typed
from kit.data.identity import Settings, current

_TRAIN = "Move the folder away and train the run again."
_RECIPE = Format("the recipe of a run", 1, _TRAIN, oldest=0)
_INPUTS = Format("what a run was made from", 1, _TRAIN, oldest=0)
_PROGRESS = Format("the progress of a fold", 1, _TRAIN, oldest=0)
_DONE = Format("the marker of a fold", 1, _TRAIN, oldest=0)
_COPY = Format("the copy of a run's recipe and inputs", 1, _TRAIN)
_COMMAND = Format("the command of a run", 1, "Delete it.")

Read = TypeVar("Read")


@dataclass(frozen=True)
class RunInputs:
    """What a run was made from: the number of folds, and SHA-256 digests of all its inputs.

    `stores` has a digest per split, and one each for extra images and initial weights, if any; an
    imported run has `predictions` instead.
    """

    folds: Annotated[int, Field(ge=1)]
    folds_digest: str
    labels_digest: str
    stores: Mapping[str, str] | None = None
    predictions: Mapping[str, Any] | None = None

    def content(self) -> dict[str, Any]:
        """Plain values, for the file and for digests."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class RunCopy:
    """A run's recipe and inputs once more, and the CSV:IMAGES that it is trained with, if any."""

    recipe: dict[str, Any]
    inputs: RunInputs
    extra: str | None = None


def write_recipe(files: RunFiles, recipe: Settings) -> None:
    """Write a run's recipe."""
    _RECIPE.write(files.recipe, recipe)


def write_inputs(files: RunFiles, inputs: RunInputs) -> None:
    """Write what a run was made from."""
    _INPUTS.write(files.inputs, inputs.content())


def write_copy(files: RunFiles, copy: RunCopy) -> None:
    """Write the copy of a run's recipe and inputs, unless the file holds it already."""
    if find_copy(files) != copy:
        content = {"recipe": copy.recipe, "inputs": copy.inputs.content(), "extra": copy.extra}
        _COPY.write(files.copy, content)


def read_copy(files: RunFiles) -> RunCopy:
    """Read what `write_copy` wrote; UserError if it is missing, Unreadable if it is damaged."""
    return _COPY.read_as(files.copy, RunCopy)


def find_copy(files: RunFiles) -> RunCopy | None:
    """As `read_copy`; None if it is missing or damaged, because it is only a copy."""
    return readable(files.copy, lambda: read_copy(files))


def attempt(path: Path, read: Callable[[], Read]) -> Read | Damage:
    """What `read` returns, or what is wrong with the JSON file at `path`, which it reads.

    Raises UserError for a file of a newer version.
    """
    if not path.exists():
        return Damage(path, "is missing")
    try:
        return read()
    except Unreadable as error:
        return Damage(path, error.problem.removeprefix(f"{path} ").rstrip("."))


def readable(path: Path, read: Callable[[], Read]) -> Read | None:
    """As `attempt`, but None for a file that is missing or damaged."""
    found = attempt(path, read)
    return None if isinstance(found, Damage) else found


def extra_of(files: RunFiles) -> str | None:
    """The CSV:IMAGES that a run is trained with; None if there is none or it is not known."""
    copy = find_copy(files)
    inputs = readable(files.inputs, lambda: read_inputs(files))
    if copy is not None and inputs in (None, copy.inputs):
        return copy.extra
    words = readable(files.command, lambda: read_command(files)) or ()
    return words[words.index("--extra") + 1] if "--extra" in words else None


@dataclass(frozen=True)
class _Named:
    """What is read of every recipe; the other settings are checked where a model is built."""

    name: str
    size: int | None


def read_recipe(files: RunFiles) -> dict[str, Any]:
    """A run's settings in this version's terms; for an imported run, where it came from.

    Raises UserError as `current` does, and for a file of a newer version.
    """
    saved = _RECIPE.read_body(files.recipe)
    _RECIPE.as_kind(saved, _Named, files.recipe)
    return saved if is_imported(saved) else current(saved, files.recipe)


def is_imported(recipe: Settings) -> bool:
    """Whether a run's recipe names files of predictions instead of settings."""
    return "imported" in recipe


def read_inputs(files: RunFiles) -> RunInputs:
    """What a run was made from; UserError for a file of a newer version."""
    return _INPUTS.read_as(files.inputs, RunInputs)


@dataclass(frozen=True)
class _Command:
    words: tuple[str, ...]


def read_command(files: RunFiles) -> tuple[str, ...] | None:
    """The words after `kit` that trained a run of an earlier version; None if not known."""
    if not files.command.exists():
        return None
    return _COMMAND.read_as(files.command, _Command).words


@dataclass(frozen=True)
class EpochLog:
    """One line of a fold's log; times are this machine's.

    `val_` scores are on the held-out fold, or with `validate=batch` on one batch of it, the same in
    every epoch; without a held-out fold there are none. `accuracy` is the share of entries (image,
    class) that are right at probability 0.5, and `exact_match` that of images whose entries are all
    right. `batch_f1` is micro-F1 at probability 0.5, batch by batch. None of these is the
    competition's metric. `val_macro_f1_best_cut` uses the thresholds that are optimal on the same
    rows. `seconds` is the whole epoch, validation included; `samples_per_second` is training only.
    A column missing from another version's file is None, or 0 where the type allows no None.
    """

    epoch: int
    loss: float
    accuracy: float | None = None
    exact_match: float | None = None
    batch_f1: float = 0.0
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_exact_match: float | None = None
    val_batch_f1: float | None = None
    val_macro_f1_at_half: float | None = None
    val_macro_f1_best_cut: float | None = None
    learning_rate: float = 0.0
    samples_per_second: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Within:
    """How far an interrupted epoch is: the optimizer steps done, and its log line so far.

    The line has no scores on held-out rows yet. If all steps are done, its scores in training are
    final; otherwise the next checkpoint continues from the metrics in this one's state.
    """

    steps: int
    line: EpochLog


@dataclass(frozen=True)
class Progress:
    """How far a fold is trained: a log line per epoch, and the epoch kept as the best.

    `parts` is the number of parts that each batch was split into; None before the first epoch.
    `files` are the seals of the checkpoints kept: the last one, the one before, and the weights of
    their best epochs. `within`: the last one is inside the epoch after those of the log.
    """

    log: tuple[EpochLog, ...] = field(default=())
    best: int | None = None
    parts: int | None = None
    files: Mapping[str, Seal] = field(default_factory=dict)
    within: Within | None = None

    def content(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return asdict(self)


def write_progress(files: FoldRunFiles, state: Progress) -> None:
    """Write how far a fold is trained: the marker that makes its last checkpoint count."""
    _PROGRESS.write(files.progress, state.content())


def load_progress(files: FoldRunFiles) -> Progress:
    """The progress of a fold; empty if it has not been started. Raises Unreadable if damaged."""
    if not files.progress.exists():
        return Progress()
    return _PROGRESS.read_as(files.progress, Progress)


def parse_progress(content: Any, origin: Path) -> Progress:
    """The progress that `Progress.content` gave, read from `origin`; Unreadable if it is not."""
    return _PROGRESS.as_kind(content, Progress, origin)


# In a marker, before the name of a file in the run's folder instead of the fold's.
BESIDE_FOLDS = "../"


@dataclass(frozen=True)
class Done:
    """A finished fold: how many epochs it trained, and which of them predicts.

    `parts` is the number of parts that each batch was split into. `files` are the seals of the
    weights, predictions, log and progress; `log` repeats the progress, to restore it. An imported
    fold has only `files`. Folds finished by earlier versions have neither.
    """

    epochs: int | None = None
    best: int | None = None
    parts: int | None = None
    imported: bool = False
    files: Mapping[str, Seal] = field(default_factory=dict)
    log: tuple[EpochLog, ...] = field(default=())


def write_done(files: FoldRunFiles, done: Done) -> None:
    """Write a fold's marker; call it after all its other files are written."""
    seals = {name: asdict(seal) for name, seal in done.files.items()}
    trained = {
        "epochs": done.epochs,
        "best": done.best,
        "parts": done.parts,
        "log": [asdict(line) for line in done.log],
    }
    _DONE.write(files.done, {**({"imported": True} if done.imported else trained), "files": seals})


def read_done(files: FoldRunFiles) -> Done:
    """Read a finished fold's marker; UserError when there is none, Unreadable if it is damaged."""
    return _DONE.read_as(files.done, Done)


def import_command(typed: Typed, recipe: Mapping[str, Any], *more: str) -> str:
    """The command that imports a run with this recipe again."""
    made = recipe["imported"]
    tests = [word for test in made["tests"] for word in ("--test", test)]
    words = [recipe["name"], "--oof", made["oof"], *tests, *more]
    return typed.command("import-predictions", *words)
