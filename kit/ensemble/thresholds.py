"""Policies: ways to fit thresholds to out-of-fold predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kit.competitions.exact import NEVER, cuts_at_rates
from kit.competitions.metrics import f1_from_counts
from kit.core.errors import UserError, unknown
from kit.core.journal import Journal
from kit.core.progress import SILENT, Reporter
from kit.data.predictions import EPSILON
from kit.ensemble.studies import Ingredients, MixNumbers, search_mix, search_thresholds
from kit.scores.calibrate import EDGES, calibrate, histograms, plug_in_thresholds
from kit.scores.oof import Sample

Thresholds = NDArray[np.float64]

# Enough for the mean to settle: ten more splits move it less than one split varies (3%).
SPLITS = 10
# The share of groups in each random split: as much as four of five folds.
SPLIT_SHARE = 0.8


def fixed(sample: Sample, value: float) -> Thresholds:
    """The same given threshold for every class: what many teams submitted."""
    return np.full(sample.labels.shape[1], value)


def constant(sample: Sample) -> Thresholds:
    """The best single threshold for all classes, among the edges of the logit bins."""
    hits, counts = histograms(sample.probs, sample.labels), histograms(sample.probs)
    above = [binned[:, ::-1].cumsum(axis=1)[:, ::-1] for binned in (hits, counts)]
    f1 = f1_from_counts(above[0], above[1], hits.sum(axis=1, keepdims=True))
    threshold = expit(EDGES[int(np.argmax(f1.mean(axis=0)))])
    return np.where(hits.any(axis=1), threshold, NEVER)


def calibrated(sample: Sample) -> Thresholds:
    """Optimal thresholds if a curve, pooled over classes, calibrates each class's scores.

    See `calibrate` and `plug_in_thresholds` for the sources.
    """
    return plug_in_thresholds(sample.probs, calibrate(sample.labels, sample.probs))


def class_rate(sample: Sample) -> Thresholds:
    """The threshold that labels as many rows as have the label.

    bestfitting, first place in the Human Protein Atlas competition (2019), matched class rates.
    """
    return cuts_at_rates(sample.ranked.scores, sample.labels.mean(axis=0))


def exact(sample: Sample) -> Thresholds:
    """The optimal threshold per class on the fitting rows: the most flexible and optimistic."""
    return sample.ranked.exact().thresholds


def scaled(sample: Sample, value: float) -> Thresholds:
    """The exact thresholds times a factor: the second place used 0.7."""
    thresholds = exact(sample)
    return np.where(thresholds < NEVER, thresholds * value, NEVER)


def floored(sample: Sample, value: float) -> Thresholds:
    """The exact thresholds, but none below a floor: the fifth place used 0.15."""
    return np.maximum(exact(sample), value)


def shrunk(sample: Sample, value: float) -> Thresholds:
    """Exact thresholds shrunk towards the class-rate ones, more so with fewer positives.

    In logits, with weight P / (P + value) on the exact threshold of a class with P positives.
    """
    positives = sample.labels.sum(axis=0, dtype=np.int64)
    weight = positives / np.maximum(positives + value, 1e-12)
    own, rate = _logits(exact(sample)), _logits(class_rate(sample))
    return np.where(positives > 0, expit(weight * own + (1 - weight) * rate), NEVER)


def fold_mean(sample: Sample) -> Thresholds:
    """The mean, in logits, of exact thresholds fitted without each fold in turn."""
    return mean_thresholds(
        [sample.ranked.exact(sample.fold != fold).thresholds for fold in sample.folds],
        exact(sample),
    )


def split_mean(sample: Sample) -> Thresholds:
    """The mean, in logits, of exact thresholds on random subsets of the groups.

    Subagging (Bühlmann and Yu 2002); the eighth place averaged 20 times 5 folds. The subsets have a
    fixed seed.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    groups = int(sample.group.max()) + 1
    parts = [rng.random(groups)[sample.group] < SPLIT_SHARE for _ in range(SPLITS)]
    return mean_thresholds([sample.ranked.exact(part).thresholds for part in parts], exact(sample))


def tuned(sample: Sample, journal: Journal | None = None) -> Thresholds:
    """One Optuna study per class: see `search_thresholds`."""
    starts = (exact, fold_mean, split_mean, calibrated, class_rate, constant)
    return search_thresholds(sample, np.stack([policy(sample) for policy in starts]), journal)


def mixed(sample: Sample) -> Thresholds:
    """Exact thresholds mixed with class-rate and calibrated ones.

    Optuna searches for the proportions with the best held-out score. With a single fold nothing can
    be held out, and 20 positives of each are mixed in.
    """
    numbers = MixNumbers(20.0, 20.0)
    if len(sample.folds) > 1:
        without = [ingredients_of(sample.only(sample.fold != fold)) for fold in sample.folds]
        numbers = search_mix(sample, without)
    return ingredients_of(sample).mix(numbers)


