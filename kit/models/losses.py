"""What training makes small: losses on logits, each class a yes-or-no question of its own."""

from collections.abc import Callable

import keras

from kit.core.errors import unknown


def _bce() -> keras.losses.Loss:
    return keras.losses.BinaryCrossentropy(from_logits=True)


def _focal() -> keras.losses.Loss:
    # Lin et al. 2017, arXiv:1708.02002, with its gamma of 2 and without its class balance: the
    # rare classes are met by repeating their rows, where a recipe's `sampling` says so.
    return keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)


LOSSES: dict[str, Callable[[], keras.losses.Loss]] = {"bce": _bce, "focal": _focal}


def build_loss(name: str) -> keras.losses.Loss:
    """The loss called `name`: labels (batch, classes) of 0 or 1, logits (batch, classes).

    Its value is the mean over classes and rows. Raises UserError naming the known ones.
    """
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]()
