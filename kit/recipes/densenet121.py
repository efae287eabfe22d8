"""DenseNet121 with ImageNet weights on all four channels at 512 pixels.

- Source: the network and two losses of the first place in this competition; network by Huang et
  al. 2017, arXiv:1608.06993.
- Score: a single DenseNet121 of the first place, trained on five folds, scored 0.565 on the private
  leaderboard, as published. That system also had random crops of larger images, a third loss for
  hard examples, and the maximum over eight symmetries of four crops, which this recipe lacks. The
  recipe itself has not been scored.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=densenet121`

The first place summed the focal loss over the 28 classes and added half of it to half of Lovász;
with means over classes, that is 14*focal+0.5*lovasz. Everything else is the kit's choice: four
channels through a widened first convolution, whole images, augmentation, optimizer, schedule, and
averages over steps and symmetries.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

densenet121 = recipes.register("densenet121")(
    Recipe(
        name="densenet121",
        backbone="densenet121",
        stem="inflate",
        normalize="backbone",
        head="average_max",
        dropout=0.5,
        size=512,
        weights="imagenet",
        sampling="repeat",
        augment="symmetries+shift(0.1)+scale(0.1)+rotate(15)+gain(0.2)",
        batch=32,
        loss="14*focal+0.5*lovasz",
        optimizer="adamw",
        learning_rate=3e-4,
        weight_decay=1e-4,
        ema=0.999,
        schedule="cosine",
        warmup=0.05,
        precision="mixed",
        frozen_epochs=1,
        frozen_learning_rate=1e-3,
        epochs=25,
        tta=8,
    )
)
