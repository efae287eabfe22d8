"""Xception with ImageNet weights on RGB images, with a third of yellow added to each channel.

- Source: a student team's system for this competition, for which the input (299x299x3, yellow/3
  added to red, green and blue) and the ImageNet weights are recorded; network by Chollet 2017,
  arXiv:1610.02357. Everything else here is the kit's choice.
- Score: none published.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=xception`
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

xception = recipes.register("xception")(
    Recipe(
        name="xception",
        backbone="xception",
        stem="mix_third_yellow",
        normalize="backbone",
        head="average_max",
        dropout=0.5,
        size=299,
        weights="imagenet",
        batch=16,
        optimizer="adam",
        learning_rate=1e-4,
        schedule="cosine",
        warmup=0.05,
        frozen_epochs=1,
        frozen_learning_rate=1e-3,
        epochs=20,
    )
)
