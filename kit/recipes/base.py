"""What a recipe is: every choice that changes what a trained model is, in one frozen value."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.core.errors import UserError, unknown
from kit.core.terms import Term
from kit.data.augment import Augmentation, parse_augmentation
from kit.data.mixing import Mix, parse_mix
from kit.data.sampling import SAMPLINGS, Repeats, parse_repeats, parse_sampling
from kit.models.losses import Loss, parse_loss
from kit.recipes.hints import ALIASES
from kit.recipes.text import parsed_by


class Recipe(BaseModel):
    """Everything that decides what a model is, apart from the data it sees.

    Two runs with equal recipes on equal folds and stores are the same run. Unknown keys are
    refused, and numbers are finite. Settings that are texts with a grammar of their own are parsed
    here, once; dumped, they are the same texts again. `kit models NAME` prints these descriptions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(description="the recipe's own, which its runs begin with")

    # The network: uint8 image -> stem -> normalize -> backbone -> head -> one logit a class.
    backbone: str = Field(description="the network between stem and head")
    stem: str = Field(
        default="as_is", description="which mixture of the channels the backbone sees"
    )
    normalize: Literal["scale", "batch", "image", "backbone"] = Field(
        default="scale",
        description=(
            "scale: pixels divided by 255; then batch, image: by each channel's mean and variance "
            "over the batch or the image; backbone: as its pretrained weights expect them"
        ),
    )
    head: str = Field(default="average", description="from feature maps to one logit a class")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="rate of every dropout layer in the head"
    )
    size: int = Field(ge=16, description="side of the square image in pixels")
    weights: str = Field(default="none", description="what the backbone starts from")

    # What it is shown.
    sampling: Annotated[Term, *parsed_by(parse_sampling, Term, SAMPLINGS)] = Field(
        default=parse_sampling("none"),
        description="which rows an epoch shows. "
        + "; ".join(f"{name}: {one.about}" for name, one in SAMPLINGS.items()),
    )
    repeat_threshold: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="rows of a class rarer than this share are repeated; with sampling=repeat",
    )
    repeat_cap: float = Field(
        default=8.0,
        ge=1,
        description=(
            "how often a row comes in an epoch at most, on average; with sampling=repeat or inverse"
        ),
    )
    repeats: Annotated[Repeats, *parsed_by(parse_repeats, Repeats)] = Field(
        default=Repeats(),
        description="class:times with commas between, as 27:10,15:8; with sampling=table",
    )
    augment: Annotated[Augmentation, *parsed_by(parse_augmentation, Augmentation)] = Field(
        default=parse_augmentation("symmetries"),
        description="how images are varied, several with + between",
    )
    mix: Annotated[Mix, *parsed_by(parse_mix, Mix)] = Field(
        default=Mix(),
        description="mixup(0.2) or cutmix(1): images of a batch are mixed, and their labels",
    )
    batch: int = Field(default=32, ge=1, description="images an optimizer step")
    accumulate: int = Field(
        default=1,
        ge=1,
        description="in how many parts a batch goes through the network, to save memory",
    )
    steps: int | None = Field(
        default=None, ge=1, description="optimizer steps an epoch; none: as many as the rows make"
    )

    # How it learns.
    loss: Annotated[Loss, *parsed_by(parse_loss, Loss)] = Field(
        default=parse_loss("bce"),
        description="a loss, or a weighted sum as 0.5*focal(gamma=2)+0.5*lovasz",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="moves labels towards a half, except for soft_f1 and lovasz",
    )
    optimizer: Literal["adam", "adamw", "sgd", "lion"] = Field(
        default="adam", description="how gradients become steps; sgd has a momentum of 0.9"
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, description="at its highest, with everything learning"
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="pull of the weights towards zero; with optimizer=adamw or lion",
    )
    clip: float = Field(
        default=0.0, ge=0, description="longest gradient, all weights together; 0: any length"
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="predict with a moving average of the weights that keeps this share a step",
    )
    schedule: Literal["constant", "cosine", "onecycle", "plateau"] = Field(
        default="constant",
        description=(
            "of the learning rate. constant: stays; cosine: falls to 0; onecycle: rises from a "
            "25th along the warm-up, or 0.3 without one, then falls; plateau: cut when the "
            "validation loss stays"
        ),
    )
    warmup: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the steps, after the frozen epochs, in which the learning rate rises",
    )
    plateau_epochs: int = Field(
        default=5, ge=1, description="epochs without a better loss before a cut; schedule=plateau"
    )
    plateau_factor: float = Field(
        default=0.5, gt=0, lt=1, description="the learning rate's part after it; schedule=plateau"
    )
    precision: Literal["float32", "mixed", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32",
        description=(
            "of the sums inside. mixed: bfloat16 on a GPU that has it, float16 on another, "
            "float32 on a CPU; weights stay float32"
        ),
    )
    frozen_epochs: int = Field(
        default=0, ge=0, description="epochs at the beginning with the backbone frozen"
    )
    frozen_learning_rate: float = Field(
        default=1e-3, gt=0, description="of the frozen epochs; with frozen_epochs from 1"
    )
    epochs: int = Field(ge=1, description="epochs with everything learning, after the frozen ones")
    keep: Literal["val_loss", "val_macro_f1", "last"] = Field(
        default="val_loss",
        description="which epoch predicts: the best on the fold left out, or simply the last",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop after so many epochs without a better one by `keep`; none: never",
    )

    # How it predicts.
    tta: int = Field(
        default=1,
        ge=1,
        le=48,
        description=(
            "views of an image whose logits are averaged: up to eight symmetries, then those of "
            "the centre and of four corners"
        ),
    )
    # Fold k trains with 1000 * seed + k, and PyTorch takes seeds of 31 bits from Keras.
    seed: int = Field(
        default=0, ge=0, le=2_000_000, description="of initial values, rows and symmetries"
    )

    @property
    def all_epochs(self) -> int:
        """Frozen epochs and the others together."""
        return self.frozen_epochs + self.epochs


