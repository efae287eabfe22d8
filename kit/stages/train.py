"""The stages `train` and `predict`: a recipe becomes a run, a run is predicted again."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.competitions.base import Competition
from kit.core.errors import UserError, some
from kit.core.ids import twice
from kit.core.interrupts import Interrupted
from kit.core.paths import Workspace
from kit.core.quiet import without_announcements
from kit.core.terminal import TERMINAL, say
from kit.data.runs import Run
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings, with_size


@dataclass(frozen=True)
class TrainOptions:
    """What to train, as the command line takes it.

    `folds` is `0,1` or `all`, None for every fold; `seeds` is `0,1,2`, one run per seed; `extra` is
    `CSV:IMAGES`; `settings` are `key=value`.
    """

    size: int | None = None
    folds: str | None = None
    seeds: str | None = None
    extra: str | None = None
    settings: tuple[str, ...] = ()


def train_stage(
    competition: Competition, workspace: Workspace, model: str, options: TrainOptions
) -> tuple[Run, ...]:
    """Train the recipe called `model`, and print progress; returns one run per seed.

    `model` may also be an existing run, which is then trained with its own settings. Raises
    UserError as `train` does; for wrong options before anything is trained.
    """
    only = None if options.folds is None else _fold_numbers(options.folds)
    if model not in recipes.names() and _is_run(workspace, model):
        return (_train_run(competition, workspace, model, only, options),)
    chosen = _recipes(model, options)
    # Imported here: wrong options are refused before TensorFlow's import, which takes seconds.
    with without_announcements():
        from kit.training.train import train

    runs = []
    for recipe in chosen:
        try:
            runs.append(train(competition, workspace, recipe, only, options.extra, TERMINAL))
        except Interrupted as stop:
            if stop.resume and len(chosen) > 1:
                stop.resume = workspace.typed.command("train", model, *_words(options))
            raise
    return tuple(runs)


def _words(options: TrainOptions) -> list[str]:
    """The options as they are typed."""
    given = {
        "--size": options.size,
        "--folds": options.folds,
        "--seeds": options.seeds,
        "--extra": options.extra,
    }
    words = [str(word) for pair in given.items() if pair[1] is not None for word in pair]
    return words + [word for setting in options.settings for word in ("--set", setting)]


def _is_run(workspace: Workspace, name: str) -> bool:
    return workspace.run(name).is_begun() or bool(workspace.run_names_of(name))


def _train_run(
    competition: Competition,
    workspace: Workspace,
    name: str,
    only: Sequence[int | None] | None,
    options: TrainOptions,
) -> Run:
    given = {"--size": options.size, "--seeds": options.seeds, "--set": options.settings or None}
    if named := [option for option, value in given.items() if value is not None]:
        raise UserError(
            f"{name} is a run and keeps its settings. Drop {named[0]}, or name a recipe: "
            f"{workspace.typed.command('models')} lists them."
        )
    with without_announcements():
        from kit.training.train import train_run

    return train_run(competition, workspace, name, only, options.extra, TERMINAL)


def predict_stage(competition: Competition, workspace: Workspace, name: str, views: int) -> Run:
    """Predict again with a run's models, averaging `views` views; returns the new run."""
    with without_announcements():
        from kit.training.predict_run import predict_run

    run = predict_run(competition, workspace, name, views, TERMINAL)
    say(f"Wrote {run.files.folder}")
    return run


def _recipes(model: str, options: TrainOptions) -> list[Recipe]:
    """The recipe with the settings, once per seed."""
    given = with_size(options.settings, options.size)
    if options.seeds is None:
        return [with_settings(recipes.get(model), given)]
    seeds = _numbers("--seeds", options.seeds)
    if any(one.startswith("seed=") for one in given):
        raise UserError("--seeds and --set seed= both set the seed. Drop one of them.")
    return [with_settings(recipes.get(model), [*given, f"seed={seed}"]) for seed in seeds]


def _fold_numbers(text: str) -> Sequence[int | None]:
    """The folds of `0,1` or `all`; None stands for the training on all rows."""
    parts = [part.strip() for part in text.split(",")]
    if strange := [part for part in parts if part != "all" and not part.isdecimal()]:
        raise UserError(
            f"--folds: expected comma-separated numbers like 0,1, or all; got '{strange[0]}'."
        )
    _refuse_twice("--folds", parts)
    return [None if part == "all" else int(part) for part in parts]


def _numbers(option: str, text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(
            f"{option}: expected comma-separated numbers like 0,1; got '{text}'."
        ) from None
    _refuse_twice(option, numbers)
    return numbers


def _refuse_twice(option: str, values: Sequence[object]) -> None:
    if doubled := twice(values):
        raise UserError(f"{option}: {some(doubled)} is named twice. Name each once.")
