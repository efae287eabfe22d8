"""Weights for three channels in networks for others: by hand, and in whole backbones."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conformance import CLASSES, RGBY, answers, small
from numpy.typing import NDArray

from kit.models.build import build_model
from kit.models.registry import backbones
from kit.models.stems import inflate, learned_mixture


def convolution(channels: int, kernel: NDArray[np.float32] | None = None) -> keras.Model:
    """A model of one 1x1 convolution of two filters, with this kernel."""
    image = keras.Input((1, 1, channels))
    layer = keras.layers.Conv2D(2, 1, use_bias=False)
    model = keras.Model(image, layer(image))
    if kernel is not None:
        layer.set_weights([kernel[None, None]])
    return model


# By channel the kernel of two filters; their means are 2 and 30.
KERNEL = np.array([[1, 20], [2, 30], [3, 40]], np.float32)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (1, [[6, 90]]),
        (2, [[3, 45], [3, 45]]),
        (3, [[1, 20], [2, 30], [3, 40]]),
        (4, [[0.75, 15], [1.5, 22.5], [2.25, 30], [1.5, 22.5]]),
        (5, [[0.6, 12], [1.2, 18], [1.8, 24], [1.2, 18], [1.2, 18]]),
    ],
)
def test_a_kernel_is_inflated_as_computed_by_hand(
    channels: int, expected: list[list[float]]
) -> None:
    widened = convolution(channels)
    inflate(convolution(3, KERNEL), widened)
    (kernel,) = widened.get_weights()
    np.testing.assert_allclose(kernel[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_a_grey_pixel_gives_the_same_response(channels: int) -> None:
    widened = convolution(channels)
    inflate(convolution(3, KERNEL), widened)
    # 7 times (1 + 2 + 3) and 7 times (20 + 30 + 40).
    response = answers(widened, np.full((1, 1, 1, channels), 7, np.float32))
    np.testing.assert_allclose(response, [[[[42, 630]]]], rtol=1e-6)


# What lies before or around their first convolutions differs.
@pytest.mark.parametrize(
    "name",
    ["convnexttiny", "densenet121", "efficientnetb0", "mobilenetv3small", "resnet18", "vgg16"],
)
def test_a_grey_image_gives_the_same_features_in_a_whole_backbone(name: str) -> None:
    entry = backbones.get(name)
    side = entry.min_size
    three = entry.build((side, side, 3), "none", 1)
    grey = np.random.default_rng(0).uniform(0, 1, (2, side, side, 1)).astype(np.float32)
    expected = answers(three, np.repeat(grey, 3, axis=-1))
    assert np.abs(expected).max() > 0
    five = entry.build((side, side, 5), "none", 2)
    inflate(three, five)
    found = answers(five, np.repeat(grey, 5, axis=-1))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_an_inner_normalization_is_extended_by_the_mean_of_the_three() -> None:
    entry = backbones.get("efficientnetb0")
    three, four = (entry.build((32, 32, channels), "none", 0) for channels in (3, 4))
    old, new = (
        next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
        for model in (three, four)
    )
    old.adapt_mean.assign([0.1, 0.2, 0.6])
    old.adapt_variance.assign([0.01, 0.04, 0.04])
    inflate(three, four)
    # The mean of the variances is 0.03; what it computes with is renewed as well.
    pixel = np.array([[[[0.1, 0.4, 1.0, 0.3]]]], np.float32)
    expected = [0.0, 1.0, 2.0, 0.0]
    np.testing.assert_allclose(new(pixel)[0, 0, 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "pixel", "expected"),
    [
        (1, [6], [6, 6, 6]),
        (2, [6, 2], [4, 4, 4]),
        (3, [6, 2, 1], [6, 2, 1]),
        (4, [6, 2, 1, 3], [7, 3, 2]),
        (5, [6, 2, 1, 3, 9], [10, 6, 5]),
    ],
)
def test_the_learned_mixture_begins_as_computed_by_hand(
    channels: int, pixel: list[float], expected: list[float]
) -> None:
    image = keras.Input((1, 1, channels))
    model = keras.Model(image, learned_mixture(image))
    mixed = answers(model, np.array([[[pixel]]], np.float32))
    np.testing.assert_allclose(mixed, [[[expected]]], rtol=1e-6)
    assert [tuple(weight.shape) for weight in model.trainable_weights] == [(1, 1, channels, 3)]


def test_the_learned_mixture_learns_while_the_backbone_is_frozen() -> None:
    model = build_model(small("vgg16", "stem=conv1x1"), RGBY, CLASSES, seed=0)
    model.get_layer("backbone").trainable = False
    assert [weight.path for weight in model.trainable_weights] == [
        "stem/kernel",
        "logits/kernel",
        "logits/bias",
    ]
    assert model.get_layer("backbone").input_shape == (None, 32, 32, 3)


def without_download(monkeypatch: pytest.MonkeyPatch, constructor: str) -> list[tuple[Any, Any]]:
    """Have a constructor draw values where it would fetch ImageNet's; notes what is asked for."""
    real = getattr(keras.applications, constructor)
    asked: list[tuple[Any, Any]] = []

    def construct(**options: object) -> keras.Model:
        asked.append((options["weights"], options["input_shape"]))
        return real(**{**options, "weights": None})

    monkeypatch.setattr(keras.applications, constructor, construct)
    return asked


@pytest.mark.parametrize("stem", ["inflate", "conv1x1"])
def test_a_network_begins_with_the_weights_of_three_channels(
    stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = backbones.get("vgg16").build((32, 32, 3), "none", 7).get_weights()
    asked = without_download(monkeypatch, "VGG16")
    recipe = small("vgg16", f"stem={stem}", "weights=imagenet", "normalize=backbone")
    model = build_model(recipe, RGBY, CLASSES, seed=7)
    found = model.get_layer("backbone").get_weights()
    assert ("imagenet", (32, 32, 3)) in asked
    three = expected[0]
    if stem == "inflate":
        fourth = three.mean(axis=2, keepdims=True)
        expected[0] = np.concatenate([three, fourth], axis=2) * 0.75
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_without_weights_inflate_is_the_plain_network_for_all_channels() -> None:
    plain = build_model(small("vgg16"), RGBY, CLASSES, seed=3).get_weights()
    recipe = small("vgg16").model_copy(update={"stem": "inflate"})
    inflated = build_model(recipe, RGBY, CLASSES, seed=3).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(plain, inflated, strict=True))


def test_an_efficientnet_with_imagenet_weights_is_the_one_in_keras(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    donor = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    donor.layers[2].adapt_mean.assign([0.485, 0.456, 0.406])
    donor.layers[2].adapt_variance.assign([0.229, 0.224, 0.225])
    file = tmp_path / "donor.weights.h5"
    donor.save_weights(file)
    source = "keras.src.applications.efficientnet.file_utils.get_file"
    monkeypatch.setattr(source, lambda *_, **__: str(file))
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    theirs = keras.applications.EfficientNetB0(include_top=False, input_shape=(32, 32, 3))
    ours = backbones.get("efficientnetb0").build((32, 32, 3), "imagenet", 0)
    expected = answers(theirs, images)
    np.testing.assert_allclose(answers(ours, images), expected, atol=1e-5 * np.abs(expected).max())
    # Built without weights and filled from a file, as for prediction, it is the same one.
    ours.save_weights(tmp_path / "ours.weights.h5")
    again = backbones.get("efficientnetb0").build((32, 32, 3), "none", 1)
    again.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_array_equal(answers(again, images), answers(ours, images))
