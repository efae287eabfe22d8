"""Which rows an epoch shows, and how often: rare classes come several times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, unknown

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


def find_sampling(
    how: str,
    labels: NDArray[np.uint8],
    class_keys: Sequence[str],
    threshold: float,
    cap: float,
    repeats: str,
) -> Sampling:
    """The sampling of that name over the training rows with these labels, (rows, classes).

    repeat: as often as `repeat_factors` says with `threshold` and `cap`. table: as often as
    `repeats` says of the row's classes, the largest number counting; other rows once. inverse: by
    one over the frequency of the row's rarest class, no row more than `cap` times on average.
    balanced: every class in turn. none: each row once. An epoch has as many rows as there are with
    inverse, balanced and none. Raises UserError for another name, and with table for `repeats`
    that do not read as class:times with commas between.
    """
    if how == "repeat":
        return by_chance(repeat_factors(labels, threshold, cap))
    if how == "table":
        return by_chance(_largest(labels, _parse_repeats(repeats, class_keys)))
    if how == "inverse":
        times = _inverse_times(labels, cap)
        return Sampling(times, partial(_systematic_rows, times))
    if how == "balanced":
        return _balanced(labels)
    if how == "none":
        return by_chance(np.ones(len(labels)))
    raise unknown("sampling", how, ("repeat", "table", "inverse", "balanced", "none"))


# As often as each row's factor says


def repeat_factors(labels: NDArray[np.uint8], threshold: float, cap: float) -> Floats:
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


def _largest(labels: NDArray[np.uint8], by_class: Floats) -> Floats:
    """For each row the largest number of its classes, (rows,); 1 without any."""
    largest: Floats = np.max(np.where(labels > 0, by_class, 1.0), axis=1)
    return largest


def _parse_repeats(text: str, class_keys: Sequence[str]) -> Floats:
    """How often rows of each class come, (classes,); 1 for the classes that are not named."""
    if not text.strip():
        raise UserError("sampling=table wants repeats: class:times with commas between, as 27:10.")
    times: dict[str, float] = {}
    for part in text.split(","):
        key, colon, number = (piece.strip() for piece in part.rpartition(":"))
        if not colon:
            raise UserError(f"repeats '{text}': '{part}' does not read as class:times, as 27:10.")
        if key not in class_keys:
            raise unknown("class", key, class_keys)
        if key in times:
            raise UserError(f"repeats '{text}' names class {key} twice. Name it once.")
        times[key] = _times(text, number)
    return np.array([times.get(key, 1.0) for key in class_keys])


def _times(text: str, number: str) -> float:
    try:
        times = float(number)
    except ValueError:
        times = float("nan")
    if not 1 <= times < float("inf"):
        raise UserError(f"repeats '{text}': a row comes a number of times from 1, not '{number}'.")
    return times


# By one over the frequency of the rarest class


def _inverse_times(labels: NDArray[np.uint8], cap: float) -> Floats:
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


def _balanced(labels: NDArray[np.uint8]) -> Sampling:
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
