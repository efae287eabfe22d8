"""EfficientNetV2-B0 with ImageNet weights on all four channels: light, and quick at 256 pixels.

- Source: network by Tan and Le 2021, arXiv:2104.00298; everything else here is the kit's choice.
- Score: none published; the kit measures it on your folds.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=efficientnetv2b0`
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

efficientnetv2b0 = recipes.register("efficientnetv2b0")(
    Recipe(
        name="efficientnetv2b0",
        backbone="efficientnetv2b0",
        stem="inflate",
        normalize="backbone",
        head="average_max",
        dropout=0.25,
        size=256,
        weights="imagenet",
        sampling="repeat",
        augment="symmetries+shift(0.1)+scale(0.1)+gain(0.2)",
        batch=32,
        optimizer="adamw",
        learning_rate=5e-4,
        weight_decay=1e-4,
        ema=0.999,
        schedule="cosine",
        warmup=0.05,
        precision="mixed",
        frozen_epochs=1,
        frozen_learning_rate=1e-3,
        epochs=20,
        tta=8,
    )
)
