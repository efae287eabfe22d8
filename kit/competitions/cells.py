"""Synthetic cells: a competition of the same kind, generated from a seed, with its own grader."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from kit.competitions.base import Competition, Grades
from kit.competitions.hpa import CHANNELS, CLASS_NAMES, DISPLAY
from kit.competitions.images import FilePerChannel
from kit.competitions.metrics import macro_f1
from kit.competitions.registry import competitions
from kit.competitions.synthetic.draw import draw_field
from kit.competitions.synthetic.plan import FieldPlan, plan_fields
from kit.competitions.tables import SpaceSeparated
from kit.core.disk import csv_text, read_csv, read_json, removal, write_json, write_text
from kit.core.errors import UserError, some
from kit.core.faults import require_space
from kit.core.intact import is_whole_png
from kit.core.machine import cores
from kit.core.progress import SILENT, Reporter, volume

CLASS_KEYS = tuple(str(number) for number in range(len(CLASS_NAMES)))
IMAGES = FilePerChannel("{id}_{channel}.png", CHANNELS)
LABELS = SpaceSeparated("Id", "Target")
ANSWER = SpaceSeparated("Id", "Predicted")

MARKER = "cells.json"
SOLUTION = "solution.csv"
USAGE = "usage.csv"


def generate_cells(
    folder: Path,
    seed: int,
    n_train: int,
    n_test: int,
    size: int,
    reporter: Reporter = SILENT,
) -> None:
    """Write a complete synthetic competition to `folder`: PNGs, tables and the hidden solution.

    Images are `size` pixels square, 8-bit grey, four per field, under `train/` and `test/`. The
    pixels depend on the seed alone. In a complete folder, only images that are missing or damaged
    are drawn again; one made with other settings is refused with UserError, and so is a disk
    without the space.

    Draws in processes started with multiprocessing's "spawn" method, which import the main script
    again: a script that calls this needs the guard `if __name__ == "__main__":`, and a script
    piped into `python -` fails.
    """
    made = {"seed": seed, "n_train": n_train, "n_test": n_test, "size": size}
    complete = (folder / MARKER).exists()
    if complete and (found := read_json(folder / MARKER)) != made:
        raise UserError(
            f"{folder} holds cells made with {found}, not {made}. Remove them first: "
            f"{removal(folder)}"
        )
    fields = plan_fields(seed, n_train, n_test)
    # Sorted by id, so that the order of the tables reveals nothing about antibodies.
    fields = tuple(sorted(fields, key=lambda field: field.id))
    jobs = [(folder, one, size) for one in fields if not (complete and _is_drawn(folder, one))]
    if jobs:
        _draw(jobs, reporter)
    _write_tables(folder, fields)
    write_json(folder / MARKER, made)


def _is_drawn(folder: Path, field: FieldPlan) -> bool:
    """Whether all images of a field are there and complete."""
    paths = [folder / field.split / name for name in IMAGES.files(field.id)]
    return all(path.is_file() and is_whole_png(path.read_bytes()) for path in paths)


def _draw(jobs: Sequence[tuple[Path, FieldPlan, int]], reporter: Reporter) -> None:
    """Write the images of fields, on all cores."""
    folder, _, size = jobs[0]
    needed = len(jobs) * len(CHANNELS) * size**2
    reporter.say(f"Drawing cells: {len(jobs)} images, {volume(needed)} at most, into {folder}")
    require_space(folder, needed, "Drawing cells")
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
    # Spawned, not forked: TensorFlow or the bar may run threads here, and a fork copies the locks
    # they hold but not the threads that would release them.
    with (
        ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool,
        reporter.bar("drawing cells", total=len(jobs), lines=True) as progress,
    ):
        for _ in pool.map(_write_images, jobs, chunksize=8):
            progress.advance()


def _write_images(job: tuple[Path, FieldPlan, int]) -> None:
    folder, field, size = job
    image = draw_field(field, size)
    for channel, name in enumerate(IMAGES.files(field.id)):
        target = folder / field.split / name
        # Level 1: noise hardly compresses, and higher levels spend a third of the time on it.
        _, png = cv2.imencode(".png", image[:, :, channel], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        target.write_bytes(png.tobytes())


def _write_tables(folder: Path, fields: Iterable[FieldPlan]) -> None:
    """Write the tables; train.csv last, because with it the data look complete."""
    train = [field for field in fields if field.split == "train"]
    test = [field for field in fields if field.split == "test"]
    targets = [(field.id, " ".join(map(str, field.labels))) for field in train]
    sample = [(field.id, "0") for field in test]
    write_text(folder / "sample_submission.csv", csv_text([("Id", "Predicted"), *sample]))
    groups = [(field.id, field.group) for field in train]
    write_text(folder / "groups.csv", csv_text([("Id", "group"), *groups]))
    solution = [(field.id, " ".join(map(str, field.labels))) for field in test]
    write_text(folder / SOLUTION, csv_text([("Id", "Target"), *solution]))
    usage = [(field.id, field.usage) for field in test]
    write_text(folder / USAGE, csv_text([("Id", "Usage"), *usage]))
    write_text(folder / "train.csv", csv_text([("Id", "Target"), *targets]))


def grade_cells(source: Path, submission: Path) -> Grades:
    """Grade a submission CSV against the hidden solution, as the server would.

    Raises UserError when an id is missing or unknown, where the server would refuse the file.
    """
    answer = ANSWER.read(submission, CLASS_KEYS)
    truth = LABELS.read(source / SOLUTION, CLASS_KEYS)
    if wrong := set(answer.ids) ^ set(truth.ids):
        raise UserError(f"{submission} has missing or unknown ids: {some(wrong)}.")
    usage = {row[0]: row[1] for _, row in read_csv(source / USAGE)[1:]}
    decisions = answer.of(truth.ids)
    private = np.array([usage[image_id] == "Private" for image_id in truth.ids])
    return Grades(
        public=macro_f1(truth.labels[~private], decisions[~private]),
        private=macro_f1(truth.labels[private], decisions[private]),
    )


def _prepare(folder: Path, reporter: Reporter) -> None:
    generate_cells(folder, seed=0, n_train=1400, n_test=700, size=128, reporter=reporter)


cells = competitions.register("cells")(
    Competition(
        name="cells",
        title="Synthetic cells",
        class_keys=CLASS_KEYS,
        class_names=CLASS_NAMES,
        channels=CHANNELS,
        images=IMAGES,
        label_table="train.csv",
        label_format=LABELS,
        sample_table="sample_submission.csv",
        id_column="Id",
        answer_format=ANSWER,
        display=DISPLAY,
        group_table="groups.csv",
        private_share=0.7,
        how_to_get_data="Generate it: {command}",
        prepare=_prepare,
        grade=grade_cells,
    )
)
