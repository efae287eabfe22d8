"""Methods to combine models: means, weighted means, stacks; and their fits without some folds."""

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

# Greedy selection: bags, rounds per bag, and rounds without improvement that end a bag.
BAGS = 5
ROUNDS = 25
PATIENCE = 3

# How far a stack's coefficients may deviate from the plain mean: prior variances for standardized
# columns. The mean itself is practically free.
FREE = 100.0
OWN = 1.0
ACROSS = 0.1


@dataclass(frozen=True, eq=False)
class Average(EqualByValue):
    """A weighted mean of models, of logits or probabilities.

    `weights` is float64 (models,), non-negative, summing to one.
    """

    weights: Floats
    in_logits: bool = True

    def fits(self, models: int, classes: int) -> bool:
        """Whether it fits this number of models; any number of classes does."""
        return self.weights.shape == (models,)

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine probabilities (models, rows, classes) to (rows, classes), float32.

        Those of a single model are returned unchanged.
        """
        if len(self.weights) == 1:
            return probs[0]
        if self.in_logits:
            return to_probs(np.tensordot(self.weights, to_logits(probs), 1))
        return np.tensordot(self.weights, probs.astype(np.float64), 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Stack(EqualByValue):
    """A logistic regression per class, on the logits of all models.

    `own` is float64 (classes, models), the coefficients of each model's logit of the class;
    `across` is (classes, classes), those of the mean logits of all classes, or None without them;
    `intercept` is (classes,).
    """

    own: Floats
    across: Floats | None
    intercept: Floats

    def fits(self, models: int, classes: int) -> bool:
        """Whether it fits these numbers of models and classes."""
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
    """Combined test probabilities, (rows, classes): the mean of logits over the fold models."""
    by_fold = [combination.apply(probs) for probs in unseen.by_fold]
    if len(by_fold) == 1:
        return by_fold[0]
    return to_probs(np.mean([to_logits(probs) for probs in by_fold], axis=0))


# Methods


def mean(members: Members) -> Average:
    """The plain mean of probabilities."""
    models = len(members.probs)
    return Average(np.full(models, 1 / models), in_logits=False)


def logit_mean(members: Members) -> Average:
    """The plain mean of logits: a confident model counts more than an undecided one."""
    models = len(members.probs)
    return Average(np.full(models, 1 / models))


def greedy(members: Members) -> Average:
    """Repeatedly add the model that improves the mean most, with replacement.

    Caruana et al. 2004, "Ensemble selection from libraries of models": each bag uses half of the
    groups, starts from the best single model, and stops after three rounds without a gain; the
    weights are the mean over bags, with fixed seeds. So they are non-negative and sum to one,
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
        scores = rows.scores(chosen + models)
        chosen = chosen + models[int(np.argmax(scores))]
        if scores.max() > best_score:
            best, best_score, waited = chosen, float(scores.max()), 0
        else:
            waited += 1
        if waited == PATIENCE:
            break
    return best / best.sum()


def tuned_weights(members: Members) -> Average:
    """One weight per model, by an Optuna study: see `search_weights`."""
    return Average(search_weights(members))


def stack(members: Members) -> Stack:
    """Weight the models separately per class: Wolpert 1992, "Stacked generalization".

    The penalty shrinks a class towards a multiple of the mean logit, not towards zero: from eleven
    positives it learns little more than the mean, from thousands which model to trust.
    """
    return _fit_stack(members, across=False)


def cross_stack(members: Members) -> Stack:
    """The same, with the mean logits of all other classes as features: labels co-occur."""
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
            continue  # a single label value: keep the mean
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
    """Coefficients and intercept, each coefficient with its own normal prior.

    `variances` are prior variances for standardized features. scikit-learn has one penalty for all
    coefficients, so the features are scaled by their square roots instead.
    """
    from sklearn.linear_model import LogisticRegression

    spread = features.std(axis=0)
    scale = np.sqrt(variances) / np.where(spread > 1e-9, spread, 1.0)
    model = LogisticRegression(C=1.0, solver="newton-cholesky", max_iter=100)
    model.fit((features - features.mean(axis=0)) * scale, labels)
    found = model.coef_[0] * scale
    return found, float(model.intercept_[0] - found @ features.mean(axis=0))


# The simplest first: of tied methods, `auto` takes the first.
METHODS: dict[str, Callable[[Members], Combination]] = {
    "logit-mean": logit_mean,
    "mean": mean,
    "greedy": greedy,
    "weights": tuned_weights,
    "stack": stack,
    "cross-stack": cross_stack,
}


def find_methods(name: str) -> tuple[str, ...]:
    """The methods to choose from, all for `auto`; UserError that lists the known ones."""
    if name == "auto":
        return tuple(METHODS)
    if name not in METHODS:
        raise unknown("method", name, [*METHODS, "auto"])
    return (name,)


# Fits without some folds


@dataclass
class Fits:
    """Cached fits of several methods on the same members, each without some folds.

    The fit without folds 1 and 2, for example, serves fold 1 while 2 is held out, and fold 2 while
    1 is.
    """

    members: Members
    _made: dict[tuple[str, frozenset[int]], Combination] = field(default_factory=dict)

    def make(
        self, wanted: Sequence[tuple[str, frozenset[int]]], reporter: Reporter = SILENT
    ) -> None:
        """Fit each (method, held-out folds) that has not been fitted yet."""
        missing = [one for one in dict.fromkeys(wanted) if one not in self._made]
        fit = partial(_fit, self.members)
        size = self.members.probs.size
        fitted = on_all_cores("fitting blends", fit, missing, size, reporter)
        self._made.update(zip(missing, fitted, strict=True))

    def combination(self, name: str, without: frozenset[int] = frozenset()) -> Combination:
        """A method fitted on the rows of all other folds."""
        if (name, without) not in self._made:
            self._made[name, without] = _fit(self.members, (name, without))
        return self._made[name, without]

    def sample(self, name: str, without: frozenset[int] = frozenset()) -> Sample:
        """The rows of all other folds, each combined by a fit that has not seen its fold.

        If a single fold is left, nothing can be held out, and it is combined by its own fit.
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
    """What nested cross-fitting holds out: nothing, each fold, and each pair of folds."""
    numbers = folds.tolist()
    pairs = [frozenset({one, two}) for one in numbers for two in numbers if one < two]
    if len(numbers) == 2:  # holding out both leaves no rows to fit on
        pairs = []
    return [frozenset(), *(frozenset({one}) for one in numbers), *pairs]


def _fit(members: Members, job: tuple[str, frozenset[int]]) -> Combination:
    name, without = job
    return METHODS[name](members.only(~np.isin(members.fold, list(without))))
