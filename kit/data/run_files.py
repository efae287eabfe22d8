"""The JSON files of a run and their contents; no other module spells their keys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import Field

from kit.core.formats import Format
from kit.core.paths import FoldRunFiles, RunFiles
from kit.data.identity import Settings, current

_TRAIN = "Move the folder away and train the run again."
_RECIPE = Format("the recipe of a run", 1, _TRAIN, oldest=0)
_INPUTS = Format("what a run was made from", 1, _TRAIN, oldest=0)
_PROGRESS = Format("the progress of a fold", 1, _TRAIN, oldest=0)
_DONE = Format("the marker of a fold", 1, _TRAIN, oldest=0)
_COMMAND = Format("the command of a run", 1, "Delete it.")


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


def write_run(files: RunFiles, recipe: Settings, inputs: RunInputs) -> None:
    """Write a run's recipe and inputs; the inputs come last and make it a run."""
    _RECIPE.write(files.recipe, recipe)
    _INPUTS.write(files.inputs, inputs.content())


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


def write_command(files: RunFiles, words: Sequence[str]) -> None:
    """Write the words after `kit` that train the run."""
    _COMMAND.write(files.command, {"words": list(words)})


def read_command(files: RunFiles) -> tuple[str, ...] | None:
    """Read what `write_command` wrote; None if there is no such file."""
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
class Progress:
    """How far a fold is trained: a log line per epoch, and the epoch kept as the best.

    `parts` is the number of parts that each batch was split into; None before the first epoch.
    """

    log: tuple[EpochLog, ...] = field(default=())
    best: int | None = None
    parts: int | None = None


def write_progress(files: FoldRunFiles, state: Progress) -> None:
    """Write how far a fold is trained: the marker that makes its last epoch count."""
    lines = [asdict(line) for line in state.log]
    _PROGRESS.write(files.progress, {"best": state.best, "parts": state.parts, "log": lines})


def load_progress(files: FoldRunFiles) -> Progress:
    """The progress of a fold; empty if it has not been started."""
    if not files.progress.exists():
        return Progress()
    return _PROGRESS.read_as(files.progress, Progress)


@dataclass(frozen=True)
class Done:
    """A finished fold: how many epochs it trained, and which of them predicts.

    `parts` is the number of parts that each batch was split into. An imported fold has none of
    these.
    """

    epochs: int | None = None
    best: int | None = None
    parts: int | None = None
    imported: bool = False


def write_done(files: FoldRunFiles, done: Done) -> None:
    """Write a fold's marker; call it after all its other files are written."""
    known = {"epochs": done.epochs, "best": done.best, "parts": done.parts}
    _DONE.write(files.done, {"imported": True} if done.imported else known)


def read_done(files: FoldRunFiles) -> Done:
    """Read a finished fold's marker; UserError when there is none."""
    return _DONE.read_as(files.done, Done)
