"""Runs the notebook locally without network and compares its output with the blend."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from kit.blends.opened import how_to_remake, open_blend
from kit.core import orphan
from kit.core.disk import write_text
from kit.core.errors import UserError
from kit.core.faults import require_space
from kit.core.kernel_paths import KernelCheckFiles, KernelFiles, KernelOutput
from kit.data.predictions import read_predictions
from kit.kernel import no_network
from kit.kernel.folder import BESIDE_WEIGHTS, Plan
from kit.kernel.image import PART_BYTES
from kit.kernel.notebook import script_of
from kit.submission.write import submission_name

# The largest allowed difference from the blend's probabilities. On one machine the same weights
# give the same bits; a GPU or another backend differs in the last digits of a float32.
TOLERANCE = 1e-5

# An empty network namespace for the process: stronger than the guard, which binds only Python, but
# not available to users on every system.
ISOLATED = ("unshare", "--user", "--map-root-user", "--net")


@dataclass(frozen=True)
class Agreement:
    """How the notebook's output compares with the blend's.

    `difference` is the largest difference between two probabilities; `rows_differing` counts the
    lines in which the submissions differ. `isolated` is True if the system blocked the network,
    False if only Python did.
    """

    difference: float
    rows_differing: int
    isolated: bool


def check_kernel(plan: Plan, files: KernelFiles) -> Agreement:
    """Run the notebook's cells in emulated Kaggle folders, show their output, and compare.

    The cells run in order in a fresh Python process: Jupyter would add two dozen packages and open
    local ports, which are blocked here. Raises UserError when a cell fails, or when there is no
    submission to compare with.
    """
    submission = plan.workspace.submission(submission_name(plan.competition, plan.blend)).csv
    if not submission.exists():
        raise UserError(f"{submission} does not exist. Write it: {_blend_command(plan)}")
    here = files.check
    if here.folder.exists():
        shutil.rmtree(here.folder)
    _require_space(plan, here)
    _lay_out(plan, files)
    write_text(here.script, script_of(files.notebook.read_text(encoding="utf-8")))
    isolated = _can_be_isolated()
    _run(here, isolated)
    for folder in (here.input, here.scratch):
        shutil.rmtree(folder)
    return Agreement(
        largest_difference(plan, here.output),
        _rows_differing(here.output.csv, submission),
        isolated,
    )


def _require_space(plan: Plan, here: KernelCheckFiles) -> None:
    """Raise UserError unless the disk has room for the images that the notebook packs at a time."""
    rows = len(plan.competition.read_test_ids(plan.workspace.source))
    kinds = [kind for run in plan.runs if (kind := run.store_kind) is not None]
    largest = max((kind.size for kind in kinds), default=0)
    packed = min(PART_BYTES, rows * largest**2 * len(plan.competition.channels))
    require_space(here.folder, packed + BESIDE_WEIGHTS, "The check of the notebook")


def largest_difference(plan: Plan, made: KernelOutput) -> float:
    """The largest difference between the notebook's test probabilities and the blend's."""
    keys = plan.competition.class_keys
    expected = open_blend(plan.workspace, plan.blend.name).read_test(plan.competition)
    found = read_predictions(made.test, keys).take(expected.ids)
    return float(np.abs(found.probs - expected.probs).max())


def require_agreement(agreement: Agreement, plan: Plan, files: KernelFiles) -> None:
    """Raise UserError unless the notebook made the blend's predictions and its submission."""
    if agreement.difference > TOLERANCE:
        raise UserError(
            f"The notebook's test predictions differ from the blend's by up to "
            f"{agreement.difference:.1e} (allowed: {TOLERANCE:.0e}): the weights in "
            f"{files.dataset.folder} did not make the blend, or were trained on other hardware or "
            "with another backend. To copy them again, delete the folder."
        )
    if agreement.rows_differing:
        raise UserError(
            f"The predictions agree to {agreement.difference:.1e}, but {agreement.rows_differing} "
            f"rows of {files.check.output.csv} differ from the submission: a threshold or the "
            f"submission has changed. Write the submission again: {_blend_command(plan)}"
        )


def _blend_command(plan: Plan) -> str:
    return how_to_remake(plan.workspace, plan.blend.name)


def _lay_out(plan: Plan, files: KernelFiles) -> None:
    """Link the dataset and the competition's test files as Kaggle mounts them."""
    competition, source, here = plan.competition, plan.workspace.source, files.check
    names = [competition.sample_table, competition.test_images, f"{competition.test_images}.zip"]
    mounted = here.input / plan.source
    for name in names:
        if (source / name).exists():
            (mounted / name).parent.mkdir(parents=True, exist_ok=True)
            (mounted / name).symlink_to((source / name).resolve())
    (here.input / plan.dataset).symlink_to(files.dataset.folder.resolve())
    here.output.folder.mkdir(parents=True)
    here.scratch.mkdir()
    parts = [_source(one) for one in (no_network, orphan)]
    # Its own parent, because processes that the notebook starts import this, too.
    calls = "refuse_network()\nend_with(os.getppid())\n"
    write_text(here.guard, "\n\n".join([*parts, calls]))


def _source(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def _run(here: KernelCheckFiles, isolated: bool) -> None:
    # -P: do not search the script's folder for modules. The output is shown live.
    words = [*(ISOLATED if isolated else ()), sys.executable, "-P", str(here.script.resolve())]
    with here.log.open("w", encoding="utf-8") as errors:
        done = subprocess.run(
            words, cwd=here.output.folder, env=_environment(here), stderr=errors, check=False
        )
    if done.returncode:
        said = here.log.read_text(encoding="utf-8").strip().splitlines()
        last = said[-1] if said else f"exit status {done.returncode}"
        raise UserError(f"The notebook failed: {last} (full output: {here.log})")


def _environment(here: KernelCheckFiles) -> Mapping[str, str]:
    """This process's environment without proxies and credentials, plus the notebook's folders."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith("KAGGLE_")
    }
    return {
        **kept,
        "PYTHONPATH": str(here.guard.parent.resolve()),
        "PYTHONUNBUFFERED": "1",
        "KIT_KERNEL_INPUT": str(here.input.resolve()),
        "KIT_KERNEL_WORKING": str(here.output.folder.resolve()),
        "KIT_KERNEL_SCRATCH": str(here.scratch.resolve()),
    }


def _can_be_isolated() -> bool:
    if shutil.which(ISOLATED[0]) is None:
        return False
    return subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode == 0


def _rows_differing(one: Path, other: Path) -> int:
    lines = [path.read_text(encoding="utf-8").splitlines() for path in (one, other)]
    common = sum(a != b for a, b in zip(*lines, strict=False))
    return common + abs(len(lines[0]) - len(lines[1]))
