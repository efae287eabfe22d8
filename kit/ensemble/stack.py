"""A logistic regression a class over the logits of all models, and of all classes."""

import numpy as np
from numpy.typing import NDArray

from kit.data.predictions import to_logits
from kit.ensemble.members import Members, Stack

# How far coefficients may leave the plain mean: the prior variance of each, in standard deviations
# of its column. The mean itself is as good as free.
FREE = 100.0
OWN = 1.0
ACROSS = 0.1


def stack(members: Members) -> Stack:
    """Weigh the models for each class on its own: Wolpert 1992, "Stacked generalization".

    The penalty draws a class towards a multiple of the mean logit, not towards nothing: of eleven
    positives it learns little more than the mean, of thousands which model to trust.
    """
    return _fit(members, across=False)


def cross_stack(members: Members) -> Stack:
    """The same, and let a class look at the mean logits of all others: labels go together."""
    return _fit(members, across=True)


def _fit(members: Members, across: bool) -> Stack:
    logits = to_logits(members.probs)
    models, _, classes = logits.shape
    mean = logits.mean(axis=0)
    own = np.full((classes, models), 1 / models)
    others = np.zeros((classes, classes))
    intercept = np.zeros(classes)
    for column in range(classes):
        labels = members.labels[:, column]
        if labels.min() == labels.max():
            continue  # nothing to tell apart: the mean stays
        apart = (logits[:, :, column] - mean[:, column]).T
        columns = [mean[:, [column]], apart, *([mean] if across else [])]
        features = np.hstack(columns)
        variances = np.concatenate(
            [[FREE], np.full(models, OWN), *([np.full(classes, ACROSS)] if across else [])]
        )
        found, intercept[column] = _logistic(features, labels, variances)
        own[column] = found[0] / models + found[1 : models + 1] - found[1 : models + 1].mean()
        if across:
            others[column] = found[models + 1 :]
    return Stack(own, others, intercept)


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
