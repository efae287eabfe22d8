"""Predict again with a run's models, averaging more views, as a new run."""

import shutil

import numpy as np

from kit.competitions.base import Competition
from kit.core.disk import atomic
from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles, Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.folds import digest_labels, read_folds
from kit.data.run_files import read_done, write_done
from kit.data.runs import Run, begin_run, find_weights, open_trained, remember_command
from kit.data.store import pack
from kit.recipes.base import recipe_of
from kit.training import backend
from kit.training.fit import write_fold_predictions
from kit.training.fold import FoldData, FoldTask
from kit.training.predictor import Predictor


def predict_run(
    competition: Competition,
    workspace: Workspace,
    name: str,
    views: int,
    reporter: Reporter = SILENT,
) -> Run:
    """Predict with the models of a run over `views` views of each image, and return the new run.

    It is the run that `kit train` with tta=views would have made: a new folder with the same
    weights. Existing folds are left unchanged. Raises UserError for a run that was not trained here
    or has no finished fold, and when the folds or labels have changed.
    """
    trained = open_trained(workspace, name)
    if trained.is_imported:
        raise UserError(f"{trained.name} was imported and has no models to predict with.")
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    if reason := trained.misfit(folds.digest, digest_labels(table)):
        raise UserError(f"{trained.name} cannot predict its held-out folds: {reason}.")
    ready = [fold for fold in (*range(folds.n), None) if find_weights(trained.files.fold(fold))]
    if not ready:
        raise UserError(f"{trained.name} has no finished fold. {trained.how_to_train()}")
    recipe = recipe_of({**trained.recipe, "tta": views}, trained.files.recipe)
    test_ids = competition.read_test_ids(workspace.source)
    train_store = pack(competition, workspace, "train", recipe.store_kind, folds.ids, reporter)
    test_store = pack(competition, workspace, "test", recipe.store_kind, test_ids, reporter)
    stores = dict(trained.inputs.stores or {})
    for split, store in (("train", train_store), ("test", test_store)):
        if store.digest != stores[split]:
            raise UserError(
                f"The {split} images have changed since {trained.name} was trained. Restore them, "
                f"or train it again. {trained.how_to_train()}"
            )
    run = begin_run(
        workspace,
        recipe.model_dump(),
        folds.n,
        folds.digest,
        digest_labels(table),
        stores,
    )
    if words := trained.training_words():
        remember_command(run, [*words, "--set", f"tta={views}"])
    of_row = folds.of(train_store.ids)
    nothing = np.zeros(0, np.int64)
    labels = table.of(train_store.ids)
    for fold in ready:
        files = run.files.fold(fold)
        if files.done.exists():
            continue
        val_rows = nothing if fold is None else np.flatnonzero(of_row == fold)
        data = FoldData(train_store.images, train_store.ids, labels, nothing, val_rows, test_store)
        task = FoldTask(run.name, fold, recipe, competition, data, files)
        _predict_fold(task, trained.files.fold(fold), reporter)
    return run


def _predict_fold(task: FoldTask, trained: FoldRunFiles, reporter: Reporter) -> None:
    """Predict one fold with another run's weights, which are copied together with their log."""
    done = read_done(trained)
    files, best = task.files, done.best
    if best is None:
        raise ValueError(f"{trained.folder} has weights and no best epoch")
    for source, target in (
        (trained.weights(best), files.weights(best)),
        (trained.log, files.log),
        (trained.progress, files.progress),
    ):
        with atomic(target) as temporary:
            shutil.copyfile(source, temporary)
    backend.prepare(task.seed, task.recipe.precision)
    model = task.model(begun=True)
    model.load_weights(files.weights(best))
    images = task.recipe.tta * (len(task.data.val_rows) + len(task.data.test.ids))
    fold = "all" if task.fold is None else task.fold
    with reporter.bar(f"{task.run} fold {fold}", images, lines=True) as bar:
        predictor = Predictor(model, task.recipe.size, bar.advance, reporter)
        write_fold_predictions(task, predictor, best)
    write_done(files, done)
