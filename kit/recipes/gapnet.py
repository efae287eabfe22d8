"""GapNet-PL, a network designed for these images, on all four channels at 700 pixels.

- Source: Rumetshofer et al., ICLR 2019, openreview.net/forum?id=ryl5khRcKm, with the authors' code,
  ml-jku/gapnet-pl; the size is from the poster of a student project on this competition. 630,076
  parameters, all trainable.
- Score: as published on the poster, accuracy 0.942 in training and 0.94 in validation, loss 0.0219
  and 0.0218. Neither is the competition's macro-F1, and no F1 is recorded. Assigning no label to
  any image already has a binary accuracy of 0.942 on the competition's rows.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=gapnet`

As published: on the poster, the input (700x700x4). By the authors, the network, normalization per
image, SGD with momentum 0.9 at 1e-2, halved on a plateau, batches of 40, penalties, and alpha
dropout 0.3.

Left open, and the kit's choice: 60 epochs, the number of epochs that make a plateau, the resize,
the split and augmentation. How much of the authors' training the poster used, and which accuracy
and loss it means, is not recorded.

Different: whole images instead of the authors' crops of 1024 pixels.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

gapnet = recipes.register("gapnet")(
    Recipe(
        name="gapnet",
        backbone="gapnet",
        stem="as_is",
        normalize="image",
        head="gapnet",
        dropout=0.3,
        size=700,
        batch=40,
        optimizer="sgd",
        learning_rate=1e-2,
        schedule="plateau",
        plateau_factor=0.5,
        epochs=60,
    )
)
