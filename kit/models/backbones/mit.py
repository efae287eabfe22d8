"""A small transformer from keras-cv: the Mix Transformer of SegFormer."""

from typing import TYPE_CHECKING

from kit.models.registry import Shape, backbone
from kit.models.seeding import drawn_from

if TYPE_CHECKING:
    import keras

STEP = 32  # stride of the last feature map


@backbone(
    "mit_b0",
    source="Xie et al. 2021, arXiv:2105.15203; keras-cv",
    native_size=224,
    min_size=STEP + 1,
    parameters=3_319_392,
)
def mit_b0(shape: Shape, weights: str, seed: int) -> "keras.Model":
    """One feature map of 256 channels at 1/32 of the size, from scratch or from a file.

    Images are zero-padded at the bottom and right to a multiple of 32: keras-cv's layers accept no
    other size, nor 32 itself, which leaves a single pixel to the last stage. As published, a
    convolution shortens keys and values, but keras-cv reads the pixels in another order (the
    reshape in keras_cv/src/layers/segformer_multihead_attention.py).
    """
    import keras

    from kit.models.kerascv import mix_transformer

    height, width, channels = shape
    below, right = -height % STEP, -width % STEP
    images = keras.Input(shape)
    padded = keras.layers.ZeroPadding2D(((0, below), (0, right)))(images)
    with drawn_from(seed):
        transformer = mix_transformer(
            (height + below, width + right, channels), (2, 2, 2, 2), (32, 64, 160, 256)
        )
    return keras.Model(images, transformer(padded), name="backbone")
