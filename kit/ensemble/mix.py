"""A policy with numbers of its own, and the one Optuna study that sets them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import macro_f1
from kit.data.predictions import EPSILON
from kit.ensemble.cuts import Thresholds, calibrated, class_rate, exact
from kit.ensemble.sample import Sample

TRIALS = 40
_MOST = 1000.0


@dataclass(frozen=True)
class Mix:
    """How far exact cuts are drawn towards other answers, in positives.

    A class of P positives takes the mean, in logits, of its exact cut with weight P, of the cut at
    its class rate with weight `shrink`, and of its calibrated cut with weight `calibration`; none
    is below `floor`.
    """

    shrink: float = 0.0
    calibration: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True)
class Ingredients:
    """What a mix is made from, on one sample: each (classes,), cuts in logits."""

    positives: NDArray[np.float64]
    exact: NDArray[np.float64]
    rate: NDArray[np.float64]
    calibrated: NDArray[np.float64]

    @classmethod
    def of(cls, sample: Sample) -> "Ingredients":
        answers = [policy(sample) for policy in (exact, class_rate, calibrated)]
        own, rate, plug_in = (logit(np.clip(cuts, EPSILON, 1 - EPSILON)) for cuts in answers)
        return cls(sample.labels.sum(axis=0, dtype=np.float64), own, rate, plug_in)

    def cuts(self, mix: Mix) -> Thresholds:
        """The thresholds of a mix, float64 (classes,), NEVER for a class without positives."""
        weights = self.positives + mix.shrink + mix.calibration
        total = (
            self.positives * self.exact + mix.shrink * self.rate + mix.calibration * self.calibrated
        )
        cuts = np.maximum(expit(total / np.maximum(weights, 1e-12)), mix.floor)
        return np.where(self.positives > 0, cuts, NEVER)


def mixed(sample: Sample) -> Thresholds:
    """The thresholds of the mix that scores best on rows it was not fitted on.

    One study by TPE over the three numbers (Bergstra et al. 2011), its objective cross-fitted
    macro-F1: the ingredients are fitted without each fold, and the mix is scored on it. A sample of
    one fold has nothing to hold out and is mixed with 20 of each.
    """
    mix = best_mix(sample) if len(sample.folds) > 1 else Mix(20.0, 20.0)
    return Ingredients.of(sample).cuts(mix)


def best_mix(sample: Sample) -> Mix:
    """The three numbers with the highest cross-fitted macro-F1; the same for the same sample."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folds = [
        (sample.fold == fold, Ingredients.of(sample.only(sample.fold != fold)))
        for fold in sample.folds
    ]

    def objective(trial: "optuna.Trial") -> float:
        mix = Mix(
            trial.suggest_float("shrink", 0.1, _MOST, log=True),
            trial.suggest_float("calibration", 0.1, _MOST, log=True),
            trial.suggest_float("floor", 0.0, 0.2),
        )
        decisions = np.zeros_like(sample.labels)
        for inside, ingredients in folds:
            decisions[inside] = decide(sample.probs[inside], ingredients.cuts(mix))
        return macro_f1(sample.labels, decisions)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    for shrink, calibration in ((0.1, 0.1), (20.0, 0.1), (0.1, 20.0), (0.1, _MOST)):
        study.enqueue_trial({"shrink": shrink, "calibration": calibration, "floor": 0.0})
    study.optimize(objective, n_trials=TRIALS)
    return Mix(**study.best_params)
