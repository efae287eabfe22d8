"""A simple convolutional network on RGB images, with a third of yellow added to each channel.

- Source: a student team's system for this competition, for which only the input is recorded:
  299x299x3, yellow/3 added to red, green and blue. Everything else here is the kit's choice.
- Score: none published.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=convnet_rgb`
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

convnet_rgb = recipes.register("convnet_rgb")(
    Recipe(
        name="convnet_rgb",
        backbone="convnet",
        stem="mix_third_yellow",
        normalize="scale",
        head="average_max",
        dropout=0.25,
        size=299,
        batch=32,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="cosine",
        warmup=0.05,
        epochs=30,
    )
)
