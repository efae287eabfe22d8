"""Runs: a recipe, folds and stores, frozen together under one digest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.competitions.base import Competition
from kit.core.disk import digest, digest_file
from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles, RunFiles, Workspace
from kit.core.store_paths import StoreKind
from kit.core.suggest import Typed
from kit.data.identity import current, identity
from kit.data.predictions import Predictions, concatenate, mean_of_logits, read_predictions
from kit.data.run_files import (
    RunInputs,
    is_imported,
    load_progress,
    read_command,
    read_done,
    read_inputs,
    read_recipe,
    write_command,
    write_run,
)


@dataclass(frozen=True)
class Run:
    """A run on disk: its files, and what it was made from.

    `recipe` holds all settings of the recipe as plain values, or the files that the predictions
    were imported from; `inputs` identifies folds, labels and images. `typed` is how the user names
    the competition.
    """

    files: RunFiles
    recipe: Mapping[str, Any]
    inputs: RunInputs
    typed: Typed

    @property
    def name(self) -> str:
        return self.files.name

    @property
    def folds(self) -> int:
        """The number of folds."""
        return self.inputs.folds

    @property
    def is_imported(self) -> bool:
        """Whether its predictions were made elsewhere; it then has no models and no settings."""
        return is_imported(self.recipe)

    @property
    def store_kind(self) -> StoreKind | None:
        """The kind of store that it was trained on; None for an imported run."""
        if self.is_imported:
            return None
        return StoreKind(self.recipe["size"], self.recipe["resize"])

    def misfit(self, folds_digest: str, labels_digest: str) -> str | None:
        """Why the run cannot be used with these folds and labels; None when it can."""
        if self.inputs.folds_digest != folds_digest:
            return "it was trained on other folds and has seen rows that these hold out"
        if self.inputs.labels_digest != labels_digest:
            return "the labels have changed since it was trained"
        return None

    def missing_folds(self) -> tuple[int, ...]:
        """The folds without a marker."""
        finished = self.finished_folds()
        return tuple(fold for fold in range(self.folds) if fold not in finished)

    def finished_folds(self) -> tuple[int, ...]:
        """The folds with a marker."""
        return tuple(fold for fold in range(self.folds) if self.files.fold(fold).done.exists())

    @property
    def is_on_all_rows_only(self) -> bool:
        """Whether its only finished model is the one trained on all rows."""
        return self.files.fold(None).done.exists() and not self.finished_folds()

    def has_tests(self) -> bool:
        """Whether there are test predictions; an imported run may have none."""
        tests = [self.files.fold(fold).test for fold in range(self.folds)]
        return self.files.averaged_test.exists() or all(test.exists() for test in tests)

    def read_oof(self, competition: Competition) -> Predictions:
        """The out-of-fold predictions of all folds, by id; UserError if a fold is missing."""
        self._require_all_folds()
        return self.read_finished_oof(competition)

    def read_finished_oof(self, competition: Competition) -> Predictions:
        """The out-of-fold predictions of the finished folds; UserError if there is none.

        Also raises UserError if the import of a fold was interrupted.
        """
        self._require_finished_fold()
        parts = [self.files.fold(fold).oof for fold in self.finished_folds()]
        return concatenate([read_predictions(part, competition.class_keys) for part in parts])

    def read_test(self, competition: Competition) -> Predictions:
        """The test predictions: the mean of the fold models' logits. UserError likewise."""
        return mean_of_logits(self.read_tests(competition))

    def read_finished_test(self, competition: Competition) -> Predictions:
        """The mean of the finished folds' logits on test images.

        Without a finished fold, the test predictions of the model trained on all rows. Raises
        UserError as `read_finished_oof`, and for an imported run without test predictions.
        """
        if self.is_on_all_rows_only:
            return self.read_all_rows(competition)
        self._require_finished_fold()
        if self.is_imported:
            return self.read_test(competition)
        parts = [self.files.fold(fold).test for fold in self.finished_folds()]
        return mean_of_logits([read_predictions(part, competition.class_keys) for part in parts])

    def read_tests(self, competition: Competition) -> tuple[Predictions, ...]:
        """The test predictions of each fold's model, or only their mean if no more is known."""
        self._require_all_folds()
        if self.is_imported and not self.has_tests():
            raise UserError(
                f"{self.name} has no test predictions. Import it again with them: "
                f"{self._import_command('--test', 'FILE')}"
            )
        averaged = self.files.averaged_test
        parts = [self.files.fold(fold).test for fold in range(self.folds)]
        if averaged.exists():
            parts = [averaged]
        return tuple(read_predictions(part, competition.class_keys) for part in parts)

    def read_all_rows(self, competition: Competition) -> Predictions:
        """The test predictions of the model trained on all rows; UserError when there is none."""
        files = self.files.fold(None)
        if not files.done.exists():
            raise UserError(
                f"{self.name} has no model trained on all rows. {self.how_to_train('all')}"
            )
        return read_predictions(files.test, competition.class_keys)

    def seconds(self) -> float:
        """The total time of all epochs in its logs: all folds, and the training on all rows."""
        folds = [self.files.fold(fold) for fold in (*range(self.folds), None)]
        return float(sum(line.seconds for fold in folds for line in load_progress(fold).log))

    def digest(self, all_rows: bool = False) -> str:
        """SHA-256 over the predictions of all folds; UserError if a fold is missing.

        `all_rows` adds those of the model trained on all rows, if there is one.
        """
        self._require_all_folds()
        folds = [self.files.fold(fold) for fold in range(self.folds)]
        parts = [[fold.oof, fold.test] for fold in folds]
        if self.files.averaged_test.exists():
            parts.append([self.files.averaged_test])
        if all_rows:
            parts.append([self.files.fold(None).test])
        # Missing test predictions were not imported; reading them raises the error.
        return digest([[digest_file(path) for path in part if path.exists()] for part in parts])

    def _require_finished_fold(self) -> None:
        if self.is_imported or not self.finished_folds():
            self._require_all_folds()

    def _require_all_folds(self) -> None:
        if missing := self.missing_folds():
            listed = ",".join(str(fold) for fold in missing)
            if self.is_imported:
                raise UserError(
                    f"{self.name}: the import of folds {listed} was interrupted. Rerun: "
                    f"{self._import_command()}"
                )
            raise UserError(f"{self.name}: untrained folds: {listed}. {self.how_to_train(listed)}")

    def training_words(self) -> tuple[str, ...] | None:
        """The words saved by `remember_command`; None if there are none."""
        return read_command(self.files)

    def how_to_train(self, folds: str | None = None) -> str:
        """A sentence with the command that trains folds, given as for --folds: 0,1 or all.

        The command has every setting of the run if the original command is known.
        """
        some_folds = [] if folds is None else ["--folds", folds]
        if words := self.training_words():
            return f"Train it: {self.typed.command(*words, *some_folds)}"
        words = ("train", self.recipe["name"], "--size", str(self.recipe["size"]))
        command = self.typed.command(*words, *some_folds)
        return f"Train it, with the same --set options: {command}"

    def _import_command(self, *more: str) -> str:
        made = self.recipe["imported"]
        tests = [word for test in made["tests"] for word in ("--test", test)]
        words = [self.recipe["name"], "--oof", made["oof"], *tests, *more]
        return self.typed.command("import-predictions", *words)


