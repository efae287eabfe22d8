"""Writes the notebook's folder: a dataset of weights and code, the notebook, their metadata."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit.blends.opened import open_blend, remake_command
from kit.competitions.base import Competition
from kit.core.disk import atomic, digest, digest_file, has_text, json_text, read_json, removal
from kit.core.errors import UserError
from kit.core.faults import require_space
from kit.core.kernel_paths import KernelDatasetFiles, KernelFiles
from kit.core.paths import BlendFiles, Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.runs import Run, open_run
from kit.data.store import packing_facts
from kit.ensemble import Decision
from kit.kernel.edits import edited_files, lacks_owner, write_editable
from kit.kernel.image import versions
from kit.kernel.marker import Marker, find_kernel_damage, known_marker, owner_of, write_marker
from kit.kernel.notebook import NotebookFacts, notebook_text
from kit.kernel.page import claim, page_text
from kit.kernel.rules import (
    NO_OWNER,
    folder_problems,
    metadata_problems,
    require_shapes,
    slug_of,
    words_of,
)
from kit.kernel.weights import require_weights, weights_of
from kit.kernel.wheel import build_wheel, digest_sources, source_root

# Bytes for the wheel, the recipes and the notebook.
BESIDE_WEIGHTS = 5_000_000


@dataclass(frozen=True)
class Plan:
    """What a notebook is made from.

    `own_file` is the Python file of a competition that is not built in. `title` is the notebook's
    title on Kaggle; `owner` is the account name, None if unknown.
    """

    competition: Competition
    workspace: Workspace
    blend: BlendFiles
    runs: tuple[Run, ...]
    own_file: Path | None
    title: str
    owner: str | None

    @property
    def dataset(self) -> str:
        """The last part of the dataset's URL."""
        return slug_of(f"{self.title} weights")

    @property
    def source(self) -> str:
        """The last part of the competition's URL, or its name if it is not on Kaggle."""
        kaggle = self.competition.kaggle
        return kaggle.slug if kaggle else slug_of(self.competition.name)


def plan_kernel(
    competition: Competition,
    workspace: Workspace,
    blend: BlendFiles,
    own_file: Path | None,
    title: str,
    owner: str | None,
) -> Plan:
    """Gather what a blend's notebook needs; reduces the title to words.

    Raises UserError for a run without weights, for a run that was retrained after the blend, and
    for a blend that copies labels or uses models trained on all rows.
    """
    decision = open_blend(workspace, blend.name).decision
    made_from = decision.origin.inputs
    runs = tuple(open_run(workspace, name) for name in made_from)
    require_weights(runs)
    if decision.origin.all_rows:
        raise UserError(
            f"{blend.name} predicts with models trained on all rows, but a notebook can only use "
            "fold models. Blend without --all-rows."
        )
    if copies := decision.postprocess.copies:
        raise UserError(
            f"{blend.name} copies labels of training images to {len(copies)} test images, but a "
            "notebook has neither. Blend without --postprocess copies."
        )
    if changed := [run.name for run in runs if run.digest() != made_from[run.name]]:
        again = remake_command(workspace, blend.name, decision)
        raise UserError(
            f"The predictions of {', '.join(changed)} have changed since {blend.name} was made. "
            f"Blend again: {again}"
        )
    return Plan(competition, workspace, blend, runs, own_file, words_of(title), owner)


def is_written(plan: Plan, files: KernelFiles) -> bool:
    """Whether the folder is complete and made from the same inputs; what was edited is kept."""
    marker = known_marker(files.dataset)
    if marker is None or (plan.owner is not None and lacks_owner(files)):
        return False
    if marker.inputs != digest(_inputs(plan, source_root())) or find_kernel_damage(files):
        return False
    return has_text(files.readme, page_text(marker.push))


def write_kernel(plan: Plan, files: KernelFiles, reporter: Reporter = SILENT) -> bool:
    """Write the folders `dataset` and `kernel`; returns whether anything was written.

    Folders made from the same inputs are kept, including manual edits; a damaged file is reported,
    and everything but the edits is written again. Raises UserError, before anything is written,
    with everything that Kaggle would refuse, and if the disk is too small.
    """
    if is_written(plan, files):
        return False
    sources = source_root()
    inputs = _inputs(plan, sources)
    metadata = _metadata(plan, files)
    _refuse(metadata_problems(*metadata))
    if damages := find_kernel_damage(files):
        # After a kill, most files are missing.
        more = f" (and {len(damages) - 1} more files)" if len(damages) > 1 else ""
        reporter.say(f"{damages[0]}{more}. {files.dataset.folder} is written again.")
    texts = dict(zip(files.editable, [json_text(one) for one in metadata], strict=False))
    texts[files.notebook] = notebook_text(_facts(plan, inputs))
    _require_space(plan, files)

    claim(files, push_command(plan, files))
    write_editable(files, texts, digest(inputs), plan.owner, reporter)
    # The marker stays until the new one replaces it: it tells what was edited since. A folder that
    # a kill leaves half written does not match either.
    _clear(files.dataset)
    build_wheel(sources, files.dataset.folder)
    _copy_runs(plan, files.dataset)
    names = tuple(run.name for run in plan.runs)
    competition, blend = plan.competition.name, plan.blend.name
    push, made_from = push_command(plan, files), digest(inputs)
    packing = packing_facts(plan.workspace, [run.store_kind for run in plan.runs if run.store_kind])
    marker = Marker(
        plan.title, competition, blend, names, inputs["versions"], push, made_from, packing
    )
    write_marker(files, marker, texts)
    return True


