"""The initial weights of a fold, if the recipe names a file or another run."""

from dataclasses import dataclass
from pathlib import Path

from kit.core.disk import digest_file
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.folds import Folds
from kit.data.runs import Run, open_run, open_trained
from kit.models.weights import find_weights_file, is_weights_file
from kit.recipes.base import Recipe


@dataclass(frozen=True)
class Start:
    """Initial weights: one file for all folds, or another run with a file per fold."""

    file: Path | None = None
    run: Run | None = None

    def of_fold(self, fold: int | None) -> Path | None:
        """The weights file for a fold, or for training on all rows; None without one.

        From another run, a fold takes the weights trained on the same rows, so its held-out rows
        stay unseen. Raises UserError when those have not been trained.
        """
        if self.run is None:
            return self.file
        weights = self.run.weights(fold)
        if weights is None:
            name = "all" if fold is None else str(fold)
            raise UserError(
                f"{self.run.name} has no weights for fold {name} to start from. "
                f"{self.run.how_to_train(name)}"
            )
        return weights

    def inputs(self) -> dict[str, str]:
        """Digests for the run's inputs; another run needs none, as its name contains its digest."""
        return {} if self.file is None else {"weights": digest_file(self.file)}


def find_start(
    workspace: Workspace, recipe: Recipe, folds: Folds, labels_digest: str
) -> tuple[Recipe, Start]:
    """The initial weights of a recipe's folds, and the recipe with the full name of their run.

    Raises UserError when the recipe's `weights` are neither a known name, a file nor a run, and for
    a run on other folds or labels: its models have seen rows that are held out here.
    """
    if recipe.weights in ("none", "imagenet"):
        return recipe, Start()
    if is_weights_file(recipe.weights):
        file = find_weights_file(recipe.weights)
        if file.resolve().is_relative_to(workspace.runs.resolve()):
            raise UserError(
                f"--set weights={recipe.weights} is in a run, whose folds have seen rows that "
                "others hold out. Name the run instead: each fold then takes its own weights."
            )
        return recipe, Start(file=file)
    named = recipe.weights in workspace.run_names()
    if not named and not workspace.run_names_of(recipe.weights):
        raise UserError(
            f"--set weights={recipe.weights}: expected imagenet, none, a .keras or .weights.h5 "
            f"file, or a run in {workspace.runs}."
        )
    others = _begun_with_others(workspace, recipe.weights)
    run = open_trained(workspace, recipe.weights, others)
    if reason := run.misfit(folds.digest, labels_digest):
        raise UserError(f"--set weights={run.name}: {reason}.")
    return recipe.model_copy(update={"weights": run.name}), Start(run=run)


def _begun_with_others(workspace: Workspace, weights: str) -> list[str]:
    """Of the runs matching this name, those that started from the weights of another match.

    Rerun to resume, the command that made such a run must not find that run as its own start.
    """
    begun = workspace.run_names_of(weights)
    return [name for name in begun if open_run(workspace, name).recipe.get("weights") in begun]
