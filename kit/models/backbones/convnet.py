"""A small convolutional network for small images, small data, and machines without a GPU."""

from random import Random
from typing import TYPE_CHECKING

from kit.models.registry import Shape, backbone

if TYPE_CHECKING:
    import keras

WIDTHS = (32, 64, 128, 256)


@backbone("convnet", source="this kit", native_size=128, min_size=16, parameters=389_856)
def convnet(shape: Shape, weights: str, seed: int) -> "keras.Model":
    """One feature map of 256 channels at 1/16 of the size; a pixel of it sees 73 pixels square.

    Four times: convolution 3x3, batch normalization, ReLU; the first convolution in steps of two,
    and a maximum of 2x2 between one and the next. The first convolution halves the size because
    at full resolution its block would have by far the most pixels to normalize and to keep.
    """
    import keras

    draw = Random(f"convnet {seed}")
    images = keras.Input(shape)
    features = images
    for width in WIDTHS:
        if features is not images:
            features = keras.layers.MaxPooling2D()(features)
        features = keras.layers.Conv2D(
            width,
            3,
            strides=2 if features is images else 1,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(draw.getrandbits(31)),
        )(features)
        # Keras' momentum of 0.99 takes hundreds of steps to forget the first ones; small data give
        # few dozen an epoch, and validation would lag behind training for many epochs.
        features = keras.layers.BatchNormalization(momentum=0.9)(features)
        features = keras.layers.ReLU()(features)
    return keras.Model(images, features, name="backbone")
