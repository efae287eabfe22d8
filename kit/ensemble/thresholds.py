"""Thresholds on disk: a cut a class, how it was chosen, and the score it is worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import read_json, write_json
from kit.core.errors import UserError, some
from kit.ensemble.crossfit import HonestScore


def write_thresholds(
    path: Path,
    class_keys: Sequence[str],
    thresholds: NDArray[np.float64],
    policy: str,
    score: HonestScore,
    inputs: Mapping[str, str],
) -> None:
    """Write the cuts by class key, with the policy, both scores, and the inputs' digests."""
    scores = {
        "fitted": score.fitted,
        "cross_fitted": score.cross_fitted,
        "interval": list(score.interval),
        "interval_rows": score.test_rows,
    }
    cuts = {key: float(cut) for key, cut in zip(class_keys, thresholds, strict=True)}
    write_json(
        path, {"thresholds": cuts, "policy": policy, "scores": scores, "inputs": dict(inputs)}
    )


def read_thresholds(path: Path, class_keys: Sequence[str]) -> NDArray[np.float64]:
    """The cuts in the order of the class keys, float64; UserError when a class is missing."""
    cuts = read_json(path).get("thresholds", {})
    if missing := [key for key in class_keys if key not in cuts]:
        raise UserError(f"{path} has no threshold for: {some(missing)}.")
    return np.array([cuts[key] for key in class_keys], dtype=np.float64)


def read_score(path: Path) -> HonestScore:
    """The scores that were written with the thresholds."""
    scores = read_json(path)["scores"]
    low, high = scores["interval"]
    return HonestScore(
        scores["fitted"], scores["cross_fitted"], (low, high), scores["interval_rows"]
    )
