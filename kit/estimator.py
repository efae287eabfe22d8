"""Thresholds as a scikit-learn estimator; scikit-learn's own refuses multilabel targets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from kit.api import macro_f1, make_folds, tune
from kit.data.frames import align, table_ids


class MultilabelThresholds(BaseEstimator):
    """A threshold per class, chosen for macro-F1 by cross-fitting.

    `policy` is `auto`, `all` (adds Optuna's studies), or one of docs/thresholds.md. `fit` sets
    `thresholds_`, float64 (classes,); `expected_` and `interval_`, the expected macro-F1 on as many
    new rows and its 95% CI; `cross_fitted_`; and `decision_`, the `kit.Decision`.
    """

    def __init__(self, policy: str = "auto") -> None:
        self.policy = policy

    def fit(
        self, probs: Any, y: Any, fold: Any = None, groups: Any = None
    ) -> "MultilabelThresholds":
        """Fit to out-of-fold probabilities (rows, classes) and labels (rows, classes).

        `fold` is the fold that held out each row. When None, five folds are made: the score is then
        honest only if no row was predicted by a model that trained on it. Raises `UserError`.
        """
        if fold is None:
            fold = make_folds(y, groups=groups)
        made = tune(y, probs, fold=fold, groups=groups, policy=self.policy)
        self.decision_ = made
        self.thresholds_ = made.thresholds
        self.expected_, self.interval_ = made.expected, made.interval
        self.cross_fitted_ = made.cross_fitted
        self.n_features_in_ = len(made.class_keys)
        return self

    def predict(self, probs: Any) -> NDArray[np.uint8]:
        """Labels, uint8 (rows, classes), from probabilities (rows, classes)."""
        check_is_fitted(self)
        labels: NDArray[np.uint8] = self.decision_.decide(probs)
        return labels

    def score(self, probs: Any, y: Any) -> float:
        """Macro-F1 of the predicted labels."""
        return macro_f1(y, self.predict(align(probs, table_ids(y), "probabilities")))
