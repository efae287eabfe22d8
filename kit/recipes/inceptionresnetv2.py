"""InceptionResNetV2 with ImageNet weights on RGB images, yellow averaged into red and green.

- Source: a student team's system for this competition; network by Szegedy et al. 2017,
  arXiv:1602.07261. 58,742,664 parameters, 58,682,114 of them trainable.
- Score: batch-wise micro-F1 0.638 on training and 0.686 on validation batches, as published.
  This is not the competition's macro-F1, and no macro-F1 was published.
- Cost: as published, the 1,000 images of an epoch took 50 s on a P100; for 170 epochs, that is
  about 2.4 hours per fold for the training images alone. Validation on the held-out fold, about
  6,200 images per epoch, comes on top and was not measured. The kit's own figure: two CPU cores
  train 1.9 images/s.
- Command: `make train MODEL=inceptionresnetv2`

The published system held out a fifth of the rows for validation; here that is one fold of five. It
assigned labels at probability 0.2; the kit fits thresholds instead. Everything else is as
published: backbone, head, optimizer, batch, steps and epochs, and one of five symmetries per image:
flipped left-right or up-down, or turned by 90, 180 or 270 degrees.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

inceptionresnetv2 = recipes.register("inceptionresnetv2")(
    Recipe(
        name="inceptionresnetv2",
        backbone="inceptionresnetv2",
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
