"""Sampling: which rows an epoch shows, and how often."""

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
    """How often each row appears per epoch, and how to draw an epoch.

    `times` is float (rows,): the mean over many epochs. `rows_of` draws the rows of one epoch. If
    they are `independent`, it can be called again for more of them.
    """

    times: Floats
    rows_of: Callable[[np.random.Generator], Rows]
    independent: bool = False

    def draw(self, seed: int, epoch: int, count: int | None = None) -> Rows:
        """The rows of one epoch in order, int (drawn rows,), from 0 to rows - 1.

        With `count`, exactly that many: leftover rows are dropped; missing ones are drawn if rows
        are independent, else the epoch is repeated. Rows depend on these arguments alone, so a
        resumed training sees the same ones.
        """
        rng = np.random.Generator(np.random.PCG64([seed, epoch]))
        rows = self.rows_of(rng)
        if count is None:
            return rows
        while self.independent and len(rows) < count:
            rows = np.append(rows, self.rows_of(rng))
        return np.resize(rows, count)


@dataclass(frozen=True)
class Repeats:
    """Repeats per class, such as `27:10,15:8`; prints as the `text` it was parsed from."""

    times: Mapping[str, float] = field(default_factory=dict, hash=False)
    text: str = ""

    def __str__(self) -> str:
        return self.text

    def of(self, class_keys: Sequence[str]) -> Floats:
        """How often rows of each class are repeated, (classes,); 1 for classes not named.

        Raises UserError when no class is named, or one that is not among the keys.
        """
        if not self.times:
            raise UserError(
                "sampling=table needs repeats: class:times, separated by commas, such as 27:10."
            )
        for key in self.times:
            if key not in class_keys:
                raise unknown("class", key, class_keys)
        return np.array([self.times.get(key, 1.0) for key in class_keys])


def parse_repeats(text: str) -> Repeats:
    """Parse class:times separated by commas; an empty text gives no repeats.

    Raises UserError for a malformed text and for a class named twice. Class names are not checked
    here: the competition is unknown.
    """
    times: dict[str, float] = {}
    for part in text.split(",") if text.strip() else ():
        key, colon, number = (piece.strip() for piece in part.rpartition(":"))
        if not colon:
            raise UserError(f"repeats '{text}': '{part}' is not class:times, such as 27:10.")
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
        raise UserError(f"repeats '{text}': expected a number of times from 1 up, got '{number}'.")
    return times


@dataclass(frozen=True)
class SamplingOptions:
    """What a sampling may use besides the labels: class keys and settings of the recipe."""

    class_keys: tuple[str, ...]
    threshold: float = 0.1
    cap: float = 8.0
    repeats: Repeats = Repeats()


@dataclass(frozen=True)
class Sampler:
    """A kind of sampling: a function of labels (rows, classes) and options, and a description.

    `settings` are the recipe's settings that it uses. `numbers` are its own parameters with their
    defaults, given in brackets, as in `power(0.5)`, and passed to the function by name.
    """

    build: Callable[..., Sampling]
    about: str
    settings: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def parse_sampling(text: str) -> Term:
    """Parse a sampling with its parameters; UserError for a name that is not in SAMPLINGS."""
    return parse_term("sampling", text, {name: one.numbers for name, one in SAMPLINGS.items()})


def build_sampling(chosen: Term, labels: Labels, options: SamplingOptions) -> Sampling:
    """The sampling of training rows with these labels, (rows, classes).

    Raises UserError as `Repeats.of` does if the sampling uses repeats.
    """
    return SAMPLINGS[chosen.name].build(labels, options, **chosen.numbers)


# Repeats by a factor per row


def repeat_factors(labels: Labels, threshold: float, cap: float) -> Floats:
    """How often each row should appear per epoch, from once to `cap` times.

    A class present in a share f of the rows has the factor max(1, sqrt(threshold / f)); a row has
    the largest factor of its classes. `labels` is (rows, classes); returns (rows,).

    Source: Gupta, Dollár and Girshick, LVIS (CVPR 2019), section 4.
    """
    share = labels.mean(axis=0)
    by_class = np.sqrt(threshold / np.maximum(share, 1 / (10 * len(labels))))
    return _largest(labels, np.clip(by_class, 1.0, cap))


