"""From members' out-of-fold probabilities to a decision: labels and their expected score.

In data-flow order:

- `combine`: means, greedy weights (`selection`), stacks; `studies` runs Optuna.
- `thresholds`: policies, one threshold per class.
- `postprocess`: what follows the thresholds.
- `evaluate`: cross-fitting, nesting, the estimate; `interval`: confidence intervals.
- `candidates`: the methods, fitted and compared; `fitting`: all in one pass, `fit_decision`.
- `decision`: the result and its file; `worth`: its score, and what it was chosen from.
"""

from kit.ensemble.decision import Decision
from kit.ensemble.evaluate import ClassScore, HonestScore, JudgedStep
from kit.ensemble.fitting import ALL_AUTO, Fitted, Options, check_options, fit_decision
from kit.ensemble.interval import Counts, difference_interval, prediction_interval
from kit.ensemble.postprocess import Twins
from kit.ensemble.worth import Candidate, Difference, LabelCounts, Origin, Suspect, Worth
from kit.scores.oof import (
    Members,
    Sample,
    Unseen,
    make_members,
    make_unseen,
    number_groups,
    to_unseen,
)

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
    "Suspect",
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
    "to_unseen",
]
