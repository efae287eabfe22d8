"""What the notebook calls: reproduces a blend's submission from weights and test images alone."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kit.competitions.base import Competition
from kit.competitions.registry import find_competition
from kit.core.disk import write_text
from kit.core.kernel_paths import KernelDatasetFiles, KernelOutput
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Bar, Reporter
from kit.core.store_paths import StoreKind
from kit.data.predictions import Predictions, to_probs, write_predictions
from kit.data.runs import Run, open_run
from kit.data.store import Store, pack_alone, plan_packing
from kit.ensemble import Decision, make_unseen
from kit.kernel.image import PART_BYTES
from kit.kernel.marker import require_dataset
from kit.kernel.weights import weights_of
from kit.models.build import build_model
from kit.recipes.base import Recipe, recipe_of
from kit.submission.check import check_submission
from kit.training import backend
from kit.training.predictor import Predictor


def predict(
    dataset: Path, source: Path, working: Path, scratch: Path, reporter: Reporter = SILENT
) -> Path:
    """Write `submission.csv` and `test.parquet` into `working`, and return the CSV's path.

    `dataset` is what `kit kernel` wrote. `source` is the competition's folder; only the sample
    submission and the test images are read. `scratch` is a folder for packed images, removed at the
    end. Raises UserError for missing images, or a file that a grader would refuse.
    """
    marker = require_dataset(dataset)
    competition = _find_competition(dataset, marker.competition)
    # The dataset has the layout of the folder of runs, so that the same code reads both.
    usual = Workspace.of(competition.name, source)
    skip_bad = marker.packing.get("skip_bad", 0)
    workspace = replace(usual, stores=scratch, runs=dataset, skip_bad=skip_bad)
    blend, output = workspace.blend(marker.blend), KernelOutput(working)
    test_ids = competition.read_test_ids(source)
    runs = [open_run(workspace, name) for name in marker.runs]
    try:
        packer = _Packer(competition, workspace, marker.packing.get("bit_depths", {}), reporter)
        members = _predict_runs(packer, runs, test_ids)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    decision = Decision.load(blend.decision)
    unseen = make_unseen([[test.take(test_ids) for test in members[run.name]] for run in runs])
    test = Predictions(test_ids, decision.combine(unseen), competition.class_keys)
    write_predictions(output.test, test, {"blend": blend.name})
    decisions = decision.label(test.probs, test_ids)
    write_text(output.csv, competition.answer(test_ids, decisions))
    check_submission(competition, output.csv, test_ids)
    reporter.say(
        f"{output.csv}: {len(test_ids)} rows, {decisions.sum() / len(test_ids):.2f} labels per row"
    )
    return output.csv


def _find_competition(dataset: Path, name: str) -> Competition:
    own = KernelDatasetFiles(dataset).competition
    return find_competition(str(own) if own.exists() else name)


@dataclass(frozen=True)
class _Packer:
    """Packs test images as they were packed where the runs were trained.

    `bit_depths`, by the name of a kind of store, are the bits that 16-bit files use.
    """

    competition: Competition
    workspace: Workspace
    bit_depths: Mapping[str, int | None]
    reporter: Reporter

    def pack(self, kind: StoreKind, ids: Sequence[str]) -> Store:
        """Pack test images into a folder that is removed later, so it has no other owner."""
        depth = self.bit_depths.get(kind.name) or self.competition.bit_depth
        competition = replace(self.competition, bit_depth=depth)
        packing = plan_packing(competition, self.workspace, "test", kind, ids)
        files = self.workspace.store(kind, "test")
        return pack_alone(competition, files, packing, self.reporter)


def _predict_runs(
    packer: _Packer, runs: Sequence[Run], ids: Sequence[str]
) -> dict[str, list[Predictions]]:
    """The test predictions of each run's fold models, by the run's name, the folds in order.

    One network is in memory at a time. Each is rebuilt for every part of the images: that takes
    seconds, while decoding the images again for every run would take many minutes.
    """
    competition, workspace, reporter = packer.competition, packer.workspace, packer.reporter
    recipes = {run.name: _recipe(run) for run in runs}
    kinds = {name: recipe.store_kind for name, recipe in recipes.items()}
    parts: dict[str, list[list[Predictions]]] = {run.name: [] for run in runs}
    for kind in sorted(set(kinds.values())):
        rows = max(1, PART_BYTES // (kind.size**2 * len(competition.channels)))
        for start in range(0, len(ids), rows):
            part = ids[start : start + rows]
            store = packer.pack(kind, part)
            for run in (run for run in runs if kinds[run.name] == kind):
                with reporter.bar(run.name, run.folds * len(part), lines=True) as bar:
                    recipe = recipes[run.name]
                    predicted = _predict_folds(competition, run, recipe, store, bar, reporter)
                parts[run.name].append(predicted)
            shutil.rmtree(workspace.store(kind, "test").folder)
    return {
        name: [_join(of_fold) for of_fold in zip(*of_run, strict=True)]
        for name, of_run in parts.items()
    }


def _recipe(run: Run) -> Recipe:
    # The weights come from the dataset; pretrained ones would be downloaded only to be overwritten.
    return recipe_of(run.recipe, run.files.recipe).model_copy(update={"weights": "none"})


def _predict_folds(
    competition: Competition,
    run: Run,
    recipe: Recipe,
    store: Store,
    bar: Bar,
    reporter: Reporter,
) -> list[Predictions]:
    """The predictions of each fold's model for a store, the folds in order."""
    # Frees the previous network. Training does the same before it predicts: the numbers are equal.
    backend.prepare(seed=0, precision=recipe.precision)
    model = build_model(recipe, competition.channels, len(competition.class_keys), seed=0)
    predictor = Predictor(model, recipe.size, reporter=reporter)
    predicted = []
    for weights in weights_of(run):
        model.load_weights(weights)
        logits = predictor.logits(store.images, np.arange(len(store.ids)), recipe.tta)
        probs = to_probs(logits.astype(np.float64))
        predicted.append(Predictions(store.ids, probs, competition.class_keys))
        bar.advance(len(store.ids))
    return predicted


def _join(parts: Sequence[Predictions]) -> Predictions:
    """Join the predictions of consecutive parts of the ids."""
    ids = tuple(image_id for part in parts for image_id in part.ids)
    return Predictions(ids, np.concatenate([part.probs for part in parts]), parts[0].class_keys)
