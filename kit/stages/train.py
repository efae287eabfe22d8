"""The stages `train` and `predict`: from a recipe to a run, and from a run to more views of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.quiet import without_announcements
from kit.core.terminal import TERMINAL, say
from kit.data.runs import Run
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings


@dataclass(frozen=True)
class TrainOptions:
    """What to train of a recipe, as the command line takes it.

    `folds` is `0,1` or `all`, every fold where it is None; `seeds` is `0,1,2`, one run each;
    `extra` is `CSV:IMAGES`; `settings` are `key=value`.
    """

    size: int | None = None
    folds: str | None = None
    seeds: str | None = None
    extra: str | None = None
    settings: tuple[str, ...] = ()


def train_stage(
    competition: Competition, workspace: Workspace, model: str, options: TrainOptions
) -> tuple[Run, ...]:
    """Train the recipe called `model`, and print how far it is; returns a run a seed.

    Raises UserError as `train` does, before anything is trained where the options are wrong.
    """
    chosen = _recipes(model, options)
    only = None if options.folds is None else _fold_numbers(options.folds)
    # Here, so that wrong options are refused before TensorFlow's import, which takes seconds.
    with without_announcements():
        from kit.training.train import train

    return tuple(
        train(competition, workspace, recipe, only, options.extra, TERMINAL) for recipe in chosen
    )


def predict_stage(competition: Competition, workspace: Workspace, name: str, views: int) -> Run:
    """Predict again with a run's models over `views` views; prints and returns the new run."""
    with without_announcements():
        from kit.training.predict_run import predict_run

    run = predict_run(competition, workspace, name, views, TERMINAL)
    say(f"Predicted {run.files.folder}")
    return run


def _recipes(model: str, options: TrainOptions) -> list[Recipe]:
    """The recipe with the settings, once for each seed."""
    given = list(options.settings)
    if options.size is not None:
        given.append(f"size={options.size}")
    if options.seeds is None:
        return [with_settings(recipes.get(model), given)]
    seeds = _numbers("--seeds", options.seeds)
    if any(one.startswith("seed=") for one in given):
        raise UserError("--seeds and --set seed= name seeds twice. Leave one of them out.")
    return [with_settings(recipes.get(model), [*given, f"seed={seed}"]) for seed in seeds]


def _fold_numbers(text: str) -> Sequence[int | None]:
    """The folds of `0,1` or `all`; None stands for the training on all rows."""
    parts = [part.strip() for part in text.split(",")]
    if strange := [part for part in parts if part != "all" and not part.isdecimal()]:
        raise UserError(
            f"--folds wants numbers with commas between, like 0,1, or all; got '{strange[0]}'."
        )
    return [None if part == "all" else int(part) for part in parts]


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(
            f"{option} wants numbers with commas between, like 0,1; got '{text}'."
        ) from None
