"""Xception with ImageNet weights on RGB images, with a third of yellow added to each channel.

- Source: the poster of a student project on this competition; network by Chollet 2017,
  arXiv:1610.02357. 20,976,196 parameters, 20,921,668 of them trainable.
- Score: as published, accuracy 0.99 in training and 0.96 in validation, loss 0.1 and 0.02. Neither
  is the competition's macro-F1, and no F1 is recorded.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=xception`

As published: the input (299x299x3, yellow/3 added to red, green and blue) and the ImageNet weights.

Left open, and the kit's choice: all other settings, among them the head, the scaling of pixels, the
resize, the split, augmentation, optimizer and schedule; sums above 255 are not clipped. Which
accuracy and loss the poster means is not recorded either: the kit logs binary accuracy and exact
match.

Different from what is recorded: nothing.
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
