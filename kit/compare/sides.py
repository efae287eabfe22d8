"""What is compared: blends and single runs, each with its score and its cross-fitted labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.blends.opened import open_blend, remake_command
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.blends import refuse_first_release
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import read_predictions
from kit.data.runs import Run, open_run
from kit.ensemble import Decision, HonestScore, Options, fit_decision, make_members, make_unseen


@dataclass(frozen=True)
class TrainSet:
    """A competition's labelled images, in the order of the label table, and their folds."""

    competition: Competition
    workspace: Workspace
    table: LabelTable
    folds: Folds

    @classmethod
    def read(cls, competition: Competition, workspace: Workspace) -> "TrainSet":
        """Read labels and folds; UserError when one is missing or they do not fit."""
        table = competition.read_labels(workspace.source)
        folds = read_folds(workspace.folds, table, workspace.typed)
        return cls(competition, workspace, table, folds)

    def is_blend(self, name: str) -> bool:
        """Whether a full name is a blend's."""
        return name in self.workspace.blend_names()

    def open_run(self, name: str) -> Run:
        """Open a run by its full name; UserError when it was trained on other folds or labels."""
        run = open_run(self.workspace, name)
        if reason := run.misfit(self.folds.digest, digest_labels(self.table)):
            raise UserError(f"{run.name}: {reason}. Train it again to compare it.")
        return run


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


def open_side(on: TrainSet, name: str, reporter: Reporter = SILENT) -> Side:
    """Open a blend as made, or a run as a decision with one member, which is fitted here.

    `name` is the full one. Raises UserError for an unknown name, and for one that was made on other
    folds or labels.
    """
    if on.is_blend(name):
        return _open_blend(on, name)
    run = on.open_run(name)
    oof = run.read_oof(on.competition).take(on.folds.ids)
    members = make_members(on.table.of(on.folds.ids), [oof], [run.name], on.folds.group)
    unseen = make_unseen([run.read_tests(on.competition)]) if run.has_tests() else None
    options = Options(test_rows=on.competition.count_private(on.workspace.source))
    fitted = fit_decision(members, unseen, options, reporter=reporter)
    return Side(run.name, fitted.decision, fitted.labels, fitted.averaged)


def full_name(workspace: Workspace, name: str) -> str:
    """The full name of a blend or run, from one that may be shortened after a dash.

    Raises UserError that lists what there is when none or several match.
    """
    refuse_first_release(workspace, name)
    found = matching_names(workspace, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"'{name}' matches several: {', '.join(found)}. Name one.")
    known = (*workspace.blend_names(), *workspace.run_names())
    raise UserError(f"No blend or run '{name}'. There are: {', '.join(known) or 'none'}.")


def matching_names(workspace: Workspace, name: str) -> tuple[str, ...]:
    """The blend or run with this full name; without one, those that continue it after a dash."""
    known = (*workspace.blend_names(), *workspace.run_names())
    if name in known:
        return (name,)
    return tuple(one for one in known if one.startswith(f"{name}-"))


def _open_blend(on: TrainSet, name: str) -> Side:
    files, folds = on.workspace.blend(name), on.folds
    made = open_blend(on.workspace, name).decision
    read = [
        read_predictions(path, on.competition.class_keys)
        for path in (files.labels, files.averaged_labels)
    ]
    fold_of = dict(zip(folds.ids, folds.fold.tolist(), strict=True))
    for one in read:
        if one.fold is None or dict(zip(one.ids, one.fold.tolist(), strict=True)) != fold_of:
            again = remake_command(on.workspace, name, made)
            raise UserError(f"{name} was made on other folds. Make it again: {again}")
    labels, averaged = (one.take(folds.ids).probs.astype(np.uint8) for one in read)
    return Side(files.name, made, labels, averaged)
