"""A simple convolutional network on all four channels at 1024 pixels.

- Source: a student team's system for this competition, for which only the input is recorded:
  1024x1024x4. Everything else here is the kit's choice.
- Score: none published.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=convnet_rgby`

The images of train.zip are 512 pixels wide; only the full-resolution files have 1024. If memory
runs out, lower the batch.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

convnet_rgby = recipes.register("convnet_rgby")(
    Recipe(
        name="convnet_rgby",
        backbone="convnet",
        stem="as_is",
        normalize="scale",
        head="average_max",
        dropout=0.25,
        size=1024,
        batch=8,
        optimizer="adam",
        learning_rate=5e-4,
        schedule="cosine",
        warmup=0.05,
        epochs=30,
    )
)
