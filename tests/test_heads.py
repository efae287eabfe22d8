"""Heads: values by hand, what each is made of, and how they save, load and train."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.models.heads import HEADS, GeneralizedMean, build_head, find_head

Shape = tuple[int | None, int | None, int]

# One channel of 2 x 2 pixels, then two channels of a single pixel.
MAP = np.array([[[[0.0], [1.0]], [[3.0], [4.0]]]], np.float32)
SMALL = np.array([[[[5.0, 7.0]]]], np.float32)


def headed(
    head: str, shapes: Sequence[Shape], classes: int = 1, dropout: float = 0.0
) -> keras.Model:
    """A model from feature maps of these shapes to logits."""
    maps = [keras.Input(shape) for shape in shapes]
    return keras.Model(maps, build_head(head, maps, classes, dropout, seed=0))


def logits_of(model: keras.Model, *maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits of feature maps, one array an input."""
    given = model(list(maps), training=False)
    return np.asarray(keras.ops.convert_to_numpy(given))


# By hand


def test_average_is_the_mean_of_each_channel() -> None:
    model = headed("average", [(2, 2, 1)])
    model.set_weights([np.array([[10.0]]), np.array([0.5])])
    np.testing.assert_allclose(logits_of(model, MAP), [[10 * 2 + 0.5]], rtol=1e-6)


def test_average_max_sees_the_average_and_the_maximum() -> None:
    model = headed("average_max", [(2, 2, 1)])
    model.set_weights([np.array([[1.0], [10.0]]), np.array([0.5])])
    np.testing.assert_allclose(logits_of(model, MAP), [[2 + 10 * 4 + 0.5]], rtol=1e-6)


def test_gem_begins_with_the_cubic_mean() -> None:
    model = headed("gem", [(2, 2, 1)])
    exponent, *_ = model.get_weights()
    model.set_weights([exponent, np.array([[10.0]]), np.array([0.5])])
    assert exponent == 3
    # (0 + 1 + 27 + 64) / 4 = 23.
    np.testing.assert_allclose(logits_of(model, MAP), [[10 * 23 ** (1 / 3) + 0.5]], rtol=1e-6)


def test_blocks_sees_the_averages_of_every_map() -> None:
    model = headed("blocks", [(2, 2, 1), (1, 1, 2)])
    model.set_weights([np.array([[1.0], [10.0], [100.0]]), np.array([0.5])])
    np.testing.assert_allclose(logits_of(model, MAP, SMALL), [[2 + 50 + 700 + 0.5]], rtol=1e-6)


def test_conv_dense_is_a_convolution_flattened_and_two_dense_layers() -> None:
    model = headed("conv_dense", [(5, 4, 8)], classes=3)
    kernels = [weight.shape for weight in model.get_weights() if weight.ndim > 1]
    assert kernels == [(1, 1, 8, 128), (5 * 4 * 128, 512), (512, 3)]


def test_conv_dense_on_a_map_worked_out_by_hand() -> None:
    model = headed("conv_dense", [(2, 2, 1)])
    weights = [np.zeros_like(weight) for weight in model.get_weights()]
    # The first filter doubles and adds 1, the first unit adds its pixels, the logit is 10 a unit.
    weights[0][..., 0], weights[1][0] = 2, 1
    weights[2][::128, 0] = 1
    weights[4][0] = 10
    model.set_weights(weights)
    np.testing.assert_allclose(logits_of(model, MAP), [[10 * (1 + 3 + 7 + 9)]], rtol=1e-6)


def test_gapnet_is_two_selu_layers_on_the_averages_of_every_map() -> None:
    model = headed("gapnet", [(2, 2, 1), (1, 1, 2)])
    weights = [np.zeros_like(weight) for weight in model.get_weights()]
    assert [weight.shape for weight in weights[::2]] == [(3, 256), (256, 256), (256, 1)]
    weights[0][:, 0] = 1
    weights[2][0, 0] = 1
    weights[4][0] = 10
    model.set_weights(weights)
    # SELU multiplies what is positive by 1.0507.
    expected = 10 * 1.05070099**2 * (2 + 5 + 7)
    np.testing.assert_allclose(logits_of(model, MAP, SMALL), [[expected]], rtol=1e-6)


# Generalized mean


