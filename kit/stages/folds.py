"""The stage `folds`: split, write the table, and print the positives in each fold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import some
from kit.core.paths import Workspace
from kit.core.terminal import TERMINAL, say, table
from kit.data.fold_table import FoldOptions, make_fold_table
from kit.data.folds import Folds, count_labels, read_folds
from kit.data.sampling import (
    SAMPLINGS,
    SamplingOptions,
    build_sampling,
    parse_repeats,
    parse_sampling,
)
from kit.recipes.base import Recipe


def fold_stage(competition: Competition, workspace: Workspace, options: FoldOptions) -> Folds:
    """Make and write a competition's folds, and print the positives in each; returns them.

    Raises UserError as `make_fold_table` does.
    """
    folds = make_fold_table(competition, workspace, options, TERMINAL)
    labels = competition.read_labels(workspace.source)
    _print_counts(competition, folds, labels)
    if missing := missing_classes(competition, folds, labels):
        say(missing)
    say(f"Wrote {options.target(workspace)}")
    return folds


def sampling_stage(
    competition: Competition,
    workspace: Workspace,
    options: FoldOptions,
    keep: bool,
    repeats: str = "",
) -> None:
    """Print how often each sampling shows each class, on the existing folds.

    Makes the folds first if there are none, or without `keep`. `repeats` is a recipe's; without it
    the samplings that use it have no column. Raises UserError for repeats that do not parse.
    """
    target = options.target(workspace)
    labels = competition.read_labels(workspace.source)
    if keep and target.exists():
        folds = read_folds(target, labels, workspace.typed)
    else:
        folds = fold_stage(competition, workspace, options)
    _print_samplings(competition, folds, labels, repeats)


def missing_classes(competition: Competition, folds: Folds, labels: LabelTable) -> str:
    """One line naming classes that are missing from a fold; empty if none are."""
    without = count_labels(folds, labels) == 0
    listed = [
        f"{title} (fold {', '.join(str(fold) for fold in np.flatnonzero(row))})"
        for title, row in zip(class_titles(competition), without, strict=True)
        if row.any()
    ]
    return f"Classes without positives in a fold: {some(listed, 8)}." if listed else ""


def class_titles(competition: Competition) -> list[str]:
    """Each class as tables name it: key and name, or the key alone if both are the same."""
    pairs = zip(competition.class_keys, competition.class_names, strict=True)
    return [f"{key} {name}" if key != name else name for key, name in pairs]


def _print_counts(competition: Competition, folds: Folds, labels: LabelTable) -> None:
    counts = count_labels(folds, labels).tolist()
    named = class_titles(competition)
    rows = [[title, sum(each), *each] for title, each in zip(named, counts, strict=True)]
    images = [int((folds.fold == fold).sum()) for fold in range(folds.n)]
    rows.append(["images", sum(images), *images])
    header = ["class", "all", *(f"fold {fold}" for fold in range(folds.n))]
    table(f"{competition.title}: positives per fold", header, rows)


def _print_samplings(
    competition: Competition, folds: Folds, labels: LabelTable, repeats: str
) -> None:
    """Print how often an epoch shows rows of each class when fold 0 is held out, on average.

    One column per sampling, with a recipe's default parameters; `replacement` has the mean of none.
    """
    usual = Recipe(name="", backbone="", size=16, epochs=1)
    threshold, cap = usual.repeat_threshold, usual.repeat_cap
    trained = labels.labels[folds.of(labels.ids) != 0]
    options = SamplingOptions(competition.class_keys, threshold, cap, parse_repeats(repeats))
    hows = [how for how, one in SAMPLINGS.items() if repeats or "repeats" not in one.settings]
    hows.remove("replacement")  # the column of none again, for which 80 characters have no room
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
    rows.append(["rows per epoch", len(labels.ids), *(f"{each.sum():.0f}" for each in times)])
    rows.append(["most per row", "", *(f"{each.max():.1f}" for each in times)])
    title = f"{competition.title}: rows per class and epoch, fold 0 of {folds.n} held out"
    table(title, ["class", "rows", *hows], rows)
    say(
        f"repeat: classes rarer than {threshold:g} of the rows, each row at most {cap:g} times. "
        f"inverse: each row at most {cap:g} times on average."
    )
    say("replacement: on average as none, but each row of an epoch is drawn independently.")


def _seen(labels: NDArray[np.uint8], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often an epoch shows rows of each class, and last rows without labels: (classes + 1,)."""
    by_class: NDArray[np.float64] = times @ labels
    return np.append(by_class, times[_unlabelled(labels)].sum())


def _unlabelled(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.logical_not(labels.any(axis=1))
