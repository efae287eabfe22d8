"""How a recipe's `mix` mixes the images of a batch, and their labels, by name."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.terms import Known, parse_term

if TYPE_CHECKING:
    import keras

MIXES: Known = {"none": {}, "mixup": {"alpha": 0.2}, "cutmix": {"alpha": 1.0}}

# The least and the most that alpha may be. Keras takes no larger one for CutMix; far below, a draw
# from the Beta distribution is 0 or 1 in 32 bits.
_BOUNDS = {"mixup": (0.05, 10), "cutmix": (0.05, 1)}


@dataclass(frozen=True)
class Mix:
    """A way to mix each image of a batch with another one: none, mixup or cutmix.

    `alpha` is both parameters of the Beta distribution of an image's own share. It prints as the
    `text` it was parsed from.

    mixup adds the two images up (Zhang et al. 2018, arXiv:1710.09412), cutmix puts a rectangle of
    the one into the other (Yun et al. 2019, arXiv:1905.04899). Labels are mixed by the same shares.

    Keras' own layers do it. Those of keras-cv 0.9.0 do not serve: its CutMix takes a rectangle's
    full area for the labels where the border cuts the rectangle off, a share wrong by 0.17 on
    average (64 px, alpha 1), and its MixUp draws shares that no seed of the layer reaches, only
    `tf.random.set_seed`, which empties TensorFlow's caches: 100 ms a step.
    """

    name: str = "none"
    alpha: float = 1.0
    text: str = "none"

    def __str__(self) -> str:
        return self.text

    @property
    def mixes(self) -> bool:
        """Whether images are mixed at all."""
        return self.name != "none"

    def apply(
        self,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.float32],
        seed: int,
        epoch: int,
        step: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The batch mixed, from (seed, epoch, step) alone.

        Takes uint8 (images, size, size, channels) and float32 (images, classes), 0 or 1; gives
        float32 pixels from 0 to 255 and float32 labels from 0 to 1. Every Keras backend draws
        numbers of its own; on torch it seeds the generator that all threads share, so that batches
        must not be mixed beside the training. Without a way to mix, only the type changes.
        """
        import keras

        as_floats = pixels.astype(np.float32)
        if not self.mixes:
            return as_floats, labels
        (drawn,) = np.random.SeedSequence([seed, epoch, step, 7]).generate_state(1)
        # Where batches are made; an accelerator is still busy with the batch before.
        with keras.device("cpu"):
            # torch takes seeds of 31 bits.
            layer = self._layer(int(drawn) >> 1)
            mixed = layer({"images": as_floats, "labels": labels})
            return (
                np.asarray(keras.ops.convert_to_numpy(mixed["images"])),
                np.asarray(keras.ops.convert_to_numpy(mixed["labels"])),
            )

    def _layer(self, seed: int) -> "keras.layers.Layer":
        import keras

        if self.name == "mixup":
            return keras.layers.MixUp(self.alpha, seed=seed, name="mix", dtype="float32")
        # Keras draws alpha between the two numbers of `factor`.
        factor = (self.alpha, self.alpha)
        return keras.layers.CutMix(factor, seed=seed, name="mix", dtype="float32")


def parse_mix(text: str) -> Mix:
    """The way to mix of a text such as `mixup(0.2)`; the names are MIXES.

    Raises UserError for a name that is not known, a number out of bounds, and more than one name.
    """
    term = parse_term("mix", text, MIXES)
    if term.name == "none":
        return Mix(text=text)
    alpha = term.numbers["alpha"]
    least, most = _BOUNDS[term.name]
    if not least <= alpha <= most:
        raise UserError(f"mix '{text}': alpha={alpha:g} is not from {least:g} to {most:g}.")
    return Mix(term.name, alpha, text)
