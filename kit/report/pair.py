"""For the report: a blend's two best members beside the truth, on held-out images."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.folds import digest_labels
from kit.report.beside import Counted, Shown, verdict
from kit.report.beside_picture import draw_beside
from kit.report.composites import read_composites
from kit.report.look import rare_rows
from kit.report.sides import open_side
from kit.report.view import BlendView

PICTURED = 10


@dataclass(frozen=True)
class Pair:
    """Two models beside the truth: counts over all held-out images and the pictured ones.

    `picture` is a PNG, or None without images.
    """

    shown: Shown
    everywhere: tuple[Counted, ...]
    picture: bytes | None

    @property
    def tables(self) -> tuple[tuple[str, tuple[Counted, ...]], ...]:
        """Both tables of counts, with what they count."""
        return (
            ("all images", self.everywhere),
            (f"the {len(self.shown.ids)} below", self.shown.counted()),
        )

    @property
    def verdict(self) -> str:
        """Which model has more true and which fewer false positives, over all images."""
        return verdict(self.everywhere)


def read_pair(view: BlendView) -> Pair | None:
    """The two members with the highest expected scores, or a single member and the blend.

    Each is labelled at its own cross-fitted thresholds, as `kit look` and `kit compare` do. The
    pictured images show one rare class each. None when a member was trained on other folds or
    labels than the present ones, or a fold of it is gone: then not all images are held out.
    """
    competition, workspace = view.competition, view.workspace
    table = competition.read_labels(workspace.source)
    digests = view.folds.digest, digest_labels(table)
    if any(run.misfit(*digests) or run.missing_folds() for run in view.runs):
        return None
    alone = view.decision.worth.alone
    best = sorted(alone, key=lambda name: -alone[name].score.expected)[:2]
    names = best if len(best) == 2 else [view.runs[0].name, view.files.name]
    labels = {
        name: open_side(competition, workspace, view.folds, table, name).labels for name in names
    }
    everywhere = tuple(Counted.of(name, view.labels, labels[name]) for name in names)
    rows = rare_rows(view.labels, PICTURED)
    ids = tuple(view.folds.ids[row] for row in rows)
    shown = Shown(
        ids,
        np.ones(len(rows), bool),
        view.labels[rows],
        {name: labels[name][rows] for name in names},
        competition.class_names,
        "Held out: each image is predicted by models that did not train on it, and labelled at "
        "thresholds fitted on the other folds.",
    )
    pixels = read_composites(competition, workspace, view.runs, "train", ids)
    return Pair(shown, everywhere, None if pixels is None else _png(shown, pixels))


def _png(shown: Shown, pixels: list[NDArray[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    draw_beside(shown, pixels).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
