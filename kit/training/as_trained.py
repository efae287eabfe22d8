"""Predict training images with the models of a run that were trained on them."""

from collections.abc import Sequence

import numpy as np

from kit.competitions.base import Competition
from kit.core.errors import UserError, some
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.folds import Folds
from kit.data.predictions import Predictions, to_probs
from kit.data.runs import Run
from kit.data.store import Store, pack
from kit.models.build import build_model
from kit.recipes.base import recipe_of
from kit.training import backend
from kit.training.predictor import Predictor


def trained_models(run: Run) -> tuple[int | None, ...]:
    """The finished models of a run that have weights: by fold, ascending; None for all rows."""
    models = (*range(run.folds), None)
    return tuple(fold for fold in models if run.weights(fold))


def predict_as_trained(
    competition: Competition,
    workspace: Workspace,
    run: Run,
    folds: Folds,
    ids: Sequence[str],
    reporter: Reporter = SILENT,
) -> Predictions:
    """Predict training images with the models that were trained on them: optimistic.

    An image of fold k is predicted by every finished model but that of fold k, the one trained on
    all rows included: the mean of their logits, over the recipe's views. Returns the predictions in
    the order of `ids`, with the fold of each. Raises UserError for a run without models, for an
    image that no finished model was trained on, and for images that have changed since.
    """
    if run.is_imported:
        raise UserError(f"{run.name} was imported and has no models to predict with.")
    fold_of = folds.of(tuple(ids))
    models = trained_models(run)
    predicts = np.array([[fold != of for of in fold_of.tolist()] for fold in models], bool)
    predicts = predicts.reshape(len(models), len(ids))
    if not predicts.any(axis=0).all():
        unseen = [ids[row] for row in np.flatnonzero(~predicts.any(axis=0)).tolist()]
        raise UserError(f"{run.name} has no finished model trained on: {some(unseen)}.")
    recipe = recipe_of(run.recipe, run.files.recipe)
    store = pack(competition, workspace, "train", recipe.store_kind, folds.ids, reporter)
    _refuse_other_images(run, store)
    rows = store.rows(ids)
    backend.prepare(recipe.seed, recipe.precision)
    # The checkpoints have all weights, so nothing is downloaded to start from.
    bare = recipe.model_copy(update={"weights": "none"})
    model = build_model(bare, competition.channels, len(competition.class_keys), recipe.seed)
    total = np.zeros((len(ids), len(competition.class_keys)))
    with reporter.bar(run.name, recipe.tta * int(predicts.sum()), lines=True) as bar:
        predictor = Predictor(model, recipe.size, bar.advance, reporter)
        for fold, seen in zip(models, predicts, strict=True):
            if seen.any():
                model.load_weights(run.weights(fold))
                total[seen] += predictor.logits(store.images, rows[seen], recipe.tta)
    probs = to_probs(total / predicts.sum(axis=0)[:, None])
    return Predictions(tuple(ids), probs, competition.class_keys, fold_of)


def _refuse_other_images(run: Run, store: Store) -> None:
    if store.digest != (run.inputs.stores or {}).get("train"):
        raise UserError(
            f"The train images have changed since {run.name} was trained. Restore them, or train "
            f"it again. {run.how_to_train()}"
        )
