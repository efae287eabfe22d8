"""The candidates of a decision: several blend methods, fitted, compared and nested."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.core.parallel import on_all_cores
from kit.core.progress import Reporter
from kit.ensemble.combine import Fits, find_methods, folds_left_out
from kit.ensemble.evaluate import HeldOutFold, Judged, judge, simplest_of_the_best
from kit.ensemble.thresholds import find_policy
from kit.ensemble.worth import Candidate
from kit.scores import Inputs, Transfer, choose_transfer, mean_over_folds
from kit.scores.match import Near, match_file
from kit.scores.oof import Sample

# Methods are compared under the same policy, a stable one.
_TO_COMPARE = find_policy("fold-mean")


class Candidates:
    """Several methods on the same members, fitted without each fold and each pair of folds."""

    def __init__(self, inputs: Inputs, method: str, transfer: str) -> None:
        members = inputs.members
        methods = find_methods(method)
        # With a single member there is nothing to combine.
        alone = len(members.names) == 1 and method == "auto"
        self.methods = methods[:1] if alone else methods
        self.fits = Fits(members)
        self.tests: dict[str, NDArray[np.float32] | None] = {}
        self.transfers: dict[str, Transfer] = {}
        self._unseen, self._exact = inputs.unseen, not any(inputs.scales)
        self._transfer = transfer
        self._judged: dict[frozenset[int], dict[str, Judged]] = {}

    def fit(self, reporter: Reporter) -> None:
        """Fit every method, and choose how its thresholds transfer to the test set."""
        left_out = folds_left_out(self.fits.members.folds)
        self.fits.make([(name, out) for name in self.methods for out in left_out], reporter)
        by_fold = () if self._unseen is None else self._unseen.by_fold
        about = self._removed_share()
        for name in self.methods:
            made, sample = self.fits.combination(name), self.fits.sample(name)
            tests = [made.apply(probs) for probs in by_fold]
            test = mean_over_folds(tests) if tests else None
            self.tests[name] = test
            self.transfers[name] = choose_transfer(
                self._transfer, sample, test, tests, self._exact, about
            )
        self._judge(reporter)

    def _removed_share(self) -> float | None:
        """The share of the variance that averaging removed, if one file of test scores is given.

        From the mean of logits, for which it is found best; other blends average much the same.
        """
        if self._unseen is None or len(self._unseen.by_fold) > 1 or len(self.methods) == 1:
            return None
        made, sample = self.fits.combination("logit-mean"), self.fits.sample("logit-mean")
        near = Near.of(sample, made.apply(self._unseen.by_fold[0]))
        return match_file(near, sample.labels.shape[1]).share(near)

    def averaged(self, name: str, sample: Sample) -> Sample:
        """Out-of-fold rows with scores averaged in the same way as the method's test scores."""
        return self.transfers[name].averaged(sample)

    def choose(self, without: frozenset[int]) -> str:
        """The best method on the rows of the other folds."""
        if len(self.methods) == 1 or len(self.fits.members.folds) - len(without) < 2:
            return self.methods[0]
        judged = self._judged[without]
        sample = self.fits.sample(self.methods[0], without)
        best = simplest_of_the_best(sample, list(judged.values()))
        return next(name for name, one in judged.items() if one is best)

    def _judge(self, reporter: Reporter) -> None:
        """Score each method on all rows, and on those of all folds but one, under one policy."""
        if len(self.methods) == 1:
            return
        folds = self.fits.members.folds.tolist()
        outs = [frozenset(), *(frozenset({fold}) for fold in folds if len(folds) > 2)]
        jobs = [(name, out) for out in outs for name in self.methods]
        judge_one = partial(_judge_method, self.fits, self.transfers)
        work = self.fits.members.labels.size * len(folds)
        judged = on_all_cores("comparing methods", judge_one, jobs, work, reporter)
        for (name, out), one in zip(jobs, judged, strict=True):
            self._judged.setdefault(out, {})[name] = one

    def described(self, rows: Sample, test_rows: int) -> tuple[Candidate, ...]:
        """The methods as candidates; none if there was no choice."""
        judged = self._judged.get(frozenset(), {})
        return tuple(Candidate.of(name, rows, one, test_rows) for name, one in judged.items())

    def folds(self) -> list[HeldOutFold]:
        """Every fold, with what is fitted without it."""
        return [self._without(fold) for fold in self.fits.members.folds.tolist()]

    def _without(self, fold: int) -> HeldOutFold:
        """One fold, with what is fitted without it."""
        out = frozenset({fold})
        method = self.choose(out)
        inside = self.fits.members.fold == fold
        rows, others = self.fits.sample(method), self.fits.sample(method, out)
        averaged = self.averaged(method, rows)
        same = len(self.fits.members.names) == 1 and averaged is not rows  # as nothing is fitted
        averaged_others = averaged.only(~inside) if same else self.averaged(method, others)
        return HeldOutFold(
            inside, rows.only(inside), others, averaged.only(inside), averaged_others
        )


def _judge_method(
    fits: Fits, transfers: Mapping[str, Transfer], job: tuple[str, frozenset[int]]
) -> Judged:
    name, without = job
    return judge(transfers[name].averaged(fits.sample(name, without)), _TO_COMPARE)
