"""Backbones from keras.applications, with ImageNet weights.

To add one, add a line at the end with its constructor's name and its facts.
"""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.errors import UserError
from kit.models.registry import Preprocessing, Shape, backbone
from kit.models.seeding import drawn_from

if TYPE_CHECKING:
    import keras

# How pixels were scaled in training; the first three names are keras.applications.imagenet_utils'.
TF = Preprocessing(scale=1 / 127.5, mean=(1.0, 1.0, 1.0))
TORCH = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CAFFE = Preprocessing(scale=1.0, mean=(103.939, 116.779, 123.68), order="bgr")
V2_SMALL = Preprocessing(scale=1 / 128, mean=(1.0, 1.0, 1.0))
# EfficientNet scales and normalizes in layers of its own, which cannot be switched off.
PIXELS = Preprocessing(scale=1.0)

# Families whose constructors include preprocessing by default.
SELF_PREPROCESSING = ("ConvNeXt", "EfficientNetV2", "MobileNetV3")


def application(
    name: str,
    constructor: str,
    source: str,
    parameters: int,
    native_size: int,
    preprocessing: Preprocessing,
    min_size: int = 32,
) -> None:
    """Register a keras.applications constructor, with its facts, as the backbone `name`."""

    @backbone(
        name,
        source=f"{source}; keras.applications",
        native_size=native_size,
        min_size=min_size,
        parameters=parameters,
        weights=("none", "imagenet"),
        preprocessing=preprocessing,
    )
    def build(shape: Shape, weights: str, seed: int) -> "keras.Model":
        import keras

        with drawn_from(seed), _explained_download(name), _without_advice():
            model = _construct(constructor, shape, None if weights == "none" else weights)
        return keras.Model(model.input, model.output, name="backbone")


def _construct(constructor: str, shape: Shape, weights: str | None) -> "keras.Model":
    import keras

    construct = getattr(keras.applications, constructor)
    # The constructors derive weight file names from the model's name, so it is not changed.
    if constructor.startswith(SELF_PREPROCESSING):
        return construct(
            include_top=False, weights=weights, input_shape=shape, include_preprocessing=False
        )
    model = construct(include_top=False, weights=weights, input_shape=shape)
    if weights is None or not constructor.startswith("EfficientNetB"):
        return model
    plain = construct(include_top=False, weights=None, input_shape=shape)
    _copy_without_second_scaling(model, plain)
    return plain


def _copy_without_second_scaling(pretrained: "keras.Model", plain: "keras.Model") -> None:
    """Copy weights from the EfficientNet that Keras builds for ImageNet to a plain one.

    With ImageNet weights, Keras adds a layer that rescales the normalized channels
    (keras/src/applications/efficientnet.py). Its factors are folded into the variances of the
    normalization here, so that the architecture is the same as without weights and a file fits it.
    """
    import keras

    from kit.models.stems import finish_normalization

    layers = pretrained.layers
    position, normalization = next(
        (n, layer)
        for n, layer in enumerate(layers)
        if isinstance(layer, keras.layers.Normalization)
    )
    plain.set_weights(pretrained.get_weights())
    variance = plain.layers[position].adapt_variance
    scaling = keras.ops.convert_to_tensor(layers[position + 1].scale, "float32")
    variance.assign(normalization.adapt_variance / scaling**2)
    finish_normalization(plain)


@contextmanager
def _without_advice() -> Iterator[None]:
    # Keras warns about channel counts other than one and three, and about sizes other than 224.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This model usually expects 1 or 3 input channels")
        warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square")
        yield


@contextmanager
def _explained_download(name: str) -> Iterator[None]:
    # keras.utils.get_file raises a bare Exception when the server does not answer, and passes on
    # the OSError of a broken connection.
    try:
        yield
    except Exception as error:
        failed = re.search(r"URL fetch failure on (\S+): ", str(error))
        if failed is None and not isinstance(error, OSError):
            raise
        folder = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
        file = failed[1] if failed else "the weights file"
        raise UserError(
            f"The ImageNet weights of {name} could not be downloaded ({_last_part(error)}). "
            f"Put {file} in {folder}, or train from scratch: --set weights=none."
        ) from error


