"""The flowers with a local grader, so that the line ends in a score, and a small network."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import flowers

from kit.competitions.base import Grades
from kit.models.registry import Shape, backbone

if TYPE_CHECKING:
    import keras


def grade(source: Path, csv: Path) -> Grades:
    """The share of positive cells, as there is no truth to compare with."""
    answer = flowers.flowers.answer_format.read(csv, flowers.FLOWERS)
    return Grades(public=float(answer.labels.mean()), private=float(answer.labels[1:].mean()))


@backbone("two_layers", source="the tests", native_size=16, min_size=16, parameters=304_256)
def two_layers(shape: Shape, weights: str, seed: int) -> "keras.Model":
    """Of few operations, which cost the time, and 1.2 MB, which is more than is read each time."""
    import keras

    draw = Random(f"two layers {seed}")
    images = keras.Input(shape)
    features = images
    for width in (128, 256):
        start = keras.initializers.HeNormal(draw.getrandbits(31))
        layer = keras.layers.Conv2D(
            width, 3, strides=2, activation="relu", use_bias=False, kernel_initializer=start
        )
        features = layer(features)
    return keras.Model(images, features, name="backbone")


meadow = replace(flowers.flowers, grade=grade)
