"""Heads: from feature maps to one logit per class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import keras
from keras import ops

from kit.core.errors import UserError, unknown

# (feature maps, number of classes, dropout rate, seed generator) -> logits.
BuildHead = Callable[[Sequence[keras.KerasTensor], int, float, Random], keras.KerasTensor]


@dataclass(frozen=True)
class Head:
    """A function from feature maps to logits, and whether it takes several maps."""

    build: BuildHead
    takes_several: bool = False


def build_head(
    name: str, maps: Sequence[keras.KerasTensor], classes: int, dropout: float, seed: int
) -> keras.KerasTensor:
    """Float32 logits (batch, classes) from feature maps (batch, height, width, channels).

    `dropout` is the rate of every dropout layer of the head; with 0 there are none. Raises
    UserError for an unknown name, and for several maps if the head takes one.
    """
    head = find_head(name)
    if len(maps) > 1 and not head.takes_several:
        fitting = ", ".join(other for other in sorted(HEADS) if HEADS[other].takes_several)
        raise UserError(
            f"Head '{name}' takes one feature map, but the backbone gives {len(maps)}. "
            f"Heads that take several: {fitting}."
        )
    return head.build(maps, classes, dropout, Random(f"head {seed}"))


def find_head(name: str) -> Head:
    """The head called `name`; UserError listing the known ones."""
    if name not in HEADS:
        raise unknown("head", name, HEADS)
    return HEADS[name]


def _average(
    maps: Sequence[keras.KerasTensor], classes: int, dropout: float, draw: Random
) -> keras.KerasTensor:
    pooled = keras.layers.GlobalAveragePooling2D()(maps[0])
    return _logits(_drop(pooled, dropout, draw), classes, draw)


def _average_max(
    maps: Sequence[keras.KerasTensor], classes: int, dropout: float, draw: Random
) -> keras.KerasTensor:
    # A structure that fills the cell moves the average; a single dot moves the maximum.
    average = keras.layers.GlobalAveragePooling2D()(maps[0])
    maximum = keras.layers.GlobalMaxPooling2D()(maps[0])
    pooled = keras.layers.Concatenate()([average, maximum])
    return _logits(_drop(pooled, dropout, draw), classes, draw)


@keras.saving.register_keras_serializable("kit")
class GeneralizedMean(keras.layers.Layer):
    """Generalized-mean pooling, `mean(x**p)**(1/p)` over height and width.

    It is the average at p = 1 and approaches the maximum as p grows. Takes (batch, height, width,
    channels) and returns (batch, channels), always in float32. The single exponent p starts at 3
    and is trained (Radenovic et al. 2018, arXiv:1711.02512). Values below 1e-6, including negative
    ones, count as 1e-6, as in the authors' code. Import this module before loading a saved model
    that has this layer.
    """

    def __init__(
        self, name: str | None = None, dtype: str = "float32", trainable: bool = True
    ) -> None:
        super().__init__(name=name, dtype=dtype, trainable=trainable)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the exponent."""
        # Below 1 the mean favours the smallest values, and at 0 it is undefined.
        self._p = self.add_weight(
            name="p",
            shape=(),
            initializer=keras.initializers.Constant(3.0),
            constraint=lambda p: ops.maximum(p, 1.0),
        )

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """The generalized means."""
        # In logarithms: an activation of 1e4 to the power p overflows float32 from p = 10.
        logs = ops.log(ops.maximum(inputs, 1e-6))
        count = ops.cast(ops.shape(logs)[1] * ops.shape(logs)[2], "float32")
        mean = ops.logsumexp(self._p * logs, axis=(1, 2)) - ops.log(count)
        return ops.exp(mean / self._p)


def _gem(
    maps: Sequence[keras.KerasTensor], classes: int, dropout: float, draw: Random
) -> keras.KerasTensor:
    return _logits(_drop(GeneralizedMean()(maps[0]), dropout, draw), classes, draw)


def _blocks(
    maps: Sequence[keras.KerasTensor], classes: int, dropout: float, draw: Random
) -> keras.KerasTensor:
    return _logits(_drop(_averages(maps), dropout, draw), classes, draw)


def _averages(maps: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    """The global averages of every channel of every map, concatenated."""
    averages = [keras.layers.GlobalAveragePooling2D()(features) for features in maps]
    return keras.layers.Concatenate()(averages) if len(maps) > 1 else averages[0]


def _conv_dense(
    maps: Sequence[keras.KerasTensor], classes: int, dropout: float, draw: Random
) -> keras.KerasTensor:
    """1x1 convolution, flatten, dense: the head of the students' two published systems."""
    # The kernel must be 1x1: at 299 pixels it gives InceptionResNetV2 and VGG16 the published
    # 58,742,664 and 20,103,656 parameters. They used a dropout of 0.5.
    reduced = keras.layers.Conv2D(128, 1, activation="relu", kernel_initializer=_glorot(draw))
    hidden = keras.layers.Dense(512, activation="relu", kernel_initializer=_glorot(draw))
    flat = keras.layers.Flatten()(reduced(maps[0]))
    features = hidden(_drop(flat, dropout, draw))
    return _logits(_drop(features, dropout, draw), classes, draw)


def _gapnet(
    maps: Sequence[keras.KerasTensor], classes: int, dropout: float, draw: Random
) -> keras.KerasTensor:
    # As in ml-jku/gapnet-pl, with a dropout of 0.3 there. Alpha dropout preserves the mean and
    # variance that SELU relies on.
    features = _averages(maps)
    for _ in range(2):
        features = keras.layers.Dense(
            256,
            activation="selu",
            kernel_initializer=keras.initializers.LecunNormal(draw.getrandbits(31)),
            kernel_regularizer=keras.regularizers.L1L2(l1=1e-7, l2=1e-5),
        )(features)
        if dropout:
            features = keras.layers.AlphaDropout(dropout, seed=draw.getrandbits(31))(features)
    return keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.LecunNormal(draw.getrandbits(31)),
        kernel_regularizer=keras.regularizers.L1L2(l1=1e-7, l2=1e-5),
        dtype="float32",
        name="logits",
    )(features)


def _drop(features: keras.KerasTensor, rate: float, draw: Random) -> keras.KerasTensor:
    seed = draw.getrandbits(31)
    return keras.layers.Dropout(rate, seed=seed)(features) if rate else features


def _logits(features: keras.KerasTensor, classes: int, draw: Random) -> keras.KerasTensor:
    # Always float32: a sigmoid in float16 saturates at 0 and 1.
    return keras.layers.Dense(
        classes, kernel_initializer=_glorot(draw), dtype="float32", name="logits"
    )(features)


def _glorot(draw: Random) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(draw.getrandbits(31))


HEADS = {
    "average": Head(_average),
    "average_max": Head(_average_max),
    "conv_dense": Head(_conv_dense),
    "gem": Head(_gem),
    "blocks": Head(_blocks, takes_several=True),
    "gapnet": Head(_gapnet, takes_several=True),
}
