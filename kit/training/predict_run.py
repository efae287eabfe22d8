"""Predict again with a run's models, averaging more views, as a new run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kit.competitions.base import Competition
from kit.core.disk import remove_leftovers, write_bytes
from kit.core.errors import UserError
from kit.core.faults import require_space
from kit.core.interrupts import finishing_first
from kit.core.owner import own_all
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.core.seal import seal
from kit.data.folds import digest_labels, read_folds
from kit.data.run_files import extra_of
from kit.data.runs import Run, begin_run, keep_copy, open_trained
from kit.data.store import pack
from kit.recipes.base import recipe_of
from kit.training import backend
from kit.training.checkpoint import remove_all
from kit.training.estimate import bytes_of_predictions
from kit.training.fit import finish_fold, write_fold_predictions
from kit.training.fold import FoldData, FoldTask
from kit.training.mend import fold_damage, folds_to_train
from kit.training.predictor import Predictor
from kit.training.stop import Stopped, Stopping


def predict_run(
    competition: Competition,
    workspace: Workspace,
    name: str,
    views: int,
    reporter: Reporter = SILENT,
) -> Run:
    """Predict with the models of a run over `views` views of each image, and return the new run.

    It is the run that `kit train` with tta=views would have made: a new folder with the same
    weights. Finished folds are left unchanged unless they are damaged. Raises UserError for a run
    that was not trained here or has no finished fold, and when the folds or labels have changed;
    Damaged for a damaged model; Busy when another process works on one of the folds, and
    Interrupted soon after a signal.
    """
    trained = open_trained(workspace, name)
    if trained.is_imported:
        raise UserError(f"{trained.name} was imported and has no models to predict with.")
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    if reason := trained.misfit(folds.digest, digest_labels(table)):
        raise UserError(f"{trained.name} cannot predict its held-out folds: {reason}.")
    ready = [fold for fold in (*range(folds.n), None) if trained.weights(fold)]
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
    if run.name == trained.name:
        return run  # it averages that many views already
    todo = folds_to_train(run, ready, competition)
    targets = {run.files.fold(fold).folder: f"{_label(fold)} of {run.name}" for fold in todo}
    of_row = folds.of(train_store.ids)
    nothing = np.zeros(0, np.int64)
    labels = table.of(train_store.ids)
    with own_all(targets, workspace.wait, reporter) as held:
        if todo:
            keep_copy(run, extra_of(trained.files))
        locks = dict(zip(sorted(targets), held, strict=True))
        tasks = []
        for fold in folds_to_train(run, todo, competition):
            files = run.files.fold(fold)
            if files.done.exists():
                damage = fold_damage(run, fold, competition)[0]
                reporter.say(f"{damage}. {_label(fold).capitalize()} is predicted again.")
            rows = nothing if fold is None else np.flatnonzero(of_row == fold)
            images, ids = train_store.images, train_store.ids
            data = FoldData(images, ids, labels, nothing, rows, test_store)
            task = FoldTask(run.name, fold, recipe, competition, data, files)
            tasks.append(replace(task, held=locks[files.folder]))
        if tasks:
            _require_space(trained, tasks)
        again = workspace.typed.command("predict", trained.name, "--tta", views)
        _predict_all(trained, tasks, reporter, again)
    return run


def _require_space(trained: Run, tasks: Sequence[FoldTask]) -> None:
    """Raise UserError unless there is space for copies of the weights and the predictions."""
    weights = [trained.weights(task.fold) for task in tasks]
    predicted = sum(task.predicted for task in tasks)
    classes = len(tasks[0].competition.class_keys)
    copied = sum(path.stat().st_size for path in weights if path is not None)
    needed = copied + bytes_of_predictions(predicted, classes)
    require_space(tasks[0].files.folder.parent, needed, f"Predicting with {trained.name}")


def _label(fold: int | None) -> str:
    return "fold all" if fold is None else f"fold {fold}"


def _predict_all(trained: Run, tasks: Sequence[FoldTask], reporter: Reporter, again: str) -> None:
    with finishing_first() as request:
        stopping = Stopping(request)
        for task in tasks:
            try:
                stopping.check("before its first image")
                _predict_fold(task, trained, stopping, reporter)
            except Stopped as stop:
                raise stopping.interrupted(
                    f"in {_label(task.fold)} of {task.run}, {stop.where}. Finished folds are kept.",
                    again,
                ) from None
        if stopping.is_asked:
            raise stopping.interrupted("after the last fold. All folds are kept.", again)


def _predict_fold(task: FoldTask, trained: Run, stopping: Stopping, reporter: Reporter) -> None:
    """Predict one fold with another run's weights, which are copied together with their log."""
    weights, state, files = trained.weights(task.fold), trained.progress(task.fold), task.files
    best = trained.done(task.fold).best
    if best is None or weights is None:
        raise ValueError(f"{trained.files.fold(task.fold).folder} has no weights")
    task.require_owned()
    remove_leftovers(files.folder)
    files.done.unlink(missing_ok=True)
    remove_all(files)
    write_bytes(files.weights(best), weights.read_bytes())
    sealed = seal(files.folder, [files.weights(best)])
    backend.prepare(task.seed, task.recipe.precision)
    model = task.model(begun=True)
    model.load_weights(files.weights(best))
    images = task.recipe.tta * task.predicted
    with reporter.bar(f"{task.run} {_label(task.fold)}", images, lines=True) as bar:

        def after_batch(predicted: int) -> None:
            bar.advance(predicted)
            stopping.check("while predicting")

        predictor = Predictor(model, task.recipe.size, after_batch, reporter)
        write_fold_predictions(task, predictor, best)
    finish_fold(task, replace(state, best=best, files=sealed))
