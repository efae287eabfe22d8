"""All Optuna studies: one threshold per class, the mixed policy's parameters, blend weights."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import f1_from_counts, macro_f1
from kit.core.disk import digest
from kit.core.journal import Journal
from kit.data.predictions import EPSILON, to_logits
from kit.ensemble.selection import FastF1
from kit.scores.oof import Members, Sample

if TYPE_CHECKING:
    import optuna

# Per class. Splits are halves of the groups: over random halves, a score varies as much as the
# score of all rows does between samples, which is the scale on which to tell ties from differences.
SPLITS = 20
TRIALS = 30
# How far, in logits, the search may go beyond the outermost starting points.
_BEYOND = 0.5
_PARAMETER = "logit"

MIX_TRIALS, WEIGHT_TRIALS = 40, 100
_MOST = 1000.0  # the upper bound of the mixed policy's parameters


# One threshold per class


@dataclass(frozen=True)
class HeldOutF1:
    """One class, ready to be scored at any threshold on every split.

    `logits` (rows,) are in descending order; `right` and `taken`, (rows + 1, splits), count the
    positives and the rows of each split among the highest rows.
    """

    logits: NDArray[np.float64]
    right: NDArray[np.int32]
    taken: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        labels: NDArray[np.uint8],
        logits: NDArray[np.float64],
        splits: NDArray[np.bool_],
    ) -> "HeldOutF1":
        """Prepare one class: `labels` and `logits` (rows,), `splits` (rows, splits)."""
        order = np.argsort(-logits, kind="stable")
        inside = splits[order].astype(np.int32)
        start = np.zeros((1, splits.shape[1]), np.int32)
        right = np.concatenate([start, (inside * labels[order, None]).cumsum(0, dtype=np.int32)])
        return cls(logits[order], right, np.concatenate([start, inside.cumsum(0, dtype=np.int32)]))

    def f1(self, threshold: float) -> NDArray[np.float64]:
        """F1 at a threshold, in logits, on the held-out rows of each split, (splits,)."""
        above = int(np.searchsorted(-self.logits, -threshold, side="right"))
        return f1_from_counts(self.right[above], self.taken[above], self.right[-1])


def draw_splits(group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows each split holds out: half of the groups, bool (rows, splits)."""
    rng = np.random.Generator(np.random.PCG64(0))
    return (rng.random((int(group.max()) + 1, SPLITS)) < 0.5)[group]


