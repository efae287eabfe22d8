"""A simple convolutional network on all four channels at 1024 pixels.

- Source: the poster of a student project on this competition. 404,508 parameters, 403,548 of them
  trainable.
- Score: as published, accuracy 0.942 in training and 0.9 in validation, loss 0.22 and 0.21.
  Neither is the competition's macro-F1, and no F1 is recorded. Assigning no label to any image
  already has a binary accuracy of 0.942 on the competition's rows.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=convnet_rgby`

As published: the input (1024x1024x4).

Left open, and the kit's choice: all other settings, the network included. Which accuracy the poster
means is not recorded either: the kit logs binary accuracy and exact match.

Different from what is recorded: nothing.

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
