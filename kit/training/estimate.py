"""Estimate how long a recipe will take on this machine, before it starts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit.core.faults import require_space
from kit.core.progress import Reporter, duration, volume
from kit.core.suggest import Typed
from kit.data.run_files import Progress
from kit.models.build import ModelSize, build_model, size_of
from kit.recipes.base import Recipe
from kit.training import backend
from kit.training.command import train_words
from kit.training.fold import FoldTask
from kit.training.plan import steps_per_epoch
from kit.training.schedule import is_over

if TYPE_CHECKING:
    import keras

# A training step is a forward pass plus a backward pass of about twice its work.
TRAINING_OVER_FORWARD = 3

_FLOAT = 4  # bytes
# Bytes of an id and its fold in a file of predictions.
_ID = 64
# Arrays of the weights' size that each optimizer keeps.
_SLOTS = {"sgd": 1, "adam": 2, "adamw": 2, "lion": 1}

# Runs shorter than this need no suggestion of a smaller one.
LONG_SECONDS = 3600.0


def forward_images(recipe: Recipe, steps: int, epochs: int, scored: int, predicted: int) -> int:
    """The cost of a fold in forward passes of one image; a training image counts as three.

    Each of the remaining `epochs` trains `steps` batches and predicts the `scored` held-out rows;
    at the end, `predicted` rows, held out and of the test set, are predicted in the recipe's views.
    """
    each_epoch = TRAINING_OVER_FORWARD * steps * recipe.batch + scored
    return epochs * each_epoch + recipe.tta * predicted


def untrained(recipe: Recipe, channels: Sequence[str], classes: int) -> "keras.Model":
    """The recipe's network, to estimate from; downloads nothing."""
    return build_model(recipe.model_copy(update={"weights": "none"}), channels, classes, seed=0)


def seconds_per_forward(recipe: Recipe, model: "keras.Model") -> float:
    """Seconds per image for the recipe's untrained network on this machine."""
    batch = min(recipe.batch, 8)
    pixels = np.zeros((batch, *model.input_shape[1:]), np.uint8)
    model.predict_on_batch(pixels)  # compiles
    begun = time.monotonic()
    model.predict_on_batch(pixels)
    return (time.monotonic() - begun) / batch


def bytes_of_predictions(rows: int, classes: int) -> int:
    """The size of files of predictions: float32 probabilities and an id for each row."""
    return rows * (_FLOAT * classes + _ID)


@dataclass(frozen=True)
class DiskSpace:
    """Bytes that training some folds writes: at most at one time, and for good."""

    most: int
    kept: int


def disk_space(
    recipe: Recipe, size: ModelSize, trained: int, predicted: int, classes: int
) -> DiskSpace:
    """The disk space for checkpoints of `trained` folds, and for predictions.

    Each fold keeps its best weights. The fold that is trained has two checkpoints and the weights
    of their best epochs, and another one while that is written. `predicted` rows are predicted in
    all.
    """
    weights = _FLOAT * size.total
    copies = _SLOTS[recipe.optimizer] + (recipe.accumulate > 1) + 2 * (recipe.ema > 0)
    state = _FLOAT * size.trainable * copies
    kept = trained * weights + bytes_of_predictions(predicted, classes)
    return DiskSpace(kept + (4 * weights + 3 * state if trained else 0), kept)


def advice(recipe: Recipe, seconds: float, folds: int, typed: Typed) -> str:
    """One line: how long it takes and, for a long run, something smaller to try first."""
    number = "one fold" if folds == 1 else f"{folds} folds"
    text = f"{recipe.name} at {recipe.size}: about {duration(seconds)} for {number} on this CPU"
    if seconds < LONG_SECONDS:
        return f"{text}."
    changes = {
        "size": max(75, recipe.size // 4),
        "frozen_epochs": min(1, recipe.frozen_epochs),
        "epochs": 1,
        "steps": 20,
    }
    smaller = [["train", "convnet", "--size", "64"]]
    if words := train_words(recipe.model_copy(update=changes)):
        smaller.append([*words, "--folds", "0"])
    commands = "; or: ".join(typed.command(*words) for words in smaller)
    return f"{text}. Something smaller to try first: {commands}"


def foretell(
    tasks: Sequence[FoldTask], states: Sequence[Progress], typed: Typed, reporter: Reporter
) -> None:
    """Say what training these folds of one run takes: time on a CPU, and disk space.

    `states` is their progress. A fold that has all its epochs is only predicted, with the weights
    that it has. Raises UserError when the disk has too little.
    """
    recipe, competition = tasks[0].recipe, tasks[0].competition
    classes = len(competition.class_keys)
    model = untrained(recipe, competition.channels, classes)
    predicted = [task.predicted for task in tasks]
    training = [not is_over(recipe, len(state.log), state.best) for state in states]
    if not backend.on_accelerator():
        images = sum(
            forward_images(
                recipe,
                steps_per_epoch(recipe, task.sampling()),
                recipe.all_epochs - len(state.log) if trains else 0,
                len(task.scored_rows()),
                rows,
            )
            for task, rows, state, trains in zip(tasks, predicted, states, training, strict=True)
        )
        seconds = images * seconds_per_forward(recipe, model)
        reporter.say(advice(recipe, seconds, len(tasks), typed))
    space = disk_space(recipe, size_of(model), sum(training), sum(predicted), classes)
    folder = tasks[0].files.folder.parent
    if not any(training):
        reporter.say(f"Disk space for {folder}: {volume(space.kept)} of predictions.")
        require_space(folder, space.kept, f"Predicting with {recipe.name}")
        return
    reporter.say(
        f"Disk space for {folder}: up to {volume(space.most)} while it trains, "
        f"{volume(space.kept)} in the end."
    )
    there = sum(
        path.stat().st_size
        for task, trains in zip(tasks, training, strict=True)
        if trains
        for path in task.files.all_checkpoints()
    )
    require_space(folder, space.most - there, f"Training {recipe.name}")