def search_thresholds(
    sample: Sample, starts: NDArray[np.float64], journal: Journal | None = None
) -> NDArray[np.float64]:
    """The threshold of each class by its own study, in memory or in a shared journal.

    A study scores thresholds by F1 averaged over repeated held-out splits. It begins with `starts`,
    (starting points, classes), and continues with TPE (Bergstra et al. 2011). The result is the
    mean, in logits, of the thresholds within one standard error of the best over the splits: the
    middle of the plateau, not its luckiest point. Trials in a journal are not repeated, and classes
    that another process is searching come last. Returns float64 (classes,).
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logits, splits = to_logits(sample.probs), draw_splits(sample.group)
    starts = logit(np.clip(starts, EPSILON, 1 - EPSILON))
    thresholds = np.full(sample.labels.shape[1], NEVER)

    def search(column: int, study: "optuna.Study") -> None:
        held_out = HeldOutF1.of(sample.labels[:, column], logits[:, column], splits)
        run_study(study, held_out, np.unique(starts[:, column]).tolist(), seed=column)
        thresholds[column] = expit(middle_of_the_best(study, held_out))

    columns = np.flatnonzero(sample.labels.any(axis=0)).tolist()
    if journal is None:
        for column in columns:
            search(column, optuna.create_study(direction="maximize"))
    else:
        journal.share(f"{digest_sample(sample)[:8]} class", columns, search)
    return thresholds


def digest_sample(sample: Sample) -> str:
    """SHA-256 of everything that a study of the sample depends on."""
    arrays = (sample.labels, sample.probs, sample.fold, sample.group)
    return digest([hashlib.sha256(one.tobytes()).hexdigest() for one in arrays])


def run_study(
    study: "optuna.Study", held_out: HeldOutF1, starts: Sequence[float], seed: int
) -> None:
    """Complete a study's trials, resuming after finished ones.

    The sampler of each trial is seeded by the trial's number and uses finished trials only, so a
    resumed study has the same result as an uninterrupted one.
    """
    import optuna

    distribution = optuna.distributions.FloatDistribution(starts[0] - _BEYOND, starts[-1] + _BEYOND)
    for number in range(len(_finished(study)), TRIALS):
        if number < len(starts):
            trial = optuna.trial.create_trial(
                params={_PARAMETER: starts[number]},
                distributions={_PARAMETER: distribution},
                value=float(held_out.f1(starts[number]).mean()),
            )
            study.add_trial(trial)
        else:
            study.sampler = optuna.samplers.TPESampler(
                seed=1000 * seed + number, constant_liar=False
            )
            asked = study.ask({_PARAMETER: distribution})
            study.tell(asked, float(held_out.f1(asked.params[_PARAMETER]).mean()))


def middle_of_the_best(study: "optuna.Study", held_out: HeldOutF1) -> float:
    """The mean, in logits, of the thresholds within one standard error of the best."""
    thresholds = np.array([trial.params[_PARAMETER] for trial in _finished(study)])
    scores = np.stack([held_out.f1(threshold) for threshold in thresholds])
    behind = scores[int(np.argmax(scores.mean(axis=1)))] - scores
    return float(thresholds[behind.mean(axis=1) <= behind.std(axis=1)].mean())


def _finished(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


# The parameters of the mixed policy


@dataclass(frozen=True)
class MixNumbers:
    """How far exact thresholds are shrunk towards others, in positives.

    For a class with P positives, the threshold is the weighted mean, in logits, of its exact one
    (weight P), its class-rate one (weight `shrink`) and its calibrated one (weight `calibration`),
    but never below `floor`.
    """

    shrink: float = 0.0
    calibration: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True)
class Ingredients:
    """What is mixed, on one sample: thresholds in logits, and numbers of positives, (classes,)."""

    positives: NDArray[np.float64]
    exact: NDArray[np.float64]
    rate: NDArray[np.float64]
    calibrated: NDArray[np.float64]

    def mix(self, numbers: MixNumbers) -> NDArray[np.float64]:
        """The mixed thresholds, float64 (classes,), NEVER for a class without positives."""
        weights = self.positives + numbers.shrink + numbers.calibration
        total = (
            self.positives * self.exact
            + numbers.shrink * self.rate
            + numbers.calibration * self.calibrated
        )
        mixed = np.maximum(expit(total / np.maximum(weights, 1e-12)), numbers.floor)
        return np.where(self.positives > 0, mixed, NEVER)


def search_mix(sample: Sample, without: Sequence[Ingredients]) -> MixNumbers:
    """The parameters with the highest held-out macro-F1, by one study (TPE, Bergstra et al. 2011).

    `without` has, for each fold of the sample in order, the ingredients from all other folds.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folds = [(sample.fold == fold, one) for fold, one in zip(sample.folds, without, strict=True)]

    def objective(trial: "optuna.Trial") -> float:
        numbers = MixNumbers(
            trial.suggest_float("shrink", 0.1, _MOST, log=True),
            trial.suggest_float("calibration", 0.1, _MOST, log=True),
            trial.suggest_float("floor", 0.0, 0.2),
        )
        decisions = np.zeros_like(sample.labels)
        for inside, ingredients in folds:
            decisions[inside] = decide(sample.probs[inside], ingredients.mix(numbers))
        return macro_f1(sample.labels, decisions)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    for shrink, calibration in ((0.1, 0.1), (20.0, 0.1), (0.1, 20.0), (0.1, _MOST)):
        study.enqueue_trial({"shrink": shrink, "calibration": calibration, "floor": 0.0})
    study.optimize(objective, n_trials=MIX_TRIALS)
    return MixNumbers(**study.best_params)


# One weight per model


def search_weights(members: Members) -> NDArray[np.float64]:
    """Weights on the simplex by TPE (Bergstra et al. 2011), starting equal; float64 (models,).

    The objective is a fitted score, which one weight per model can hardly overfit; the caller's
    cross-fitting measures what it is worth.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = FastF1.of(members)
    models = len(members.probs)
    names = [f"model{position}" for position in range(models)]

    def objective(trial: "optuna.Trial") -> float:
        weights = np.array([trial.suggest_float(name, 0, 1) for name in names])
        return float(rows.scores(weights[None])[0]) if weights.any() else 0.0

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.enqueue_trial(dict.fromkeys(names, 1.0))
    study.optimize(objective, n_trials=WEIGHT_TRIALS if models > 1 else 1)
    weights = np.array([study.best_params[name] for name in names])
    return weights / weights.sum()
