"""The labels that a blend gives its test rows, by everything that its thresholds file says."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.paths import BlendFiles, Workspace
from kit.data.predictions import Predictions
from kit.ensemble.thresholds import read_copies, read_finish, read_thresholds


def decide_test(
    competition: Competition, workspace: Workspace, blend: BlendFiles, test: Predictions
) -> NDArray[np.uint8]:
    """Decisions (rows, classes) in the order of `test`: cuts, then extras, then copied labels."""
    cuts = read_thresholds(blend.thresholds, competition.class_keys)
    decisions = read_finish(blend.thresholds).decide(test.probs, cuts)
    if copies := read_copies(blend.thresholds):
        table = competition.read_labels(workspace.source)
        _copy(decisions, test.ids, copies, dict(zip(table.ids, table.labels, strict=True)))
    return decisions


def _copy(
    decisions: NDArray[np.uint8],
    ids: Sequence[str],
    copies: dict[str, str],
    labels: dict[str, NDArray[np.uint8]],
) -> None:
    for row, test_id in enumerate(ids):
        if test_id in copies:
            decisions[row] = labels[copies[test_id]]
