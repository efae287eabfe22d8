"""What scores are: log-odds or not, averaged or not, and honest or not.

- `oof`: rows with ids, labels, folds, groups and the members' probabilities; `Members`, `Unseen`.
- `scale`: scores of any shape as log-odds; `calibrate`: probabilities by a curve per class.
- `averaging`: what the mean over several models does to scores; `match`: how much of it makes
  out-of-fold scores look like the test scores.
- `carry`: how thresholds transfer from out-of-fold to test scores.
- `leak`: out-of-fold scores that know more than test scores can.
- `member`: the scale and the honesty of one; `inputs`: all members, before anything is fitted.
"""

from kit.scores.averaging import Averaging, mean_over_folds
from kit.scores.carry import Transfer, check_transfer, choose_transfer, classes_that_disagree
from kit.scores.inputs import Inputs, prepare
from kit.scores.leak import Head
from kit.scores.member import Examined, examine
from kit.scores.oof import (
    Members,
    Rows,
    Sample,
    Unseen,
    make_members,
    make_unseen,
    number_groups,
    to_unseen,
)
from kit.scores.scale import Scale, Scales, on_scales, scales_fit

__all__ = [
    "Averaging",
    "Examined",
    "Head",
    "Inputs",
    "Members",
    "Rows",
    "Sample",
    "Scale",
    "Scales",
    "Transfer",
    "Unseen",
    "check_transfer",
    "choose_transfer",
    "classes_that_disagree",
    "examine",
    "make_members",
    "make_unseen",
    "mean_over_folds",
    "number_groups",
    "on_scales",
    "prepare",
    "scales_fit",
    "to_unseen",
]
