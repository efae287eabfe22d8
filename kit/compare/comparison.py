"""Runs and blends compared: a row each, and paired differences in macro-F1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.blends.opened import open_blend
from kit.compare.rows import Row, blend_row, member_rows, run_row
from kit.compare.sides import Side, TrainSet, full_name, open_side
from kit.competitions.base import Competition
from kit.competitions.exact import decide
from kit.competitions.metrics import f1_per_class, macro_f1
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.predictions import Predictions
from kit.data.runs import Run
from kit.ensemble import Counts, difference_interval, number_groups, prediction_interval

HALF = 0.5


@dataclass(frozen=True)
class PairedDifference:
    """One name minus the baseline in macro-F1 on one new test set, with its 95% CI.

    `difference` is that of the expected scores. `verdict` is better or worse if the interval
    excludes zero, else no clear difference. `single` names a side whose scores are not averaged
    over the fold models where the other's are: both are then compared on single models' scores.
    """

    name: str
    difference: float
    interval: tuple[float, float]
    verdict: str
    single: str | None


@dataclass(frozen=True)
class ClassChange:
    """The cross-fitted F1 of a class on both sides of a comparison of two."""

    name: str
    first: float
    second: float


@dataclass(frozen=True)
class Comparison:
    """Rows in the order of the names, and the differences from `baseline`.

    The baseline is the first name with a score; None without one. `test_rows` is the size of the
    test set that scores and differences are for. If exactly two have a score, `class_changes` lists
    all classes, those that changed most first.
    """

    rows: tuple[Row, ...]
    baseline: str | None = None
    test_rows: int | None = None
    differences: tuple[PairedDifference, ...] = ()
    class_changes: tuple[ClassChange, ...] = ()


def compare(
    competition: Competition,
    workspace: Workspace,
    names: Sequence[str],
    reporter: Reporter = SILENT,
) -> Comparison:
    """Compare two or more blends and runs; a name may be shortened after a dash.

    A run is a decision with one member, fitted here. Labels are cross-fitted, post-processing
    included. Each difference resamples both sides together, so that rows that are hard for both
    cancel out. Scores are averaged over the fold models on both sides or on neither, because
    averaging alone is a gain. A run with untrained folds has a row but no score. Raises UserError
    for fewer names, unknown ones, and other folds.
    """
    if len(names) < 2:
        raise UserError(
            f"Expected two or more blends or runs to compare, got {len(names)}. List them: "
            f"{workspace.typed.command('status')}"
        )
    on = TrainSet.read(competition, workspace)
    asked = [full_name(workspace, name) for name in names]
    rows: dict[str, Row] = {}
    sides: dict[str, Side] = {}
    for name in dict.fromkeys(asked):
        if not on.is_blend(name):
            run = on.open_run(name)
            if run.missing_folds() and not run.is_imported:
                rows[name] = _unscored(on, run)
                continue
        sides[name] = open_side(on, name, reporter)
        rows[name] = _scored(on, sides[name])
    scored = [sides[name] for name in asked if name in sides]
    compared = Comparison(tuple(rows[name] for name in asked))
    if not scored:
        return compared
    labels, group = on.table.of(on.folds.ids), number_groups(on.folds.group)
    return replace(
        compared,
        baseline=scored[0].name,
        test_rows=scored[0].score.test_rows,
        differences=tuple(_difference(labels, group, scored[0], side) for side in scored[1:]),
        class_changes=_changes(competition, labels, scored) if len(scored) == 2 else (),
    )


def _scored(on: TrainSet, side: Side) -> Row:
    """The row of a blend, or of a run with all folds."""
    if on.is_blend(side.name):
        members = member_rows(on.competition, on.workspace, side.decision.members)
        row = blend_row(side.name, side.decision, members, on.folds.n)
        oof = open_blend(on.workspace, side.name).read_oof(on.competition)
    else:
        run = on.open_run(side.name)
        row = run_row(on.competition, run, side.score)
        oof = run.read_oof(on.competition)
    return _with_score_at_half(on, row, oof)


def _unscored(on: TrainSet, run: Run) -> Row:
    """The row of a run with untrained folds: its thresholds cannot be cross-fitted on all rows."""
    row, done = run_row(on.competition, run, None), run.finished_folds()
    train = run.how_to_train(_listed(run.missing_folds()))
    if not done:
        return replace(row, note=f"No fold is trained, so no row has a held-out score. {train}")
    oof = run.read_finished_oof(on.competition)
    row = _with_score_at_half(on, row, oof)
    assert row.interval_at_half is not None  # set with the score
    low, high = row.interval_at_half
    note = (
        f"Macro-F1 at threshold {HALF} is {row.macro_f1_at_half:.3f} (95% CI {low:.3f} to "
        f"{high:.3f}) on the {len(oof.ids)} held-out rows of fold{'s' if len(done) > 1 else ''} "
        f"{_listed(done)}. Fitted thresholds need all folds. {train}"
    )
    return replace(row, note=note)


def _listed(folds: Sequence[int]) -> str:
    return ",".join(map(str, folds))


def _with_score_at_half(on: TrainSet, row: Row, oof: Predictions) -> Row:
    """The row with macro-F1 at one fixed threshold, and its 95% CI on a test set.

    Nothing is fitted, so any held-out rows will do.
    """
    labels = on.table.of(oof.ids)
    decided = decide(oof.probs, np.full(labels.shape[1], HALF))
    group_of = dict(zip(on.folds.ids, on.folds.group, strict=True))
    group = number_groups(tuple(group_of[one] for one in oof.ids))
    test_rows = on.competition.count_private(on.workspace.source)
    interval = prediction_interval(Counts.of(labels, decided, group), test_rows / len(labels))
    return replace(row, macro_f1_at_half=macro_f1(labels, decided), interval_at_half=interval.macro)


def _difference(
    labels: NDArray[np.uint8], group: NDArray[np.int64], baseline: Side, side: Side
) -> PairedDifference:
    """`side` minus `baseline`, on scores averaged over the fold models if both are."""
    single = [one.name for one in (baseline, side) if not one.is_averaged]
    ratio = baseline.score.test_rows / len(labels)
    counts = [
        Counts.of(labels, one.labels if single else one.averaged, group) for one in (baseline, side)
    ]
    low, high = difference_interval(counts[0], counts[1], ratio)
    expected = [one.score.expected for one in (baseline, side)]
    if len(single) == 1:  # the other's score gains by averaging
        expected = [prediction_interval(one, ratio).mean for one in counts]
    return PairedDifference(
        name=side.name,
        difference=expected[1] - expected[0],
        interval=(low, high),
        verdict="better" if low > 0 else "worse" if high < 0 else "no clear difference",
        single=single[0] if len(single) == 1 else None,
    )


def _changes(
    competition: Competition, labels: NDArray[np.uint8], sides: Sequence[Side]
) -> tuple[ClassChange, ...]:
    """Every class with its F1 by single models' scores, the most changed first."""
    first, second = (f1_per_class(labels, side.labels).tolist() for side in sides)
    classes = map(ClassChange, competition.class_names, first, second)
    return tuple(sorted(classes, key=lambda one: -abs(one.second - one.first)))
