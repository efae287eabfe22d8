"""Backbones and whole networks: published counts, seeds, weights, and one conformance."""

import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from conformance import (
    CLASSES,
    RGBY,
    answers,
    check_conformance,
    every_backbone,
    small,
    some_images,
)

from kit.core.errors import UserError
from kit.models.build import ModelSize, build_model, check_architecture, count_parameters
from kit.models.registry import Backbone, backbones
from kit.recipes import recipes

# Backbones


@pytest.mark.parametrize("name", every_backbone())
def test_every_backbone_conforms(name: str, tmp_path: Path) -> None:
    check_conformance(name, tmp_path)


@pytest.mark.parametrize("name", backbones.names())
def test_a_size_below_the_smallest_is_refused(name: str) -> None:
    smallest = backbones.get(name).min_size
    recipe = small(name).model_copy(update={"size": smallest - 1})
    with pytest.raises(UserError, match=f"the smallest size is {smallest}"):
        check_architecture(recipe, RGBY)


@pytest.mark.parametrize("name", backbones.names())
def test_no_backbone_could_be_built_for_less(name: str) -> None:
    entry = backbones.get(name)
    if entry.min_size == 16:
        return  # the least that a recipe takes
    less = entry.min_size - 1
    with pytest.raises((ValueError, TypeError)):
        entry.build((less, less, 3), "none", 0)


@pytest.mark.parametrize("name", backbones.names())
def test_every_backbone_is_filed_with_its_facts(name: str) -> None:
    entry: Backbone = backbones.get(name)
    assert entry.name == name
    assert entry.source
    assert entry.min_size <= entry.native_size
    assert entry.parameters > 0
    assert "none" in entry.weights
    pretrained = "keras.applications" in entry.source
    assert entry.weights == (("none", "imagenet") if pretrained else ("none",))


def test_the_backbones_of_the_published_systems_are_all_there() -> None:
    wanted = "densenet121 gapnet inceptionresnetv2 inceptionv3 resnet34 resnet50 vgg16 xception"
    assert set(wanted.split()) <= set(backbones.names())


@pytest.mark.parametrize(
    ("size", "channels"), [(33, 3), pytest.param(64, 5, marks=pytest.mark.slow), (70, 4)]
)
def test_the_transformer_takes_any_size_and_number_of_channels(size: int, channels: int) -> None:
    model = backbones.get("mit_b0").build((size, size, channels), "none", 0)
    side = -(-size // 32)
    assert model.output_shape == (None, side, side, 256)
    images = some_images(size, count=2, channels=channels).astype(np.float32)
    both = answers(model, images)
    np.testing.assert_allclose(answers(model, images[:1]), both[:1], atol=1e-4)


def test_only_one_file_knows_kerascv() -> None:
    kit = Path(__file__).parent.parent / "kit"
    users = [path for path in kit.rglob("*.py") if "import keras_cv" in path.read_text()]
    assert users == [kit / "models" / "kerascv.py"]


def test_kerascv_without_tensorflow_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(UserError) as raised:
        build_model(small("resnet18"), RGBY, CLASSES, seed=0)
    assert str(raised.value).startswith("keras-cv needs TensorFlow ")
    assert "\n" not in str(raised.value)


def test_a_resnet_from_kerascv_is_made_of_layers_of_keras() -> None:
    model = backbones.get("resnet18").build((16, 16, 4), "none", 0)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


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


@pytest.mark.parametrize(
    "name",
    [
        "convnet",
        "gapnet",
        "vgg16",
        "mobilenetv3small",
        "resnet18",
        pytest.param("mit_b0", marks=pytest.mark.slow),
    ],
)
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
        "The imagenet weights of 'xception' take 3 channels, but stem 'as_is' gives 4. "
        "Use --set stem=inflate or stem=conv1x1 to keep all channels, or --set weights=none."
    )


@pytest.mark.parametrize("stem", ["inflate", "conv1x1"])
@pytest.mark.parametrize("channels", [("grey",), RGBY, (*RGBY, "infrared")])
def test_stems_for_all_channels_fit_imagenet_weights(stem: str, channels: tuple[str, ...]) -> None:
    check_architecture(small("xception", "weights=imagenet", f"stem={stem}"), channels)


def test_misspelt_weights_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as raised:
        check_architecture(small("vgg16", "weights=imagnet"), RGBY)
    assert str(raised.value) == (
        "No vgg16 weights 'imagnet'. Known: imagenet, none. Did you mean 'imagenet'?"
    )


def test_a_file_of_weights_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "mine.weights.h5"
    recipe = small("convnet", f"weights={file}")
    with pytest.raises(UserError, match=r"Weights file .*mine\.weights\.h5 not found"):
        check_architecture(recipe, RGBY)
    file.touch()
    check_architecture(recipe, RGBY)


# One constructor a family, each with another way to its file.
FAMILIES = (
    "convnexttiny",
    "densenet121",
    "efficientnetb0",
    "efficientnetv2b0",
    "inceptionresnetv2",
    "inceptionv3",
    "mobilenetv3small",
    "resnet50",
    "resnet50v2",
    "vgg16",
    "xception",
)


@pytest.mark.parametrize(
    "names", [("mobilenetv3small", "vgg16"), pytest.param(FAMILIES, marks=pytest.mark.slow)]
)
def test_weights_that_cannot_be_downloaded_are_named_with_their_place(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    # A port that is bound but does not listen refuses every connection. Keras reads KERAS_HOME
    # when it is imported, hence the process of its own.
    code = (
        "import sys\n"
        "from kit.core.errors import UserError\n"
        "from kit.models.registry import backbones\n"
        "for name in sys.argv[1:]:\n"
        "    entry = backbones.get(name)\n"
        "    try:\n"
        "        entry.build((entry.min_size, entry.min_size, 3), 'imagenet', 0)\n"
        "    except UserError as error:\n"
        "        print(error)\n"
    )
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        inherited = {key: os.environ[key] for key in os.environ if "proxy" not in key.lower()}
        place = {"KERAS_HOME": str(tmp_path), "http_proxy": proxy, "https_proxy": proxy}
        finished = subprocess.run(
            [sys.executable, "-c", code, *names],
            env={**inherited, **place},
            capture_output=True,
            text=True,
            check=True,
        )
    lines = [line for line in finished.stdout.splitlines() if line.startswith("The ImageNet")]
    for name, message in zip(names, lines, strict=True):
        assert message.startswith(f"The ImageNet weights of {name} could not be downloaded (")
        assert re.search(r"\. Put https://\S+_no_?top\S*\.h5 in ", message)
        assert message.endswith(
            f" in {tmp_path / 'models'}, or train from scratch: --set weights=none."
        )
