"""From members' out-of-fold probabilities to a decision: labels and their expected score.

In data-flow order:

- `oof`: rows with ids, labels, folds, groups and the members' probabilities; `Members`, `Unseen`.
- `combine`: means, greedy weights (`selection`), stacks; `studies` runs Optuna.
- `averaging`: from scores by one model to scores averaged over the fold models.
- `thresholds`: policies, one threshold per class; `calibrate` serves one of them.
- `postprocess`: what follows the thresholds.
- `evaluate`: cross-fitting, nesting, the estimate; `interval`: confidence intervals.
- `fitting`: all of it in one pass, `fit_decision`; `decision`: the result and its file.
"""

from kit.ensemble.decision import Candidate, Decision, Difference, LabelCounts, Origin, Worth
from kit.ensemble.evaluate import ClassScore, HonestScore, JudgedStep
from kit.ensemble.fitting import ALL_AUTO, Fitted, Options, check_options, fit_decision
from kit.ensemble.interval import Counts, difference_interval, prediction_interval
from kit.ensemble.oof import (
    Members,
    Sample,
    Unseen,
    make_members,
    make_unseen,
    number_groups,
)
from kit.ensemble.postprocess import Twins

__all__ = [
    "ALL_AUTO",
    "Candidate",
    "ClassScore",
    "Counts",
    "Decision",
    "Difference",
    "Fitted",
    "HonestScore",
    "JudgedStep",
    "LabelCounts",
    "Members",
    "Options",
    "Origin",
    "Sample",
    "Twins",
    "Unseen",
    "Worth",
    "check_options",
    "difference_interval",
    "fit_decision",
    "make_members",
    "make_unseen",
    "number_groups",
    "prediction_interval",
]
