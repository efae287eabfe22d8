"""The stage `compare`: whether the difference between two blends or runs is clear."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.metrics import f1_per_class
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say, table
from kit.data.folds import read_folds
from kit.ensemble import (
    Counts,
    difference_interval,
    number_groups,
)
from kit.report.sides import Side, open_side

# How many classes to list, those that changed most.
MOST_MOVED = 8


def compare_stage(
    competition: Competition, workspace: Workspace, first: str, second: str
) -> tuple[float, float]:
    """Print second minus first in macro-F1 on one new test set, and the classes that changed most.

    Each is a blend, or a run on the current folds (a decision with one member); a name may be
    shortened after a dash. Labels are cross-fitted, post-processing included. Both sides are
    resampled together, so that rows that are hard for both cancel out. Scores are averaged over the
    fold models on both sides or on neither, because averaging alone is a gain. Returns the 95% CI
    of the difference. Raises UserError for unknown names and other folds.
    """
    truth = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, truth, workspace.typed)
    labels, group = truth.of(folds.ids), number_groups(folds.group)
    sides = [
        open_side(competition, workspace, folds, truth, name, TERMINAL) for name in (first, second)
    ]
    single = [side.name for side in sides if not side.is_averaged]
    decided = [side.labels if single else side.averaged for side in sides]
    counts = [Counts.of(labels, one, group) for one in decided]
    test_rows = sides[0].score.test_rows
    low, high = difference_interval(counts[0], counts[1], test_rows / len(labels))
    _print_moved(competition, labels, sides)
    for side in sides:
        say(
            f"{side.name}: cross-fitted {side.score.cross_fitted:.4f}, expected on the test set "
            f"{side.score.expected:.4f}"
        )
    if 0 < len(single) < len(sides):
        say(
            "Compared on single models' scores, because those of "
            f"{single[0]} are not averaged over the folds."
        )
    verdict = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    say(
        f"{sides[1].name} minus {sides[0].name} on a test set of {test_rows} rows: 95% CI "
        f"{low:+.3f} to {high:+.3f}: {verdict}."
    )
    return low, high


def _print_moved(
    competition: Competition, labels: NDArray[np.uint8], sides: Sequence[Side]
) -> None:
    before, after = (f1_per_class(labels, side.labels) for side in sides)
    moved = sorted(range(len(before)), key=lambda column: -abs(after[column] - before[column]))
    rows = [
        [competition.class_names[one], f"{before[one]:.3f}", f"{after[one]:.3f}"]
        for one in moved[:MOST_MOVED]
    ]
    header = ["", *(side.name for side in sides)]
    table("Classes that changed most, cross-fitted F1", header, rows)
