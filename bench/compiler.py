"""TensorFlow's own kernels compared with XLA on this machine: `python bench/compiler.py`.

The evidence for `kit/training/backend.py`: prints images/s and start-up time of the `convnet`
recipe under both, measured one after the other in one process. Only the ratios are meaningful.
"""

import time

import keras
import numpy as np

from kit.core.machine import cores
from kit.core.terminal import say
from kit.models.build import build_model
from kit.models.losses import build_loss
from kit.recipes import recipes

CHANNELS, CLASSES, STEPS = ("red", "green", "blue", "yellow"), 28, 30


def main() -> None:
    """Train the same few batches with each compiler and print both rates."""
    recipe = recipes.get("convnet")
    rng = np.random.Generator(np.random.PCG64(0))
    shape = (recipe.batch, recipe.size, recipe.size, len(CHANNELS))
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = (rng.random((recipe.batch, CLASSES)) < 0.1).astype(np.float32)
    say(f"{cores()} cores, Keras on {keras.backend.backend()}, {recipe.size} px")
    for jit in (False, True):
        model = build_model(recipe, CHANNELS, CLASSES, seed=0)
        model.compile("adam", build_loss(recipe.loss), jit_compile=jit)
        begun = time.perf_counter()
        model.train_on_batch(images, labels)
        ready = time.perf_counter()
        for _ in range(STEPS):
            model.train_on_batch(images, labels)
        speed = STEPS * recipe.batch / (time.perf_counter() - ready)
        name = "XLA" if jit else "own kernels"
        say(f"{name:<12} {speed:>6.0f} images/s, first step after {ready - begun:.1f} s")


if __name__ == "__main__":
    main()
