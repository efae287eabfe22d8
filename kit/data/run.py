"""One run on disk: what it was made from, and its predictions, checked when they are opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kit.competitions.base import Competition
from kit.core.disk import digest, digest_file
from kit.core.errors import UserError
from kit.core.paths import RunFiles
from kit.core.seal import Damage, Damaged, Seal, find_damage, require
from kit.core.store_paths import StoreKind
from kit.core.suggest import Typed
from kit.data.fold_damage import damage_of_run
from kit.data.predictions import Predictions, concatenate, mean_of_logits, read_predictions
from kit.data.run_files import (
    BESIDE_FOLDS,
    Done,
    Progress,
    RunInputs,
    attempt,
    import_command,
    is_imported,
    load_progress,
    read_done,
)

Read = TypeVar("Read")


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
        return self.has_averaged() or all(test.exists() for test in tests)

    def has_averaged(self) -> bool:
        """Whether averaged test predictions were imported, be they missing now."""
        return self.files.averaged_test.exists() or bool(self._averaged_seal())

    def read_oof(self, competition: Competition) -> Predictions:
        """The out-of-fold predictions of all folds, by id; UserError if a fold is missing.

        This and the other methods that open a file of a finished fold raise Damaged, with the
        command that fixes it, if the file is not what the fold's marker says.
        """
        self._require_all_folds()
        return self.read_finished_oof(competition)

    def read_finished_oof(self, competition: Competition) -> Predictions:
        """The out-of-fold predictions of the finished folds; UserError if there is none.

        Also raises UserError if the import of a fold was interrupted.
        """
        self._require_finished_fold()
        return concatenate([self._oof(fold, competition) for fold in self.finished_folds()])

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
        return mean_of_logits([self._test(fold, competition) for fold in self.finished_folds()])

    def read_tests(self, competition: Competition) -> tuple[Predictions, ...]:
        """The test predictions of each fold's model, or only their mean if no more is known."""
        self._require_all_folds()
        if self.is_imported and not self.has_tests():
            raise UserError(
                f"{self.name} has no test predictions. Import it again with them: "
                f"{self._import_command('--test', 'FILE')}"
            )
        if self.has_averaged():
            self._require_averaged()
            return (read_predictions(self.files.averaged_test, competition.class_keys),)
        return tuple(self._test(fold, competition) for fold in range(self.folds))

    def read_all_rows(self, competition: Competition) -> Predictions:
        """The test predictions of the model trained on all rows; UserError when there is none."""
        if self.is_imported:
            raise UserError(
                f"{self.name} was imported and has no models, so none trained on all rows. Blend "
                "without --all-rows, or name other runs."
            )
        if not self.files.fold(None).done.exists():
            raise UserError(
                f"{self.name} has no model trained on all rows. {self.how_to_train('all')}"
            )
        return self._test(None, competition)

    def weights(self, fold: int | None, remember: bool = True) -> Path | None:
        """The weights that made a fold's predictions; None if there are none. Raises Damaged.

        Without `remember`, nothing is written to the fold's folder, which may be a copy to be sent.
        """
        files = self.files.fold(fold)
        best = self.done(fold).best if files.done.exists() else None
        if best is None:
            return None
        path = files.weights(best)
        if path.name not in self.done(fold).files and not path.exists():
            return None  # removed by hand, before there were seals
        return self._whole(fold, path, remember)

    def done(self, fold: int | None) -> Done:
        """The marker of a finished fold; Damaged if it cannot be read."""
        files = self.files.fold(fold)
        return self._checked(fold, attempt(files.done, lambda: read_done(files)))

    def progress(self, fold: int | None) -> Progress:
        """How far a fold is trained, empty if it has not begun; Damaged if that is not known."""
        files = self.files.fold(fold)
        if files.done.exists() and files.progress.name in self.done(fold).files:
            self._whole(fold, files.progress)
        if not files.progress.exists():
            return Progress()
        return self._checked(fold, attempt(files.progress, lambda: load_progress(files)))

    def find_damage(self, thorough: bool = False) -> tuple[Damage, ...]:
        """Every damaged or missing file of the finished folds.

        With `thorough`, all contents are read, also those of unfinished folds and of the copy of
        recipe and inputs. `how_to_fix` has the command for a fold; `open_run` has checked the rest.
        """
        expected = {fold: self.expected(fold) for fold in (*range(self.folds), None)}
        return damage_of_run(self.files, expected, thorough)

    def seconds(self) -> float:
        """The total time of all epochs in its logs: all folds, and the training on all rows."""
        folds = (*range(self.folds), None)
        return float(sum(line.seconds for fold in folds for line in self.progress(fold).log))

    def digest(self, all_rows: bool = False) -> str:
        """SHA-256 over the predictions of all folds; UserError if a fold is missing.

        `all_rows` adds those of the model trained on all rows, if there is one.
        """
        self._require_all_folds()
        parts = [
            [self._whole(fold, path) for path in self.expected(fold)] for fold in range(self.folds)
        ]
        if self.has_averaged():
            self._require_averaged()
            parts.append([self.files.averaged_test])
        if all_rows:
            test = self.files.fold(None).test
            parts.append([self._whole(None, test)] if test.exists() else [])
        return digest([[digest_file(path) for path in part] for part in parts])

    def how_to_train(self, folds: str | None = None) -> str:
        """A sentence with the command that trains folds, given as for --folds: 0,1 or all.

        The command trains this run, whatever the recipe of its name is today.
        """
        return f"Train it: {self._train_command(folds)}"

    def how_to_fix(self, fold: int | None) -> str:
        """A sentence with the command that restores whatever is damaged in a fold."""
        if self.is_imported:
            return f"Import it again: {self._import_command()}"
        return f"Fix it: {self._train_command('all' if fold is None else str(fold))}"

    def _train_command(self, folds: str | None) -> str:
        some_folds = [] if folds is None else ["--folds", folds]
        return self.typed.command("train", self.name, *some_folds)

    def _oof(self, fold: int, competition: Competition) -> Predictions:
        return self._read(fold, self.files.fold(fold).oof, competition)

    def _test(self, fold: int | None, competition: Competition) -> Predictions:
        return self._read(fold, self.files.fold(fold).test, competition)

    def _read(self, fold: int | None, path: Path, competition: Competition) -> Predictions:
        self._whole(fold, path)
        try:
            return read_predictions(path, competition.class_keys)
        except UserError as error:
            if path.name in self.done(fold).files:
                raise  # complete, so another run would not help
            raise UserError(f"{error} {self.how_to_fix(fold)}") from None

    def _checked(self, fold: int | None, found: Read | Damage) -> Read:
        if isinstance(found, Damage):
            raise Damaged(found, self.how_to_fix(fold))
        return found

    def _whole(self, fold: int | None, path: Path, remember: bool = True) -> Path:
        """The path of a finished fold's file; Damaged unless it is what the marker says."""
        seals = self.done(fold).files
        if path.name in seals:
            known = {path.name: seals[path.name]}
            for damage in find_damage(self.files.fold(fold).folder, known, remember=remember):
                raise Damaged(damage, self.how_to_fix(fold))
        elif not path.exists():
            raise Damaged(Damage(path, "is missing"), self.how_to_fix(fold))
        return path

    def _averaged_seal(self) -> dict[str, Seal]:
        """What the marker of fold 0 says of the averaged test; empty if it says nothing."""
        if not self.is_imported or not self.files.fold(0).done.exists():
            return {}
        known = self.done(0).files.items()
        return {name: one for name, one in known if name.startswith(BESIDE_FOLDS)}

    def _require_averaged(self) -> None:
        require(self.files.fold(0).folder, self._averaged_seal(), self.how_to_fix(0))

    def expected(self, fold: int | None) -> list[Path]:
        """The predictions that a finished fold has; an imported one may have no test's."""
        files = self.files.fold(fold)
        oof = [] if fold is None else [files.oof]
        if self.is_imported and not files.test.exists():
            return oof
        return [*oof, files.test]

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

    def _import_command(self, *more: str) -> str:
        return import_command(self.typed, self.recipe, *more)
