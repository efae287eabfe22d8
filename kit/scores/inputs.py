"""Members and test set, examined, and with all scores as log-odds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.core.parallel import on_all_cores
from kit.core.progress import Reporter
from kit.scores.leak import Head
from kit.scores.member import Examined, examine
from kit.scores.oof import Members, Unseen
from kit.scores.scale import Scales, on_scales

# Scores are brought to log-odds if that makes logistic regressions on them better by this share of
# their loss. Simulated log-odds differ by 0.003, scores squashed into 0.3 to 0.5 by 0.08.
_WORTH_IT = 0.01
# In nats: what a curve fits to noise is less.
_BEYOND_CHANCE = 20.0


@dataclass(frozen=True)
class Inputs:
    """Members and test set with scores as log-odds, and what was found out about each member."""

    members: Members
    unseen: Unseen | None
    examined: tuple[Examined, ...]

    @property
    def scales(self) -> Scales:
        """The scale of each member's scores; empty if all are log-odds."""
        scales = tuple(one.scale for one in self.examined)
        return scales if any(one is not None for one in scales) else ()

    def without(self, names: Iterable[str]) -> "Inputs":
        """All but the members of these names."""
        left_out = set(names)
        kept = np.array([name not in left_out for name in self.members.names])
        unseen = None if self.unseen is None else self.unseen.only(kept)
        examined = [one for one, keep in zip(self.examined, kept, strict=True) if keep]
        return Inputs(self.members.without(left_out), unseen, tuple(examined))

    def one(self, model: int) -> "Inputs":
        """A single member."""
        names = self.members.names
        return self.without({*names} - {names[model]})

    @property
    def odd(self) -> dict[str, Head]:
        """Members that know the labels too well, unless most do: then it is not the members."""
        found = self._too_good
        return found if 2 * len(found) <= len(self.examined) else {}

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why a score cannot be promised, a sentence each: for most members, so for the data."""
        doubts = []
        found = self._too_good
        if 2 * len(found) > len(self.examined):
            shift = float(np.median([head.shift for head in found.values()]))
            doubts.append(
                f"{self._have(tuple(found))} out-of-fold scores that know the labels better than "
                f"the test scores do, by {shift:.2f} standard deviations: near-duplicates across "
                "folds, models that were trained on what they predict, or test images of another "
                "kind."
            )
        if self.unseen is None:
            return tuple(doubts)
        named = tuple(zip(self.members.names, self.examined, strict=True))
        discrete = [name for name, one in named if one.scale and one.scale.is_discrete]
        ranks = [name for name, one in named if one.are_ranks and len(self.unseen.by_fold) == 1]
        for names, what in ((discrete, "a few values only, such as votes"), (ranks, "ranks")):
            if 2 * len(names) > len(self.examined):
                doubts.append(
                    f"{self._have(names)} scores that are {what}: what averaging over the fold "
                    "models gains is uncertain."
                )
        return tuple(doubts)

    def _have(self, names: Sequence[str]) -> str:
        if len(names) < len(self.examined):
            return f"{len(names)} of {len(self.examined)} members have"
        return f"{names[0]} has" if len(names) == 1 else "All members have"

    @property
    def _too_good(self) -> dict[str, Head]:
        named = zip(self.members.names, self.examined, strict=True)
        heads = {name: one.head for name, one in named if one.head is not None}
        return {name: head for name, head in heads.items() if head.too_good}


def prepare(members: Members, unseen: Unseen | None, reporter: Reporter) -> Inputs:
    """Examine each member, and bring the scores of all to log-odds if they are not.

    All or none: a mean of logits weights members by the spread of their logits.
    """
    jobs = [
        (members.one(one), None if unseen is None else unseen.one(one))
        for one in range(len(members.names))
    ]
    size = members.labels.size
    examined = on_all_cores("examining members", _examine, jobs, size, reporter)
    gain, loss = sum(one.gain for one in examined), sum(one.loss for one in examined)
    if gain < max(_WORTH_IT * loss, _BEYOND_CHANCE):
        examined = [replace(one, scale=None) for one in examined]
    inputs = Inputs(members, unseen, tuple(examined))
    members = replace(members, probs=on_scales(inputs.scales, members.probs))
    if unseen is not None:
        by_fold = tuple(on_scales(inputs.scales, probs) for probs in unseen.by_fold)
        unseen = replace(unseen, by_fold=by_fold)
    return replace(inputs, members=members, unseen=unseen)


def _examine(job: tuple[Members, Unseen | None]) -> Examined:
    one, unseen = job
    tests = [] if unseen is None else [probs[0] for probs in unseen.by_fold]
    return examine(one.with_probs(one.probs[0]), tests)
