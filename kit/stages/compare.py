"""The stage `compare`: whether the difference between two blends or runs is clear."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.metrics import f1_per_class
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say, table
from kit.data.blends import refuse_first_release
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import read_predictions
from kit.data.runs import open_run
from kit.ensemble import (
    Counts,
    Decision,
    HonestScore,
    Options,
    difference_interval,
    fit_decision,
    make_members,
    make_unseen,
    number_groups,
)
from kit.stages.blend import count_private

# How many classes to list, those that changed most.
MOST_MOVED = 8


@dataclass(frozen=True)
class Compared:
    """One side: its score, and its cross-fitted labels, uint8 (rows, classes).

    `labels` are decided on single models' scores, `averaged` on scores averaged as on the test set;
    the two are equal unless `is_averaged`.
    """

    name: str
    score: HonestScore
    labels: NDArray[np.uint8]
    averaged: NDArray[np.uint8]
    is_averaged: bool


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
    sides = [_open(competition, workspace, folds, truth, name) for name in (first, second)]
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


def _open(
    competition: Competition, workspace: Workspace, folds: Folds, truth: LabelTable, name: str
) -> Compared:
    """A blend as made, or a run as a decision with one member."""
    full = _full_name(workspace, name)
    if full in workspace.blend_names():
        return _open_blend(competition, workspace, full, folds)
    run = open_run(workspace, full)
    if reason := run.misfit(folds.digest, digest_labels(truth)):
        raise UserError(f"{run.name}: {reason}. Train it again to compare it.")
    oof = run.read_oof(competition).take(folds.ids)
    members = make_members(truth.of(folds.ids), [oof], [run.name], folds.group)
    unseen = make_unseen([run.read_tests(competition)]) if run.has_tests() else None
    options = Options(test_rows=count_private(competition, workspace))
    fitted = fit_decision(members, unseen, options, reporter=TERMINAL)
    return _compared(run.name, fitted.decision, fitted.labels, fitted.averaged)


def _full_name(workspace: Workspace, name: str) -> str:
    """The full name of a blend or run, from one that may be shortened after a dash."""
    refuse_first_release(workspace, name)
    known = (*workspace.blend_names(), *workspace.run_names())
    if name in known:
        return name
    begun = [one for one in known if one.startswith(f"{name}-")]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UserError(f"'{name}' matches several: {', '.join(begun)}. Name one.")
    raise UserError(f"No blend or run '{name}'. There are: {', '.join(known) or 'none'}.")


def _open_blend(
    competition: Competition, workspace: Workspace, name: str, folds: Folds
) -> Compared:
    files = workspace.blend(name)
    made = Decision.load(files.decision)
    read = [
        read_predictions(path, competition.class_keys)
        for path in (files.labels, files.averaged_labels)
    ]
    fold_of = dict(zip(folds.ids, folds.fold.tolist(), strict=True))
    for one in read:
        if one.fold is None or dict(zip(one.ids, one.fold.tolist(), strict=True)) != fold_of:
            again = workspace.typed.command("blend", *made.members, "--name", name)
            raise UserError(f"{name} was made on other folds. Make it again: {again}")
    labels, averaged = (one.take(folds.ids).probs.astype(np.uint8) for one in read)
    return _compared(files.name, made, labels, averaged)


def _compared(
    name: str, decision: Decision, labels: NDArray[np.uint8], averaged: NDArray[np.uint8]
) -> Compared:
    is_averaged = decision.chosen.transfer == "averaged"
    return Compared(name, decision.worth.score, labels, averaged, is_averaged)


def _print_moved(
    competition: Competition, labels: NDArray[np.uint8], sides: Sequence[Compared]
) -> None:
    before, after = (f1_per_class(labels, side.labels) for side in sides)
    moved = sorted(range(len(before)), key=lambda column: -abs(after[column] - before[column]))
    rows = [
        [competition.class_names[one], f"{before[one]:.3f}", f"{after[one]:.3f}"]
        for one in moved[:MOST_MOVED]
    ]
    header = ["", *(side.name for side in sides)]
    table("Classes that changed most, cross-fitted F1", header, rows)
