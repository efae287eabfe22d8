"""InceptionResNetV2 with ImageNet weights on RGB images, half of yellow mixed into red and green.

- Source: a student team's system for this competition; network by Szegedy et al. 2017,
  arXiv:1602.07261. 58,742,664 parameters, 58,682,114 of them trainable.
- Score: batch-wise micro-F1 0.638 on training and 0.686 on validation batches, as published.
  This is not the competition's macro-F1, and no macro-F1 was published.
- Cost: 1,000 images an epoch took 50 s on a P100, so all 170 epochs some 2.4 hours a fold; two
  CPU cores train 1.9 images/s.
- Command: `make train MODEL=inceptionresnetv2`

The published system kept a fifth of the rows for validation; here that is a fold of five. Labels
were given at probability 0.2, which the kit leaves to the thresholds. Backbone, head, optimizer,
batch, steps and epochs are the published ones.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

inceptionresnetv2 = recipes.register("inceptionresnetv2")(
    Recipe(
        name="inceptionresnetv2",
        backbone="inceptionresnetv2",
        stem="mix_half_yellow",
        normalize="batch",
        head="seed",
        dropout=0.5,
        size=299,
        weights="imagenet",
        batch=10,
        steps=100,
        optimizer="adam",
        learning_rate=1e-4,
        frozen_epochs=20,
        frozen_learning_rate=1e-3,
        epochs=150,
    )
)
