"""Train the folds of a recipe that are not done yet, resuming interrupted ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.core.disk import remove_leftovers
from kit.core.errors import UserError
from kit.core.interrupts import finishing_first
from kit.core.owner import own_all
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.extra import check_extra, parse_extra, read_extra
from kit.data.folds import digest_labels, read_folds
from kit.data.run_files import extra_of
from kit.data.runs import Run, begin_run, keep_copy, restore_run
from kit.data.store import pack
from kit.models.build import check_architecture
from kit.recipes.base import Recipe, recipe_of
from kit.training import backend
from kit.training.check import check_recipe
from kit.training.display import FoldDisplay
from kit.training.estimate import foretell
from kit.training.fit import train_fold
from kit.training.fold import FoldTask
from kit.training.inputs import Inputs
from kit.training.mend import fold_damage, folds_to_train, mend_records
from kit.training.plan import steps_per_epoch
from kit.training.resume import find_resumption
from kit.training.start import find_start
from kit.training.stop import Stopped, Stopping

# Training on all rows, in place of a fold number.
ALL = None


@dataclass(frozen=True)
class _Asked:
    """What is to be trained: folds of a recipe, as a run that exists already if one is named."""

    competition: Competition
    workspace: Workspace
    recipe: Recipe
    only_folds: Sequence[int | None] | None
    extra: str | None
    run: Run | None = None

    def command(self, run: Run) -> str:
        """The command that resumes the run."""
        folds = ["all" if fold is ALL else str(fold) for fold in self.only_folds or ()]
        some = ["--folds", ",".join(folds)] if folds else []
        return self.workspace.typed.command("train", run.name, *some)


def train(
    competition: Competition,
    workspace: Workspace,
    recipe: Recipe,
    only_folds: Sequence[int | None] | None = None,
    extra: str | None = None,
    reporter: Reporter = SILENT,
) -> Run:
    """Train the folds of a recipe that are not done yet, and return the run.

    Packs the store at the recipe's size first, if needed. `only_folds` lists folds by number, with
    None for training on all rows; by default, every fold is trained. `extra` is CSV:IMAGES, rows
    that train in each fold and are never held out. `reporter` receives a bar over all steps and a
    line per epoch. What is damaged in finished folds is made again, with a line. Raises UserError
    when an input is missing, Busy when another process trains one of the folds, and Interrupted,
    with everything saved, soon after a signal.
    """
    check_recipe(recipe, competition)
    return _train(_Asked(competition, workspace, recipe, only_folds, extra), reporter)


def train_run(
    competition: Competition,
    workspace: Workspace,
    name: str,
    only_folds: Sequence[int | None] | None = None,
    extra: str | None = None,
    reporter: Reporter = SILENT,
) -> Run:
    """Train or repair folds of a run, named as for `open_run`, with the settings it has.

    Whatever the recipe of that name is today. `extra` is needed only if the run's own is not known
    any more. Raises UserError as `train` does, for an imported run, and when folds, labels or
    images have changed.
    """
    run = restore_run(workspace, name, reporter)
    if run.is_imported:
        raise UserError(f"{run.name} was imported, so it is not trained. {run.how_to_fix(0)}")
    known = extra_of(run.files) if extra is None else extra
    if known is None and "extra" in (run.inputs.stores or {}):
        again = workspace.typed.command("train", run.name, "--extra", "CSV:IMAGES")
        raise UserError(f"{run.name} is trained with extra images. Name them: {again}")
    recipe = recipe_of(run.recipe, run.files.recipe)
    check_recipe(recipe, competition)
    return _train(_Asked(competition, workspace, recipe, only_folds, known, run), reporter)


def _train(asked: _Asked, reporter: Reporter) -> Run:
    competition, workspace = asked.competition, asked.workspace
    if asked.extra is not None:
        parse_extra(asked.extra)
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    wanted = _wanted(asked, folds.n)
    if asked.run is not None and (reason := asked.run.misfit(folds.digest, digest_labels(table))):
        raise UserError(f"{asked.run.name} cannot be trained: {reason}. {_new_run(workspace)}")
    recipe, start = find_start(workspace, asked.recipe, folds, digest_labels(table))
    if start.run is None:
        check_architecture(recipe, competition.channels)
    test_ids = competition.read_test_ids(workspace.source)
    if asked.extra is not None:
        check_extra(competition, asked.extra, folds.ids, test_ids, workspace.skip_bad)
    train_store = pack(competition, workspace, "train", recipe.store_kind, folds.ids, reporter)
    test_store = pack(competition, workspace, "test", recipe.store_kind, test_ids, reporter)
    more = None
    if asked.extra is not None:
        more = read_extra(competition, workspace, asked.extra, train_store, test_ids, reporter)
        if folds.group != folds.ids:
            reporter.say(
                "The folds keep groups together, but extra images have no group: if one shares a "
                "culture with an image that a fold holds out, that fold's score is optimistic."
            )
    digests = {"train": train_store.digest, "test": test_store.digest, **start.inputs()}
    if more is not None:
        digests["extra"] = more.digest
    for fold in wanted:
        start.of_fold(fold)  # refuses a fold without weights to start from
    if asked.run is None:
        marks = (folds.digest, digest_labels(table))
        run = begin_run(workspace, recipe.model_dump(), folds.n, *marks, digests)
    else:
        run = asked.run
        _refuse_changed(run, digests, workspace)
    labels = table.of(train_store.ids)
    inputs = Inputs(folds, labels, train_store, test_store, more, start)
    if not folds_to_train(run, wanted, competition):
        reporter.say(_all_done(run))
        if run.files.copy.exists() or asked.run is not None:
            keep_copy(run, asked.extra)
        return run
    _own_and_train(asked, run, wanted, inputs, reporter)
    return run


def _all_done(run: Run) -> str:
    return f"{run.name}: all requested folds are done."


def _wanted(asked: _Asked, folds: int) -> tuple[int | None, ...]:
    if asked.only_folds is None:
        return tuple(range(folds))
    wanted = tuple(dict.fromkeys(asked.only_folds))
    if strange := [fold for fold in wanted if fold is not ALL and fold not in range(folds)]:
        raise UserError(f"--folds {strange[0]}: allowed are 0 to {folds - 1}, and all.")
    return wanted


def _new_run(workspace: Workspace) -> str:
    return f"Restore them, or train a new run: {workspace.typed.command('train', 'MODEL')}"


def _refuse_changed(run: Run, digests: dict[str, str], workspace: Workspace) -> None:
    """Raise UserError unless the images and initial weights are those that a run was made from."""
    names = {"weights": "initial weights"}
    stores = run.inputs.stores or {}
    for key in sorted({*stores, *digests}):
        if stores.get(key) != digests.get(key):
            what = names.get(key, f"{key} images")
            raise UserError(
                f"The {what} have changed since {run.name} was trained. {_new_run(workspace)}"
            )


def _own_and_train(
    asked: _Asked, run: Run, wanted: Sequence[int | None], inputs: Inputs, reporter: Reporter
) -> None:
    """Train what is to be trained while no other process does, and mend what is damaged."""
    todo = folds_to_train(run, wanted, asked.competition)
    targets = {run.files.fold(fold).folder: f"{_name(fold)} of {run.name}" for fold in todo}
    with own_all(targets, asked.workspace.wait, reporter) as held:
        keep_copy(run, asked.extra)
        locks = dict(zip(sorted(targets), held, strict=True))
        tasks = []
        # Again, because another process may have trained them before the lock was free.
        for fold in folds_to_train(run, todo, asked.competition):
            files = run.files.fold(fold)
            remove_leftovers(files.folder)
            finished = files.done.exists()
            damages = fold_damage(run, fold, asked.competition) if finished else ()
            if mend_records(files, damages, reporter):
                continue
            for damage in damages:
                if damage.path in (files.oof, files.test, files.done):
                    reporter.say(f"{damage}. It is made again.")
            data = inputs.of_fold(fold)
            if inputs.extra is not None:
                allowed = inputs.extra.allowed(data.val_rows)
                reporter.say(f"{_name(fold)}: {inputs.extra.told(allowed)}")
            recipe, start = asked.recipe, inputs.start.of_fold(fold)
            tasks.append(
                FoldTask(
                    run.name,
                    fold,
                    recipe,
                    asked.competition,
                    data,
                    files,
                    start,
                    locks[files.folder],
                )
            )
        if tasks:
            _train_all(asked, run, tasks, reporter)
    if tasks:
        reporter.say(f"Trained {run.files.folder}")
    else:  # another process has, while this one waited; or only records were damaged
        reporter.say(_all_done(run))
    if ALL in wanted:
        reporter.say(
            "Trained on all rows: the last epoch predicts, and there is no score, because no row "
            "is held out."
        )


def _name(fold: int | None) -> str:
    return "fold all" if fold is ALL else f"fold {fold}"


def _train_all(asked: _Asked, run: Run, tasks: Sequence[FoldTask], reporter: Reporter) -> None:
    recipe = tasks[0].recipe
    if recipe.precision == "mixed":
        policy = backend.policy(recipe.precision)
        reporter.say(f"{recipe.name} computes in {policy} on this machine.")
    states = [find_resumption(task.files, recipe, task.label).state for task in tasks]
    foretell(tasks, states, asked.workspace.typed, reporter)
    steps = [steps_per_epoch(recipe, task.sampling()) for task in tasks]
    already = sum(
        len(state.log) * n + (0 if state.within is None else state.within.steps)
        for state, n in zip(states, steps, strict=True)
    )
    total = recipe.all_epochs * sum(steps)
    with (
        finishing_first() as request,
        reporter.bar(recipe.name, total=total, done=already) as bar,
    ):
        stopping = Stopping(request)
        for task in tasks:
            display = FoldDisplay(task.run, task.fold, recipe.all_epochs, reporter, bar)
            try:
                stopping.check("before its first step")
                train_fold(task, display, stopping)
            except Stopped as stop:
                raise stopping.interrupted(
                    f"in {_name(task.fold)}, {stop.where}. All of it is kept in "
                    f"{run.files.folder}.",
                    asked.command(run),
                ) from None
        if stopping.is_asked:  # too late to stop anything here, but not what would come after
            raise stopping.interrupted(
                f"after the last fold. All of it is kept in {run.files.folder}.",
                asked.command(run),
            )
