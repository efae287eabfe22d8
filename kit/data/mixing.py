"""Mixing the images of a batch and their labels: a recipe's `mix`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.terms import Known, parse_term

if TYPE_CHECKING:
    import keras

MIXES: Known = {"none": {}, "mixup": {"alpha": 0.2}, "cutmix": {"alpha": 1.0}}

# The allowed range of alpha. Keras accepts no larger one for CutMix; far below the range, draws
# from the Beta distribution round to 0 or 1 in 32 bits.
_BOUNDS = {"mixup": (0.05, 10), "cutmix": (0.05, 1)}


@dataclass(frozen=True)
class Mix:
    """How each image of a batch is mixed with another: none, mixup or cutmix.

    `alpha` is both parameters of the Beta distribution from which an image's own share is drawn.
    Prints as the `text` it was parsed from.

    mixup adds two images (Zhang et al. 2018, arXiv:1710.09412); cutmix pastes a rectangle of one
    image into another (Yun et al. 2019, arXiv:1905.04899). Labels are mixed by the same shares.

    Uses Keras' own layers. Those of keras-cv 0.9.0 are unsuitable: its CutMix weighs labels by the
    full rectangle even where the border clips it, an error of 0.17 on average (64 px, alpha 1), and
    its MixUp ignores the layer's seed: only `tf.random.set_seed` reaches it, which empties
    TensorFlow's caches and costs 100 ms per step.
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
        """Mix a batch; depends on (seed, epoch, step) alone.

        Takes uint8 (images, size, size, channels) and float32 (images, classes), 0 or 1; returns
        float32 pixels from 0 to 255 and float32 labels from 0 to 1. With `none`, only the dtype
        changes. Each Keras backend draws different numbers. On torch this seeds the generator that
        all threads share, so batches must not be mixed in parallel with training.
        """
        as_floats = pixels.astype(np.float32)
        if not self.mixes:
            return as_floats, labels
        import keras

        (drawn,) = np.random.SeedSequence([seed, epoch, step, 7]).generate_state(1)
        # Batches are made on the CPU; an accelerator is still busy with the previous batch.
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
        # Keras draws alpha between the two values of `factor`.
        factor = (self.alpha, self.alpha)
        return keras.layers.CutMix(factor, seed=seed, name="mix", dtype="float32")


def parse_mix(text: str) -> Mix:
    """Parse a text such as `mixup(0.2)`; the names are in MIXES.

    Raises UserError for an unknown name, a parameter out of range, and more than one name.
    """
    term = parse_term("mix", text, MIXES)
    if term.name == "none":
        return Mix(text=text)
    alpha = term.numbers["alpha"]
    least, most = _BOUNDS[term.name]
    if not least <= alpha <= most:
        raise UserError(
            f"mix '{text}': alpha={alpha:g} is out of range (allowed: {least:g} to {most:g})."
        )
    return Mix(term.name, alpha, text)
