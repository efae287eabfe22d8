"""Methods to combine models: means, weighted means, stacks; and their fits without some folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import unknown
from kit.core.formats import EqualByValue, Floats
from kit.core.parallel import on_all_cores
from kit.core.progress import SILENT, Reporter
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.selection import select_greedily
from kit.ensemble.studies import search_weights
from kit.scores import Scales, mean_over_folds, on_scales, scales_fit
from kit.scores.oof import Members, Sample, Unseen

# How far a stack's coefficients may deviate from the plain mean: prior variances for standardized
# columns. The mean itself is practically free.
FREE = 100.0
OWN = 1.0
ACROSS = 0.1
# Of the gradient of the mean loss. scikit-learn's own 1e-4 is that of three rows in 31,072, more
# than rare classes have to spare.
_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Average(EqualByValue):
    """A weighted mean of models, of logits or probabilities.

    `weights` is float64 (models,), non-negative, summing to one. `scales` bring each model's test
    scores to log-odds, where they are not; empty if all are.
    """

    weights: Floats
    in_logits: bool = True
    scales: Scales = ()

    def fits(self, models: int, classes: int) -> bool:
        """Whether it fits this number of models; any number of classes does."""
        return self.weights.shape == (models,) and scales_fit(self.scales, models, classes)

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine probabilities (models, rows, classes) to (rows, classes), float32.

        Those of a single model are returned unchanged. They are already on the scales.
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
    `intercept` is (classes,); `scales` as above.
    """

    own: Floats
    across: Floats | None
    intercept: Floats
    scales: Scales = ()

    def fits(self, models: int, classes: int) -> bool:
        """Whether it fits these numbers of models and classes."""
        across = self.across is None or self.across.shape == (classes, classes)
        shapes = self.own.shape == (classes, models) and self.intercept.shape == (classes,)
        return across and shapes and scales_fit(self.scales, models, classes)

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Combine probabilities (models, rows, classes) to (rows, classes), float32."""
        logits = to_logits(probs)
        combined = np.einsum("rnc,cr->nc", logits, self.own)
        if self.across is not None:
            combined += logits.mean(axis=0) @ self.across.T
        return to_probs(combined + self.intercept)


Combination = Average | Stack


def combine_test(combination: Combination, unseen: Unseen) -> NDArray[np.float32]:
    """Combined test probabilities, (rows, classes): the mean of logits over the fold models.

    Of a single model, they are on the scale of its scores.
    """
    scales = combination.scales
    mean = mean_over_folds([combination.apply(on_scales(scales, one)) for one in unseen.by_fold])
    if len(scales) == 1 and scales[0] is not None:
        return scales[0].back(mean).astype(np.float32)
    return mean


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
    """Weights from greedy selection: see `select_greedily`."""
    return Average(select_greedily(members))


def tuned_weights(members: Members) -> Average:
    """One weight per model, by an Optuna study: see `search_weights`."""
    return Average(search_weights(members))


def stack(members: Members) -> Stack:
    """Weight the models separately per class: Wolpert 1992, "Stacked generalization".

    The penalty shrinks a class towards a multiple of the mean logit, not towards zero: from eleven
    positives it learns little more than the mean, from thousands which model to trust.
    """
    return _fit_stack(members, _equal(members, across=False))


def cross_stack(members: Members) -> Stack:
    """The same, with the mean logits of all other classes as features: labels co-occur."""
    return _fit_stack(members, _equal(members, across=True))


def _equal(members: Members, across: bool) -> Stack:
    """The stack that is the plain mean of logits."""
    models, classes = len(members.probs), members.labels.shape[1]
    others = np.zeros((classes, classes)) if across else None
    return Stack(np.full((classes, models), 1 / models), others, np.zeros(classes))


def _fit_stack(members: Members, start: Stack) -> Stack:
    """Fit every class that has both label values, and keep the plain mean for the others.

    `start` decides what kind of stack, and saves steps if it is close; the result is the same.
    """
    logits = to_logits(members.probs)
    mean_logits = logits.mean(axis=0)
    made = _equal(members, start.across is not None)
    models, rows, classes = logits.shape
    across = 0 if made.across is None else classes
    features = _Features(rows, [FREE] + [OWN] * models + [ACROSS] * across)
    if across:
        features.set(models + 1, mean_logits)
    both = members.labels.any(axis=0) & ~members.labels.all(axis=0)
    for column in np.flatnonzero(both).tolist():
        middle = mean_logits[:, [column]]
        features.set(0, np.hstack([middle, logits[:, :, column].T - middle]))
        own = start.own[column]
        near = [own.sum(), *(own - own.mean())]
        if start.across is not None:
            near.extend(start.across[column])
        found, made.intercept[column] = features.logistic(
            members.labels[:, column], np.array(near), start.intercept[column]
        )
        made.own[column] = found[0] / models + found[1 : models + 1] - found[1 : models + 1].mean()
        if made.across is not None:
            made.across[column] = found[models + 1 :]
    return made


class _Features:
    """Columns of features, each standardized and with a normal prior of its own.

    scikit-learn has one penalty for all coefficients, so that the columns are scaled by the square
    roots of the `variances` of their priors instead.
    """

    def __init__(self, rows: int, variances: Sequence[float]) -> None:
        self._variances = np.array(variances)
        self._values = np.empty((rows, len(variances)))
        self._middle, self._scale = np.zeros(len(variances)), np.ones(len(variances))

    def set(self, first: int, values: NDArray[np.float64]) -> None:
        """Set the columns from `first` on; `values` is (rows, columns)."""
        columns = slice(first, first + values.shape[1])
        spread, middle = values.std(axis=0), values.mean(axis=0)
        scale = np.sqrt(self._variances[columns]) / np.where(spread > 1e-9, spread, 1.0)
        self._middle[columns], self._scale[columns] = middle, scale
        self._values[:, columns] = (values - middle) * scale

    def logistic(
        self, labels: NDArray[np.uint8], near: NDArray[np.float64], near_intercept: float
    ) -> tuple[NDArray[np.float64], float]:
        """Coefficients and intercept of a logistic regression, starting near others."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(
            C=1.0, solver="newton-cholesky", tol=_TOLERANCE, max_iter=100, warm_start=True
        )
        model.coef_ = (near / self._scale)[None]
        model.intercept_ = np.array([near_intercept + near @ self._middle])
        model.fit(self._values, labels)
        found = model.coef_[0] * self._scale
        return found, float(model.intercept_[0] - found @ self._middle)


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
        # Without folds, a stack is close to the one of all rows.
        for ready in ([one for one in missing if not one[1]], [one for one in missing if one[1]]):
            near = {name: self._made.get((name, frozenset())) for name, _ in ready}
            fit = partial(_fit, self.members, near)
            size = self.members.probs.size
            fitted = on_all_cores("fitting blends", fit, ready, size, reporter)
            self._made.update(zip(ready, fitted, strict=True))

    def combination(self, name: str, without: frozenset[int] = frozenset()) -> Combination:
        """A method fitted on the rows of all other folds."""
        if (name, without) not in self._made:
            near = {name: self._made.get((name, frozenset()))}
            self._made[name, without] = _fit(self.members, near, (name, without))
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


def _fit(
    members: Members, near: Mapping[str, Combination | None], job: tuple[str, frozenset[int]]
) -> Combination:
    """Fit a method without some folds; a stack starts from the one in `near`, if there is one."""
    name, without = job
    rows = members.only(~np.isin(members.fold, list(without)))
    start = near[name]
    return _fit_stack(rows, start) if isinstance(start, Stack) else METHODS[name](rows)