def ingredients_of(sample: Sample) -> Ingredients:
    answers = [_logits(policy(sample)) for policy in (exact, class_rate, calibrated)]
    return Ingredients(sample.labels.sum(axis=0, dtype=np.float64), *answers)


def mean_thresholds(several: list[Thresholds], fallback: Thresholds) -> Thresholds:
    """The mean, in logits, of several thresholds per class, ignoring those that are NEVER.

    A class with too few positives to be in any of the subsets keeps its `fallback`.
    """
    thresholds = np.stack(several)
    known = thresholds < NEVER
    total = np.where(known, _logits(thresholds), 0.0).sum(axis=0)
    mean = expit(total / np.maximum(known.sum(axis=0), 1))
    return np.where(known.any(axis=0), mean, fallback)


def _logits(thresholds: Thresholds) -> NDArray[np.float64]:
    return logit(np.clip(thresholds, EPSILON, 1 - EPSILON))


# Policies by name


@dataclass(frozen=True)
class Policy:
    """A way to fit thresholds: `fit` takes a sample and returns float64 (classes,).

    A class without positives gets NEVER from every policy that uses labels. `value` is the number
    after the name, as in `fixed=0.2`; None without one.
    """

    name: str
    fit: Callable[[Sample], Thresholds]
    value: float | None = None

    @property
    def title(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value:g}"


_PLAIN: dict[str, Callable[[Sample], Thresholds]] = {
    "constant": constant,
    "calibrated": calibrated,
    "class-rate": class_rate,
    "fold-mean": fold_mean,
    "split-mean": split_mean,
    "exact": exact,
    "tuned": tuned,
    "mixed": mixed,
}
_VALUED: dict[str, tuple[Callable[[Sample, float], Thresholds], float]] = {
    "fixed": (fixed, 0.5),
    "scaled": (scaled, 0.7),
    "floored": (floored, 0.15),
    "shrunk": (shrunk, 20.0),
}

# The upper bounds of these numbers: 1 for probabilities; a larger factor would label nothing.
_MOST = {"fixed": 1.0, "floored": 1.0, "scaled": 10.0, "shrunk": float("inf")}

# `auto` chooses from these; of tied policies, it takes the first. Policies that use each class's
# own scores come first, from the most stable to the most flexible: a curve pooled over classes,
# means of exact thresholds, exact thresholds. Then those that ignore how good the scores are:
# simpler, but they cost teams places in the competition, so they must win clearly. Optuna's
# policies need a study for every fit; only `all` adds them.
AUTO = (
    "calibrated",
    "fold-mean",
    "split-mean",
    "shrunk",
    "exact",
    "class-rate",
    "constant",
    "fixed=0.2",
    "fixed=0.5",
)
SEARCHED = ("tuned", "mixed")


def find_policy(title: str) -> Policy:
    """The policy of a title such as `exact` or `fixed=0.2`; UserError that lists the known ones."""
    name, equals, text = title.partition("=")
    if name in _PLAIN and not equals:
        return Policy(name, _PLAIN[name])
    if name not in _VALUED:
        raise unknown("policy", title, [*_PLAIN, *_VALUED, "auto", "all"])
    fit, value = _VALUED[name]
    if equals:
        try:
            value = float(text)
        except ValueError:
            raise UserError(
                f"Policy {name} needs a number, such as {name}={value:g}, got '{title}'."
            ) from None
        most = _MOST[name]
        if not 0 <= value <= most or value == float("inf"):
            allowed = "from 0 to 1" if most == 1 else "from 0 up"
            allowed += f" to {most:g}" if 1 < most < float("inf") else ""
            raise UserError(f"Policy {title}: {name} needs a number {allowed}, such as {name}=0.5.")
    return Policy(name, lambda sample: fit(sample, value), value)


def find_policies(title: str) -> tuple[Policy, ...]:
    """The policies to choose from: those of `auto`, of `all` (Optuna's too), or a single one."""
    titles = {"auto": AUTO, "all": (*AUTO, *SEARCHED)}.get(title, (title,))
    return tuple(find_policy(one) for one in titles)


def fit_policy(
    policy: Policy, sample: Sample, journal: Path | str | None, reporter: Reporter = SILENT
) -> Thresholds:
    """The policy's thresholds; with a journal, Optuna's studies are kept in it."""
    if policy.name == "tuned" and journal is not None:
        return tuned(sample, Journal(journal, reporter))
    return policy.fit(sample)
