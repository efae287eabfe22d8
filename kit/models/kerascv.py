"""Everything the kit takes from keras-cv, which needs TensorFlow under any Keras backend."""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from kit.core.errors import UserError
from kit.models.registry import Shape

if TYPE_CHECKING:
    import keras


def import_kerascv() -> ModuleType:
    """The module keras_cv; a one-line UserError if it or TensorFlow is missing."""
    try:
        import keras_cv
    except (ImportError, ValueError) as error:  # it raises ValueError without TensorFlow
        raise UserError(
            "keras-cv needs TensorFlow under any Keras backend, and one of the two is not "
            "installed. Install requirements.txt, or choose a backbone that is not from keras-cv: "
            "the command models lists them."
        ) from error
    return keras_cv


def resnet(shape: Shape, blocks: Sequence[int]) -> "keras.Model":
    """A ResNet with `blocks` basic blocks in each of its four stages, for floats of `shape`."""
    return import_kerascv().models.ResNetBackbone(
        stackwise_filters=[64, 128, 256, 512],
        stackwise_blocks=list(blocks),
        stackwise_strides=[1, 2, 2, 2],
        block_type="basic_block",
        include_rescaling=False,
        input_shape=shape,
    )


def mix_transformer(shape: Shape, depths: Sequence[int], widths: Sequence[int]) -> "keras.Model":
    """A Mix Transformer with `depths` blocks of `widths` channels in each of its four stages.

    The sides of `shape` must be equal and a multiple of 32, at least 64, or keras-cv raises.
    """
    return import_kerascv().models.MiTBackbone(
        depths=list(depths),
        embedding_dims=list(widths),
        include_rescaling=False,
        input_shape=shape,
    )
