"""Stems and normalization: what becomes of a pixel before the backbone, computed by hand."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.models.registry import UNIT_RANGE, backbones
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
    model = keras.Model(pixels, normalize(pixels, how, UNIT_RANGE))
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
        "has red, green, blue. Use them unchanged: --set stem=as_is."
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


# Preprocessing


def preprocessed(backbone: str, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a backbone sees of images in 0..255 with normalize=backbone."""
    pixels = keras.Input(images.shape[1:])
    facts = backbones.get(backbone).preprocessing
    return answers(keras.Model(pixels, normalize(pixels, "backbone", facts)), images)


# Those that are missing here have it inside, and follow below.
OUTSIDE = {
    "inceptionresnetv2": "inception_resnet_v2",
    "inceptionv3": "inception_v3",
    "xception": "xception",
    "vgg16": "vgg16",
    "densenet121": "densenet",
    "densenet169": "densenet",
    "densenet201": "densenet",
    "resnet50": "resnet",
    "resnet101": "resnet",
    "resnet50v2": "resnet_v2",
    "resnet101v2": "resnet_v2",
}
INSIDE = {
    "efficientnetv2b0": keras.applications.EfficientNetV2B0,
    "efficientnetv2b1": keras.applications.EfficientNetV2B1,
    "efficientnetv2b2": keras.applications.EfficientNetV2B2,
    "efficientnetv2b3": keras.applications.EfficientNetV2B3,
    "efficientnetv2s": keras.applications.EfficientNetV2S,
    "convnexttiny": keras.applications.ConvNeXtTiny,
    "convnextsmall": keras.applications.ConvNeXtSmall,
    "mobilenetv3small": keras.applications.MobileNetV3Small,
    "mobilenetv3large": keras.applications.MobileNetV3Large,
}
KEPT = tuple(f"efficientnetb{number}" for number in range(5))


def test_the_preprocessing_of_every_application_is_checked_here() -> None:
    pretrained = {name for name in backbones.names() if "imagenet" in backbones.get(name).weights}
    assert {*OUTSIDE, *INSIDE, *KEPT} == pretrained


@pytest.mark.parametrize("backbone", OUTSIDE)
def test_preprocessing_agrees_with_the_one_in_keras(backbone: str) -> None:
    images = some_images(4, channels=3)
    expected = getattr(keras.applications, OUTSIDE[backbone]).preprocess_input(images.copy())
    np.testing.assert_allclose(preprocessed(backbone, images), expected, atol=1e-4)


@pytest.mark.parametrize("backbone", INSIDE)
def test_preprocessing_agrees_with_the_layers_that_keras_would_put_inside(
    backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first convolution, in ConvNeXt within a Sequential, ends the construction: what it gets is
    # what the layers before it made.
    seen: list[keras.KerasTensor] = []

    class Reached(Exception):
        pass

    def stop(_: keras.layers.Layer, images: keras.KerasTensor, **__: object) -> None:
        seen.append(images)
        raise Reached

    with monkeypatch.context() as patched:
        for kind in (keras.layers.Conv2D, keras.Sequential):
            patched.setattr(kind, "__call__", stop)
        with pytest.raises(Reached):
            INSIDE[backbone](include_top=False, weights=None, input_shape=(32, 32, 3))
    (before,) = seen
    model = keras.Model(keras.utils.get_source_inputs(before), before)
    assert len(model.layers) > 1
    images = some_images(32, channels=3)
    np.testing.assert_allclose(preprocessed(backbone, images), answers(model, images), atol=1e-4)


@pytest.mark.parametrize("backbone", KEPT)
def test_networks_that_keep_it_inside_get_pixels(backbone: str) -> None:
    images = some_images(4, channels=4)
    np.testing.assert_array_equal(preprocessed(backbone, images), images)


@pytest.mark.parametrize(
    ("backbone", "pixel", "expected"),
    [
        # BGR less its means; a fourth channel, or a single one, less the mean of these, 114.7993.
        ("vgg16", [100, 60, 20, 40], [-83.939, -56.779, -23.68, -74.799333]),
        ("vgg16", [100], [-14.799333]),
        ("xception", [255, 0, 127.5, 51, 204], [1, -1, 0, -0.6, 0.6]),
        # By hand: means 0.485, 0.456, 0.406 and 0.449, deviations 0.229, 0.224, 0.225 and 0.226.
        ("densenet121", [255, 0, 51, 51], [2.248908, -2.035714, -0.915556, -1.101770]),
        ("densenet121", [51, 255], [-1.101770, 2.438053]),
    ],
)
def test_preprocessing_of_other_numbers_of_channels_computed_by_hand(
    backbone: str, pixel: list[float], expected: list[float]
) -> None:
    images = np.array([[[pixel]]], np.float32)
    np.testing.assert_allclose(preprocessed(backbone, images), [[[expected]]], atol=1e-4)


@pytest.mark.parametrize("stem", ["conv1x1", "inflate"])
def test_stems_that_take_every_channel_mix_none_by_a_matrix(stem: str) -> None:
    np.testing.assert_array_equal(mixing_matrix(stem, RGBY), np.eye(4))
