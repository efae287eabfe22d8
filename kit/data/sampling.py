"""Which rows an epoch shows, and how often: rare classes come several times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, unknown
from kit.core.terms import Term, parse_term

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sampling:
    """How often each row comes in an epoch, and the rows of any epoch in their order.

    `times` is float (rows,): the mean over many epochs. `rows_of` draws one epoch.
    """

    times: Floats
    rows_of: Callable[[np.random.Generator], Rows]

    def draw(self, seed: int, epoch: int) -> Rows:
        """The rows of one epoch in their order, int (drawn rows,), from 0 to rows - 1.

        They follow from (seed, epoch) alone, so an interrupted training goes on with the same ones.
        """
        return self.rows_of(np.random.Generator(np.random.PCG64([seed, epoch])))


@dataclass(frozen=True)
class Repeats:
    """How often rows of some classes come, as `27:10,15:8` says; it prints as that `text`."""

    times: Mapping[str, float] = field(default_factory=dict, hash=False)
    text: str = ""

    def __str__(self) -> str:
        return self.text

    def of(self, class_keys: Sequence[str]) -> Floats:
        """How often rows of each class come, (classes,); 1 for the classes that are not named.

        Raises UserError when it names no class, or one that is not among the keys.
        """
        if not self.times:
            raise UserError(
                "sampling=table wants repeats: class:times with commas between, as 27:10."
            )
        for key in self.times:
            if key not in class_keys:
                raise unknown("class", key, class_keys)
        return np.array([self.times.get(key, 1.0) for key in class_keys])


def parse_repeats(text: str) -> Repeats:
    """The repeats of a text of class:times with commas between; none for an empty one.

    Raises UserError for a text that does not read so, and for a class that comes twice. Which
    classes there are is not known here.
    """
    times: dict[str, float] = {}
    for part in text.split(",") if text.strip() else ():
        key, colon, number = (piece.strip() for piece in part.rpartition(":"))
        if not colon:
            raise UserError(f"repeats '{text}': '{part}' does not read as class:times, as 27:10.")
        if key in times:
            raise UserError(f"repeats '{text}' names class {key} twice. Name it once.")
        times[key] = _times(text, number)
    return Repeats(times, text)


def _times(text: str, number: str) -> float:
    try:
        times = float(number)
    except ValueError:
        times = float("nan")
    if not 1 <= times < float("inf"):
        raise UserError(f"repeats '{text}': a row comes a number of times from 1, not '{number}'.")
    return times


@dataclass(frozen=True)
class SamplingOptions:
    """What samplings may use beside the labels: the competition's classes, a recipe's settings."""

    class_keys: tuple[str, ...]
    threshold: float = 0.1
    cap: float = 8.0
    repeats: Repeats = Repeats()


@dataclass(frozen=True)
class Sampler:
    """A way to sample: a function of labels (rows, classes) and options, and what it is.

    `settings` are those of a recipe that it uses. `numbers` are its own with their usual values,
    given in brackets, `power(0.5)`; the function takes them by name.
    """

    build: Callable[..., Sampling]
    about: str
    settings: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def parse_sampling(text: str) -> Term:
    """The sampling that a text names, with its numbers; UserError for one not in SAMPLINGS."""
    return parse_term("sampling", text, {name: one.numbers for name, one in SAMPLINGS.items()})


def build_sampling(chosen: Term, labels: Labels, options: SamplingOptions) -> Sampling:
    """What a sampling makes of the training rows with these labels, (rows, classes).

    Raises UserError as `Repeats.of` does where the sampling uses repeats.
    """
    return SAMPLINGS[chosen.name].build(labels, options, **chosen.numbers)


# As often as each row's factor says


def repeat_factors(labels: Labels, threshold: float, cap: float) -> Floats:
    """How often each row should come in an epoch, at least once and at most `cap` times.

    A class that holds in a share f of the rows has the factor max(1, sqrt(threshold / f)); a row
    has the largest factor of its classes. `labels` is (rows, classes); returns (rows,).

    Source: Gupta, Dollár and Girshick, LVIS (CVPR 2019), section 4.
    """
    share = labels.mean(axis=0)
    by_class = np.sqrt(threshold / np.maximum(share, 1 / (10 * len(labels))))
    return _largest(labels, np.clip(by_class, 1.0, cap))


def by_chance(factors: Floats) -> Sampling:
    """Each row about as often as its factor, (rows,), says.

    The whole part of a factor is certain; the rest is a chance, drawn anew each epoch.
    """
    return Sampling(factors, partial(_chance_rows, factors))


def _chance_rows(factors: Floats, rng: np.random.Generator) -> Rows:
    whole = np.floor(factors)
    times = (whole + (rng.random(len(factors)) < factors - whole)).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(factors)), times))


def _largest(labels: Labels, by_class: Floats) -> Floats:
    """For each row the largest number of its classes, (rows,); 1 without any."""
    largest: Floats = np.max(np.where(labels > 0, by_class, 1.0), axis=1)
    return largest


def _repeat(labels: Labels, options: SamplingOptions) -> Sampling:
    return by_chance(repeat_factors(labels, options.threshold, options.cap))


def _table(labels: Labels, options: SamplingOptions) -> Sampling:
    return by_chance(_largest(labels, options.repeats.of(options.class_keys)))


def _none(labels: Labels, options: SamplingOptions) -> Sampling:
    return by_chance(np.ones(len(labels)))


# By one over the frequency of the rarest class


def _inverse(labels: Labels, options: SamplingOptions) -> Sampling:
    times = _inverse_times(labels, options.cap)
    return Sampling(times, partial(_systematic_rows, times))


def _inverse_times(labels: Labels, cap: float) -> Floats:
    """(rows,), summing to the number of rows, none above `cap`.

    A row without labels counts as one of the most frequent class.
    """
    counts = np.maximum(labels.sum(axis=0, dtype=np.int64), 1)
    weights = np.max(np.where(labels > 0, 1 / counts, 1 / counts.max()), axis=1)
    capped = np.zeros(len(weights), dtype=bool)
    while True:
        # What the capped rows leave is shared among the others, which may lift some to the cap.
        left = len(weights) - cap * capped.sum()
        times = np.where(capped, cap, weights * (left / weights[~capped].sum()))
        # The slack is for rounding, when all rows come to the cap together.
        above = times > cap + 1e-9
        if not above.any():
            return times
        capped |= above


def _systematic_rows(times: Floats, rng: np.random.Generator) -> Rows:
    """As many rows as there are, each either the whole part of its times or once more.

    The rows are laid end to end in a random order, each as long as its times, and a ruler with
    marks at every 1 is laid against them: a row comes once for each mark on it.

    Source: Madow, On the theory of systematic sampling (1949).
    """
    order = rng.permutation(len(times))
    marks = np.floor(np.cumsum(times[order]) + rng.random())
    marks[-1] = len(times)  # whatever the sum was rounded to
    counts = np.diff(np.minimum(marks, len(times)), prepend=0).astype(np.int64)
    return rng.permutation(np.repeat(order, counts))


# Every class in turn


def _balanced(labels: Labels, options: SamplingOptions) -> Sampling:
    """Classes take turns, in an order drawn for each epoch; rows without labels are a class too.

    Each class gives the next row of its own shuffled deck, which is shuffled anew once it is
    through. With the same order all along, as many rows in a row as there are classes show each
    class's turn once, wherever a batch begins.

    Source: the class-aware sampling of Shen, Lin and Huang, Relay Backpropagation (ECCV 2016).
    """
    rows = len(labels)
    unlabelled = ~labels.any(axis=1, keepdims=True)
    holds = np.hstack([labels > 0, unlabelled])
    decks = [np.flatnonzero(column) for column in holds.T if column.any()]
    times = np.zeros(rows)
    for deck in decks:
        times[deck] += rows / len(decks) / len(deck)
    return Sampling(times, partial(_rows_in_turn, decks, rows))


def _rows_in_turn(decks: Sequence[Rows], rows: int, rng: np.random.Generator) -> Rows:
    drawn = np.empty(rows, np.int64)
    for turn, number in enumerate(rng.permutation(len(decks))):
        deck, turns = decks[number], len(range(turn, rows, len(decks)))
        shuffled = [rng.permutation(deck) for _ in range(-(-turns // len(deck)))]
        drawn[turn :: len(decks)] = np.concatenate(shuffled)[:turns] if turns else deck[:0]
    return drawn


# An epoch has as many rows as there are with none, inverse and balanced.
SAMPLINGS: Mapping[str, Sampler] = {
    "none": Sampler(_none, "each row once"),
    "repeat": Sampler(
        _repeat, "rows of rare classes several times", ("repeat_threshold", "repeat_cap")
    ),
    "inverse": Sampler(
        _inverse, "drawn by one over the frequency of the rarest class", ("repeat_cap",)
    ),
    "balanced": Sampler(_balanced, "every class in turn"),
    "table": Sampler(_table, "as often as `repeats` says", ("repeats",)),
}
