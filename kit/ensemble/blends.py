"""Every method to blend on the same members, as the test set will see it: averaged over folds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.ensemble.crossfit import Judged, judge, simplest_of_the_best
from kit.ensemble.members import Members, Tests, blended_test
from kit.ensemble.methods import Fits, folds_left_out
from kit.ensemble.policies import find_policy
from kit.ensemble.sample import Sample
from kit.ensemble.transfer import as_averaged, choose_transfer, own_noise

# Methods are held against each other under cuts of one kind, steady ones.
_TO_COMPARE = find_policy("fold-mean")


class Blends:
    """Several methods on the same members, all fitted without each fold and each pair of folds."""

    def __init__(
        self, members: Members, tests: Tests, methods: Sequence[str], transfer: str
    ) -> None:
        self.fits = Fits(members)
        self.tests = tests
        self.methods = methods
        self._transfer = transfer
        wanted = [(name, out) for name in methods for out in folds_left_out(members.folds)]
        self.fits.make(wanted)
        self.transfers = {name: self._choose_transfer(name) for name in methods}
        self._noise = {name: self._measure_noise(name) for name in methods}

    def test(self, name: str) -> NDArray[np.float32]:
        """A method's test probabilities, (rows, classes)."""
        return blended_test(self.fits.combination(name), self.tests)

    def averaged(self, name: str, sample: Sample) -> Sample:
        """Out-of-fold rows under a method with scores as its test scores are averaged."""
        noise = self._noise[name]
        if noise is None:
            return sample
        return sample.with_probs(as_averaged(sample.labels, sample.probs, noise, len(self.tests)))

    def choose(self, without: frozenset[int]) -> str:
        """The method that is best on the rows of the other folds."""
        if len(self.methods) == 1 or len(self.fits.members.folds) - len(without) < 2:
            return self.methods[0]
        judged = dict(self.judged(without))
        sample = self.fits.sample(self.methods[0], without)
        best = simplest_of_the_best(sample, list(judged.values()))
        return next(name for name, one in judged.items() if one is best)

    def judged(self, without: frozenset[int] = frozenset()) -> list[tuple[str, Judged]]:
        """What each method is worth on the rows of the other folds, under cuts of one kind."""
        samples = {name: self.fits.sample(name, without) for name in self.methods}
        return [
            (name, judge(self.averaged(name, sample), _TO_COMPARE))
            for name, sample in samples.items()
        ]

    def _choose_transfer(self, name: str) -> str:
        sample = self.fits.sample(name)
        return choose_transfer(self._transfer, sample, self.test(name), len(self.tests))

    def _measure_noise(self, name: str) -> NDArray[np.float64] | None:
        if self.transfers[name] != "averaged":
            return None
        made = self.fits.combination(name)
        rates = self.fits.members.labels.mean(axis=0)
        return own_noise(rates, [made.apply(test) for test in self.tests])
