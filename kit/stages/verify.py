"""The stage `verify`: read every file again, and compare it with what its marker says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from kit.blends.opened import find_command_damage, how_to_remake, open_blend, remake_command
from kit.competitions.base import Competition
from kit.core.errors import UserError, unknown
from kit.core.paths import Workspace, provenance_of
from kit.core.store_paths import StoreFiles, stores_of
from kit.core.terminal import say, say_json, table
from kit.data.blends import find_blend, unfinished
from kit.data.folds import read_folds
from kit.data.run_files import read_done
from kit.data.runs import how_to_fix, open_run
from kit.data.store import check_store
from kit.kernel.marker import find_kernel_damage, known_marker
from kit.submission.ancestry import find_submission_damage
from kit.submission.examine import how_to_write
from kit.submission.grade import open_grades
from kit.submission.record import read_elsewhere, read_uploads

# What is said of files whose marker has no digest.
OLDER = "not checked (written by an older version)"


@dataclass(frozen=True)
class Verified:
    """An artifact, and what is wrong with it: each problem names a file and ends with a command.

    `note` says what could not be checked; empty if everything was.
    """

    kind: str
    name: str
    problems: tuple[str, ...] = ()
    note: str = ""

    @property
    def state(self) -> str:
        """In a word or two, for the table."""
        if self.problems:
            return "damaged"
        return self.note or "complete"


def verify_stage(
    competition: Competition,
    workspace: Workspace,
    names: Sequence[str] = (),
    as_json: bool = False,
) -> bool:
    """Check all artifacts, or those with these names, and print the result.

    Returns whether all are complete. Raises UserError for an unknown name.
    """
    checks = list(_checks(competition, workspace))
    known = [name for _, name, _ in checks]
    for name in names:
        if name not in known:
            raise unknown("artifact", name, dict.fromkeys(known))
    found = [_checked(*one) for one in checks if not names or one[1] in names]
    whole = not any(one.problems for one in found)
    if as_json:
        say_json({"complete": whole, "artifacts": [asdict(one) for one in found]})
        return whole
    if not found:
        say(f"Nothing to verify in {workspace.runs}.")
    else:
        rows = [[f"{one.kind} {one.name}", one.state] for one in found]
        table(f"{competition.title}: every file read again", ["", "state"], rows)
    for problem in (problem for one in found for problem in one.problems):
        say(problem)
    return whole


Check = Callable[[], Verified]


def _checked(kind: str, name: str, check: Check) -> Verified:
    """What a check found; an error that it raises is a problem of this artifact alone."""
    try:
        return check()
    except UserError as error:
        return Verified(kind, name, (str(error),))


def _checks(competition: Competition, workspace: Workspace) -> Iterator[tuple[str, str, Check]]:
    """Everything there is, in the order in which it is made, and the check of each."""
    if workspace.folds.exists() or provenance_of(workspace.folds).exists():
        yield "folds", workspace.folds.name, partial(_folds, competition, workspace)
    for split in _splits(workspace):
        for store in stores_of(workspace.stores, split):
            name = f"{store.kind.name}/{split}"
            yield "store", name, partial(_store, workspace, store, name)
    for name in workspace.run_names():
        yield "run", name, partial(_run, workspace, name)
    for name in sorted({*workspace.blend_names(), *workspace.unfinished_blend_names()}):
        yield "blend", name, partial(_blend, workspace, name)
    if workspace.blend_names():
        yield "record", workspace.latest_blend.name, partial(_latest, workspace)
    for name in workspace.submission_names():
        if name.startswith(f"{competition.name}-"):
            yield "submission", name, partial(_submission, competition, workspace, name)
    if workspace.made_elsewhere(competition.name).exists():
        name = workspace.made_elsewhere(competition.name).name
        yield "record", name, partial(_elsewhere, competition, workspace, name)
    for name in workspace.kernel_names():
        yield "kernel", name, partial(_kernel, workspace, name)


def _splits(workspace: Workspace) -> list[str]:
    """Every split of which there is a store."""
    found = {
        path.name.removesuffix(".meta.json") for path in workspace.stores.glob("*/*.meta.json")
    }
    return sorted(found)


def _folds(competition: Competition, workspace: Workspace) -> Verified:
    path = workspace.folds
    labelled = (workspace.source / competition.label_table).exists()
    labels = competition.read_labels(workspace.source) if labelled else None
    read_folds(path, labels, workspace.typed)
    known = provenance_of(path).exists()
    return Verified("folds", path.name, note="" if known else "not checked (no provenance)")


def _store(workspace: Workspace, store: StoreFiles, name: str) -> Verified:
    pack = f"Pack it: {workspace.typed.command('pack', *store.kind.words)}"
    if store.split not in ("train", "test"):
        train = workspace.typed.command("train", "MODEL", "--extra", "CSV:IMAGES")
        pack = f"Training packs it again: {train}"
    found = check_store(store, thorough=True)
    return Verified("store", name, tuple(f"{damage}. {pack}" for damage in found))


def _run(workspace: Workspace, name: str) -> Verified:
    run = open_run(workspace, name)
    found = run.find_damage(thorough=True)
    problems = tuple(f"{damage}. {how_to_fix(run, damage)}" for damage in found)
    folds = (run.files.fold(fold) for fold in (*range(run.folds), None))
    unsealed = not problems and any(
        fold.done.exists() and not read_done(fold).files for fold in folds
    )
    return Verified("run", name, problems, OLDER if unsealed else "")


def _blend(workspace: Workspace, name: str) -> Verified:
    if name not in workspace.blend_names():
        return Verified("blend", name, (unfinished(workspace, name),))
    blend = open_blend(workspace, name, thorough=True)
    sealed = blend.decision.origin.files
    if damage := find_command_damage(blend):
        again = remake_command(workspace, name, blend.decision)
        return Verified("blend", name, (f"{damage}. Write it again: {again}",))
    return Verified("blend", name, note="" if sealed else OLDER)


def _latest(workspace: Workspace) -> Verified:
    name = workspace.latest_blend.name
    try:
        find_blend(workspace, None)
    except UserError as error:
        newest = workspace.blend_names()[-1]
        again = how_to_remake(workspace, newest)
        return Verified("record", name, (f"{error} To make {newest} the newest: {again}",))
    return Verified("record", name)


def _submission(competition: Competition, workspace: Workspace, name: str) -> Verified:
    files = workspace.submission(name)
    problems = []
    if damage := find_submission_damage(files):
        again = how_to_write(competition, workspace, name)
        problems.append(f"{damage} Write the submission again: {again}")
    for read in (lambda: open_grades(competition, workspace, name), lambda: read_uploads(files)):
        try:
            read()
        except UserError as error:
            problems.append(str(error))
    return Verified("submission", name, tuple(problems))


def _elsewhere(competition: Competition, workspace: Workspace, name: str) -> Verified:
    read_elsewhere(workspace, competition.name)
    return Verified("record", name)


def _kernel(workspace: Workspace, name: str) -> Verified:
    files = workspace.kernel(name)
    again = f"Write it again: {workspace.typed.command('kernel', name)}"
    if not files.dataset.marker.exists():
        problem = f"{files.dataset.marker} is missing: the notebook is unfinished. {again}"
        return Verified("kernel", name, (problem,))
    if name not in workspace.blend_names():
        again = f"Make the blend again first: {how_to_remake(workspace, name)}"
    found = find_kernel_damage(files, thorough=True)
    marker = known_marker(files.dataset)
    older = marker is not None and not marker.files
    problems = tuple(f"{damage}. {again}" for damage in found)
    return Verified("kernel", name, problems, OLDER if older else "")
