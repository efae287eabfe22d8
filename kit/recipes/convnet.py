"""The kit's quick baseline: a small network on small images, for a first honest score.

- Source: this kit.
- Score: none published; the kit measures it on your folds.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=convnet`

Rare classes are repeated. Maximum pooling next to average pooling keeps single dots (centrosomes,
endosomes) from being averaged away.
"""

from kit.recipes import recipes
from kit.recipes.base import Recipe

convnet = recipes.register("convnet")(
    Recipe(
        name="convnet",
        backbone="convnet",
        stem="as_is",
        normalize="scale",
        head="average_max",
        dropout=0.25,
        size=128,
        sampling="repeat",
        batch=32,
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=1e-4,
        schedule="cosine",
        warmup=0.05,
        epochs=30,
    )
)
