"""For the report: a blend's best two members beside the truth, on held-out images."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.compare.shown import Counted, Shown, verdict
from kit.competitions.tables import LabelTable
from kit.data.folds import digest_labels
from kit.data.runs import Run
from kit.data.sampling import rare_rows
from kit.ensemble import Options, fit_decision, make_members
from kit.report.beside_picture import draw_beside
from kit.report.composites import read_composites
from kit.report.view import BlendView

PICTURED = 10


@dataclass(frozen=True)
class BestMembers:
    """One or two runs beside the truth: on all held-out images, and on the few of the picture.

    `picture` is None without images.
    """

    everywhere: Shown
    pictured: Shown
    picture: Figure | None

    @property
    def tables(self) -> tuple[tuple[str, tuple[Counted, ...]], ...]:
        """The counts with a title: of all images, and of those in the picture."""
        tables = ((f"all {len(self.everywhere.ids)} images", self.everywhere.counted()),)
        if self.picture is None:
            return tables
        return (*tables, (f"the {len(self.pictured.ids)} below", self.pictured.counted()))

    @property
    def verdict(self) -> str:
        """Which run has more true and which fewer false positives; empty for a single run."""
        return verdict(self.everywhere.counted(), "Over all images, ")


def read_best_members(view: BlendView) -> BestMembers | None:
    """The two members with the highest expected scores, or the only one; none that is left out.

    Labels are cross-fitted: those of the members' cross-fitted scores in the decision. The pictured
    images show one rare class each. None when a member was trained on other folds or labels than
    the present ones, or a fold of it is gone: then not all images are held out.
    """
    competition, workspace = view.competition, view.workspace
    digests = view.folds.digest, digest_labels(LabelTable(view.folds.ids, view.labels))
    if any(run.misfit(*digests) or run.missing_folds() for run in view.runs):
        return None
    alone, left_out = view.decision.worth.alone, view.decision.left_out
    used = [run for run in view.runs if run.name not in left_out]
    runs = sorted(used, key=lambda run: -alone[run.name].score.expected if alone else 0)[:2]
    labels = {run.name: _label_alone(view, run) for run in runs}
    everywhere = Shown(
        view.folds.ids,
        np.ones(len(view.labels), bool),
        view.labels,
        labels,
        competition.class_names,
        "Held out: each image is predicted by models that did not train on it, and labelled at "
        f"thresholds fitted on the other folds ({view.decision.chosen.policy}).",
    )
    pictured = everywhere.only(rare_rows(view.labels, PICTURED))
    pixels = read_composites(competition, workspace, view.runs, "train", pictured.ids)
    picture = None if pixels is None else draw_beside(pictured, pixels)
    return BestMembers(everywhere, pictured, picture)


def _label_alone(view: BlendView, run: Run) -> NDArray[np.uint8]:
    """A member's cross-fitted labels under the blend's policy, uint8 (rows, classes)."""
    oof = run.read_oof(view.competition).take(view.folds.ids)
    member = make_members(view.labels, [oof], [run.name], view.folds.group)
    return fit_decision(member, options=Options(policy=view.decision.chosen.policy)).labels
