"""What is compared: blends and single runs, each with its score and its cross-fitted labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.blends import refuse_first_release
from kit.data.folds import Folds, digest_labels
from kit.data.predictions import read_predictions
from kit.data.runs import Run, open_run
from kit.ensemble import Decision, HonestScore, Options, fit_decision, make_members, make_unseen


@dataclass(frozen=True)
class Side:
    """A blend or a run: its decision, and its cross-fitted labels, uint8 (rows, classes).

    Rows are those of the folds. `labels` are decided on single models' scores, `averaged` on scores
    averaged as on the test set; the two are equal unless `is_averaged`.
    """

    name: str
    decision: Decision
    labels: NDArray[np.uint8]
    averaged: NDArray[np.uint8]

    @property
    def score(self) -> HonestScore:
        """The cross-fitted and the expected score."""
        return self.decision.worth.score

    @property
    def is_averaged(self) -> bool:
        """Whether it was scored on probabilities averaged as on the test set."""
        return self.decision.chosen.transfer == "averaged"


def open_side(
    competition: Competition,
    workspace: Workspace,
    folds: Folds,
    truth: LabelTable,
    name: str,
    reporter: Reporter = SILENT,
) -> Side:
    """Open a blend as made, or a run as a decision with one member, which is fitted here.

    A name may be shortened after a dash. Raises UserError for an unknown name, and for one that was
    made on other folds or labels.
    """
    full = full_name(workspace, name)
    if full in workspace.blend_names():
        return _open_blend(competition, workspace, full, folds)
    run = open_comparable(workspace, full, folds, truth)
    oof = run.read_oof(competition).take(folds.ids)
    members = make_members(truth.of(folds.ids), [oof], [run.name], folds.group)
    unseen = make_unseen([run.read_tests(competition)]) if run.has_tests() else None
    options = Options(test_rows=competition.count_private(workspace.source))
    fitted = fit_decision(members, unseen, options, reporter=reporter)
    return Side(run.name, fitted.decision, fitted.labels, fitted.averaged)


def open_comparable(workspace: Workspace, name: str, folds: Folds, truth: LabelTable) -> Run:
    """Open a run; UserError for one that was made on other folds or labels."""
    run = open_run(workspace, name)
    if reason := run.misfit(folds.digest, digest_labels(truth)):
        raise UserError(f"{run.name}: {reason}. Train it again to compare it.")
    return run


def full_name(workspace: Workspace, name: str) -> str:
    """The full name of a blend or run, from one that may be shortened after a dash.

    Raises UserError that lists what there is when none or several match.
    """
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


def _open_blend(competition: Competition, workspace: Workspace, name: str, folds: Folds) -> Side:
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
    return Side(files.name, made, labels, averaged)
