"""A trained run whose models are known: their logits depend on the fold alone."""

import numpy as np

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import write_json
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data.folds import Folds, digest_labels
from kit.data.predictions import Predictions, write_predictions
from kit.data.runs import Run, begin_run
from kit.data.store import pack
from kit.models.build import build_model
from kit.recipes import recipes
from kit.recipes.base import recipe_of, with_settings

# The logit that the model of each fold gives every image, per class.
BIASES = np.array([[-3.0, 1.0, 0.5], [1.0, 1.0, -1.5], [2.5, -3.0, 0.5]], np.float32)
# And those of the model trained on all rows.
ALL_ROWS = np.array([9.0, -9.0, 9.0], np.float32)


def make_constant_run(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds
) -> Run:
    """A run whose models ignore the image: each fold's gives its own logits. Needs the images."""
    recipe = with_settings(recipes.get("convnet"), ["size=16"])
    test_ids = shapes.read_test_ids(workspace.source)
    stores = {
        "train": pack(shapes, workspace, "train", StoreKind(16), folds.ids).digest,
        "test": pack(shapes, workspace, "test", StoreKind(16), test_ids).digest,
    }
    marks = (folds.digest, digest_labels(labels))
    run = begin_run(workspace, recipe.model_dump(), 3, *marks, stores)
    model = build_model(recipe, shapes.channels, 3, 0)
    kernel, bias = model.weights[-2:]
    kernel.assign(np.zeros(kernel.shape))
    for fold, logits in enumerate(BIASES):
        bias.assign(logits)
        files = run.files.fold(fold)
        files.folder.mkdir(parents=True)
        model.save_weights(files.weights(0))
        ids = tuple(one for one, of in zip(folds.ids, folds.fold, strict=True) if of == fold)
        probs = np.tile(1 / (1 + np.exp(-logits)), (len(ids), 1)).astype(np.float32)
        in_fold = np.full(len(ids), fold)
        write_predictions(files.oof, Predictions(ids, probs, shapes.class_keys, in_fold), {})
        probs = np.tile(1 / (1 + np.exp(-logits)), (len(test_ids), 1)).astype(np.float32)
        write_predictions(files.test, Predictions(test_ids, probs, shapes.class_keys), {})
        write_json(files.done, {"best": 0})
    return run


def add_all_rows_model(shapes: Competition, workspace: Workspace, run: Run) -> None:
    """Add the model trained on all rows to a run of `make_constant_run`."""
    test_ids = shapes.read_test_ids(workspace.source)
    model = build_model(recipe_of(run.recipe, run.files.recipe), shapes.channels, 3, 0)
    kernel, bias = model.weights[-2:]
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(ALL_ROWS)
    files = run.files.fold(None)
    files.folder.mkdir(parents=True)
    model.save_weights(files.weights(0))
    probs = np.tile(1 / (1 + np.exp(-ALL_ROWS)), (len(test_ids), 1)).astype(np.float32)
    write_predictions(files.test, Predictions(test_ids, probs, shapes.class_keys), {})
    write_json(files.done, {"best": 0})