def by_chance(factors: Floats) -> Sampling:
    """Repeat each row by its factor, (rows,), on average.

    The integer part of a factor is certain; the fraction is a probability, drawn again each epoch.
    """
    return Sampling(factors, partial(_chance_rows, factors))


def _chance_rows(factors: Floats, rng: np.random.Generator) -> Rows:
    whole = np.floor(factors)
    times = (whole + (rng.random(len(factors)) < factors - whole)).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(factors)), times))


def _largest(labels: Labels, by_class: Floats) -> Floats:
    """For each row the largest value of its classes, (rows,); 1 for a row without labels."""
    largest: Floats = np.max(np.where(labels > 0, by_class, 1.0), axis=1)
    return largest


def _repeat(labels: Labels, options: SamplingOptions) -> Sampling:
    return by_chance(repeat_factors(labels, options.threshold, options.cap))


def _table(labels: Labels, options: SamplingOptions) -> Sampling:
    return by_chance(_largest(labels, options.repeats.of(options.class_keys)))


def _none(labels: Labels, options: SamplingOptions) -> Sampling:
    return by_chance(np.ones(len(labels)))


# Independent draws


def _replacement(labels: Labels, options: SamplingOptions) -> Sampling:
    return Sampling(np.ones(len(labels)), partial(_any_rows, len(labels)), independent=True)


def _any_rows(rows: int, rng: np.random.Generator) -> Rows:
    return rng.integers(0, rows, rows)


# Inverse frequency of the rarest class


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
        # What capped rows leave is shared among the others, which may lift more of them to the cap.
        left = len(weights) - cap * capped.sum()
        times = np.where(capped, cap, weights * (left / weights[~capped].sum()))
        # The tolerance covers rounding when all rows reach the cap together.
        above = times > cap + 1e-9
        if not above.any():
            return times
        capped |= above


def _systematic_rows(times: Floats, rng: np.random.Generator) -> Rows:
    """Draw as many rows as there are, each floor(times) times or once more.

    Systematic sampling: rows are laid end to end in random order, each as long as its `times`, and
    a row is drawn once for each integer mark that falls on it.

    Source: Madow, On the theory of systematic sampling (1949).
    """
    order = rng.permutation(len(times))
    marks = np.floor(np.cumsum(times[order]) + rng.random())
    marks[-1] = len(times)  # despite rounding of the sum
    counts = np.diff(np.minimum(marks, len(times)), prepend=0).astype(np.int64)
    return rng.permutation(np.repeat(order, counts))


# Classes in turn


def _balanced(labels: Labels, options: SamplingOptions) -> Sampling:
    """Classes take turns, in an order drawn for each epoch; rows without labels are a class too.

    On its turn, a class gives the next row of its shuffled deck, which is reshuffled when used up.
    The order stays fixed within an epoch, so any run of as many consecutive rows as there are
    classes has one turn of each, wherever a batch begins.

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


# With all but repeat and table, an epoch has as many rows as the training set.
SAMPLINGS: Mapping[str, Sampler] = {
    "none": Sampler(_none, "each row once"),
    "replacement": Sampler(_replacement, "drawn at random with replacement"),
    "repeat": Sampler(
        _repeat, "rows of rare classes are repeated", ("repeat_threshold", "repeat_cap")
    ),
    "inverse": Sampler(
        _inverse, "weighted by one over the frequency of the rarest class", ("repeat_cap",)
    ),
    "balanced": Sampler(_balanced, "classes in turn"),
    "table": Sampler(_table, "repeated as set by `repeats`", ("repeats",)),
}


# Examples


def rare_rows(labels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """The first row with the rarest class, then with the next rarest, and so on; each row once.

    `labels` is (rows, classes); returns `count` rows, or all if there are fewer.
    """
    positives = labels.sum(axis=0, dtype=np.int64)
    rows: list[int] = []
    for each in np.argsort(positives, kind="stable"):
        others = [row for row in np.flatnonzero(labels[:, each]).tolist() if row not in rows]
        rows += others[:1]
    rows += [row for row in range(len(labels)) if row not in rows]
    return np.array(rows[:count], np.int64)
