"""The notebook: a few readable cells that install the kit, call it, and show what it wrote."""

import json
import re
from dataclasses import dataclass

from kit.core.errors import printable
from kit.ensemble import HonestScore


@dataclass(frozen=True)
class NotebookFacts:
    """What the cells need to know.

    `dataset` and `competition` are the last parts of their URLs on Kaggle; `inputs` is the
    digest of what the dataset was made from.
    """

    title: str
    competition_title: str
    blend: str
    runs: tuple[str, ...]
    score: HonestScore
    dataset: str
    competition: str
    inputs: str


INTRODUCTION = """\
# {title}

Predicts the test images of *{competition_title}* and writes `submission.csv`. It trains nothing
and needs no internet: the weights and a wheel of the code are in the dataset `{dataset}`.

Expected macro-F1: **{expected:.3f}**, 95% CI {low:.3f} to {high:.3f} for a test set of {rows} rows.
Cross-fitted (everything chosen on the other folds, scored on the held-out one) it is
{cross_fitted:.3f}; test predictions are averaged over the models of all folds.

The blend `{blend}` combines {count}: {runs}."""

PLACES = """\
import importlib
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Outside Kaggle, these variables set the folders.
INPUT = Path(os.environ.get("KIT_KERNEL_INPUT", "/kaggle/input"))
WORKING = Path(os.environ.get("KIT_KERNEL_WORKING", "/kaggle/working"))
# For packed images and code: not in WORKING, which Kaggle keeps and limits to 20 GB.
SCRATCH = Path(os.environ.get("KIT_KERNEL_SCRATCH", "/tmp/kit"))


def mounted(*patterns):
    found = [folder for pattern in patterns for folder in INPUT.glob(pattern)]
    if not found:
        raise FileNotFoundError(f"{{INPUT}} has no {{patterns[0]}}: add it under Input.")
    return found[0]


# Kaggle has used both layouts for its sources.
DATASET = mounted({dataset!r}, {dataset_deep!r})
COMPETITION = mounted({competition!r}, {competition_deep!r})"""

INSTALL = """\
# Installs into a separate folder, first on the path, so that the image is not changed.
pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
wheels = sorted(map(str, DATASET.glob("*.whl")))
offline = ["--no-index", "--no-deps", "--upgrade", "--target", str(SCRATCH / "code")]
subprocess.run([*pip, *offline, *wheels], check=True)
sys.path.insert(0, str(SCRATCH / "code"))
importlib.invalidate_caches()"""

VERSIONS = """\
from kit.core.terminal import TERMINAL, table
from kit.kernel.image import compare_versions, require_keras

table("Versions", ["", "dataset", "here"], compare_versions(DATASET, {inputs!r}))
require_keras()"""

PREDICT = """\
from kit.kernel.predict import predict

csv = predict(DATASET, COMPETITION, WORKING, SCRATCH / "packed", TERMINAL)"""

SHOW = """\
print("".join(csv.open(encoding="utf-8").readlines()[:6]))"""


def plain(text: str) -> str:
    """The text as Markdown shows it unchanged: without emphasis, HTML, links or formulas."""
    return re.sub(r"([\\`*_{}\[\]<>#|$&~])", r"\\\1", printable(text))


def notebook_text(facts: NotebookFacts) -> str:
    """The notebook as the text of an `.ipynb` file (nbformat 4.5)."""
    low, high = facts.score.interval
    introduction = INTRODUCTION.format(
        title=plain(facts.title),
        competition_title=plain(facts.competition_title),
        dataset=facts.dataset,
        expected=facts.score.expected,
        cross_fitted=facts.score.cross_fitted,
        low=low,
        high=high,
        rows=facts.score.test_rows,
        blend=facts.blend,
        count="one run" if len(facts.runs) == 1 else f"{len(facts.runs)} runs",
        runs=", ".join(f"`{run}`" for run in facts.runs),
    )
    places = PLACES.format(
        dataset=facts.dataset,
        dataset_deep=f"datasets/*/{facts.dataset}",
        competition=facts.competition,
        competition_deep=f"competitions/{facts.competition}",
    )
    code = [places, INSTALL, VERSIONS.format(inputs=facts.inputs), PREDICT, SHOW]
    cells = [_cell(0, "markdown", introduction)]
    cells += [_cell(number, "code", source) for number, source in enumerate(code, start=1)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, source: str) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return {**cell, "source": source.splitlines(keepends=True)}


def script_of(notebook: str) -> str:
    """The code cells of an `.ipynb` text as one script, in order."""
    cells = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    # Notebooks of format 4.4 have no ids.
    parts = (f"# %% {cell.get('id', '')}\n{''.join(cell['source'])}" for cell in cells)
    return "\n\n".join(parts) + "\n"
