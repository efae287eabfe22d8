"""The recipe's optimizer, with its learning rate as a table over the steps of a phase."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kit.recipes.base import Recipe


class RateTable(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate looked up by step; after the table's end the last rate holds."""

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self.rates = np.asarray(rates, dtype=np.float32)

    def __call__(self, step: Any) -> Any:
        position = keras.ops.minimum(keras.ops.cast(step, "int32"), len(self.rates) - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.rates), position)

    def get_config(self) -> dict[str, Any]:
        return {"rates": self.rates.tolist()}


def build_optimizer(recipe: Recipe, rates: Sequence[float]) -> keras.optimizers.Optimizer:
    """The optimizer that a recipe names; `rates` is its learning rate at every step."""
    table = RateTable(rates)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(table, momentum=0.9)
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(table, weight_decay=recipe.weight_decay)
    return keras.optimizers.Adam(table)
