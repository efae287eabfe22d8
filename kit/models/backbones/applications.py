"""Backbones from keras.applications, with ImageNet weights.

Another one is another entry at the end: its facts in the decorator, its constructor in the body.
"""

import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.errors import UserError
from kit.models.registry import Backbone, Preprocess, Shape, backbone

if TYPE_CHECKING:
    import keras

Constructor = Callable[..., "keras.Model"]


def to_minus_one_one(images: "keras.KerasTensor") -> "keras.KerasTensor":
    """0..1 -> -1..1, as networks trained with TensorFlow's "tf" preprocessing expect."""
    import keras

    return keras.layers.Rescaling(2.0, offset=-1.0)(images)


def to_caffe(images: "keras.KerasTensor") -> "keras.KerasTensor":
    """RGB in 0..1 -> BGR in 0..255 less ImageNet's mean colour, as Caffe's networks expect."""
    import keras

    bgr = keras.ops.flip(images, axis=-1)
    return keras.layers.Rescaling(255.0, offset=[-103.939, -116.779, -123.68])(bgr)


def application(
    name: str, *, source: str, native_size: int, min_size: int, preprocess: Preprocess
) -> Callable[[Callable[[], Constructor]], Backbone]:
    """Decorator that files the constructor which a function imports and returns."""

    def add(find: Callable[[], Constructor]) -> Backbone:
        @backbone(
            name,
            source=source,
            native_size=native_size,
            min_size=min_size,
            weights=("none", "imagenet"),
            channels=3,
            preprocess=preprocess,
        )
        def entry(shape: Shape, weights: str, seed: int) -> "keras.Model":
            construct = find()
            with _drawn_from(seed), _explained_download(name):
                return construct(
                    include_top=False,
                    weights=None if weights == "none" else weights,
                    input_shape=shape,
                    name="backbone",
                )

        return entry

    return add


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    # The constructors take no seed. A layer that was given none draws it from Python's `random`
    # (make_default_seed in keras/src/random/seed_generator.py), whose state is put back after.
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _explained_download(name: str) -> Iterator[None]:
    # keras.utils.get_file raises a bare Exception when it gets no answer, and lets the OSError
    # of a broken connection through.
    try:
        yield
    except Exception as error:
        failed = re.search(r"URL fetch failure on (\S+): ", str(error))
        if failed is None and not isinstance(error, OSError):
            raise
        folder = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
        file = failed[1] if failed else "the file with the weights"
        raise UserError(
            f"The ImageNet weights of {name} could not be had ({_last_part(error)}). "
            f"Put {file} into {folder}, or train from scratch: --set weights=none."
        ) from error


def _last_part(error: Exception) -> str:
    return str(error).rsplit(" -- ", 1)[-1].replace("\n", " ")


@application(
    "inceptionresnetv2",
    source="Szegedy et al. 2017, arXiv:1602.07261; keras.applications",
    native_size=299,
    min_size=75,
    preprocess=to_minus_one_one,
)
def inceptionresnetv2() -> Constructor:
    from keras.applications import InceptionResNetV2

    return InceptionResNetV2


@application(
    "vgg16",
    source="Simonyan and Zisserman 2015, arXiv:1409.1556; keras.applications",
    native_size=224,
    min_size=32,
    preprocess=to_caffe,
)
def vgg16() -> Constructor:
    from keras.applications import VGG16

    return VGG16


@application(
    "xception",
    source="Chollet 2017, arXiv:1610.02357; keras.applications",
    native_size=299,
    min_size=71,
    preprocess=to_minus_one_one,
)
def xception() -> Constructor:
    from keras.applications import Xception

    return Xception
