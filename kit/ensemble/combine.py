"""Ways to combine models: means, weighted means, stacks; and their fits without a fold or two."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import unknown
from kit.core.formats import EqualByValue, Floats
from kit.core.parallel import on_all_cores
from kit.core.progress import SILENT, Reporter
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.fast_f1 import FastF1
from kit.ensemble.oof import Members, Sample, Unseen
from kit.ensemble.studies import search_weights

# Greedy selection: bags, rounds in each, and rounds without a better score that end a bag.
BAGS = 5
ROUNDS = 25
PATIENCE = 3

# How far a stack's coefficients may leave the plain mean: the prior variance of each, in standard
# deviations of its column. The mean itself is as good as free.
FREE = 100.0
OWN = 1.0
ACROSS = 0.1


@dataclass(frozen=True, eq=False)
class Average(EqualByValue):
    """A weighted mean of models, one weight a model, in logits or in probabilities.

    `weights` is float64 (models,), not negative, summing to one.
    """

    weights: Floats
    in_logits: bool = True

    def fits(self, models: int, classes: int) -> bool:
        """Whether it combines so many models; of classes it takes any number."""
        return self.weights.shape == (models,)

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine probabilities (models, rows, classes) to (rows, classes), float32.

        A single model's stay exactly as they are.
        """
        if len(self.weights) == 1:
            return probs[0]
        if self.in_logits:
            return to_probs(np.tensordot(self.weights, to_logits(probs), 1))
        return np.tensordot(self.weights, probs.astype(np.float64), 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Stack(EqualByValue):
    """A logistic regression a class, on the logits of all models.

    `own` is float64 (classes, models): how much each model's logit of the class counts; `across`
    (classes, classes): how much the mean logit of every class counts, or None for not at all;
    `intercept` (classes,).
    """

    own: Floats
    across: Floats | None
    intercept: Floats

    def fits(self, models: int, classes: int) -> bool:
        """Whether it combines so many models' probabilities of so many classes."""
        across = self.across is None or self.across.shape == (classes, classes)
        return across and self.own.shape == (classes, models) and self.intercept.shape == (classes,)

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine probabilities (models, rows, classes) to (rows, classes), float32."""
        logits = to_logits(probs)
        combined = np.einsum("rnc,cr->nc", logits, self.own)
        if self.across is not None:
            combined += logits.mean(axis=0) @ self.across.T
        return to_probs(combined + self.intercept)


Combination = Average | Stack


def combine_test(combination: Combination, unseen: Unseen) -> NDArray[np.float32]:
    """Combined probabilities of the test set, (rows, classes): the mean over folds in logits."""
    by_fold = [combination.apply(probs) for probs in unseen.by_fold]
    if len(by_fold) == 1:
        return by_fold[0]
    return to_probs(np.mean([to_logits(probs) for probs in by_fold], axis=0))


# The ways to combine


def mean(members: Members) -> Average:
    """The plain mean of probabilities."""
    models = len(members.probs)
    return Average(np.full(models, 1 / models), in_logits=False)


def logit_mean(members: Members) -> Average:
    """The plain mean of logits: a confident model counts for more than an undecided one."""
    models = len(members.probs)
    return Average(np.full(models, 1 / models))


def greedy(members: Members) -> Average:
    """Add the model that helps the mean most, again and again, with replacement.

    Caruana et al. 2004, "Ensemble selection from libraries of models": each bag starts from the
    best single model, takes half of the groups, and stops after three rounds without a gain; the
    weights are the mean over the bags, of fixed seeds. So they are never negative and sum to one,
    which Purucker and Beel 2023 found to matter.
    """
    models = len(members.probs)
    groups = int(members.group.max()) + 1
    weights = np.zeros(models)
    for bag in range(BAGS):
        rng = np.random.Generator(np.random.PCG64(bag))
        weights += _one_bag(members.only((rng.random(groups) < 0.5)[members.group]))
    return Average(weights / weights.sum())


def _one_bag(members: Members) -> NDArray[np.float64]:
    rows = FastF1.of(members)
    models = np.eye(len(members.probs))
    chosen = np.zeros(len(models))
    best, best_score, waited = chosen, -1.0, 0
    for _ in range(ROUNDS):
        scores = [rows.score(chosen + model) for model in models]
        chosen = chosen + models[int(np.argmax(scores))]
        if max(scores) > best_score:
            best, best_score, waited = chosen, max(scores), 0
        else:
            waited += 1
        if waited == PATIENCE:
            break
    return best / best.sum()


def tuned_weights(members: Members) -> Average:
    """One weight a model, by an Optuna study: see `search_weights`."""
    return Average(search_weights(members))


def stack(members: Members) -> Stack:
    """Weigh the models for each class on its own: Wolpert 1992, "Stacked generalization".

    The penalty draws a class towards a multiple of the mean logit, not towards nothing: of eleven
    positives it learns little more than the mean, of thousands which model to trust.
    """
    return _fit_stack(members, across=False)


def cross_stack(members: Members) -> Stack:
    """The same, and let a class look at the mean logits of all others: labels co-occur."""
    return _fit_stack(members, across=True)


def _fit_stack(members: Members, across: bool) -> Stack:
    logits = to_logits(members.probs)
    models, _, classes = logits.shape
    mean_logits = logits.mean(axis=0)
    own = np.full((classes, models), 1 / models)
    others = np.zeros((classes, classes))
    intercept = np.zeros(classes)
    for column in range(classes):
        labels = members.labels[:, column]
        if labels.min() == labels.max():
            continue  # nothing to tell apart: the mean stays
        apart = (logits[:, :, column] - mean_logits[:, column]).T
        columns = [mean_logits[:, [column]], apart, *([mean_logits] if across else [])]
        features = np.hstack(columns)
        variances = np.concatenate(
            [[FREE], np.full(models, OWN), *([np.full(classes, ACROSS)] if across else [])]
        )
        found, intercept[column] = _logistic(features, labels, variances)
        own[column] = found[0] / models + found[1 : models + 1] - found[1 : models + 1].mean()
        if across:
            others[column] = found[models + 1 :]
    return Stack(own, others if across else None, intercept)


def _logistic(
    features: NDArray[np.float64], labels: NDArray[np.uint8], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Coefficients and intercept, each coefficient with a normal prior of its own variance.

    `variances` are in units of one over the variance of a feature. scikit-learn knows one penalty
    for all, so the features are scaled by the square roots instead.
    """
    from sklearn.linear_model import LogisticRegression

    spread = features.std(axis=0)
    scale = np.sqrt(variances) / np.where(spread > 1e-9, spread, 1.0)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", max_iter=100)
    model.fit((features - features.mean(axis=0)) * scale, labels)
    found = model.coef_[0] * scale
    return found, float(model.intercept_[0] - found @ features.mean(axis=0))


# The simplest first: what `auto` takes of methods that tie.
METHODS: dict[str, Callable[[Members], Combination]] = {
    "logit-mean": logit_mean,
    "mean": mean,
    "greedy": greedy,
    "weights": tuned_weights,
    "stack": stack,
    "cross-stack": cross_stack,
}


def find_methods(name: str) -> tuple[str, ...]:
    """The methods to choose from: all of them for `auto`; UserError naming the known ones."""
    if name == "auto":
        return tuple(METHODS)
    if name not in METHODS:
        raise unknown("method", name, [*METHODS, "auto"])
    return (name,)


# Fits without a fold or two


@dataclass
class Fits:
    """Fits of several methods on the same members, each without some of the folds.

    Every fit is kept: the one without folds 1 and 2 serves fold 1 when 2 is held out, and fold 2
    when 1 is.
    """

    members: Members
    _made: dict[tuple[str, frozenset[int]], Combination] = field(default_factory=dict)

    def make(
        self, wanted: Sequence[tuple[str, frozenset[int]]], reporter: Reporter = SILENT
    ) -> None:
        """Fit methods by name, each without its folds."""
        missing = [one for one in dict.fromkeys(wanted) if one not in self._made]
        fit = partial(_fit, self.members)
        size = self.members.probs.size
        fitted = on_all_cores("fitting blends", fit, missing, size, reporter)
        self._made.update(zip(missing, fitted, strict=True))

    def combination(self, name: str, without: frozenset[int] = frozenset()) -> Combination:
        """A method fitted on the rows of all folds but these."""
        if (name, without) not in self._made:
            self._made[name, without] = _fit(self.members, (name, without))
        return self._made[name, without]

    def sample(self, name: str, without: frozenset[int] = frozenset()) -> Sample:
        """The rows of all folds but these, each combined by a fit that has not seen its fold.

        Of a single fold that is left, nothing can be held out: it is combined by its own fit.
        """
        rows = self.members.only(~np.isin(self.members.fold, list(without)))
        combined = np.empty(rows.probs.shape[1:], np.float32)
        for fold in rows.folds.tolist():
            inside = rows.fold == fold
            held_out = without | {fold} if len(rows.folds) > 1 else without
            made = self.combination(name, held_out)
            combined[inside] = made.apply(rows.probs[:, inside])
        return rows.with_probs(combined)


def folds_left_out(folds: NDArray[np.int64]) -> list[frozenset[int]]:
    """What nested cross-fitting leaves out: nothing, each fold, and each pair of folds."""
    numbers = folds.tolist()
    pairs = [frozenset({one, two}) for one in numbers for two in numbers if one < two]
    if len(numbers) == 2:  # without both there are no rows to fit on
        pairs = []
    return [frozenset(), *(frozenset({one}) for one in numbers), *pairs]


def _fit(members: Members, job: tuple[str, frozenset[int]]) -> Combination:
    name, without = job
    return METHODS[name](members.only(~np.isin(members.fold, list(without))))
