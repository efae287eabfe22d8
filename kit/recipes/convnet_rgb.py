"""A simple convolutional network on RGB images, with a third of yellow added to each channel.

- Source: the poster of a student project on this competition. 404,220 parameters, 403,260 of them
  trainable.
- Score: as published, accuracy 0.122 in training and 0.121 in validation, loss 0.8 and 0.78.
  Neither is the competition's macro-F1, and no F1 is recorded.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=convnet_rgb`

As published: the input (299x299x3, yellow/3 added to red, green and blue).

Left open, and the kit's choice: all other settings, the network included; sums above 255 are not
clipped. Which accuracy the poster means is not recorded either. Assigning no label to any image
already has a binary accuracy of 0.942 on the competition's rows, so 0.122 may be another one, such
as exact match. The kit logs both.

Different from what is recorded: nothing.
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
