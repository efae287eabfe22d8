"""Train the folds of a recipe that are not done yet, resuming interrupted ones."""

from collections.abc import Sequence

import numpy as np

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.core.suggest import Typed
from kit.data.extra import Extra, check_extra, parse_extra, read_extra
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.run_files import load_progress
from kit.data.runs import Run, begin_run
from kit.data.stacked import Stacked
from kit.data.store import Store, pack
from kit.models.build import check_architecture
from kit.recipes.base import Recipe
from kit.training import backend
from kit.training.check import check_recipe
from kit.training.command import keep_command
from kit.training.display import FoldDisplay
from kit.training.estimate import advice, forward_images, seconds_per_forward
from kit.training.fit import train_fold
from kit.training.fold import FoldData, FoldTask
from kit.training.plan import steps_per_epoch
from kit.training.start import find_start

# Training on all rows, in place of a fold number.
ALL = None


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
    line per epoch. Raises UserError when an input is missing.
    """
    check_recipe(recipe, competition)
    if extra is not None:
        parse_extra(extra)
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    wanted = tuple(range(folds.n)) if only_folds is None else tuple(dict.fromkeys(only_folds))
    if strange := [fold for fold in wanted if fold is not ALL and fold not in range(folds.n)]:
        raise UserError(f"--folds {strange[0]}: allowed are 0 to {folds.n - 1}, and all.")
    recipe, start = find_start(workspace, recipe, folds, digest_labels(table))
    if start.run is None:
        check_architecture(recipe, competition.channels)
    test_ids = competition.read_test_ids(workspace.source)
    if extra is not None:
        check_extra(competition, extra, folds.ids, test_ids, workspace.skip_bad)
    train_store = pack(competition, workspace, "train", recipe.store_kind, folds.ids, reporter)
    test_store = pack(competition, workspace, "test", recipe.store_kind, test_ids, reporter)
    more = None
    if extra is not None:
        more = read_extra(competition, workspace, extra, train_store, test_ids, reporter)
        if folds.group != folds.ids:
            reporter.say(
                "The folds keep groups together, but extra images have no group: if one shares a "
                "culture with an image that a fold holds out, that fold's score is optimistic."
            )
    inputs = {"train": train_store.digest, "test": test_store.digest, **start.inputs()}
    if more is not None:
        inputs["extra"] = more.digest
    starts = {fold: start.of_fold(fold) for fold in wanted}
    run = begin_run(
        workspace, recipe.model_dump(), folds.n, folds.digest, digest_labels(table), inputs
    )
    keep_command(run, recipe, extra)
    tasks = []
    for fold in wanted:
        if run.files.fold(fold).done.exists():
            continue
        data = _fold_data(fold, folds, train_store, test_store, table.of(train_store.ids), more)
        if more is not None:
            label = "all" if fold is ALL else fold
            reporter.say(f"fold {label}: {more.told(more.allowed(data.val_rows))}")
        files = run.files.fold(fold)
        tasks.append(FoldTask(run.name, fold, recipe, competition, data, files, starts[fold]))
    if not tasks:
        reporter.say(f"{run.name}: all requested folds are done.")
        return run
    if recipe.precision == "mixed":
        policy = backend.policy(recipe.precision)
        reporter.say(f"{recipe.name} computes in {policy} on this machine.")
    _train_all(tasks, workspace.typed, reporter)
    reporter.say(f"Trained {run.files.folder}")
    if ALL in wanted:
        reporter.say(
            "Trained on all rows: the last epoch predicts, and there is no score, because no row "
            "is held out."
        )
    return run


def _fold_data(
    fold: int | None,
    folds: Folds,
    train_store: Store,
    test_store: Store,
    labels: np.ndarray,
    extra: Extra | None,
) -> FoldData:
    of_row = folds.of(train_store.ids)
    left_out = np.zeros(len(of_row), bool) if fold is ALL else of_row == fold
    # An image that could not be read is black: it must not train. A held-out one is predicted like
    # a test image that could not be read, so that the score covers such images, too.
    train_rows = np.flatnonzero(~left_out & train_store.has_pixels)
    val_rows = np.flatnonzero(left_out)
    ids = train_store.ids
    if extra is None:
        return FoldData(train_store.images, ids, labels, train_rows, val_rows, test_store)
    allowed = extra.allowed(val_rows)
    return FoldData(
        Stacked((train_store.images, extra.store.images)),
        ids,
        np.concatenate([labels, extra.labels]),
        np.concatenate([train_rows, len(ids) + np.flatnonzero(allowed)]),
        val_rows,
        test_store,
    )


def _train_all(tasks: Sequence[FoldTask], typed: Typed, reporter: Reporter) -> None:
    recipe, competition = tasks[0].recipe, tasks[0].competition
    steps = [steps_per_epoch(recipe, task.sampling()) for task in tasks]
    done = [len(load_progress(task.files).log) for task in tasks]
    if not backend.on_accelerator():
        images = sum(
            forward_images(
                recipe,
                n,
                recipe.all_epochs - d,
                len(t.scored_rows()),
                len(t.data.val_rows) + len(t.data.test.ids),
            )
            for t, n, d in zip(tasks, steps, done, strict=True)
        )
        each = seconds_per_forward(recipe, competition.channels, len(competition.class_keys))
        reporter.say(advice(recipe, images * each, len(tasks), typed))
    total = recipe.all_epochs * sum(steps)
    already = sum(d * s for d, s in zip(done, steps, strict=True))
    with reporter.bar(recipe.name, total=total, done=already) as bar:
        for task in tasks:
            display = FoldDisplay(task.run, task.fold, recipe.all_epochs, reporter, bar)
            train_fold(task, display)
