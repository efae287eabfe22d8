"""What a blend is made from: the out-of-fold predictions of several models for the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.predictions import to_logits, to_probs
from kit.ensemble.sample import Sample

# Test probabilities of all models, (models, rows, classes), of each fold; or once, averaged.
Tests = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Members:
    """Labels, and the out-of-fold probabilities of several models, row by row.

    `probs` is float32 (models, rows, classes), `labels` uint8 (rows, classes), `fold` and `group`
    int64 (rows,), as in `Sample`.
    """

    labels: NDArray[np.uint8]
    probs: NDArray[np.float32]
    fold: NDArray[np.int64]
    group: NDArray[np.int64]

    @property
    def folds(self) -> NDArray[np.int64]:
        """The numbers of the folds that have rows here, ascending."""
        return np.unique(self.fold)

    def only(self, rows: NDArray[np.bool_]) -> "Members":
        """The rows where `rows`, bool (rows,), is true."""
        return Members(self.labels[rows], self.probs[:, rows], self.fold[rows], self.group[rows])

    def sample(self, probs: NDArray[np.float32]) -> Sample:
        """These rows with the probabilities of a blend, (rows, classes)."""
        return Sample(self.labels, probs, self.fold, self.group)


@dataclass(frozen=True)
class Average:
    """A weighted mean of models, one weight a model, in logits or in probabilities.

    `weights` is float64 (models,), not negative, summing to one.
    """

    weights: NDArray[np.float64]
    in_logits: bool = True

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Blend probabilities (models, rows, classes) to (rows, classes), float32."""
        if self.in_logits:
            return to_probs(np.tensordot(self.weights, to_logits(probs), 1))
        return np.tensordot(self.weights, probs.astype(np.float64), 1).astype(np.float32)

    def described(self, names: tuple[str, ...]) -> Mapping[str, object]:
        """The weights by model name, for JSON."""
        weights = dict(zip(names, self.weights.tolist(), strict=True))
        return {"mean of": "logits" if self.in_logits else "probabilities", "weights": weights}


@dataclass(frozen=True)
class Stack:
    """A logistic regression a class, on the logits of all models.

    `own` is float64 (classes, models): how much each model's logit of the class counts; `across`
    (classes, classes): how much the mean logit of every class counts; `intercept` (classes,).
    """

    own: NDArray[np.float64]
    across: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def apply(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Blend probabilities (models, rows, classes) to (rows, classes), float32."""
        logits = to_logits(probs)
        blended = np.einsum("rnc,cr->nc", logits, self.own)
        blended += logits.mean(axis=0) @ self.across.T
        return to_probs(blended + self.intercept)

    def described(self, names: tuple[str, ...]) -> Mapping[str, object]:
        """All coefficients, a list a class, for JSON."""
        return {
            "models": list(names),
            "own": self.own.tolist(),
            "across": self.across.tolist() if self.across.any() else None,
            "intercept": self.intercept.tolist(),
        }


Combination = Average | Stack


def combination_from(saved: Mapping[str, object], names: tuple[str, ...]) -> Combination:
    """The combination that `described` wrote, for the models of these names in this order."""
    if "weights" in saved:
        weights = saved["weights"]
        assert isinstance(weights, dict)
        return Average(np.array([weights[name] for name in names]), saved["mean of"] == "logits")
    own = np.array(saved["own"])
    classes = len(own)
    across = np.zeros((classes, classes)) if saved["across"] is None else np.array(saved["across"])
    return Stack(own, across, np.array(saved["intercept"]))


def blended_test(combination: Combination, tests: Tests) -> NDArray[np.float32]:
    """The blend's test probabilities, (rows, classes): the mean of its folds in logits."""
    return to_probs(np.mean([to_logits(combination.apply(probs)) for probs in tests], axis=0))
