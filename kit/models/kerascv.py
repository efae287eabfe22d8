"""Everything the kit takes from keras-cv, which needs TensorFlow whatever the backend is."""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from kit.core.errors import UserError
from kit.models.registry import Shape

if TYPE_CHECKING:
    import keras


def import_kerascv() -> ModuleType:
    """The module keras_cv; UserError in one line where it or TensorFlow is missing."""
    try:
        import keras_cv
    except (ImportError, ValueError) as error:  # it answers a missing TensorFlow by ValueError
        raise UserError(
            "keras-cv needs TensorFlow, also under another Keras backend, and one of the two is "
            "not installed. Install requirements.txt, or choose what is not from keras-cv: "
            "the command models lists backbones."
        ) from error
    return keras_cv


def resnet(shape: Shape, blocks: Sequence[int]) -> "keras.Model":
    """A ResNet of basic blocks, so many in each of four stages, on floats of this shape."""
    return import_kerascv().models.ResNetBackbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=list(blocks),
        stackwise_strides=[1, 2, 2, 2],
        block_type="basic_block",
        include_rescaling=False,
        input_shape=shape,
    )


def mix_transformer(shape: Shape, depths: Sequence[int], widths: Sequence[int]) -> "keras.Model":
    """A Mix Transformer with so many blocks of such widths in each of four stages.

    Sides of `shape` must be equal and a multiple of 32 from 64 on, or keras-cv raises.
    """
    return import_kerascv().models.MiTBackbone(
        depths=list(depths),
        embedding_dims=list(widths),
        include_rescaling=False,
        input_shape=shape,
    )
