"""From out-of-fold scores, each by one model, to test scores averaged over the fold models."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from kit.competitions.exact import decide
from kit.core.errors import UserError, unknown
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.oof import Sample
from kit.ensemble.thresholds import Thresholds, rate_thresholds

# Noise is measured near the thresholds: among the highest test scores, on this many times as many
# rows as have the label. Far below, fold models disagree more, without effect on labels: on
# synthetic cells, noise measured over all rows predicted twice the gain that averaging brought.
NEAR = 4
# Fewer rows than this are too few to measure the noise of a class.
LEAST_ROWS = 20
# With at most this many rows of a kind, the standard deviation over all rows is used.
HANDFUL = 5
# However large the noise, a score keeps at least a fifth of its distance from its mean.
_LEAST_FACTOR = 0.2
# Test logits whose standard deviation is below this share of the out-of-fold ones, in most classes,
# are means of several models. A change in label frequencies would move single classes, and widen
# them as often as narrow them.
NARROWER = 0.98

TRANSFERS = ("auto", "averaged", "thresholds", "rates")


def check_transfer(wanted: str) -> None:
    """Raise UserError for an unknown transfer; it lists the known ones."""
    if wanted not in TRANSFERS:
        raise unknown("transfer", wanted, TRANSFERS)


def choose_transfer(
    wanted: str, sample: Sample, test: NDArray[np.float32] | None, models: int
) -> str:
    """How thresholds fitted on out-of-fold scores transfer to test scores: one of TRANSFERS.

    `averaged`: fit on scores as the mean of all fold models would give, which needs the test
    predictions of each of the `models` models. `thresholds`: use them unchanged. `rates`: take the
    thresholds that select the same share of test rows as of out-of-fold rows. `auto` takes
    `averaged` if possible; otherwise `rates` if the test scores, (rows, classes), vary less than
    the out-of-fold ones, else `thresholds`, as without test scores. Raises UserError for an unknown
    name, and for a transfer that the test scores do not allow.
    """
    check_transfer(wanted)
    if test is None:
        if wanted in ("averaged", "rates"):
            raise UserError(f"--transfer {wanted} needs test predictions: --test FILE")
        return "thresholds"
    if wanted == "averaged" and models < 2:
        raise UserError(
            "--transfer averaged needs the test predictions of every fold's model, but these are "
            "averaged already. Give them fold by fold, or use --transfer rates."
        )
    if wanted != "auto":
        return wanted
    if models > 1:
        return "averaged"
    ratio = to_logits(test).std(axis=0) / np.maximum(to_logits(sample.probs).std(axis=0), 1e-9)
    # The relative error of a standard deviation is about 1 / sqrt(rows) for heavier than normal
    # tails. The median over classes is more precise, but the classes are not independent.
    error = np.sqrt((1 / len(sample.probs) + 1 / len(test)) / np.sqrt(len(ratio)))
    return "rates" if np.median(ratio) < NARROWER - 2 * error else "thresholds"


def carry(
    transfer: str, thresholds: Thresholds, sample: Sample, test: NDArray[np.float32]
) -> Thresholds:
    """The thresholds for test scores, (classes,), from those fitted on the sample."""
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

    Compares the shares of rows above the thresholds by a z-test at 5% over all classes together
    (Bonferroni). Rows of a group are correlated, so the variance is taken between the groups of the
    sample; test rows are assumed to be grouped in the same way.
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
    """Out-of-fold scores as the mean of `models` models would give them.

    A score is signal plus model-specific noise, and the mean over K models keeps 1/K of the noise's
    variance. So the scores of rows with a label, and of rows without it, are shrunk towards the
    mean of their kind until their variance is lower by (1 - 1/K) of the noise: exact if both are
    normal, otherwise correct in the first two moments. Thresholds and F1 scores from these hold for
    averaged test predictions. Shapes (rows, classes) and, for `noise`, (classes,).
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
            kept = 1 - removed / max(spread**2, 1e-12)  # infinite spread: 1
            factor = np.sqrt(max(kept, _LEAST_FACTOR**2))
            moved[inside, column] = middle + factor * (scores - middle)
    return to_probs(moved)


def sample_as_averaged(sample: Sample, noise: NDArray[np.float64] | None, models: int) -> Sample:
    """The sample with scores as above; unchanged if the noise is None."""
    if noise is None:
        return sample
    return sample.with_probs(as_averaged(sample.labels, sample.probs, noise, models))


def _upper_half(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of the normal distribution with the scores' upper tail.

    From two quantiles one standard deviation apart. The lower one is at +1 standard deviation, or
    higher if that is among the clipped logits: most rows without a rare label are clipped, and
    their spread affects no label. If too few rows remain above, the spread is unknown: it is
    returned as infinite, so that nothing moves.
    """
    cut_off = float((scores <= scores.min()).mean())
    lower = max(1.0, float(norm.ppf(cut_off)))
    if len(scores) * norm.sf(lower + 1) < HANDFUL:
        return float(scores.mean()), np.inf
    one, two = np.quantile(scores, [norm.cdf(lower), norm.cdf(lower + 1)])
    return float(one - lower * (two - one)), float(two - one)
