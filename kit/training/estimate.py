"""How long a recipe will take on this machine, measured before it starts."""

import time
from collections.abc import Sequence

import numpy as np

from kit.core.progress import duration
from kit.models.build import build_model
from kit.recipes.base import Recipe

# A training step is a forward pass and a backward pass of about twice its work.
TRAINING_OVER_FORWARD = 3.0

# Below this a run is short enough that nothing need be said about smaller ones.
LONG_SECONDS = 3600.0


def seconds_per_image(recipe: Recipe, channels: Sequence[str], classes: int) -> float:
    """The time of one training image on this machine, from a timed forward pass of the model."""
    small = recipe.model_copy(update={"weights": "none"})
    model = build_model(small, tuple(channels), classes, seed=0)
    batch = min(recipe.batch, 8)
    pixels = np.zeros((batch, recipe.size, recipe.size, len(channels)), np.uint8)
    model.predict_on_batch(pixels)  # compiles
    begun = time.monotonic()
    model.predict_on_batch(pixels)
    return TRAINING_OVER_FORWARD * (time.monotonic() - begun) / batch


def advice(recipe: Recipe, seconds: float, folds: int) -> str:
    """One line: how long, and, for a long run, what smaller thing to try first."""
    text = f"{recipe.name} at {recipe.size}: about {duration(seconds)} for {folds} folds here"
    if seconds < LONG_SECONDS:
        return f"{text}."
    return (
        f"{text}, without a GPU. Smaller things to try first: kit train convnet --size 64; "
        f"or this one with --folds 0 --size {max(75, recipe.size // 4)} --set epochs=1 "
        "--set frozen_epochs=0 --set steps=20"
    )
