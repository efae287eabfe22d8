"""Estimate how long a recipe will take on this machine, before it starts."""

import time
from collections.abc import Sequence

import numpy as np

from kit.core.progress import duration
from kit.core.suggest import Typed
from kit.models.build import build_model
from kit.recipes.base import Recipe
from kit.training.command import train_words

# A training step is a forward pass plus a backward pass of about twice its work.
TRAINING_OVER_FORWARD = 3

# Runs shorter than this need no suggestion of a smaller one.
LONG_SECONDS = 3600.0


def forward_images(recipe: Recipe, steps: int, epochs: int, scored: int, predicted: int) -> int:
    """The cost of a fold in forward passes of one image; a training image counts as three.

    Each of the remaining `epochs` trains `steps` batches and predicts the `scored` held-out rows;
    at the end, `predicted` rows, held out and of the test set, are predicted in the recipe's views.
    """
    each_epoch = TRAINING_OVER_FORWARD * steps * recipe.batch + scored
    return epochs * each_epoch + recipe.tta * predicted


def seconds_per_forward(recipe: Recipe, channels: Sequence[str], classes: int) -> float:
    """Seconds per image for the recipe's untrained network on this machine."""
    model = build_model(recipe.model_copy(update={"weights": "none"}), channels, classes, seed=0)
    batch = min(recipe.batch, 8)
    pixels = np.zeros((batch, recipe.size, recipe.size, len(channels)), np.uint8)
    model.predict_on_batch(pixels)  # compiles
    begun = time.monotonic()
    model.predict_on_batch(pixels)
    return (time.monotonic() - begun) / batch


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