def _clear(dataset: KernelDatasetFiles) -> None:
    """Remove everything in a dataset but its metadata and its marker."""
    for path in dataset.folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path not in (dataset.metadata, dataset.marker):
            path.unlink()


def _require_space(plan: Plan, files: KernelFiles) -> None:
    """Raise UserError unless the disk has room for the weights, less what is replaced."""
    weights = sum(path.stat().st_size for run in plan.runs for path in weights_of(run))
    there = files.dataset.folder.exists()
    replaced = sum(path.stat().st_size for path in files.dataset.all_files()) if there else 0
    require_space(files.folder, max(0, weights - replaced) + BESIDE_WEIGHTS, "The notebook")


def require_rules(files: KernelFiles) -> None:
    """Raise UserError with everything that Kaggle would refuse in the folders on disk."""
    require_shapes(files)
    metadata = metadata_problems(read_json(files.dataset.metadata), read_json(files.metadata))
    edited = edited_files(files)
    _refuse([*metadata, *folder_problems(files)], edited)


def _refuse(problems: Sequence[str], edited: Sequence[Path] = ()) -> None:
    """Raise UserError that lists problems, and says how to undo edits."""
    if not problems:
        return
    undo = ""
    if edited:
        undo = f" To undo your edits, remove them and rerun the command: {removal(*edited)}"
    raise UserError(f"Kaggle would refuse this: {'; '.join(problems)}.{undo}")


def push_command(plan: Plan, files: KernelFiles) -> str:
    """The command that sends the notebook in this folder to Kaggle."""
    usual = plan.workspace.kernel(plan.blend.name) == files
    out = [] if usual else ["--out", str(files.folder)]
    return plan.workspace.typed.command("kernel", plan.blend.name, "--push", *out)


def _inputs(plan: Plan, sources: Path) -> dict[str, Any]:
    """Everything that determines what is written, except the account name."""
    weights = {run.name: [digest_file(path) for path in weights_of(run)] for run in plan.runs}
    return {
        "competition": plan.competition.name,
        "own_file": digest_file(plan.own_file) if plan.own_file else None,
        "blend": digest_file(plan.blend.decision),
        "recipes": {run.name: dict(run.recipe) for run in plan.runs},
        "weights": weights,
        "title": plan.title,
        "kit": digest_sources(sources),
        "versions": versions(),
    }


def _copy_runs(plan: Plan, dataset: KernelDatasetFiles) -> None:
    """Copy what prediction needs, in the layout of the folder of runs."""
    there = replace(plan.workspace, runs=dataset.folder)
    for run in plan.runs:
        target = there.run(run.name)
        _copy(run.files.recipe, target.recipe)
        _copy(run.files.inputs, target.inputs)
        for fold, weights in enumerate(weights_of(run)):
            _copy(weights, target.fold(fold).folder / weights.name)
            _copy(run.files.fold(fold).done, target.fold(fold).done)
    blend = there.blend(plan.blend.name)
    _copy(plan.blend.decision, blend.decision)
    if plan.own_file:
        _copy(plan.own_file, dataset.competition)


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def _metadata(plan: Plan, files: KernelFiles) -> tuple[dict[str, Any], dict[str, Any]]:
    """The contents of the two metadata files, as Kaggle's client reads them."""
    owner = plan.owner or owner_of(files) or NO_OWNER
    dataset_id = f"{owner}/{plan.dataset}"
    dataset = {
        "title": f"{plan.title} weights",
        "id": dataset_id,
        # The weights belong to the user; the kit does not choose a licence for them.
        "licenses": [{"name": "copyright-authors"}],
    }
    kernel = {
        "id": f"{owner}/{slug_of(plan.title)}",
        "title": plan.title,
        "code_file": files.notebook.name,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        # Models trained on a GPU are slow on a notebook's few CPU cores.
        "enable_gpu": True,
        "enable_internet": False,
        "dataset_sources": [dataset_id],
        "competition_sources": [plan.source] if plan.competition.kaggle else [],
        "kernel_sources": [],
        "model_sources": [],
    }
    return dataset, kernel


def _facts(plan: Plan, inputs: Mapping[str, Any]) -> NotebookFacts:
    return NotebookFacts(
        title=plan.title,
        competition_title=plan.competition.title,
        blend=plan.blend.name,
        runs=tuple(run.name for run in plan.runs),
        score=Decision.load(plan.blend.decision).worth.score,
        dataset=plan.dataset,
        competition=plan.source,
        inputs=digest(inputs),
    )