def recipe_of(settings: Mapping[str, Any], origin: Path) -> Recipe:
    """The recipe of the settings in a file; UserError in one line where they make none."""
    try:
        return Recipe.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError(f"{origin}: {_first_complaint(error)}") from None


# A setting, the values of another with which it changes nothing, and one with which it does.
_IDLE: dict[str, tuple[str, tuple[object, ...], object]] = {
    "weight_decay": ("optimizer", ("adam", "sgd"), "adamw"),
    "warmup": ("schedule", ("plateau",), "cosine"),
    "plateau_epochs": ("schedule", ("constant", "cosine", "onecycle"), "plateau"),
    "plateau_factor": ("schedule", ("constant", "cosine", "onecycle"), "plateau"),
    "patience": ("keep", ("last",), "val_loss"),
    "frozen_learning_rate": ("frozen_epochs", (0,), 1),
}


def _idle_samplings(key: str) -> tuple[str, tuple[object, ...], object] | None:
    """The same for a setting that only some samplings use."""
    users = [name for name, one in SAMPLINGS.items() if key in one.settings]
    if not users:
        return None
    return "sampling", tuple(name for name in SAMPLINGS if name not in users), users[0]


# The same for single values of a setting.
_IDLE_VALUES: dict[tuple[str, str], tuple[str, tuple[object, ...], object]] = {
    ("stem", "inflate"): ("weights", ("none",), "imagenet"),
}


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with `key=value` texts applied, each value read as the key's type.

    Raises UserError for a text without `=`, a key that no recipe has, a value that the key does
    not take, or a setting that changes nothing beside the others. A recipe itself may hold such
    values, so that `--set sampling=none` is enough to leave the repeats out.
    """
    given: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set wants key=value, got '{setting}'. Example: --set epochs=3")
        if key == "name" or key not in Recipe.model_fields:
            raise unknown("recipe setting", key, set(Recipe.model_fields) - {"name"}, ALIASES)
        given[key] = None if value == "none" and key in ("steps", "patience") else value
    try:
        changed = Recipe.model_validate({**recipe.model_dump(), **given})
    except ValidationError as error:
        raise UserError(f"--set {_first_complaint(error)}") from None
    for key, value in given.items():
        _refuse_idle(changed, key, value)
    return changed


def _refuse_idle(recipe: Recipe, key: str, value: object) -> None:
    idle = _idle_samplings(key) or _IDLE.get(key) or _IDLE_VALUES.get((key, str(value)))
    if idle is None:
        return
    other, idle_with, cure = idle
    value_of_other = getattr(recipe, other)
    named = value_of_other.name if isinstance(value_of_other, Term) else value_of_other
    if named in idle_with:
        raise UserError(
            f"--set {key}={value} changes nothing with {other}={value_of_other}. "
            f"Leave it out, or add --set {other}={cure}."
        )


def _first_complaint(error: ValidationError) -> str:
    complaint = error.errors()[0]
    key = ".".join(str(part) for part in complaint["loc"])
    return f"{key}={complaint['input']}: {complaint['msg'].lower()}."
