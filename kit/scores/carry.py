"""How thresholds fitted on out-of-fold scores transfer to test scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from kit.competitions.exact import decide, rate_thresholds
from kit.core.errors import UserError, unknown
from kit.scores.averaging import Averaging
from kit.scores.match import Near, match_file, match_folds
from kit.scores.oof import Sample

TRANSFERS = ("auto", "averaged", "thresholds", "rates")


@dataclass(frozen=True)
class Transfer:
    """One of TRANSFERS but `auto`, and what averaging over the fold models does to the scores.

    `averaging` is None if the scores are taken as they are. `close` are others that match the test
    scores almost as well. `unlike`: nothing makes the out-of-fold scores look like the test scores.
    """

    name: str
    averaging: Averaging | None = None
    close: tuple[Averaging, ...] = ()
    unlike: bool = False

    def averaged(self, sample: Sample) -> Sample:
        """The sample with scores as averaged over the fold models; itself if nothing is known."""
        if self.averaging is None:
            return sample
        return sample.with_probs(self.averaging.apply(sample.labels, sample.probs))

    def carry(
        self, thresholds: NDArray[np.float64], sample: Sample, test: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The thresholds for the test scores, (classes,), from those fitted on the sample."""
        if self.name == "rates":
            return rate_thresholds(test, decide(sample.probs, thresholds).mean(axis=0))
        return thresholds if self.averaging is None else self.averaging.carry(thresholds)

    @property
    def rescales(self) -> bool:
        """Whether thresholds for test scores differ from those fitted on averaged scores."""
        widened = self.averaging is not None and bool(self.averaging.widened.any())
        return self.name == "rates" or widened


def check_transfer(wanted: str) -> None:
    """Raise UserError for an unknown transfer; it lists the known ones."""
    if wanted not in TRANSFERS:
        raise unknown("transfer", wanted, TRANSFERS)


def choose_transfer(
    wanted: str,
    sample: Sample,
    test: NDArray[np.float32] | None,
    by_fold: Sequence[NDArray[np.float32]] = (),
    exact: bool = True,
    about: float | None = None,
) -> Transfer:
    """How thresholds fitted on out-of-fold scores transfer to test scores, (rows, classes).

    `averaged`: fit on scores as the mean of all fold models would give. Its strength is measured
    between the test predictions of each fold's model, `by_fold`, and otherwise found from the
    distribution of the test scores. `thresholds`: use them unchanged. `rates`: take the thresholds
    that select the same share of test rows as of out-of-fold rows. `auto` takes `averaged` if that
    makes out-of-fold scores look like test scores, else `rates`, and `thresholds` without a test
    set.

    Scores are `exact` if they were log-odds from the start. `about` is the share of the variance
    that averaging removed, where one file is given and the share is known. Raises UserError for an
    unknown name, and for a transfer that needs test scores without any.
    """
    check_transfer(wanted)
    if test is None:
        if wanted in ("averaged", "rates"):
            raise UserError(f"--transfer {wanted} needs test predictions: --test FILE")
        return Transfer("thresholds")
    near = Near.of(sample, test)
    if len(by_fold) > 1:
        found = match_folds(near, Averaging.between(sample.labels.mean(axis=0), by_fold), exact)
    else:
        found = match_file(near, sample.labels.shape[1], about)
    unlike = near.too_different(found.misfit)
    if wanted == "averaged" or (wanted == "auto" and not unlike):
        return Transfer("averaged", found.averaging, found.close, unlike)
    if wanted == "auto":
        return Transfer("rates", None, found.close, unlike)
    return Transfer(wanted)


def classes_that_disagree(
    thresholds: NDArray[np.float64],
    sample: Sample,
    test_thresholds: NDArray[np.float64],
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
