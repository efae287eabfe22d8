"""Stems and normalization: what becomes of a pixel before the backbone, computed by hand."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.models.registry import backbones, unchanged
from kit.models.stems import mix, mixing_matrix, normalize

RGBY = ("red", "green", "blue", "yellow")


def some_images(size: int, channels: int) -> NDArray[np.float32]:
    """Four random images in 0..255, float32 (4, size, size, channels)."""
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (4, size, size, channels)).astype(np.float32)


def answers(model: keras.Model, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a model gives for images, without the seconds in which `predict` compiles it."""
    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))


def normalized(images: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """What `normalize` makes of images in 0..255, with no preprocessing of a backbone."""
    pixels = keras.Input(images.shape[1:])
    model = keras.Model(pixels, normalize(pixels, how, unchanged))
    return answers(model, images)


# Stems


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("as_is", [100, 60, 20, 40]),
        ("drop_yellow", [100, 60, 20]),
        ("mix_half_yellow", [70, 50, 10]),
        ("mix_third_yellow", [100 + 40 / 3, 60 + 40 / 3, 20 + 40 / 3]),
    ],
)
def test_stems_mix_a_pixel_as_computed_by_hand(stem: str, expected: list[float]) -> None:
    pixel = np.array([[[[100, 60, 20, 40]]]], np.float32)
    image = keras.Input((1, 1, 4))
    model = keras.Model(image, mix(image, mixing_matrix(stem, RGBY)))
    mixed = answers(model, pixel)
    np.testing.assert_allclose(mixed, [[[expected]]], rtol=1e-6)


def test_stems_go_by_the_names_of_the_channels_not_by_their_order() -> None:
    pixel = {"red": 100.0, "green": 60.0, "blue": 20.0, "yellow": 40.0}
    other = ("yellow", "blue", "red", "green")
    mixed = np.array([pixel[name] for name in other]) @ mixing_matrix("mix_half_yellow", other)
    np.testing.assert_allclose(mixed, [70, 50, 10])


def test_a_stem_that_does_not_fit_says_what_it_needs() -> None:
    with pytest.raises(UserError) as raised:
        mixing_matrix("mix_half_yellow", ("red", "green", "blue"))
    assert str(raised.value) == (
        "Stem 'mix_half_yellow' needs the channels red, yellow, green, blue; this competition "
        "has red, green, blue. Take them as they are: --set stem=as_is."
    )


def test_a_misspelt_stem_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'drop_yellow'"):
        mixing_matrix("drop_yelow", RGBY)


# Normalization


def test_scale_maps_255_to_one() -> None:
    np.testing.assert_allclose(normalized(np.full((1, 2, 2, 4), 255, np.float32), "scale"), 1)


def test_batch_starts_as_scale() -> None:
    # Keras' BatchNormalization divides by the root of its moving variance, 1, plus 1e-3.
    images = np.full((1, 2, 2, 4), 255, np.float32)
    np.testing.assert_allclose(normalized(images, "batch"), 1 / np.sqrt(1.001), rtol=1e-6)


def test_image_gives_every_channel_of_every_image_zero_mean_and_unit_variance() -> None:
    images = some_images(16, channels=4)
    images[1] *= 0.1  # a dim one
    result = normalized(images, "image")
    np.testing.assert_allclose(result.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(result.std(axis=(1, 2)), 1, atol=0.02)


@pytest.mark.parametrize("level", [0, 1, 137, 255])
def test_image_makes_a_constant_image_zero(level: int) -> None:
    images = np.full((1, 64, 64, 4), level, np.float32)
    # Of a standard deviation of 1; the mean of equal floats is off in its last digit.
    np.testing.assert_allclose(normalized(images, "image"), 0, atol=0.01)


@pytest.mark.parametrize(
    ("backbone", "module"),
    [
        ("vgg16", keras.applications.vgg16),
        ("xception", keras.applications.xception),
        ("inceptionresnetv2", keras.applications.inception_resnet_v2),
    ],
)
def test_preprocessing_agrees_with_the_one_in_keras(backbone: str, module: object) -> None:
    images = some_images(4, channels=3)
    pixels = keras.Input((4, 4, 3))
    model = keras.Model(pixels, normalize(pixels, "backbone", backbones.get(backbone).preprocess))
    expected = module.preprocess_input(images.copy())  # type: ignore[attr-defined]
    np.testing.assert_allclose(answers(model, images), expected, atol=1e-4)
