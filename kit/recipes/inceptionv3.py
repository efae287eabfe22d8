"""InceptionV3 with ImageNet weights on all four channels at 512 pixels.

- Source: the fifth place in this competition trained InceptionV3 on four channels at 512 pixels
  and more, and drew rows of rare classes up to 19 times as often; network by Szegedy et al. 2016,
  arXiv:1512.00567. Everything else here is the kit's choice.
- Score: none published for such a model alone, and this recipe is not the fifth place's system,
  which blended several networks at several sizes.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=inceptionv3`
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

inceptionv3 = recipes.register("inceptionv3")(
    Recipe(
        name="inceptionv3",
        backbone="inceptionv3",
        stem="inflate",
        normalize="backbone",
        head="average_max",
        dropout=0.5,
        size=512,
        weights="imagenet",
        sampling="inverse",
        repeat_cap=19.0,
        augment="symmetries+shift(0.1)+scale(0.1)+gain(0.2)",
        batch=32,
        optimizer="adamw",
        learning_rate=3e-4,
        weight_decay=1e-4,
        schedule="cosine",
        warmup=0.05,
        precision="mixed",
        frozen_epochs=1,
        frozen_learning_rate=1e-3,
        epochs=25,
        tta=8,
    )
)
