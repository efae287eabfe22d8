"""Which runs are the same: those with the same non-neutral settings and the same inputs.

Adding, renaming or removing a setting must not orphan existing runs. So a run is identified by the
settings that differ from NEUTRAL, and found by the contents of its files, whatever its folder is
called. CONTRIBUTING.md explains what to do here for each kind of change.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.core.errors import UserError, some

Settings = Mapping[str, Any]

# Every recipe sets these.
REQUIRED = ("name", "backbone", "size", "epochs")

# The value of every other setting in recipe files that lack it because an older kit wrote them: the
# value that trains as that kit did. This is not the default of a new recipe, which may change; a
# line here never does.
NEUTRAL: Settings = {
    "stem": "as_is",
    "normalize": "scale",
    "head": "average",
    "dropout": 0.0,
    "weights": "none",
    "resize": "area",
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
    "validate": "fold",
    "keep": "val_loss",
    "keep_from": "start",
    "patience": None,
    "tta": 1,
    "seed": 0,
}

# Old names of settings, with the current ones.
RENAMED: Mapping[str, str] = {}

# Removed settings, with the one value that still trains the same model: the neutral one.
REMOVED: Settings = {}


def current(settings: Settings, origin: Path) -> dict[str, Any]:
    """Convert the settings of a recipe file of any version to this version's, none missing.

    `origin` is the file, for messages. Raises a one-line UserError for an unknown setting, and for
    a removed one whose value was not neutral.
    """
    named = {RENAMED.get(key, key): value for key, value in settings.items()}
    kept = {key: value for key, value in named.items() if key not in REMOVED}
    if gone := [key for key in named if key not in kept and named[key] != REMOVED[key]]:
        raise UserError(
            f"{origin}: {gone[0]}={named[gone[0]]}: this version of the kit no longer has that "
            "setting. Use the version that trained the run, or move its folder away."
        )
    if unknown := [key for key in kept if key not in NEUTRAL and key not in REQUIRED]:
        raise UserError(
            f"{origin} has settings unknown to this version of the kit: {some(unknown)}. "
            "Use the version that trained the run, or move its folder away."
        )
    return {**NEUTRAL, **kept}


def identity(settings: Settings) -> dict[str, Any]:
    """The settings that distinguish a model: those that are not neutral."""
    return {
        key: value for key, value in settings.items() if key not in NEUTRAL or value != NEUTRAL[key]
    }
