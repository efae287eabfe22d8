"""What each sampling shows: how often rows of every class are seen an epoch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.terminal import say, table
from kit.data.folds import Folds
from kit.data.folds_stage import class_titles
from kit.data.sampling import (
    SAMPLINGS,
    SamplingOptions,
    build_sampling,
    parse_repeats,
    parse_sampling,
)


def print_samplings(
    competition: Competition,
    folds: Folds,
    labels: LabelTable,
    threshold: float,
    cap: float,
    repeats: str,
) -> None:
    """Print how often rows of each class are seen an epoch when fold 0 is left out, on average.

    There is a column for each sampling; `threshold`, `cap` and `repeats` are those of
    `SamplingOptions`, and without `repeats` there is no column for the table. Raises UserError for
    repeats that do not read so.
    """
    trained = labels.labels[folds.of(labels.ids) != 0]
    options = SamplingOptions(competition.class_keys, threshold, cap, parse_repeats(repeats))
    hows = [how for how, one in SAMPLINGS.items() if repeats or "repeats" not in one.settings]
    times = [build_sampling(parse_sampling(how), trained, options).times for how in hows]
    columns = [_seen(trained, each) for each in times]
    whole = [int(count) for count in [*labels.labels.sum(axis=0), _unlabelled(labels.labels).sum()]]
    titles = [*class_titles(competition), "without labels"]
    rows: list[Sequence[object]] = [
        [title, count, *(f"{column[row]:.0f}" for column in columns)]
        for row, (title, count) in enumerate(zip(titles, whole, strict=True))
    ]
    if not whole[-1]:
        rows.pop()
    rows.append(["rows an epoch", len(labels.ids), *(f"{each.sum():.0f}" for each in times)])
    rows.append(["one row at most", "", *(f"{each.max():.1f}" for each in times)])
    title = f"{competition.title}: rows of each class seen an epoch, fold 0 of {folds.n} left out"
    table(title, ["class", "rows", *hows], rows)
    say(
        f"repeat: classes rarer than {threshold:g} of the rows, at most {cap:g} times a row. "
        f"inverse: at most {cap:g} times a row on average."
    )


def _seen(labels: NDArray[np.uint8], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often rows of each class, and last rows without any, come an epoch: (classes + 1,)."""
    by_class: NDArray[np.float64] = times @ labels
    return np.append(by_class, times[_unlabelled(labels)].sum())


def _unlabelled(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.logical_not(labels.any(axis=1))
