"""From out-of-fold scores, each by one model, to test scores that average all folds' models."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from kit.competitions.exact import decide
from kit.core.errors import UserError, unknown
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.oof import Sample
from kit.ensemble.thresholds import Thresholds, rate_thresholds

# Noise is measured where decisions are made: among the highest test scores, this many times as
# many rows as have the label. Far below, fold models disagree more, and it changes nothing: noise
# taken over all rows promised the averaged models on synthetic cells twice the gain they had.
NEAR = 4
# Fewer rows than this say too little about the noise of a class.
LEAST_ROWS = 20
# So few rows have no variance to speak of: that of the whole class is taken.
HANDFUL = 5
# However noisy, no score moves further than to a fifth of its distance from its class's mean.
_LEAST_FACTOR = 0.2
# Test logits that scatter less than this share of what out-of-fold ones do, in most classes, are
# means of several models: a change in how frequent labels are moves single classes, and outwards
# as often as inwards.
NARROWER = 0.98

TRANSFERS = ("auto", "averaged", "thresholds", "rates")


def check_transfer(wanted: str) -> None:
    """Raise UserError that names the known transfers for another name."""
    if wanted not in TRANSFERS:
        raise unknown("transfer", wanted, TRANSFERS)


def choose_transfer(
    wanted: str, sample: Sample, test: NDArray[np.float32] | None, models: int
) -> str:
    """How thresholds found on out-of-fold scores are carried to test scores: one of TRANSFERS.

    `averaged`: found on scores as the mean of all fold models would have given them, which takes
    the test predictions of each (`models` of them). `thresholds`: carried over as they are.
    `rates`: those above which as large a share of the test rows lies as of the out-of-fold rows.
    `auto` takes the first where it can, and otherwise looks whether the test scores, (rows,
    classes), are narrower than the out-of-fold ones; without test scores thresholds stay as they
    are. Raises UserError for another name, and for what the test scores do not allow.
    """
    check_transfer(wanted)
    if test is None:
        if wanted in ("averaged", "rates"):
            raise UserError(f"--transfer {wanted} needs test predictions: --test FILE")
        return "thresholds"
    if wanted == "averaged" and models < 2:
        raise UserError(
            "--transfer averaged needs the test predictions of every fold's model, and these are "
            "averaged already. Give them fold by fold, or take --transfer rates."
        )
    if wanted != "auto":
        return wanted
    if models > 1:
        return "averaged"
    ratio = to_logits(test).std(axis=0) / np.maximum(to_logits(sample.probs).std(axis=0), 1e-9)
    # A standard deviation is known to about 1 / sqrt(rows), for tails heavier than normal ones;
    # the median of several classes better, but they are not independent of each other.
    error = np.sqrt((1 / len(sample.probs) + 1 / len(test)) / np.sqrt(len(ratio)))
    return "rates" if np.median(ratio) < NARROWER - 2 * error else "thresholds"


def carry(
    transfer: str, thresholds: Thresholds, sample: Sample, test: NDArray[np.float32]
) -> Thresholds:
    """The thresholds for the test scores, (classes,), from those found on the sample."""
    if transfer != "rates":
        return thresholds
    return rate_thresholds(test, decide(sample.probs, thresholds).mean(axis=0))


def classes_that_disagree(
    thresholds: Thresholds,
    sample: Sample,
    test_thresholds: Thresholds,
    test: NDArray[np.float32],
) -> list[int]:
    """The classes predicted more or less often on the test set than chance explains.

    Compares the shares of rows above the thresholds by a normal test at 5% over all classes
    together (Bonferroni). Rows of a group go together, so the variance is taken between the groups
    of the sample, and test rows are assumed to be grouped alike.
    """
    here, there = decide(sample.probs, thresholds), decide(test, test_thresholds)
    rows, test_rows, classes = len(here), len(there), here.shape[1]
    rate = (here.sum(axis=0) + there.sum(axis=0)) / (rows + test_rows)
    by_group = np.zeros((int(sample.group.max()) + 1, classes))
    np.add.at(by_group, sample.group, here - here.mean(axis=0))
    alone = np.maximum(rows * here.mean(axis=0) * (1 - here.mean(axis=0)), 1e-12)
    together = np.maximum((by_group**2).sum(axis=0) / alone, 1.0)
    error = np.sqrt(rate * (1 - rate) * together * (1 / rows + 1 / test_rows))
    apart = np.abs(here.mean(axis=0) - there.mean(axis=0))
    return np.flatnonzero(apart > norm.isf(0.025 / classes) * error).tolist()


def own_noise(
    rates: NDArray[np.float64], fold_tests: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """The variance, in logits, between the models of different folds on one image, by class.

    `rates` is the share of rows with each label, (classes,); `fold_tests` are the probabilities
    of each fold's model for the same test rows, (rows, classes). Returns float64 (classes,).
    """
    logits = np.stack([to_logits(probs) for probs in fold_tests])
    variance, mean = logits.var(axis=0, ddof=1), logits.mean(axis=0)
    rows = mean.shape[0]
    near = np.clip(np.rint(NEAR * rates * rows), LEAST_ROWS, rows).astype(np.int64)
    noise = np.empty(mean.shape[1])
    for column, count in enumerate(near):
        highest = np.argpartition(-mean[:, column], count - 1)[:count]
        noise[column] = variance[highest, column].mean()
    return noise


def as_averaged(
    labels: NDArray[np.uint8],
    probs: NDArray[np.float32],
    noise: NDArray[np.float64],
    models: int,
) -> NDArray[np.float32]:
    """Out-of-fold scores as the mean of `models` models would have given them.

    A score is signal plus noise of the model's own, and the mean over K models keeps 1/K of the
    noise's variance. So the scores of the rows with a label, and of those without, are drawn
    towards the middle of their kind until their variance is less by (1 - 1/K) of the noise: exact
    if both are normal, right in the first two moments otherwise. Thresholds and scores found on
    these are those for averaged test predictions. Shapes (rows, classes) and, for `noise`,
    (classes,).
    """
    logits = to_logits(probs)
    moved = logits.copy()
    for column, removed in enumerate((1 - 1 / models) * noise):
        for kind in (0, 1):
            inside = labels[:, column] == kind
            scores = logits[inside, column]
            if len(scores) == 0:
                continue
            middle, spread = float(scores.mean()), float(logits[:, column].std(ddof=1))
            if len(scores) > HANDFUL:
                spread = float(scores.std(ddof=1))
            if kind == 0 and len(scores) >= LEAST_ROWS:
                middle, spread = _upper_half(scores)
            kept = 1 - removed / max(spread**2, 1e-12)  # endless: 1
            factor = np.sqrt(max(kept, _LEAST_FACTOR**2))
            moved[inside, column] = middle + factor * (scores - middle)
    return to_probs(moved)


def _upper_half(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Middle and spread of the normal law whose upper tail is that of the scores.

    From two quantiles a standard deviation apart, the lower one as low as the first deviation,
    but above the rows whose logits are cut off: rows without a rare label lie mostly there, and
    how far apart they would be matters to no decision. An endless spread where too few rows are
    left above: then there is nothing to tell it from, and nothing moves.
    """
    cut_off = float((scores <= scores.min()).mean())
    lower = max(1.0, float(norm.ppf(cut_off)))
    if len(scores) * norm.sf(lower + 1) < HANDFUL:
        return float(scores.mean()), np.inf
    one, two = np.quantile(scores, [norm.cdf(lower), norm.cdf(lower + 1)])
    return float(one - lower * (two - one)), float(two - one)
