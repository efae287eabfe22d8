"""The recipe's optimizer, with its learning rate as a table over a phase's steps."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kit.recipes.base import Recipe


class RateTable(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate looked up by step; past the table's end, the last rate."""

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self.rates = np.asarray(rates, dtype=np.float32)

    def __call__(self, step: Any) -> Any:
        position = keras.ops.minimum(keras.ops.cast(step, "int32"), len(self.rates) - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.rates), position)

    def get_config(self) -> dict[str, Any]:
        return {"rates": self.rates.tolist()}


def build_optimizer(
    recipe: Recipe, rates: Sequence[float], parts: int
) -> keras.optimizers.Optimizer:
    """The optimizer that a recipe names.

    `rates` is the learning rate at every step of a phase; with schedule=plateau only the first is
    used, and the caller assigns a new rate each epoch. A batch has `parts` parts, whose gradients
    are averaged: Keras counts each part as an iteration, looks the rate up by it, and updates the
    average of the weights at it.
    """
    plateau = recipe.schedule == "plateau"
    rate = rates[0] if plateau else RateTable(np.repeat(np.asarray(rates), parts).tolist())
    shared: dict[str, Any] = {
        "learning_rate": rate,
        "global_clipnorm": recipe.clip or None,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema ** (1 / parts),
        "gradient_accumulation_steps": parts if parts > 1 else None,
    }
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=0.9, **shared)
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(weight_decay=recipe.weight_decay, **shared)
    if recipe.optimizer == "lion":
        # Chen et al. 2023, arXiv:2302.06675.
        return keras.optimizers.Lion(weight_decay=recipe.weight_decay, **shared)
    return keras.optimizers.Adam(**shared)
