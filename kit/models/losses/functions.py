"""The loss formulas, written in `keras.ops` only, so that every Keras backend can train with them.

Every function takes labels and logits, float32 (rows, classes), and returns one float32. A label of
0.3 counts as 0.3 of a positive and 0.7 of a negative, so the loss of a mixture of images is the
mixture of their losses, as MixUp (Zhang et al. 2018, arXiv:1710.09412) defines it for
cross-entropy. Softplus replaces the logarithm of a sigmoid, which is infinite where the sigmoid
rounds to 0.
"""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

# (labels, logits) -> loss, with its parameters bound.
LossFunction = Callable[..., keras.KerasTensor]


class SumOfLosses(keras.losses.Loss):
    """A weighted sum of losses, always computed in float32.

    `parts` are weights and functions of labels and logits. Raises ValueError for sample weights,
    which are not supported.
    """

    def __init__(self, parts: Sequence[tuple[float, LossFunction]]) -> None:
        super().__init__(name="loss", dtype="float32")
        self._parts = tuple(parts)

    def __call__(
        self,
        y_true: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        if sample_weight is not None:
            raise ValueError("set losses have no per-row value: sample_weight must be None")
        return super().__call__(y_true, y_pred)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """The weighted sum; Keras has already cast labels and logits to float32."""
        return sum(weight * function(y_true, y_pred) for weight, function in self._parts)


def smoothed(function: LossFunction, amount: float) -> LossFunction:
    """The loss with labels moved by `amount` of the distance to 0.5.

    Label smoothing (Szegedy et al. 2016, arXiv:1512.00567) for two classes.
    """
    return lambda labels, logits: function(labels * (1 - amount) + amount / 2, logits)


def bce(labels: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy, averaged over rows and classes."""
    return _mean(labels, ops.softplus(-logits), ops.softplus(logits))


def weighted_bce(
    labels: keras.KerasTensor, logits: keras.KerasTensor, weights: NDArray[np.float32]
) -> keras.KerasTensor:
    """Binary cross-entropy in which positives of class c count `weights[c]` times."""
    of_positives = ops.convert_to_tensor(weights) * ops.softplus(-logits)
    return _mean(labels, of_positives, ops.softplus(logits))


def focal(
    labels: keras.KerasTensor, logits: keras.KerasTensor, gamma: float, alpha: float
) -> keras.KerasTensor:
    """Focal loss: cross-entropy times error**gamma (Lin et al. 2017, arXiv:1708.02002).

    `alpha` is the weight of positives and `1 - alpha` that of negatives; with -1 both weigh 1, the
    paper's form without alpha.
    """
    of_positives, of_negatives = (1.0, 1.0) if alpha == -1 else (alpha, 1 - alpha)
    return _mean(
        labels, of_positives * _focused(logits, gamma), of_negatives * _focused(-logits, gamma)
    )


def asymmetric(
    labels: keras.KerasTensor,
    logits: keras.KerasTensor,
    gamma_pos: float,
    gamma_neg: float,
    clip: float,
) -> keras.KerasTensor:
    """Focal loss with separate powers for positives and negatives, ignoring easy negatives.

    The probability of a negative is lowered by `clip`, to no less than 0, so that negatives below
    `clip` cost nothing (Ridnik et al. 2021, arXiv:2009.14119). The gradient is that of the whole
    formula, including the focusing factor, as the paper derives it and as in `focal`; the authors'
    code excludes the factor from the gradient by default.
    """
    positives = _focused(logits, gamma_pos)
    if clip == 0:
        return _mean(labels, positives, _focused(-logits, gamma_neg))
    # sigmoid(-logits), because 1 - sigmoid(logits) loses all precision at large logits.
    lowered = ops.relu(ops.sigmoid(logits) - clip)
    # A power of 0 has no finite gradient for gamma below 1; 1e-12 is negligible next to any clip.
    factor = ops.exp(gamma_neg * ops.log(ops.maximum(lowered, 1e-12)))
    negatives = -factor * ops.log(ops.minimum(ops.sigmoid(-logits) + clip, 1.0))
    return _mean(labels, positives, negatives)


def soft_f1(labels: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """One minus macro-F1, with probabilities in place of labels.

    F1 of a class is `2 sum(p y) / (sum(p) + sum(y))` over the rows: the Dice coefficient of
    Milletari et al. 2016, arXiv:1606.04797, without the squares, and the macro form of sigmoidF1,
    Benedict et al. 2022, arXiv:2108.10566. A class without positives among the rows scores 0, as in
    the metric, and has no gradient.
    """
    # Dice losses often add a constant to numerator and denominator, so that such a class has a
    # gradient too. A rare class, with one positive in many batches, would then mostly learn to
    # predict nothing.
    probs = ops.sigmoid(logits)
    hits = ops.sum(probs * labels, axis=0)
    size = ops.sum(probs, axis=0) + ops.sum(labels, axis=0)
    # The size is 0 only if every probability rounds to 0, and then the hits are 0 as well.
    return 1 - ops.mean(2 * hits / ops.maximum(size, 1e-7))


def lovasz(labels: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Symmetric Lovász hinge over the rows of each class, averaged over classes.

    The convex surrogate of the Jaccard loss by Berman et al. 2018, arXiv:1705.08790, averaged over
    (labels, logits) and (1 - labels, -logits): without the second half, a class without positives
    learns only from its worst row. The sets are classes, not rows: macro-F1 is a mean over classes,
    and F1 grows with the Jaccard index. The winner of HPA 2018 did the same
    (CellProfiling/HPA-competition-solutions), next to a focal loss summed over classes.

    A row with label y counts as a positive of mass y and a negative of mass 1 - y; with masses of 0
    and 1 this is the paper's hinge.
    """
    none = ops.zeros_like(labels)
    errors = ops.concatenate([1 - logits, 1 + logits])
    # Swapping labels and signs swaps the two masses but keeps the errors, so one sort serves both.
    order = ops.argsort(-ops.stop_gradient(errors), axis=0)
    positives = ops.take_along_axis(ops.concatenate([labels, none]), order, axis=0)
    negatives = ops.take_along_axis(ops.concatenate([none, 1 - labels]), order, axis=0)
    steps = (_jaccard_steps(positives, negatives) + _jaccard_steps(negatives, positives)) / 2
    worst_first = ops.relu(ops.take_along_axis(errors, order, axis=0))
    return ops.mean(ops.sum(worst_first * steps, axis=0))


FUNCTIONS: Mapping[str, LossFunction] = {
    "bce": bce,
    "weighted_bce": weighted_bce,
    "focal": focal,
    "asymmetric": asymmetric,
    "soft_f1": soft_f1,
    "lovasz": lovasz,
}


def _mean(
    labels: keras.KerasTensor, if_positive: keras.KerasTensor, if_negative: keras.KerasTensor
) -> keras.KerasTensor:
    return ops.mean(labels * if_positive + (1 - labels) * if_negative)


def _focused(logits: keras.KerasTensor, gamma: float) -> keras.KerasTensor:
    """`(1 - p)**gamma * -log(p)`, the cost of a positive; call it with -logits for a negative."""
    if gamma == 0:
        return ops.softplus(-logits)
    return ops.exp(-gamma * ops.softplus(logits)) * ops.softplus(-logits)


def _jaccard_steps(inside: keras.KerasTensor, outside: keras.KerasTensor) -> keras.KerasTensor:
    """How much the Jaccard loss grows with each additional error, (elements, classes).

    `inside` and `outside` are the masses of elements inside and outside the true set, sorted by
    decreasing error.
    """
    wrong = ops.cumsum(inside + outside, axis=0)
    union = ops.sum(inside, axis=0, keepdims=True) + ops.cumsum(outside, axis=0)
    # The union is empty only before the first error; masses below 1e-30 do not occur.
    loss = wrong / ops.maximum(union, 1e-30)
    return ops.concatenate([loss[:1], loss[1:] - loss[:-1]])