def pooled(exponent: float, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the pooling gives with an exponent."""
    layer = GeneralizedMean()
    layer.build(images.shape)
    layer.set_weights([np.array(exponent)])
    return np.asarray(keras.ops.convert_to_numpy(layer(images)))


@pytest.mark.parametrize("exponent", [1.0, 2.5, 3.0, 10.0])
def test_the_generalized_mean_is_its_formula(exponent: float) -> None:
    images = np.random.default_rng(0).random((3, 4, 5, 2)).astype(np.float32)
    expected = (images.astype(np.float64) ** exponent).mean(axis=(1, 2)) ** (1 / exponent)
    np.testing.assert_allclose(pooled(exponent, images), expected, rtol=1e-5)


def test_the_generalized_mean_goes_from_the_average_to_the_maximum() -> None:
    np.testing.assert_allclose(pooled(1.0, MAP), [[2.0]], rtol=1e-5)
    np.testing.assert_allclose(pooled(1000.0, MAP), [[4.0]], rtol=2e-3)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_generalized_mean_scales_with_its_input(scale: float) -> None:
    images = (1 + np.random.default_rng(0).random((2, 3, 3, 1))).astype(np.float32)
    scaled = (scale * images).astype(np.float32)
    np.testing.assert_allclose(pooled(20.0, scaled), scale * pooled(20.0, images), rtol=1e-4)


def test_what_is_not_positive_counts_as_a_millionth() -> None:
    images = np.array([[[[-5.0, 0.0]]]], np.float32)
    np.testing.assert_allclose(pooled(3.0, images), [[1e-6, 1e-6]], rtol=1e-4)


def test_the_exponent_is_trained_and_stays_from_1() -> None:
    inputs = keras.Input((2, 2, 1))
    layer = GeneralizedMean()
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    # The mean is above 2, so a target of 2.5 pulls the exponent down a little, one of 0 far.
    model.train_on_batch(MAP, np.array([[2.5]], np.float32))
    assert 1 < float(layer.get_weights()[0]) < 3
    for _ in range(10):
        model.train_on_batch(MAP, np.array([[0.0]], np.float32))
    assert float(layer.get_weights()[0]) == 1


def test_images_of_any_size_are_pooled() -> None:
    model = headed("gem", [(None, None, 1)])
    one = logits_of(model, MAP)
    four = logits_of(model, np.tile(MAP, (1, 2, 2, 1)))
    np.testing.assert_allclose(four, one, rtol=1e-5)


# All of them


@pytest.mark.parametrize("head", sorted(HEADS))
def test_every_head_gives_a_logit_a_class(head: str) -> None:
    assert headed(head, [(5, 4, 8)], classes=3, dropout=0.5).output.shape == (None, 3)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_dropout_is_the_rate_of_every_dropout_layer(head: str) -> None:
    layers = {"conv_dense": 2, "gapnet": 2}.get(head, 1)
    model = headed(head, [(2, 2, 8)], classes=3, dropout=0.3)
    rates = [layer.rate for layer in model.layers if hasattr(layer, "rate")]
    assert rates == [0.3] * layers


@pytest.mark.parametrize("head", sorted(HEADS))
def test_a_head_is_saved_and_loaded_with_what_it_learned(head: str, tmp_path: Path) -> None:
    model = headed(head, [(2, 2, 1)])
    model.set_weights([weight + 0.1 for weight in model.get_weights()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(logits_of(loaded, MAP), logits_of(model, MAP), rtol=1e-6)


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def half_precision(request: pytest.FixtureRequest) -> Iterator[None]:
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("half_precision")
@pytest.mark.parametrize("head", sorted(HEADS))
def test_logits_are_float32_in_half_precision(head: str) -> None:
    logits = logits_of(headed(head, [(2, 2, 1)]), 1000 * MAP)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


@pytest.mark.usefixtures("half_precision")
def test_the_generalized_mean_is_computed_in_float32_in_half_precision() -> None:
    means = GeneralizedMean()(keras.ops.cast(1000 * MAP, "float16"))
    assert keras.backend.standardize_dtype(means.dtype) == "float32"
    found = keras.ops.convert_to_numpy(means)
    np.testing.assert_allclose(found, [[1000 * 23 ** (1 / 3)]], rtol=1e-5)


# What is refused


def test_a_head_for_one_map_refuses_several() -> None:
    for head in ("average", "average_max", "conv_dense", "gem"):
        with pytest.raises(UserError) as raised:
            headed(head, [(2, 2, 1), (1, 1, 2)])
        assert str(raised.value) == (
            f"Head '{head}' takes one feature map, but the backbone gives 2. "
            "Heads that take several: blocks, gapnet."
        )


def test_a_misspelt_head_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as raised:
        find_head("averag_max")
    assert str(raised.value) == (
        "No head 'averag_max'. Known: average, average_max, blocks, conv_dense, gapnet, gem. "
        "Did you mean 'average_max'?"
    )
