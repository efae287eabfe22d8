"""What every backbone has to do, for one of each kind, under the backend of KERAS_BACKEND."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from conformance import CLASSES, RGBY, answers, check_conformance, small, some_images

from kit.competitions.metrics import accuracy, batch_f1, exact_match
from kit.core.errors import UserError
from kit.models.build import build_model
from kit.models.metrics import training_metrics
from kit.models.weights import start_from


def test_the_backend_is_the_one_that_was_asked_for() -> None:
    assert keras.backend.backend() == os.environ["KERAS_BACKEND"]


@pytest.mark.parametrize("name", ["convnet", "gapnet", "mobilenetv3small", "vgg16"])
def test_backbones_conform(name: str, tmp_path: Path) -> None:
    check_conformance(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "stem", "normalize"),
    [
        ("vgg16", "conv1x1", "backbone"),
        ("convnet", "mix_half_yellow", "batch"),
        ("convnet", "as_is", "image"),
    ],
)
def test_ways_from_pixels_to_the_backbone(name: str, stem: str, normalize: str) -> None:
    recipe = small(name, f"stem={stem}", f"normalize={normalize}")
    model = build_model(recipe, RGBY, CLASSES, seed=0)
    assert np.isfinite(answers(model, some_images(recipe.size))).all()


def test_a_network_starts_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "donor.weights.h5"
    donor = build_model(small("convnet"), RGBY, CLASSES, seed=1)
    donor.save_weights(path)
    model = build_model(small("convnet"), RGBY, CLASSES, seed=0)
    assert start_from(model, path).left == ()
    images = some_images(16)
    np.testing.assert_allclose(answers(model, images), answers(donor, images), atol=1e-6)


def test_the_scores_of_an_epoch_are_those_of_numpy() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, (10, 3))
    logits = np.where(draw.random((10, 3)) < 0.8, 1, -1) * (2 * labels - 1) * draw.random((10, 3))
    metrics = training_metrics()
    for start in range(0, 10, 4):
        for metric in metrics:
            metric.update_state(labels[start : start + 4], logits[start : start + 4])
    found = {one.name: float(keras.ops.convert_to_numpy(one.result())) for one in metrics}
    assert found == pytest.approx(
        {
            "accuracy": accuracy(labels, logits > 0),
            "exact_match": exact_match(labels, logits > 0),
            "batch_f1": batch_f1(labels, logits >= 0, 4),
        }
    )


def test_a_backbone_of_kerascv_says_that_it_needs_tensorflow() -> None:
    with pytest.raises(UserError, match=r"^keras-cv needs TensorFlow under any"):
        build_model(small("resnet34"), RGBY, CLASSES, seed=0)
