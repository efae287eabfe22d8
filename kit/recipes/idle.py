"""Settings without effect given the others: refused where they are set."""

from collections.abc import Mapping

from kit.core.errors import UserError
from kit.core.terms import Term
from kit.data.sampling import SAMPLINGS

# Another setting, its values that make a setting ineffective, and one that does not.
_Cause = tuple[str, tuple[object, ...], object]

_IDLE: dict[str, tuple[_Cause, ...]] = {
    "weight_decay": (("optimizer", ("adam", "sgd"), "adamw"),),
    "warmup": (("schedule", ("plateau",), "cosine"),),
    "plateau_epochs": (("schedule", ("constant", "cosine", "onecycle"), "plateau"),),
    "plateau_factor": (("schedule", ("constant", "cosine", "onecycle"), "plateau"),),
    "patience": (("keep", ("last",), "val_loss"),),
    "frozen_learning_rate": (("frozen_epochs", (0,), 1),),
}

# The same, for single values of a setting.
_IDLE_VALUES: dict[tuple[str, str], tuple[_Cause, ...]] = {
    ("keep_from", "phase"): (("frozen_epochs", (0,), 1), ("keep", ("last",), "val_loss")),
    ("stem", "inflate"): (("weights", ("none",), "imagenet"),),
}


def refuse_idle(key: str, value: object, settings: Mapping[str, object]) -> None:
    """Raise UserError if `--set key=value` has no effect with the other settings of a recipe."""
    causes = (*_samplings(key), *_IDLE.get(key, ()), *_IDLE_VALUES.get((key, str(value)), ()))
    for other, idle_with, cure in causes:
        value_of_other = settings[other]
        named = value_of_other.name if isinstance(value_of_other, Term) else value_of_other
        if named in idle_with:
            raise UserError(
                f"--set {key}={value} has no effect with {other}={value_of_other}. "
                f"Omit it, or add --set {other}={cure}."
            )


def _samplings(key: str) -> tuple[_Cause, ...]:
    """The cause for a setting that only some samplings use."""
    users = [name for name, one in SAMPLINGS.items() if key in one.settings]
    others = tuple(name for name in SAMPLINGS if name not in users)
    return (("sampling", others, users[0]),) if users else ()
