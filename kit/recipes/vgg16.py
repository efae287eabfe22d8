"""VGG16 with ImageNet weights on RGB images, yellow averaged into red and green.

- Source: a student team's system for this competition; network by Simonyan and Zisserman 2015,
  arXiv:1409.1556. 20,103,656 parameters, 20,103,650 of them trainable.
- Score: batch-wise micro-F1 0.504, as published. This is not the competition's macro-F1, and no
  macro-F1 was published.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=vgg16`

Identical to `inceptionresnetv2` except for the backbone.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

vgg16 = recipes.register("vgg16")(
    Recipe(
        name="vgg16",
        backbone="vgg16",
        stem="mix_half_yellow",
        normalize="batch",
        head="conv_dense",
        dropout=0.5,
        size=299,
        weights="imagenet",
        augment="flip_or_turn",
        batch=10,
        steps=100,
        optimizer="adam",
        learning_rate=1e-4,
        frozen_epochs=20,
        frozen_learning_rate=1e-3,
        epochs=150,
    )
)
