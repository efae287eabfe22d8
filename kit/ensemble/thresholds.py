"""Thresholds on disk: a cut a class, how it was chosen, and the score it is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import read_json, write_json
from kit.core.errors import UserError, some
from kit.ensemble.extras import PLAIN, Finish, finish_from
from kit.ensemble.honest import HonestScore


@dataclass(frozen=True)
class Thresholds:
    """What decides test rows, and where it is from.

    `cuts` by class key, `finish` what is done after them, `copies` the training id whose labels a
    test id takes; `policy` and `transfer` how the cuts were chosen, `score` what all is worth,
    `inputs` and `how` what was given and asked.
    """

    cuts: Mapping[str, float]
    policy: str
    transfer: str
    score: HonestScore
    inputs: Mapping[str, Any]
    how: Mapping[str, Any]
    finish: Finish = PLAIN
    copies: Mapping[str, str] | None = None


def write_thresholds(path: Path, chosen: Thresholds) -> None:
    """Write thresholds as JSON."""
    score = chosen.score
    content = {
        "thresholds": dict(chosen.cuts),
        "policy": chosen.policy,
        "transfer": chosen.transfer,
        "finish": chosen.finish.described(),
        "copies": dict(chosen.copies or {}),
        "scores": {
            "fitted": score.fitted,
            "cross_fitted": score.cross_fitted,
            "expected": score.expected,
            "interval": list(score.interval),
            "interval_rows": score.test_rows,
        },
        "inputs": dict(chosen.inputs),
        "how": dict(chosen.how),
    }
    write_json(path, content)


def read_thresholds(path: Path, class_keys: Sequence[str]) -> NDArray[np.float64]:
    """The cuts in the order of the class keys, float64; UserError when a class is missing."""
    cuts = read_json(path).get("thresholds", {})
    if missing := [key for key in class_keys if key not in cuts]:
        raise UserError(f"{path} has no threshold for: {some(missing)}.")
    return np.array([cuts[key] for key in class_keys], dtype=np.float64)


def read_finish(path: Path) -> Finish:
    """What is done after the cuts; nothing, in a file that says nothing of it."""
    saved = read_json(path).get("finish")
    return PLAIN if saved is None else finish_from(saved)


def read_copies(path: Path) -> dict[str, str]:
    """The training id whose labels each of some test ids takes."""
    return dict(read_json(path).get("copies", {}))


def read_score(path: Path) -> HonestScore:
    """The scores that were written with the thresholds."""
    scores = read_json(path)["scores"]
    low, high = scores["interval"]
    return HonestScore(
        scores["fitted"],
        scores["cross_fitted"],
        scores["expected"],
        (low, high),
        scores["interval_rows"],
    )
