"""One Optuna study a class: the cut whose F1 holds on held-out rows, split after split."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kit.competitions.exact import NEVER
from kit.competitions.metrics import f1_from_counts
from kit.core.disk import digest
from kit.data.predictions import EPSILON, to_logits
from kit.ensemble.cuts import (
    Thresholds,
    calibrated,
    class_rate,
    constant,
    exact,
    fold_mean,
    split_mean,
)
from kit.ensemble.journal import Journal
from kit.ensemble.sample import Sample

if TYPE_CHECKING:
    import optuna

# Halves of the groups: over random halves, a score scatters as much as one of all the rows does
# from sample to sample, which is what tells a tie from a difference.
SPLITS = 20
TRIALS = 30
# What each study starts from, before it searches on: the answers of the policies.
STARTS = (exact, fold_mean, split_mean, calibrated, class_rate, constant)
# How far, in logits, the search may go beyond the outermost start.
_BEYOND = 0.5
_PARAMETER = "logit"


@dataclass(frozen=True)
class HeldOut:
    """One class, ready to be scored at any cut on every split.

    `logits` (rows,) fall; `right` and `taken`, (rows + 1, splits), count the positives and the rows
    of each split among the highest rows.
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
    ) -> "HeldOut":
        """Count one class: `labels` and `logits` (rows,), `splits` (rows, splits)."""
        order = np.argsort(-logits, kind="stable")
        inside = splits[order].astype(np.int32)
        start = np.zeros((1, splits.shape[1]), np.int32)
        right = np.concatenate([start, (inside * labels[order, None]).cumsum(0, dtype=np.int32)])
        return cls(logits[order], right, np.concatenate([start, inside.cumsum(0, dtype=np.int32)]))

    def f1(self, cut: float) -> NDArray[np.float64]:
        """F1 of a cut, in logits, on the held-out rows of each split, (splits,)."""
        above = int(np.searchsorted(-self.logits, -cut, side="right"))
        return f1_from_counts(self.right[above], self.taken[above], self.right[-1])


def draw_splits(group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows each split holds out: half of the groups, bool (rows, splits)."""
    rng = np.random.Generator(np.random.PCG64(0))
    return (rng.random((int(group.max()) + 1, SPLITS)) < 0.5)[group]


def searched(sample: Sample, journal: Journal | None = None) -> Thresholds:
    """The cut of each class by a study of its own, in memory or in a journal that others share.

    A study scores cuts by F1 averaged over repeated held-out splits, starts from every policy's
    answer, and searches on by TPE (Bergstra et al. 2011). Of the cuts that tie with the best, to
    within one standard error over the splits, the mean in logits is taken: the middle of the
    plateau, not the luckiest point on it. What a journal holds already is not searched again, and
    a class that another process has in hand is left to it until the end. Returns float64
    (classes,).
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logits, splits = to_logits(sample.probs), draw_splits(sample.group)
    answers = np.stack([policy(sample) for policy in STARTS])
    starts = logit(np.clip(answers, EPSILON, 1 - EPSILON))
    cuts = np.full(sample.labels.shape[1], NEVER)

    def search(column: int, study: "optuna.Study") -> None:
        held_out = HeldOut.of(sample.labels[:, column], logits[:, column], splits)
        run_study(study, held_out, np.unique(starts[:, column]).tolist(), seed=column)
        cuts[column] = expit(middle_of_the_best(study, held_out))

    columns = np.flatnonzero(sample.labels.any(axis=0)).tolist()
    if journal is None:
        for column in columns:
            search(column, optuna.create_study(direction="maximize"))
    else:
        journal.share(f"{digest_sample(sample)[:8]} class", columns, search)
    return cuts


def digest_sample(sample: Sample) -> str:
    """SHA-256 of everything a study of the sample depends on."""
    arrays = (sample.labels, sample.probs, sample.fold, sample.group)
    return digest([hashlib.sha256(one.tobytes()).hexdigest() for one in arrays])


def run_study(study: "optuna.Study", held_out: HeldOut, starts: Sequence[float], seed: int) -> None:
    """Bring a study to its full number of trials, going on where it was stopped.

    The sampler of each trial is seeded by the trial's number, and looks at finished trials only,
    so a study that was killed on the way finds what it would have found. A trial that was under
    way then stays behind as running, and counts for nothing.
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


def middle_of_the_best(study: "optuna.Study", held_out: HeldOut) -> float:
    """The mean, in logits, of the cuts within one standard error of the best over the splits."""
    cuts = np.array([trial.params[_PARAMETER] for trial in _finished(study)])
    scores = np.stack([held_out.f1(cut) for cut in cuts])
    behind = scores[int(np.argmax(scores.mean(axis=1)))] - scores
    return float(cuts[behind.mean(axis=1) <= behind.std(axis=1)].mean())


def _finished(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
