"""The stage `train`: every fold of a recipe, each begun, gone on with, or already done."""

from collections.abc import Sequence

import numpy as np

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.progress import bar, say
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.runs import Run, begin_run
from kit.data.store import Store, pack
from kit.models.build import check_architecture
from kit.recipes.base import Recipe
from kit.training import backend
from kit.training.checkpoint import load_progress
from kit.training.display import FoldDisplay
from kit.training.estimate import advice, forward_images, seconds_per_forward
from kit.training.fit import FoldData, FoldTask, train_fold
from kit.training.plan import sampling_factors, steps_per_epoch


def train(
    competition: Competition,
    workspace: Workspace,
    recipe: Recipe,
    only_folds: Sequence[int] | None = None,
) -> Run:
    """Train the folds of a recipe that are not done yet, and return the run.

    Packs the store at the recipe's size when that has not been done. `only_folds` are some folds
    by number; all when None. Raises UserError when something that it stands on is missing.
    """
    check_architecture(recipe, competition.channels)
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table)
    wanted = tuple(range(folds.n)) if only_folds is None else tuple(dict.fromkeys(only_folds))
    if strange := [fold for fold in wanted if fold not in range(folds.n)]:
        raise UserError(f"--folds {strange[0]}: the folds here are 0 to {folds.n - 1}.")
    test_ids = competition.read_test_ids(workspace.source)
    train_store = pack(competition, workspace, "train", recipe.size, folds.ids)
    test_store = pack(competition, workspace, "test", recipe.size, test_ids)
    stores = {"train": train_store.digest, "test": test_store.digest}
    run = begin_run(
        workspace, recipe.model_dump(), folds.n, folds.digest, digest_labels(table), stores
    )

    labels = table.of(train_store.ids)
    tasks = [
        FoldTask(
            run.name,
            fold,
            recipe,
            competition,
            _fold_data(fold, folds, train_store, test_store, labels),
            run.files.fold(fold),
        )
        for fold in wanted
        if not run.files.fold(fold).done.exists()
    ]
    if not tasks:
        say(f"{run.name}: all folds asked for are done.")
        return run
    _train_all(tasks)
    say(f"Trained {run.files.folder}")
    return run


def _fold_data(
    fold: int, folds: Folds, train_store: Store, test_store: Store, labels: np.ndarray
) -> FoldData:
    of_row = folds.of(train_store.ids)
    return FoldData(
        train_store,
        test_store,
        labels,
        train_rows=np.flatnonzero(of_row != fold),
        val_rows=np.flatnonzero(of_row == fold),
    )


def _train_all(tasks: Sequence[FoldTask]) -> None:
    recipe, competition = tasks[0].recipe, tasks[0].competition
    steps = [_steps(task) for task in tasks]
    done = [len(load_progress(task.files).log) for task in tasks]
    if not backend.on_accelerator():
        images = sum(
            forward_images(
                n, recipe.batch, recipe.all_epochs - d, len(t.data.val_rows), len(t.data.test.ids)
            )
            for t, n, d in zip(tasks, steps, done, strict=True)
        )
        each = seconds_per_forward(recipe, competition.channels, len(competition.class_keys))
        say(advice(recipe, images * each, len(tasks)))
    total = recipe.all_epochs * sum(steps)
    already = sum(d * s for d, s in zip(done, steps, strict=True))
    with bar(recipe.name, total=total, done=already) as progress:
        for task in tasks:
            train_fold(task, FoldDisplay(task.run, task.fold, recipe.all_epochs, progress))


def _steps(task: FoldTask) -> int:
    labels = task.data.labels[task.data.train_rows]
    return steps_per_epoch(task.recipe, sampling_factors(task.recipe, labels))
