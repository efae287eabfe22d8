"""Which runs are the same: the settings of a recipe that are not neutral, on the same inputs.

A setting that is added, renamed or removed must leave every run that was trained before where it is
found. So a run is known by its settings that differ from NEUTRAL, and found by what its files say,
whatever its folder is called. CONTRIBUTING.md says what to do here for each kind of change.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.core.errors import UserError, some

Settings = Mapping[str, Any]

# What every recipe names.
REQUIRED = ("name", "backbone", "size", "epochs")

# What each other setting is in a recipe file that does not name it, because the kit that wrote the
# file did not have it: the value that trains as that kit did. Not the default of a new recipe,
# which may change; a line here never does.
NEUTRAL: Settings = {
    "stem": "as_is",
    "normalize": "scale",
    "head": "average",
    "dropout": 0.0,
    "weights": "none",
    "sampling": "none",
    "repeat_threshold": 0.1,
    "repeat_cap": 8.0,
    "repeats": "",
    "augment": "symmetries",
    "mix": "none",
    "batch": 32,
    "accumulate": 1,
    "steps": None,
    "loss": "bce",
    "label_smoothing": 0.0,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "clip": 0.0,
    "ema": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "plateau_epochs": 5,
    "plateau_factor": 0.5,
    "precision": "float32",
    "frozen_epochs": 0,
    "frozen_learning_rate": 1e-3,
    "keep": "val_loss",
    "patience": None,
    "tta": 1,
    "seed": 0,
}

# Settings by a name of before, with the name of now.
RENAMED: Mapping[str, str] = {}

# Settings that are gone, with the one value that still trains the same model: the neutral one.
REMOVED: Settings = {}


def current(settings: Settings, origin: Path) -> dict[str, Any]:
    """The settings of a recipe file of any version as this one has them, none missing.

    `origin` is the file, for messages. Raises UserError in one line for a setting that is not
    known, and for one that is gone and had another than its neutral value.
    """
    named = {RENAMED.get(key, key): value for key, value in settings.items()}
    kept = {key: value for key, value in named.items() if key not in REMOVED}
    if gone := [key for key in named if key not in kept and named[key] != REMOVED[key]]:
        raise UserError(
            f"{origin}: {gone[0]}={named[gone[0]]} is a setting that this version of the kit no "
            "longer has. Use the version that trained the run, or move its folder away."
        )
    if unknown := [key for key in kept if key not in NEUTRAL and key not in REQUIRED]:
        raise UserError(
            f"{origin} has settings that this version of the kit does not know: {some(unknown)}. "
            "Use the version that trained the run, or move its folder away."
        )
    return {**NEUTRAL, **kept}


def identity(settings: Settings) -> dict[str, Any]:
    """The settings that make a model another one: those that are not neutral."""
    return {
        key: value for key, value in settings.items() if key not in NEUTRAL or value != NEUTRAL[key]
    }
