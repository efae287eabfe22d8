"""Which weights a fold begins with, where the recipe names a file or another run."""

from dataclasses import dataclass
from pathlib import Path

from kit.core.disk import digest_file
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.folds import Folds
from kit.data.runs import Run, find_weights, open_run, open_trained
from kit.models.weights import find_weights_file, is_weights_file
from kit.recipes.base import Recipe


@dataclass(frozen=True)
class Start:
    """What the folds of a recipe begin with: one file for all, or each its own of another run."""

    file: Path | None = None
    run: Run | None = None

    def of_fold(self, fold: int | None) -> Path | None:
        """The file of weights for a fold, or for the training on all rows; None without any.

        Of another run a fold takes what was trained on the same rows, so that the rows it leaves
        out stay unseen. Raises UserError when that has not been trained.
        """
        if self.run is None:
            return self.file
        weights = find_weights(self.run.files.fold(fold))
        if weights is None:
            name = "all" if fold is None else str(fold)
            raise UserError(
                f"{self.run.name} has no weights of fold {name}, with which this one would begin. "
                f"{self.run.how_to_train(name)}"
            )
        return weights

    def inputs(self) -> dict[str, str]:
        """What they come from, for the run's digest; the other run's name holds its own digest."""
        return {} if self.file is None else {"weights": digest_file(self.file)}


def find_start(
    workspace: Workspace, recipe: Recipe, folds: Folds, labels_digest: str
) -> tuple[Recipe, Start]:
    """What a recipe's folds begin with, and the recipe with the full name of a run it begins with.

    Raises UserError when the recipe's `weights` are neither known, nor a file, nor a run, and for
    a run on other folds or labels: its models have seen what is left out here.
    """
    if recipe.weights in ("none", "imagenet"):
        return recipe, Start()
    if is_weights_file(recipe.weights):
        file = find_weights_file(recipe.weights)
        if file.resolve().is_relative_to(workspace.runs.resolve()):
            raise UserError(
                f"--set weights={recipe.weights} lies in a run, whose folds have each seen what "
                "others leave out. Name the run instead, and each fold takes its own weights."
            )
        return recipe, Start(file=file)
    named = recipe.weights in workspace.run_names()
    if not named and not workspace.run_names_of(recipe.weights):
        raise UserError(
            f"--set weights={recipe.weights}: wanted is imagenet, none, a .keras or .weights.h5 "
            f"file, or a run in {workspace.runs}."
        )
    others = _begun_with_others(workspace, recipe.weights)
    run = open_trained(workspace, recipe.weights, others)
    if reason := run.misfit(folds.digest, labels_digest):
        raise UserError(f"--set weights={run.name}: {reason}.")
    return recipe.model_copy(update={"weights": run.name}), Start(run=run)


def _begun_with_others(workspace: Workspace, weights: str) -> list[str]:
    """Of the runs whose names begin so, those that began with the weights of another of them.

    The command that began one, typed again to go on, is not to find its own run.
    """
    begun = workspace.run_names_of(weights)
    return [name for name in begun if open_run(workspace, name).recipe.get("weights") in begun]
