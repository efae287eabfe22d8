"""What every backbone has to do under every Keras backend, for the tests of all of them."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.models.build import build_model
from kit.models.losses import build_loss, parse_loss
from kit.models.registry import Backbone, backbones
from kit.recipes.base import Recipe, with_settings

RGBY = ("red", "green", "blue", "yellow")
CLASSES = 28

# Compiling takes longer than a few steps do, except where each operation is compiled by itself.
EAGER = keras.backend.backend() != "jax"

# Parameters of a backbone that takes ten seconds to check.
LARGE = 25e6

# Deep networks that normalize one pixel over four images are rough: a long step may miss.
STEPS = (1e-3, 1e-5, 1e-7)


def every_backbone() -> list[object]:
    """The name of each backbone; all but the smallest of a family, one source, are slow tests.

    So are those of families that have no small one.
    """
    families: dict[str, list[Backbone]] = {}
    for name in backbones.names():
        entry = backbones.get(name)
        families.setdefault(entry.source, []).append(entry)
    smallest = {min(family, key=lambda entry: entry.parameters) for family in families.values()}
    fast = {entry for entry in smallest if entry.parameters < LARGE}
    return [
        pytest.param(entry.name, marks=() if entry in fast else pytest.mark.slow)
        for family in families.values()
        for entry in family
    ]


def small(backbone: str, *settings: str) -> Recipe:
    """A recipe without downloads, at the backbone's smallest legal size."""
    entry = backbones.get(backbone)
    head = "gapnet" if backbone == "gapnet" else "average_max"
    base = Recipe(name="small", backbone=backbone, head=head, size=entry.min_size, epochs=1)
    return with_settings(base, settings)


def some_images(size: int, count: int = 4, channels: int = 4) -> NDArray[np.uint8]:
    """Random images, uint8 (count, size, size, channels)."""
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def answers(
    model: keras.Model, images: NDArray[np.uint8] | NDArray[np.float32]
) -> NDArray[np.float32]:
    """What a model gives for images, without the seconds in which `predict` compiles it."""
    if not EAGER:
        return np.asarray(model.predict_on_batch(images))
    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))


def check_conformance(name: str, folder: Path) -> None:
    """Build a backbone for four channels, learn a batch, save, and load what was saved."""
    entry = backbones.get(name)
    model = build_model(small(name), RGBY, CLASSES, seed=0)
    backbone = model.get_layer("backbone")
    assert backbone.trainable
    # A channel less takes a quarter of the first kernel, and one mean and variance of a
    # normalization within.
    kernel = next(weight for weight in backbone.weights if len(weight.shape) == 4)
    inner = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization)]
    fewer = math.prod(kernel.shape) // 4 + 2 * len(inner)
    assert backbone.count_params() - fewer == entry.parameters

    images = some_images(entry.min_size)
    images = (images * np.array([1.0, 0.6, 0.3, 0.1])[:, None, None, None]).astype(np.uint8)
    labels = np.random.default_rng(1).integers(0, 2, (len(images), CLASSES)).astype(np.float32)
    assert any(_step_lowers_the_loss(model, images, labels, length) for length in STEPS)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())

    logits = answers(model, images)
    assert logits.shape == (len(images), CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras", compile=False)
    np.testing.assert_allclose(answers(loaded, images), logits, atol=1e-5)


def _step_lowers_the_loss(
    model: keras.Model, images: NDArray[np.uint8], labels: NDArray[np.float32], length: float
) -> bool:
    """Whether a step so long against the gradient does, all parameters together.

    The same drops out in both; the weights are the old ones after a step that does not.
    """
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=length)
    model.compile(optimizer, build_loss(parse_loss("bce")), run_eagerly=EAGER)
    states = [(v, keras.ops.convert_to_numpy(v)) for v in model.variables if "seed" in v.path]
    weights = model.get_weights()
    # Each call returns the loss before its own step.
    before = float(model.train_on_batch(images, labels))
    for variable, state in states:
        variable.assign(state)
    after = float(model.train_on_batch(images, labels))
    assert np.isfinite([before, after]).all()
    if after >= before:
        model.set_weights(weights)
    return after < before
