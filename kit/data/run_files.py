"""The JSON files of a run: what each holds, and the only place that spells its keys."""

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
    """What a run was made from: how many folds, and SHA-256 digests of all that it stands on.

    `stores` has one for each split, and for extra images and starting weights where there are any;
    a run that was imported has `predictions` instead.
    """

    folds: Annotated[int, Field(ge=1)]
    folds_digest: str
    labels_digest: str
    stores: Mapping[str, str] | None = None
    predictions: Mapping[str, Any] | None = None

    def content(self) -> dict[str, Any]:
        """As plain values, for the file and for digests."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def write_run(files: RunFiles, recipe: Settings, inputs: RunInputs) -> None:
    """Write what a run is and was made from; its inputs last, as they are what makes it a run."""
    _RECIPE.write(files.recipe, recipe)
    _INPUTS.write(files.inputs, inputs.content())


@dataclass(frozen=True)
class _Named:
    """What is read of every recipe; the other settings are checked where a model is built."""

    name: str
    size: int | None


def read_recipe(files: RunFiles) -> dict[str, Any]:
    """The settings of a run as this version has them; of an imported one, what it came from.

    Raises UserError as `current` does, and for a file of a newer version.
    """
    saved = _RECIPE.read_body(files.recipe)
    _RECIPE.as_kind(saved, _Named, files.recipe)
    return saved if is_imported(saved) else current(saved, files.recipe)


def is_imported(recipe: Settings) -> bool:
    """Whether a run's recipe names files of predictions in place of settings."""
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
    """The words that `write_command` wrote; None where there are none."""
    if not files.command.exists():
        return None
    return _COMMAND.read_as(files.command, _Command).words


@dataclass(frozen=True)
class EpochLog:
    """One line of a fold's log; times are this machine's, `val_` scores are on the fold left out.

    `batch_f1` is micro-F1 at probability 0.5, batch by batch: not the competition's metric. Where
    no fold is left out, there are no `val_` scores. `seconds` is all that the epoch took,
    validation included; `samples_per_second` is training's. A column that the file of another
    version lacks is None, or 0 where it is a number.
    """

    epoch: int
    loss: float
    batch_f1: float = 0.0
    val_loss: float | None = None
    val_batch_f1: float | None = None
    val_macro_f1_at_half: float | None = None
    val_macro_f1_best_cut: float | None = None
    learning_rate: float = 0.0
    samples_per_second: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Progress:
    """What has been trained: a log line an epoch, and which epoch's weights are kept as best.

    `parts` is in how many parts each batch went through the network, None before the first epoch.
    """

    log: tuple[EpochLog, ...] = field(default=())
    best: int | None = None
    parts: int | None = None


def write_progress(files: FoldRunFiles, state: Progress) -> None:
    """Write how far a fold is: the marker that makes its last epoch count."""
    lines = [asdict(line) for line in state.log]
    _PROGRESS.write(files.progress, {"best": state.best, "parts": state.parts, "log": lines})


def load_progress(files: FoldRunFiles) -> Progress:
    """The progress of a fold, empty when it has not been begun."""
    if not files.progress.exists():
        return Progress()
    return _PROGRESS.read_as(files.progress, Progress)


@dataclass(frozen=True)
class Done:
    """What a finished fold leaves: how many epochs it trained, and which of them predicts.

    `parts` is in how many parts each batch went through the network. An imported fold has none of
    them.
    """

    epochs: int | None = None
    best: int | None = None
    parts: int | None = None
    imported: bool = False


def write_done(files: FoldRunFiles, done: Done) -> None:
    """Write a fold's marker, after all its other files."""
    known = {"epochs": done.epochs, "best": done.best, "parts": done.parts}
    _DONE.write(files.done, {"imported": True} if done.imported else known)


def read_done(files: FoldRunFiles) -> Done:
    """A finished fold's marker; UserError when there is none."""
    return _DONE.read_as(files.done, Done)
