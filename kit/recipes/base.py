"""`Recipe`: every choice that changes the trained model, in one frozen value."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.core.errors import UserError, unknown
from kit.core.store_paths import LARGEST_SIZE, StoreKind
from kit.core.terms import Term
from kit.data.augment import Augmentation, parse_augmentation
from kit.data.mixing import Mix, parse_mix
from kit.data.sampling import SAMPLINGS, Repeats, parse_repeats, parse_sampling
from kit.data.validation import parse_validation
from kit.models.losses import Loss, parse_loss
from kit.recipes.hints import ALIASES
from kit.recipes.idle import refuse_idle
from kit.recipes.text import parsed_by

# `validate` is also a deprecated method of BaseModel, which the kit does not use.
warnings.filterwarnings("ignore", 'Field name "validate" in "Recipe" shadows', UserWarning)

# Values above these are typing mistakes; they would fail late, or fill the disk.
LARGEST: Mapping[str, int] = {
    "size": LARGEST_SIZE,
    "batch": 65_536,
    "steps": 10_000_000,
    "epochs": 100_000,
    "frozen_epochs": 100_000,
    "learning_rate": 1000,
    "frozen_learning_rate": 1000,
}


class Recipe(BaseModel):
    """Everything that defines a model, apart from its data.

    Runs with equal recipes on equal folds and stores are the same run. Unknown keys and non-finite
    numbers are refused. Settings with a grammar of their own are parsed here, once, and dumped as
    the same text. `kit models NAME` prints these descriptions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(description="name of the recipe; names of its runs start with it")

    # The network: uint8 image -> stem -> normalize -> backbone -> head -> one logit per class.
    backbone: str = Field(description="the network between stem and head")
    stem: str = Field(default="as_is", description="how channels are mixed for the backbone")
    normalize: Literal["scale", "batch", "image", "backbone"] = Field(
        default="scale",
        description=(
            "scale: pixels divided by 255; batch, image: then by each channel's mean and variance "
            "over the batch or the image; backbone: as its pretrained weights expect"
        ),
    )
    head: str = Field(default="average", description="from feature maps to one logit per class")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="rate of all dropout layers in the head"
    )
    size: int = Field(ge=16, description="side of the square image, in pixels")
    weights: str = Field(default="none", description="initial weights of the backbone")
    resize: Literal["area", "linear"] = Field(
        default="area",
        description=(
            "how images are brought to that size. area: averaged to shrink, cubic to enlarge; "
            "linear: bilinear both ways"
        ),
    )

    # The data it sees.
    sampling: Annotated[Term, *parsed_by(parse_sampling, Term, SAMPLINGS)] = Field(
        default=parse_sampling("none"),
        description="which rows an epoch shows. "
        + "; ".join(f"{name}: {one.about}" for name, one in SAMPLINGS.items()),
    )
    repeat_threshold: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="repeat rows of classes rarer than this share; with sampling=repeat",
    )
    repeat_cap: float = Field(
        default=8.0,
        ge=1,
        description=(
            "maximum mean number of times a row appears per epoch; with sampling=repeat or inverse"
        ),
    )
    repeats: Annotated[Repeats, *parsed_by(parse_repeats, Repeats)] = Field(
        default=Repeats(),
        description="class:times, separated by commas, such as 27:10,15:8; with sampling=table",
    )
    augment: Annotated[Augmentation, *parsed_by(parse_augmentation, Augmentation)] = Field(
        default=parse_augmentation("symmetries"),
        description="how images are varied; join several with +",
    )
    mix: Annotated[Mix, *parsed_by(parse_mix, Mix)] = Field(
        default=Mix(),
        description="mixup(0.2) or cutmix(1): mix the images of a batch and their labels",
    )
    batch: int = Field(default=32, ge=1, description="images per optimizer step")
    accumulate: int = Field(
        default=1,
        ge=1,
        description="parts per batch for gradient accumulation, to save memory",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        description="optimizer steps per epoch; none: one pass over the sampled rows",
    )

    # How it learns.
    loss: Annotated[Loss, *parsed_by(parse_loss, Loss)] = Field(
        default=parse_loss("bce"),
        description="a loss, or a weighted sum such as 0.5*focal(gamma=2)+0.5*lovasz",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="moves labels towards 0.5; not for soft_f1 and lovasz",
    )
    optimizer: Literal["adam", "adamw", "sgd", "lion"] = Field(
        default="adam", description="sgd has momentum 0.9"
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, description="highest value, with all layers trainable"
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="decoupled weight decay; with optimizer=adamw or lion",
    )
    clip: float = Field(
        default=0.0, ge=0, description="maximum global norm of the gradient; 0: no clipping"
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="decay per step of the moving average of weights that predicts; 0: none",
    )
    schedule: Literal["constant", "cosine", "onecycle", "plateau"] = Field(
        default="constant",
        description=(
            "of the learning rate. constant; cosine: falls to 0; onecycle: rises from 1/25 of it "
            "during the warm-up (0.3 if none is set), then falls; plateau: reduced when the "
            "validation loss plateaus"
        ),
    )
    warmup: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the steps after the frozen epochs in which the learning rate rises",
    )
    plateau_epochs: int = Field(
        default=5,
        ge=1,
        description="epochs without a better loss before it is reduced; schedule=plateau",
    )
    plateau_factor: float = Field(
        default=0.5, gt=0, lt=1, description="factor of each reduction; schedule=plateau"
    )
    precision: Literal["float32", "mixed", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32",
        description=(
            "of the computation. mixed: bfloat16 on GPUs that support it, float16 on others, "
            "float32 on a CPU; weights stay float32"
        ),
    )
    frozen_epochs: int = Field(default=0, ge=0, description="initial epochs with a frozen backbone")
    frozen_learning_rate: float = Field(
        default=1e-3,
        gt=0,
        description="learning rate of the frozen epochs; with frozen_epochs of 1 or more",
    )
    epochs: int = Field(ge=1, description="epochs with all layers trainable, after the frozen ones")
    validate: Annotated[Term, *parsed_by(parse_validation, Term)] = Field(  # type: ignore[assignment]
        default=parse_validation("fold"),
        description=(
            "which held-out rows score an epoch. fold: all; batch(256): the same 256, drawn once"
        ),
    )
    keep: Literal["val_loss", "val_macro_f1", "last"] = Field(
        default="val_loss",
        description="which epoch predicts: the best on the held-out fold, or the last",
    )
    keep_from: Literal["start", "phase"] = Field(
        default="start",
        description=(
            "which epochs `keep` chooses from. start: all; phase: those after the frozen ones"
        ),
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop after this many epochs without a better one by `keep`; none: never",
    )

    # How it predicts.
    tta: int = Field(
        default=1,
        ge=1,
        le=48,
        description=(
            "views per image whose logits are averaged: up to 8 symmetries, then those of a centre "
            "crop and four corner crops"
        ),
    )
    # Fold k trains with 1000 * seed + k, and PyTorch takes seeds of 31 bits from Keras.
    seed: int = Field(
        default=0,
        ge=0,
        le=2_000_000,
        description="of the initialization, sampling and augmentation",
    )

    @property
    def store_kind(self) -> StoreKind:
        """The kind of store that holds its images."""
        return StoreKind(self.size, self.resize)

    @property
    def all_epochs(self) -> int:
        """All epochs, frozen ones included."""
        return self.frozen_epochs + self.epochs


