"""ResNet34 on all four channels at 512 pixels, from scratch.

- Source: the third place in this competition trained ResNet34 at 512 pixels with the focal loss and
  a gamma of 2; network by He et al. 2016, arXiv:1512.03385. Everything else here is the kit's
  choice.
- Score: none published for such a model alone, and this recipe is not the third place's system,
  which had larger networks with attention, searched its augmentation, and blended.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=resnet34`

The network is keras-cv's and needs TensorFlow. Its ImageNet weights are downloaded through another
library, on which the kit does not depend; `--set weights=` takes them as a file.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

resnet34 = recipes.register("resnet34")(
    Recipe(
        name="resnet34",
        backbone="resnet34",
        stem="as_is",
        normalize="scale",
        head="average_max",
        dropout=0.5,
        size=512,
        sampling="repeat",
        augment="symmetries+shift(0.1)+scale(0.1)+rotate(15)",
        batch=32,
        loss="focal(gamma=2)",
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=1e-4,
        ema=0.999,
        schedule="cosine",
        warmup=0.05,
        precision="mixed",
        epochs=40,
        tta=8,
    )
)
