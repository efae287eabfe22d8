"""GapNet-PL: a small SELU network whose head reads the global averages of all three blocks."""

from random import Random
from typing import TYPE_CHECKING

from kit.models.registry import Shape, backbone

if TYPE_CHECKING:
    import keras


@backbone(
    "gapnet",
    source="Rumetshofer et al., ICLR 2019; ml-jku/gapnet-pl",
    native_size=1024,
    min_size=16,
    parameters=499_200,
)
def gapnet(shape: Shape, weights: str, seed: int) -> "keras.Model":
    """Three feature maps of 32, 64 and 128 channels at 1/4, 1/16 and 1/16 of the size.

    Layers, 'same' padding, LeCun-normal initialization and the penalties (L1 1e-7, L2 1e-5) follow
    the authors' code. SELU keeps activations near zero mean and unit variance only with this
    initialization and with normalized inputs: use `normalize="image"`.
    """
    import keras

    draw = Random(f"gapnet {seed}")

    def convolve(images: "keras.KerasTensor", width: int, strides: int) -> "keras.KerasTensor":
        return keras.layers.Conv2D(
            width,
            3,
            strides=strides,
            padding="same",
            activation="selu",
            kernel_initializer=keras.initializers.LecunNormal(draw.getrandbits(31)),
            kernel_regularizer=keras.regularizers.L1L2(l1=1e-7, l2=1e-5),
        )(images)

    images = keras.Input(shape)
    block1 = keras.layers.MaxPooling2D()(convolve(images, 32, strides=2))
    block2 = convolve(block1, 64, strides=2)
    for _ in range(3):
        block2 = convolve(block2, 64, strides=1)
    block2 = keras.layers.MaxPooling2D()(block2)
    block3 = block2
    for _ in range(3):
        block3 = convolve(block3, 128, strides=1)
    return keras.Model(images, [block1, block2, block3], name="backbone")
