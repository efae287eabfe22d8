"""Writes the notebook's folder: the dataset with weights and code, the notebook, their metadata."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit.competitions.base import Competition
from kit.core.disk import atomic, digest, digest_file, read_json, write_json, write_text
from kit.core.errors import UserError, some
from kit.core.kernel_paths import KernelDatasetFiles, KernelFiles
from kit.core.paths import BlendFiles, Workspace
from kit.data.runs import Run, open_run
from kit.ensemble import Decision
from kit.kernel.image import versions
from kit.kernel.notebook import NotebookFacts, notebook_text
from kit.kernel.rules import NO_OWNER, folder_problems, metadata_problems, slug_of, words_of
from kit.kernel.weights import require_weights, weights_of
from kit.kernel.wheel import build_wheel, digest_sources, source_root

# How the page in the folder begins; by it the folder is recognised.
TITLE = "# An offline notebook, written by the kit\n"
README = """
`dataset` holds weights and code, `kernel` the notebook that predicts with them. This command sends
both to Kaggle:

    {push}

By hand, with your account's name in both metadata files:

    kaggle datasets create -p dataset --dir-mode zip
    kaggle kernels push -p kernel

`check` is what the check left when it ran the notebook here.
"""


@dataclass(frozen=True)
class Plan:
    """What a notebook is made from.

    `own_file` is the Python file of a competition that the kit does not bring. `title` is the
    notebook's on Kaggle, `owner` the account's name, None while it is not known.
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
        """The last part of the dataset's address."""
        return slug_of(f"{self.title} weights")

    @property
    def source(self) -> str:
        """The last part of the competition's address, or its name when it is not on Kaggle."""
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
    """Gather what a blend's notebook needs; of the title its words are taken.

    Raises UserError for a run without weights, for one that was trained again since, and for a
    blend that copies labels.
    """
    decision = Decision.load(blend.decision)
    made_from = decision.origin.inputs
    runs = tuple(open_run(workspace, name) for name in made_from)
    require_weights(runs)
    if decision.origin.all_rows:
        raise UserError(
            f"{blend.name} predicts with models trained on all rows, and a notebook repeats fold "
            "models. Blend without --all-rows for it."
        )
    if copies := decision.postprocess.copies:
        raise UserError(
            f"{blend.name} copies labels of training images to {len(copies)} test images, and a "
            "notebook has neither. Blend without --postprocess copies for it."
        )
    if changed := [run.name for run in runs if run.digest() != made_from[run.name]]:
        again = workspace.typed.command("blend", *made_from, "--name", blend.name)
        raise UserError(
            f"{blend.name} was blended from other predictions of {', '.join(changed)} than are "
            f"there now. Blend again: {again}"
        )
    return Plan(competition, workspace, blend, runs, own_file, words_of(title), owner)


def write_kernel(plan: Plan, files: KernelFiles) -> bool:
    """Write the folders `dataset` and `kernel`; whether anything was written.

    Folders that were made from just this are left as they are, with what was changed in them by
    hand. Raises UserError, before anything is written, with all that Kaggle would refuse.
    """
    sources = source_root()
    inputs = _inputs(plan, sources)
    if _is_written(plan, files, inputs):
        return False
    dataset_metadata, kernel_metadata = _metadata(plan, files)
    _refuse(metadata_problems(dataset_metadata, kernel_metadata))

    push = push_command(plan, files)
    _claim(files, push)
    # The marker goes first, so that a kill on the way leaves no dataset that looks whole.
    files.dataset.marker.unlink(missing_ok=True)
    for folder in (files.dataset.folder, files.kernel):
        if folder.exists():
            shutil.rmtree(folder)
    build_wheel(sources, files.dataset.folder)
    _copy_runs(plan, files.dataset)
    write_json(files.dataset.metadata, dataset_metadata)
    write_json(files.metadata, kernel_metadata)
    write_text(files.notebook, notebook_text(_facts(plan, inputs)))
    marker = {
        "title": plan.title,
        "competition": plan.competition.name,
        "blend": plan.blend.name,
        "runs": [run.name for run in plan.runs],
        "versions": inputs["versions"],
        "push": push,
        "inputs": digest(inputs),
    }
    write_json(files.dataset.marker, marker)
    return True


def require_rules(files: KernelFiles) -> None:
    """Raise UserError with all that Kaggle would refuse in the folders as they are on disk."""
    metadata = metadata_problems(read_json(files.dataset.metadata), read_json(files.metadata))
    _refuse([*metadata, *folder_problems(files)])


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise UserError(f"Kaggle would refuse this: {'; '.join(problems)}.")


def owner_of(files: KernelFiles) -> str | None:
    """The account that a written folder names; None when there is none yet."""
    if not files.metadata.exists():
        return None
    owner, _, _ = str(read_json(files.metadata)["id"]).partition("/")
    return None if owner == NO_OWNER else owner


def title_of(files: KernelFiles) -> str | None:
    """The title that a folder was written with; None when there is none yet."""
    if not files.dataset.marker.exists():
        return None
    return str(read_json(files.dataset.marker)["title"])


def _is_written(plan: Plan, files: KernelFiles, inputs: Mapping[str, Any]) -> bool:
    if not files.dataset.marker.exists() or plan.owner not in (None, owner_of(files)):
        return False
    return bool(read_json(files.dataset.marker)["inputs"] == digest(inputs))


def push_command(plan: Plan, files: KernelFiles) -> str:
    """The command that sends a notebook in this folder to Kaggle."""
    usual = plan.workspace.kernel(plan.blend.name) == files
    out = [] if usual else ["--out", str(files.folder)]
    return plan.workspace.typed.command("kernel", plan.blend.name, "--push", *out)


def _claim(files: KernelFiles, push: str) -> None:
    """Write the page that says what the folder is; UserError for a folder of something else.

    What is in it is removed later, and --out may name any folder.
    """
    claimed = files.readme.exists() and files.readme.read_bytes().startswith(TITLE.encode())
    strange = [path.name for path in files.folder.glob("[!.]*")]
    if strange and not claimed:
        raise UserError(
            f"{files.folder} holds {some(strange)}, which the kit did not write. Name a folder of "
            " its own: --out DIR"
        )
    write_text(files.readme, TITLE + README.format(push=push))


def _inputs(plan: Plan, sources: Path) -> dict[str, Any]:
    """Everything that decides what is written, apart from the account's name."""
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
    """Copy what predicting needs, laid out as the folder of runs is."""
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
    """The two metadata files' contents, as Kaggle's client reads them."""
    owner = plan.owner or owner_of(files) or NO_OWNER
    dataset_id = f"{owner}/{plan.dataset}"
    dataset = {
        "title": f"{plan.title} weights",
        "id": dataset_id,
        # The weights are the user's own; what others may do with them is not the kit's to say.
        "licenses": [{"name": "copyright-authors"}],
    }
    kernel = {
        "id": f"{owner}/{slug_of(plan.title)}",
        "title": plan.title,
        "code_file": files.notebook.name,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        # What was trained on a GPU is slow on the few CPUs of a notebook.
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
