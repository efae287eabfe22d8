"""A small convolutional network for small images, small data, and machines without a GPU."""

from random import Random
from typing import TYPE_CHECKING

from kit.models.registry import Shape, backbone

if TYPE_CHECKING:
    import keras

WIDTHS = (32, 64, 128, 256)


@backbone("convnet", source="this kit", native_size=128, min_size=16)
def convnet(shape: Shape, weights: str, seed: int) -> "keras.Model":
    """One feature map of 256 channels at 1/16 of the size; a pixel of it sees 46 pixels square.

    Four times: convolution 3x3, batch normalization, ReLU, maximum of 2x2. A second convolution
    in each block trains 2.5 times slower on two CPU cores (30 against 76 images/s at 128 pixels
    with four channels).
    """
    import keras

    draw = Random(f"convnet {seed}")
    images = keras.Input(shape)
    features = images
    for width in WIDTHS:
        features = keras.layers.Conv2D(
            width,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(draw.getrandbits(31)),
        )(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.ReLU()(features)
        features = keras.layers.MaxPooling2D()(features)
    return keras.Model(images, features, name="backbone")
