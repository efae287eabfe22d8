"""The learning rate and what is frozen: functions of step, epoch and log alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.data.run_files import EpochLog
from kit.recipes.base import Recipe

# One cycle (Smith and Topin 2018, arXiv:1708.07120): the highest learning rate over the first one,
# and the share of steps in which it rises if the recipe sets none.
BEGIN_BELOW = 25.0
RISE = 0.3


@dataclass(frozen=True)
class Phase:
    """Epochs from `first` up to but excluding `end`, trained with one optimizer."""

    first: int
    end: int
    frozen: bool
    learning_rate: float


def phases(recipe: Recipe) -> tuple[Phase, ...]:
    """The recipe's phases in order: with a frozen backbone, if any, then with all layers."""
    frozen = Phase(0, recipe.frozen_epochs, True, recipe.frozen_learning_rate)
    learning = Phase(recipe.frozen_epochs, recipe.all_epochs, False, recipe.learning_rate)
    return (frozen, learning) if recipe.frozen_epochs else (learning,)


def learning_rate(recipe: Recipe, phase: Phase, progress: float) -> float:
    """The learning rate at `progress` (0 to 1) through a phase; with `plateau`, before reductions.

    It rises linearly during the recipe's warm-up; then it is constant, or falls to zero along half
    a cosine (Loshchilov and Hutter, SGDR, 2017). One cycle rises and falls along half a cosine
    each. In a frozen phase it is constant.
    """
    if phase.frozen or recipe.schedule == "plateau":
        return phase.learning_rate
    if recipe.schedule == "onecycle":
        rise = recipe.warmup or RISE
        if progress < rise:
            low = phase.learning_rate / BEGIN_BELOW
            return low + (phase.learning_rate - low) * _half_wave(1 - progress / rise)
        return phase.learning_rate * _half_wave((progress - rise) / (1 - rise))
    if progress < recipe.warmup:
        return phase.learning_rate * progress / recipe.warmup
    if recipe.schedule == "constant":
        return phase.learning_rate
    return phase.learning_rate * _half_wave((progress - recipe.warmup) / (1 - recipe.warmup))


def _half_wave(progress: float) -> float:
    """From 1 at 0 to 0 at 1 along half a cosine."""
    return float(0.5 * (1 + np.cos(np.pi * min(progress, 1.0))))


def plateau_part(losses: Sequence[float], epochs: int, factor: float) -> float:
    """The factor on the learning rate after epochs with these losses.

    It is multiplied by `factor` each time `epochs` epochs in a row fail to improve on the best.
    """
    part, best, waited = 1.0, float("inf"), 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == epochs:
            part, waited = part * factor, 0
    return part


def best_epoch(recipe: Recipe, log: Sequence[EpochLog]) -> int | None:
    """The epoch to keep of those logged, by the recipe's `keep` and `keep_from`; None if none is.

    Without a held-out fold it is the last one.
    """
    best: int | None = None
    for epoch in range(len(log)):
        if best is None or _is_better(recipe, log, epoch, best):
            best = epoch
    return best


def _is_better(recipe: Recipe, log: Sequence[EpochLog], epoch: int, best: int) -> bool:
    if recipe.keep == "last":
        return True
    last_phase = phases(recipe)[-1].first
    if recipe.keep_from == "phase" and best < last_phase <= epoch:
        return True
    if recipe.keep == "val_loss":
        new, old = log[epoch].val_loss, log[best].val_loss
        return new is None or old is None or new < old
    new, old = log[epoch].val_macro_f1_best_cut, log[best].val_macro_f1_best_cut
    return new is None or old is None or new > old


def is_over(recipe: Recipe, trained: int, best: int | None) -> bool:
    """Whether a fold stops after `trained` epochs, the best of which is `best`.

    Frozen epochs are always trained; patience counts from their end.
    """
    if trained >= recipe.all_epochs:
        return True
    if recipe.patience is None or recipe.keep == "last" or best is None:
        return False
    since = trained - 1 - max(best, recipe.frozen_epochs - 1)
    return trained > recipe.frozen_epochs and since >= recipe.patience
