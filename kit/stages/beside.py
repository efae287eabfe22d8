"""The stage `look` for runs and blends: their labels of some images beside the truth."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.blends.opened import open_blend
from kit.compare.read_shown import Wanted, read_shown
from kit.compare.shown import Counted, Marked, Shown, verdict
from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT
from kit.core.quiet import without_announcements
from kit.core.terminal import TERMINAL, say, say_json, say_wrapped, table
from kit.data.runs import Run, open_run
from kit.report.png import png_path, write_png

# A table of counts has room for so many letters of a name.
LETTERS = 30
NO_LABEL = "no label"


@dataclass(frozen=True)
class BesideOptions:
    """What to show, the PNG to write instead of the usual one, and whether to print JSON."""

    wanted: Wanted = field(default_factory=Wanted)
    out: Path | None = None
    as_json: bool = False


def beside_stage(
    competition: Competition,
    workspace: Workspace,
    names: Sequence[str],
    options: BesideOptions,
) -> Shown:
    """Print and draw what runs and blends say about some images beside the truth; returns it.

    Prints a block per image, each model's counts over the training images, and which model has more
    true and which fewer false positives. Writes a picture if there are images. Raises UserError as
    `read_shown` does, and for a file that is not a PNG.
    """
    png_path(options.out, workspace.pictures.folder)  # refused before any work
    reporter = SILENT if options.as_json else TERMINAL
    with without_announcements():
        shown = read_shown(competition, workspace, names, options.wanted, reporter)
    usual = workspace.pictures.beside(tuple(shown.labels), options.wanted.parts)
    path = png_path(options.out, usual)
    figure = _draw(competition, workspace, shown)
    if figure is not None:
        write_png(path, figure)
    elif options.out is not None:
        raise UserError(f"No picture: no images. {competition.how_to_get(workspace.source)}")
    if options.as_json:
        say_json(_as_json(shown, None if figure is None else path))
        return shown
    for image in range(len(shown.ids)):
        _print_image(shown, image)
    _print_counts(shown)
    say_wrapped(shown.caption)
    if figure is None:
        say(f"No picture: no images in {workspace.source}, and none packed at these runs' sizes.")
    else:
        say(f"Wrote {path}")
    return shown


def _draw(competition: Competition, workspace: Workspace, shown: Shown) -> Figure | None:
    """The picture; None when there are no images to draw."""
    from kit.report.beside_picture import draw_beside
    from kit.report.composites import read_composites

    runs = _runs_behind(workspace, tuple(shown.labels))
    pixels: dict[str, NDArray[np.uint8]] = {}
    for split, inside in (("train", shown.is_train), ("test", ~shown.is_train)):
        ids = [one for one, here in zip(shown.ids, inside, strict=True) if here]
        if not ids:
            continue
        found = read_composites(competition, workspace, runs, split, ids)
        if found is None:
            return None
        pixels |= dict(zip(ids, found, strict=True))
    return draw_beside(shown, [pixels[one] for one in shown.ids])


def _runs_behind(workspace: Workspace, models: Sequence[str]) -> list[Run]:
    """The named runs, and those members of named blends that are still there."""
    blends = [name for name in models if name in workspace.blend_names()]
    decisions = [open_blend(workspace, name).decision for name in blends]
    members = [member for decision in decisions for member in decision.members]
    there = set(workspace.run_names())
    return [open_run(workspace, name) for name in (*models, *members) if name in there]


def _print_image(shown: Shown, image: int) -> None:
    """An image's id, its true labels, and a line per model."""
    if shown.is_train[image]:
        say(shown.ids[image])
        lines = [f"truth: {_joined(shown.true(image))}"]
        lines += [f"{model}: {_told(shown.marked(model, image))}" for model in shown.labels]
    else:
        say(f"{shown.ids[image]} (test image)")
        lines = [f"{model}: {_joined(shown.predicted(model, image))}" for model in shown.labels]
    for line in lines:
        say_wrapped(line, first="  ", rest="      ")


def _told(marked: Marked) -> str:
    parts = [f"{word} {', '.join(names)}" for word, names in asdict(marked).items() if names]
    if not marked.right and not marked.wrong:
        parts.insert(0, NO_LABEL if marked.missed else f"right, {NO_LABEL}")
    return "; ".join(parts)


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) or NO_LABEL


def _print_counts(shown: Shown) -> None:
    counted = shown.counted()
    if not counted:
        return
    images, classes = int(shown.is_train.sum()), len(shown.class_names)
    header = ["", "TP", "FP", "FN", "TN", "precision", "recall"]
    table(
        f"{images} training image{'s' * (images != 1)}, {classes} classes; TP: true positives, FN: "
        "false negatives",
        header,
        [_row(one) for one in counted],
    )
    say_wrapped(verdict(counted))


def _row(one: Counted) -> list[str]:
    name = "\n".join(textwrap.wrap(one.model, LETTERS))
    counts = (one.true_positives, one.false_positives, one.false_negatives, one.true_negatives)
    shares = ("-" if share is None else f"{share:.3f}" for share in (one.precision, one.recall))
    return [name, *map(str, counts), *shares]


def _as_json(shown: Shown, picture: Path | None) -> dict[str, Any]:
    """Everything shown as plain values; class names, counts, and the picture's path."""
    counted = shown.counted()
    return {
        "caption": shown.caption,
        "images": [_image_as_json(shown, image) for image in range(len(shown.ids))],
        "counts": [
            {**asdict(one), "precision": one.precision, "recall": one.recall} for one in counted
        ],
        "verdict": verdict(counted) or None,
        "picture": None if picture is None else str(picture),
    }


def _image_as_json(shown: Shown, image: int) -> dict[str, Any]:
    known = bool(shown.is_train[image])
    models = {
        model: {
            "labels": shown.predicted(model, image),
            **(asdict(shown.marked(model, image)) if known else {}),
        }
        for model in shown.labels
    }
    return {
        "id": shown.ids[image],
        "split": "train" if known else "test",
        "truth": shown.true(image) if known else None,
        "models": models,
    }