def _last_part(error: Exception) -> str:
    return str(error).rsplit(" -- ", 1)[-1].replace("\n", " ")


SZEGEDY_2016 = "Szegedy et al. 2016, arXiv:1512.00567"
SZEGEDY_2017 = "Szegedy et al. 2017, arXiv:1602.07261"
CHOLLET = "Chollet 2017, arXiv:1610.02357"
SIMONYAN = "Simonyan and Zisserman 2015, arXiv:1409.1556"
HUANG = "Huang et al. 2017, arXiv:1608.06993"
HE = "He et al. 2016, arXiv:1512.03385"
HE_V2 = "He et al. 2016, arXiv:1603.05027"
TAN = "Tan and Le 2019, arXiv:1905.11946"
TAN_V2 = "Tan and Le 2021, arXiv:2104.00298"
LIU = "Liu et al. 2022, arXiv:2201.03545"
HOWARD = "Howard et al. 2019, arXiv:1905.02244"

application("inceptionv3", "InceptionV3", SZEGEDY_2016, 21_802_784, 299, TF, min_size=75)
application(
    "inceptionresnetv2", "InceptionResNetV2", SZEGEDY_2017, 54_336_736, 299, TF, min_size=75
)
application("xception", "Xception", CHOLLET, 20_861_480, 299, TF, min_size=71)
application("vgg16", "VGG16", SIMONYAN, 14_714_688, 224, CAFFE)
application("densenet121", "DenseNet121", HUANG, 7_037_504, 224, TORCH)
application("densenet169", "DenseNet169", HUANG, 12_642_880, 224, TORCH)
application("densenet201", "DenseNet201", HUANG, 18_321_984, 224, TORCH)
application("resnet50", "ResNet50", HE, 23_587_712, 224, CAFFE)
application("resnet101", "ResNet101", HE, 42_658_176, 224, CAFFE)
application("resnet50v2", "ResNet50V2", HE_V2, 23_564_800, 224, TF)
application("resnet101v2", "ResNet101V2", HE_V2, 42_626_560, 224, TF)
application("efficientnetb0", "EfficientNetB0", TAN, 4_049_571, 224, PIXELS)
application("efficientnetb1", "EfficientNetB1", TAN, 6_575_239, 240, PIXELS)
application("efficientnetb2", "EfficientNetB2", TAN, 7_768_569, 260, PIXELS)
application("efficientnetb3", "EfficientNetB3", TAN, 10_783_535, 300, PIXELS)
application("efficientnetb4", "EfficientNetB4", TAN, 17_673_823, 380, PIXELS)
application("efficientnetv2b0", "EfficientNetV2B0", TAN_V2, 5_919_312, 224, TORCH)
application("efficientnetv2b1", "EfficientNetV2B1", TAN_V2, 6_931_124, 240, TORCH)
application("efficientnetv2b2", "EfficientNetV2B2", TAN_V2, 8_769_374, 260, TORCH)
application("efficientnetv2b3", "EfficientNetV2B3", TAN_V2, 12_930_622, 300, TORCH)
application("efficientnetv2s", "EfficientNetV2S", TAN_V2, 20_331_360, 384, V2_SMALL)
application("convnexttiny", "ConvNeXtTiny", LIU, 27_820_128, 224, TORCH)
application("convnextsmall", "ConvNeXtSmall", LIU, 49_454_688, 224, TORCH)
application("mobilenetv3small", "MobileNetV3Small", HOWARD, 939_120, 224, TF)
application("mobilenetv3large", "MobileNetV3Large", HOWARD, 2_996_352, 224, TF)
