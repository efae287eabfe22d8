"""The ways to blend by name, and their fits without a fold or two, each made once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import unknown
from kit.core.parallel import on_all_cores
from kit.ensemble.members import Average, Combination, Members
from kit.ensemble.sample import Sample
from kit.ensemble.stack import cross_stack, stack
from kit.ensemble.weights import greedy, searched


def mean(members: Members) -> Average:
    """The plain mean of probabilities."""
    models = len(members.probs)
    return Average(np.full(models, 1 / models), in_logits=False)


def logit_mean(members: Members) -> Average:
    """The plain mean of logits: a model that is sure counts for more than one that is not."""
    models = len(members.probs)
    return Average(np.full(models, 1 / models))


# The simplest first: what `auto` takes of methods that tie.
METHODS: dict[str, Callable[[Members], Combination]] = {
    "logit-mean": logit_mean,
    "mean": mean,
    "greedy": greedy,
    "weights": searched,
    "stack": stack,
    "cross-stack": cross_stack,
}


def find_methods(name: str) -> tuple[str, ...]:
    """The methods to choose from: all of them for `auto`; UserError naming the known ones."""
    if name == "auto":
        return tuple(METHODS)
    if name not in METHODS:
        raise unknown("method", name, [*METHODS, "auto"])
    return (name,)


@dataclass
class Fits:
    """Fits of several methods on the same members, each without some of the folds.

    What was fitted once is kept: the fits without folds 1 and 2 serve fold 1 when 2 is left out
    altogether, and the other way round.
    """

    members: Members
    _made: dict[tuple[str, frozenset[int]], Combination] = field(default_factory=dict)

    def make(self, wanted: Sequence[tuple[str, frozenset[int]]]) -> None:
        """Fit methods by name, each without its folds."""
        missing = [one for one in dict.fromkeys(wanted) if one not in self._made]
        fitted = on_all_cores(
            "fitting blends", partial(_fit, self.members), missing, self.members.probs.size
        )
        self._made.update(zip(missing, fitted, strict=True))

    def combination(self, name: str, without: frozenset[int] = frozenset()) -> Combination:
        """A method fitted on the rows of all folds but these."""
        if (name, without) not in self._made:
            self._made[name, without] = _fit(self.members, (name, without))
        return self._made[name, without]

    def sample(self, name: str, without: frozenset[int] = frozenset()) -> Sample:
        """The rows of all folds but these, each blended by a fit that has not seen its fold.

        Of a single fold that is left, nothing can be held out: it is blended by its own fit.
        """
        rows = self.members.only(~np.isin(self.members.fold, list(without)))
        blended = np.empty(rows.probs.shape[1:], np.float32)
        for fold in rows.folds.tolist():
            inside = rows.fold == fold
            held_out = without | {fold} if len(rows.folds) > 1 else without
            made = self.combination(name, held_out)
            blended[inside] = made.apply(rows.probs[:, inside])
        return rows.sample(blended)


def folds_left_out(folds: NDArray[np.int64]) -> list[frozenset[int]]:
    """What nested cross-fitting leaves out: nothing, each fold, and each pair of folds."""
    numbers = folds.tolist()
    pairs = [frozenset({one, two}) for one in numbers for two in numbers if one < two]
    if len(numbers) == 2:  # without both there are no rows to fit on
        pairs = []
    return [frozenset(), *(frozenset({one}) for one in numbers), *pairs]


def _fit(members: Members, job: tuple[str, frozenset[int]]) -> Combination:
    name, without = job
    return METHODS[name](members.only(~np.isin(members.fold, list(without))))
