"""GapNet-PL, a network designed for these images, on all four channels at 700 pixels.

- Source: Rumetshofer et al., ICLR 2019, openreview.net/forum?id=ryl5khRcKm. Network, per-image
  normalization, SGD with momentum 0.9 at 1e-2, halved on a plateau, batch 40, penalties and alpha
  dropout 0.3 are the authors' (ml-jku/gapnet-pl). The size is a student team's. The kit's choices:
  whole images instead of crops of 1024, 60 epochs, and the number of epochs that make a plateau.
- Score: none published for this recipe.
- Cost: not measured; on a CPU, `make train` prints an estimate before it starts.
- Command: `make train MODEL=gapnet`
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
