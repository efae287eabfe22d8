"""VGG16 with ImageNet weights on RGB images, yellow averaged into red and green.

- Source: the report of a student project on this competition; network by Simonyan and Zisserman
  2015, arXiv:1409.1556. 20,103,656 parameters, 20,103,650 of them trainable.
- Score: as published, batch-wise micro-F1 0.5043 and accuracy about 0.955 in training; for
  validation, none. Neither is the competition's macro-F1, and no macro-F1 was published.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=vgg16`

As published:

- One phase: 150 epochs at 1e-4 with all layers trainable from the start.
- Everything else as in `inceptionresnetv2`, from the input to the fixed validation batch and the
  split: fold 0 of five made by `kit folds --how random --seed 101`.

Left open, and the kit's choice: as in `inceptionresnetv2`, apart from the second phase.

Different: as in `inceptionresnetv2`. Channels are mixed after the resize (equal up to rounding,
within 1 of 255), thresholds are fitted per class instead of 0.2 for all, and five folds are trained
instead of one split.
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
        resize="linear",
        sampling="replacement",
        augment="flip_or_turn",
        batch=10,
        steps=100,
        optimizer="adam",
        learning_rate=1e-4,
        epochs=150,
        validate="batch(256)",
    )
)
