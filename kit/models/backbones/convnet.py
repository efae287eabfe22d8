"""A small convolutional network for small images, small data sets and machines without a GPU."""

from random import Random
from typing import TYPE_CHECKING

from kit.models.registry import Shape, backbone

if TYPE_CHECKING:
    import keras

WIDTHS = (32, 64, 128, 256)


@backbone("convnet", source="this kit", native_size=128, min_size=16, parameters=389_856)
def convnet(shape: Shape, weights: str, seed: int) -> "keras.Model":
    """One feature map of 256 channels at 1/16 of the size, with a receptive field of 73x73 pixels.

    Four blocks of 3x3 convolution, batch normalization and ReLU, with 2x2 max pooling in between.
    The first convolution has stride two, because at full resolution its block would dominate the
    cost of normalization and the memory for activations.
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
        # Keras' default momentum of 0.99 takes hundreds of steps to forget the first ones. Small
        # data sets have a few dozen per epoch, so validation would lag for many epochs.
        features = keras.layers.BatchNormalization(momentum=0.9)(features)
        features = keras.layers.ReLU()(features)
    return keras.Model(images, features, name="backbone")