def begin_run(
    workspace: Workspace,
    recipe: Mapping[str, Any],
    folds: int,
    folds_digest: str,
    labels_digest: str,
    stores: Mapping[str, str],
) -> Run:
    """Create a run, or find the existing one with the same identity and inputs.

    `stores` maps a split to its store's digest. A run is found by the contents of its files,
    whatever its folder is called and whichever version of the kit created it. The name of a new one
    ends in eight digits of the digest of its identity and inputs. Raises UserError when another run
    has that name, and for a run in the workspace that cannot be read.
    """
    # The Keras backend is not part of the identity: a recipe is the same model on all of them.
    inputs = RunInputs(folds, folds_digest, labels_digest, dict(stores))
    made_as = identity(recipe)
    mark = digest([made_as, inputs.content()])[:8]
    files = workspace.run(f"{recipe['name']}-{recipe['size']}-{mark}")
    names = sorted(workspace.run_names(), key=lambda name: name != files.name)
    for run in (_open(workspace, name) for name in names):
        if not run.is_imported and run.inputs == inputs and identity(run.recipe) == made_as:
            return run
    if files.inputs.exists():
        raise UserError(
            f"{files.folder} holds a different run than its name says. Rename that folder."
        )
    run = Run(files, current(recipe, files.recipe), inputs, workspace.typed)
    write_run(files, run.recipe, inputs)
    return run


def remember_command(run: Run, words: Sequence[str]) -> None:
    """Save the words after `kit` that train the run, for messages that suggest the command.

    They have no options for the competition and no --folds, and are not part of the run's identity.
    """
    write_command(run.files, words)


def open_run(workspace: Workspace, name: str) -> Run:
    """Open a run by its name, or by a unique prefix that ends before a dash.

    `net` opens `net-64-0f3a9c11` if no other run starts with `net`. Otherwise raises UserError that
    lists the existing runs.
    """
    files = workspace.run(name)
    if not files.inputs.exists():
        begun = workspace.run_names_of(name)
        if len(begun) > 1:
            raise UserError(f"'{name}' is ambiguous: {', '.join(begun)}. Name one.")
        if not begun:
            names = workspace.run_names()
            train = workspace.typed.command("train", "MODEL")
            known = f"Known: {', '.join(names)}." if names else f"Train one: {train}"
            raise UserError(f"No run '{name}' in {workspace.runs}. {known}")
        files = workspace.run(begun[0])
    return _open(workspace, files.name)


def _open(workspace: Workspace, name: str) -> Run:
    files = workspace.run(name)
    return Run(files, read_recipe(files), read_inputs(files), workspace.typed)


def open_trained(workspace: Workspace, name: str, besides: Collection[str] = ()) -> Run:
    """As `open_run`, but of runs that differ only in their views, open the one with the fewest.

    `kit predict` makes such runs, and must find the trained one when it is rerun. Runs whose full
    names are in `besides` are ignored unless named in full.
    """
    begun = workspace.run_names_of(name)
    runs = [open_run(workspace, one) for one in begun if one not in besides]
    if runs and all({**run.recipe, "tta": 1} == {**runs[0].recipe, "tta": 1} for run in runs):
        return min(runs, key=lambda run: int(run.recipe.get("tta", 1)))
    return open_run(workspace, name)


def find_weights(files: FoldRunFiles) -> Path | None:
    """The checkpoint that made a fold's predictions; None if there is none."""
    best = read_done(files).best if files.done.exists() else None
    if best is None or not files.weights(best).exists():
        return None
    return files.weights(best)
