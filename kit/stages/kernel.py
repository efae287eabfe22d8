"""The stage `kernel`: write the offline notebook, check it, push it."""

from dataclasses import dataclass
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.disk import removal
from kit.core.errors import UserError
from kit.core.kernel_paths import KernelFiles
from kit.core.owner import own
from kit.core.paths import Workspace
from kit.core.progress import volume
from kit.core.terminal import TERMINAL, say
from kit.data.blends import find_blend
from kit.kaggle.client import Kaggle, connect
from kit.kaggle.clock import Clock
from kit.kaggle.push import account_name
from kit.kernel.check import TOLERANCE, check_kernel, require_agreement
from kit.kernel.edits import edited_files
from kit.kernel.folder import (
    Plan,
    is_written,
    plan_kernel,
    require_rules,
    write_kernel,
)
from kit.kernel.marker import owner_of, title_of
from kit.kernel.push import push_kernel
from kit.models.registry import backbones


@dataclass(frozen=True)
class KernelOptions:
    """How to write a blend's notebook, and what to do with it.

    `own_file` is the Python file of a competition that is not built in. `title` is the notebook's
    title on Kaggle, `out` a folder other than the default.
    """

    own_file: Path | None = None
    title: str | None = None
    out: Path | None = None
    check: bool = False
    push: bool = False


def kernel_stage(
    competition: Competition,
    workspace: Workspace,
    name: str | None,
    options: KernelOptions,
    clock: Clock,
) -> KernelFiles:
    """Write the offline notebook of a blend (the newest when None); check and push if asked.

    Raises UserError, and pushes nothing, for a blend that a notebook cannot reproduce, for what
    Kaggle would refuse, and when the check finds other predictions than the blend's.
    """
    blend = find_blend(workspace, name)
    files = KernelFiles(options.out) if options.out else workspace.kernel(blend.name)
    kaggle = _connect(competition, clock) if options.push else None
    owner = owner_of(files) or (account_name(kaggle) if kaggle else None)
    title = options.title or title_of(files) or f"{competition.name} {blend.name}"
    plan = plan_kernel(competition, workspace, blend, options.own_file, title, owner)
    from_kerascv = {name for name in backbones.names() if "keras-cv" in backbones.get(name).source}
    for run in plan.runs:
        if run.recipe.get("backbone") in from_kerascv:
            say(f"{run.name} needs keras-cv: check that Kaggle's image has it before you push.")
    if is_written(plan, files) and not (options.check or options.push):
        # A finished folder needs no lock, so one that cannot be written still opens.
        _finish(plan, files, written=False)
        return files
    with own(files.folder, f"Notebook {files.folder}", workspace.wait, TERMINAL):
        _finish(plan, files, write_kernel(plan, files, TERMINAL))
        if options.check:
            _check(plan, files)
        if kaggle:
            push_kernel(files, kaggle, clock)
    return files


def _finish(plan: Plan, files: KernelFiles, written: bool) -> None:
    """Check the folder against Kaggle's rules, and say what is there."""
    require_rules(files)
    _say_what_is_there(plan, files, written)
    for path in edited_files(files):
        say(
            f"{path} was changed since the kit wrote it, and is kept. To get the kit's version "
            f"back, remove it and rerun the command: {removal(path)}"
        )


def _connect(competition: Competition, clock: Clock) -> Kaggle:
    # Without the competition's files on Kaggle, the notebook has nothing to predict.
    if competition.kaggle is None:
        raise UserError(
            f"{competition.title} is not on Kaggle: its notebook can be checked but not pushed."
        )
    return connect(clock, TERMINAL)


def _check(plan: Plan, files: KernelFiles) -> None:
    agreement = check_kernel(plan, files)
    how = "by the system" if agreement.isolated else "by Python"
    say(f"The notebook ran here with the network blocked ({how}).")
    say(
        f"Test predictions differ from the blend's by at most {agreement.difference:.1e} "
        f"(allowed: {TOLERANCE:.0e}). Rows of the submission that differ: "
        f"{agreement.rows_differing}."
    )
    require_agreement(agreement, plan, files)


def _say_what_is_there(plan: Plan, files: KernelFiles, written: bool) -> None:
    size = volume(sum(path.stat().st_size for path in files.dataset.all_files()))
    verb = "Wrote" if written else "Up to date:"
    say(f"{verb} {files.dataset.folder}: {size}, {len(plan.runs)} runs and a wheel of the kit")
    say(f"{verb} {files.notebook}: predicts without internet, trains nothing")
    if owner_of(files) is None:
        say("The metadata have no account name yet: --push fills it in.")
