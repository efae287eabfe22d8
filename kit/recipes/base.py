"""What a recipe is: every choice that changes what a trained model is, in one frozen value."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.core.errors import UserError, unknown


class Recipe(BaseModel):
    """Everything that decides what a model is, apart from the data it sees.

    Two runs with equal recipes on equal folds and stores are the same run. Unknown keys are
    refused. Sizes are in pixels, learning rates per optimizer step, lengths in epochs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str

    # The network: uint8 image -> stem -> normalize -> backbone -> head -> one logit a class.
    backbone: str
    stem: str = Field(default="as_is", description="how the channels meet the backbone")
    normalize: Literal["scale", "batch", "image", "backbone"] = "scale"
    head: str = "average"
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="of every dropout layer in the head"
    )
    size: int = Field(ge=16, description="side of the square image")
    weights: str = Field(default="none", description="'imagenet' or 'none'")

    # What it is shown.
    sampling: Literal["repeat", "none"] = Field(
        default="none", description="'repeat': rows of rare classes come several times an epoch"
    )
    repeat_threshold: float = Field(
        default=0.1, gt=0, le=1, description="a class rarer than this share of the rows is repeated"
    )
    repeat_cap: float = Field(default=8.0, ge=1, description="most times a row comes in one epoch")
    augment: Literal["symmetries", "none"] = "symmetries"
    batch: int = Field(default=32, ge=1)
    steps: int | None = Field(
        default=None, ge=1, description="steps an epoch; all rows when not given"
    )

    # How it learns.
    loss: Literal["bce", "focal"] = "bce"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0, description="adamw only")
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = Field(
        default=0.0, ge=0, lt=1, description="share of the steps spent warming up"
    )
    frozen_epochs: int = Field(
        default=0, ge=0, description="first epochs, with the backbone frozen"
    )
    frozen_learning_rate: float = Field(default=1e-3, gt=0)
    epochs: int = Field(ge=1, description="epochs with everything learning, after the frozen ones")
    keep: Literal["val_loss", "val_macro_f1", "last"] = Field(
        default="val_loss",
        description="which epoch predicts; but for 'last', chosen on the fold left out",
    )
    seed: int = Field(default=0, ge=0)

    @property
    def all_epochs(self) -> int:
        """Frozen epochs and the others together."""
        return self.frozen_epochs + self.epochs


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with `key=value` texts applied, each value read as the key's type.

    Raises UserError for a text without `=`, a key that no recipe has, or a value that the key
    does not take.
    """
    changed: dict[str, Any] = recipe.model_dump()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set wants key=value, got '{setting}'. Example: --set epochs=3")
        if key == "name" or key not in Recipe.model_fields:
            raise unknown("recipe setting", key, set(Recipe.model_fields) - {"name"})
        changed[key] = None if value == "none" and key == "steps" else value
    try:
        return Recipe.model_validate(changed)
    except ValidationError as error:
        raise UserError(_first_complaint(error)) from None


def _first_complaint(error: ValidationError) -> str:
    complaint = error.errors()[0]
    key = ".".join(str(part) for part in complaint["loc"])
    return f"--set {key}={complaint['input']}: {complaint['msg'].lower()}."