def with_size(settings: Sequence[str], size: int | None) -> list[str]:
    """The settings of a command and its `--size`; UserError if the two name different sizes."""
    if size is None:
        return list(settings)
    for setting in settings:
        if setting.startswith("size=") and setting != f"size={size}":
            raise UserError(f"--size {size} and --set {setting} contradict each other. Give one.")
    return [*settings, f"size={size}"]


def recipe_of(settings: Mapping[str, Any], origin: Path) -> Recipe:
    """The recipe with the settings of a file; a one-line UserError if they are invalid."""
    try:
        return Recipe.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError(f"{origin}: {_first_complaint(error)}") from None


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with `key=value` texts applied, each value parsed as the key's type.

    Of several values of a key the last counts. Raises UserError for a text without `=`, an unknown
    key, a value that the key does not accept, and a setting that has no effect given the others. A
    recipe itself may hold such values, so that `--set sampling=none` is enough to disable repeats.
    """
    given: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set expects key=value, got '{setting}'. Example: --set epochs=3")
        if key == "name" or key not in Recipe.model_fields:
            raise unknown("recipe setting", key, set(Recipe.model_fields) - {"name"}, ALIASES)
        given[key] = None if value == "none" and key in ("steps", "patience") else value
    try:
        changed = Recipe.model_validate({**recipe.model_dump(), **given})
    except ValidationError as error:
        raise UserError(f"--set {_first_complaint(error)}") from None
    for key, value in given.items():
        if key in LARGEST and value is not None and getattr(changed, key) > LARGEST[key]:
            most = LARGEST[key]
            raise UserError(f"--set {key}={value}: input should be less than or equal to {most}.")
        refuse_idle(key, value, dict(changed))
    return changed


def _first_complaint(error: ValidationError) -> str:
    complaint = error.errors()[0]
    key = ".".join(str(part) for part in complaint["loc"])
    return f"{key}={complaint['input']}: {complaint['msg'].lower()}."
