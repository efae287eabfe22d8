"""Backbones, heads and losses: hand-computed values, published counts, one conformance."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.models.build import ModelSize, build_model, check_architecture, count_parameters
from kit.models.heads import HEADS, build_head
from kit.models.losses import build_loss
from kit.models.registry import Backbone, backbones
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings

RGBY = ("red", "green", "blue", "yellow")
CLASSES = 28


def small(backbone: str, *settings: str) -> Recipe:
    """A recipe without downloads, at the backbone's smallest legal size."""
    entry = backbones.get(backbone)
    head = "gapnet" if backbone == "gapnet" else "average_max"
    base = Recipe(name="small", backbone=backbone, head=head, size=entry.min_size, epochs=1)
    return with_settings(base, settings)


def some_images(size: int, count: int = 4) -> NDArray[np.uint8]:
    """Random images, uint8 (count, size, size, 4)."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 4), dtype=np.uint8)


def answers(
    model: keras.Model, images: NDArray[np.uint8] | NDArray[np.float32]
) -> NDArray[np.float32]:
    """What a model gives for images, without the seconds in which `predict` compiles it."""
    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))


# Backbones


@pytest.mark.parametrize("name", backbones.names())
def test_every_backbone_conforms(name: str, tmp_path: Path) -> None:
    recipe = small(name)
    model = build_model(recipe, RGBY, CLASSES, seed=0)
    images = some_images(recipe.size)
    labels = np.random.default_rng(1).integers(0, 2, (len(images), CLASSES)).astype(np.float32)

    logits = answers(model, images)
    assert logits.shape == (len(images), CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert model.get_layer("backbone").trainable

    # Each call returns the loss before its own step. Compiling would take longer than two steps.
    model.compile(keras.optimizers.SGD(1e-3), build_loss("bce"), run_eagerly=True)
    before, after = (float(model.train_on_batch(images, labels)) for _ in range(2))
    assert after < before
    assert all(np.isfinite(weight).all() for weight in model.get_weights())

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    again = answers(loaded, images)
    np.testing.assert_allclose(again, answers(model, images), atol=1e-5)


@pytest.mark.parametrize("name", backbones.names())
def test_a_size_below_the_smallest_is_refused(name: str) -> None:
    smallest = backbones.get(name).min_size
    recipe = small(name).model_copy(update={"size": smallest - 1})
    with pytest.raises(UserError, match=f"the smallest size is {smallest}"):
        check_architecture(recipe, RGBY)


@pytest.mark.parametrize("name", backbones.names())
def test_every_backbone_is_filed_with_its_facts(name: str) -> None:
    entry: Backbone = backbones.get(name)
    assert entry.name == name
    assert entry.source
    assert entry.min_size <= entry.native_size
    assert "none" in entry.weights


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inceptionresnetv2", ModelSize(total=58_742_664, trainable=58_682_114)),
        ("vgg16", ModelSize(total=20_103_656, trainable=20_103_650)),
    ],
)
def test_parameters_are_the_published_ones(name: str, expected: ModelSize) -> None:
    assert count_parameters(recipes.get(name), RGBY, CLASSES) == expected


def test_gapnet_has_the_blocks_of_its_authors() -> None:
    model = build_model(recipes.get("gapnet"), RGBY, CLASSES, seed=0)
    shapes = [output.shape for output in model.get_layer("backbone").outputs]
    assert shapes == [(None, 175, 175, 32), (None, 44, 44, 64), (None, 44, 44, 128)]
    pooled = next(layer for layer in model.layers if isinstance(layer, keras.layers.Concatenate))
    assert pooled.output.shape == (None, 224)


@pytest.mark.parametrize("name", ["convnet", "gapnet", "vgg16"])
def test_initial_values_follow_from_the_seed_alone(name: str) -> None:
    state = random.getstate()
    first, again, other = (
        build_model(small(name), RGBY, CLASSES, seed=seed).get_weights() for seed in (5, 5, 6)
    )
    assert random.getstate() == state
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True) if a.ndim > 1)


def test_uint8_and_float_images_give_the_same_logits() -> None:
    model = build_model(small("convnet"), RGBY, CLASSES, seed=0)
    images = some_images(16)
    as_floats = answers(model, images.astype(np.float32))
    np.testing.assert_allclose(answers(model, images), as_floats, atol=1e-6)


def test_freezing_the_backbone_leaves_the_head_and_the_normalization() -> None:
    recipe = small("vgg16", "head=conv_dense", "normalize=batch", "stem=mix_half_yellow")
    model = build_model(recipe, RGBY, CLASSES, seed=0)
    model.get_layer("backbone").trainable = False
    # Scale and offset of the normalization; kernel and bias of one convolution and two Dense.
    assert len(model.trainable_weights) == 2 + 2 + 2 + 2


@pytest.fixture
def half_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("name", ["convnet", "gapnet"])
def test_logits_stay_float32_in_half_precision(name: str) -> None:
    model = build_model(small(name), RGBY, CLASSES, seed=0)
    logits = answers(model, some_images(16))
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


# Weights


def test_imagenet_weights_refuse_four_channels() -> None:
    with pytest.raises(UserError) as raised:
        build_model(small("xception", "weights=imagenet"), RGBY, CLASSES, seed=0)
    assert str(raised.value) == (
        "The imagenet weights of 'xception' take 3 channels, stem 'as_is' gives 4. "
        "Choose another --set stem, or --set weights=none."
    )


def test_preprocessing_of_three_channels_refuses_four() -> None:
    with pytest.raises(UserError, match="takes 3 channels, stem 'as_is' gives 4"):
        build_model(small("vgg16", "normalize=backbone"), RGBY, CLASSES, seed=0)


def test_misspelt_weights_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as raised:
        check_architecture(small("vgg16", "weights=imagnet"), RGBY)
    assert str(raised.value) == (
        "No vgg16 weights 'imagnet'. Known: imagenet, none. Did you mean 'imagenet'?"
    )


def test_weights_that_cannot_be_downloaded_are_named_with_their_place(tmp_path: Path) -> None:
    # A port that is bound but does not listen refuses every connection. Keras reads KERAS_HOME
    # when it is imported, hence the process of its own.
    code = (
        "from kit.core.errors import UserError\n"
        "from kit.models.build import build_model\n"
        "from kit.recipes import recipes\n"
        "try:\n"
        "    build_model(recipes.get('vgg16'), ('red', 'green', 'blue', 'yellow'), 28, seed=0)\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        inherited = {key: os.environ[key] for key in os.environ if "proxy" not in key.lower()}
        place = {"KERAS_HOME": str(tmp_path), "http_proxy": proxy, "https_proxy": proxy}
        finished = subprocess.run(
            [sys.executable, "-c", code],
            env={**inherited, **place},
            capture_output=True,
            text=True,
            check=True,
        )
    message = finished.stdout.splitlines()[-1]
    assert message.startswith("The ImageNet weights of vgg16 could not be had (")
    assert message.endswith(
        f"/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 into {tmp_path / 'models'}, "
        "or train from scratch: --set weights=none."
    )


# Heads


@pytest.mark.parametrize("head", sorted(HEADS))
def test_every_head_gives_a_logit_a_class(head: str) -> None:
    features = keras.Input((5, 4, 8))
    logits = build_head(head, [features], classes=3, dropout=0.5, seed=0)
    assert logits.shape == (None, 3)


def test_average_max_sees_the_average_and_the_maximum() -> None:
    features = keras.Input((2, 2, 1))
    model = keras.Model(features, build_head("average_max", [features], 1, dropout=0, seed=0))
    model.set_weights([np.array([[1.0], [10.0]]), np.array([0.5])])
    image = np.array([[[[0.0], [0.0]], [[0.0], [8.0]]]], np.float32)
    # Average 2, maximum 8: 2 + 10 * 8 + 0.5.
    np.testing.assert_allclose(answers(model, image), [[82.5]], rtol=1e-6)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_dropout_is_the_rate_of_every_dropout_layer(head: str) -> None:
    layers = {"average": 1, "average_max": 1, "conv_dense": 2, "gapnet": 2}[head]
    features = keras.Input((2, 2, 8))
    model = keras.Model(features, build_head(head, [features], 3, dropout=0.3, seed=0))
    rates = [layer.rate for layer in model.layers if hasattr(layer, "rate")]
    assert rates == [0.3] * layers


def test_a_head_for_one_map_refuses_several() -> None:
    with pytest.raises(UserError) as raised:
        build_model(small("gapnet", "head=average"), RGBY, CLASSES, seed=0)
    assert str(raised.value) == (
        "Head 'average' takes one feature map, the backbone gives 3. "
        "Heads that take several: gapnet."
    )


def test_conv_dense_is_a_convolution_flattened_and_two_dense_layers() -> None:
    features = keras.Input((5, 4, 8))
    model = keras.Model(features, build_head("conv_dense", [features], 3, dropout=0, seed=0))
    kernels = [weight.shape for weight in model.get_weights() if weight.ndim > 1]
    assert kernels == [(1, 1, 8, 128), (5 * 4 * 128, 512), (512, 3)]


def test_a_misspelt_head_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'average_max'"):
        check_architecture(small("convnet", "head=averag_max"), RGBY)


# Losses


def test_bce_at_logits_computed_by_hand() -> None:
    # -log(sigmoid(0)) = log 2 for both, then -log(1 - 0.75) = log 4 at logit log 3.
    loss = build_loss("bce")(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, np.log(3)]]))
    np.testing.assert_allclose(float(loss), (2 * np.log(2) + np.log(4)) / 3, rtol=1e-6)


def test_focal_weighs_each_error_by_its_square() -> None:
    # Errors of 0.5, 0.5 and 0.75: 0.25 log 2 twice, and 0.5625 log 4.
    loss = build_loss("focal")(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, np.log(3)]]))
    expected = (0.25 * np.log(2) * 2 + 0.5625 * np.log(4)) / 3
    np.testing.assert_allclose(float(loss), expected, rtol=1e-5)


def test_focal_with_gamma_zero_is_cross_entropy() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, (8, CLASSES)).astype(np.float32)
    logits = draw.normal(size=(8, CLASSES)).astype(np.float32)
    focal = build_loss("focal")
    plain = type(focal).from_config({**focal.get_config(), "gamma": 0.0})
    expected = float(build_loss("bce")(labels, logits))
    np.testing.assert_allclose(float(plain(labels, logits)), expected, rtol=1e-5)


def test_a_misspelt_loss_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as raised:
        build_loss("bec")
    assert str(raised.value) == "No loss 'bec'. Known: bce, focal. Did you mean 'bce'?"
