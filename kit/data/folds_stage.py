"""The stage `folds`: read labels, split, write the table, and print what lies in each fold."""

from pathlib import Path

import numpy as np

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import read_csv
from kit.core.errors import UserError, some
from kit.core.paths import Workspace
from kit.core.terminal import say, table
from kit.data.folds import (
    RANDOM,
    Folds,
    count_labels,
    digest_labels,
    make_folds,
    read_groups,
    table_rows,
    write_folds,
)

# What the provenance says of a split, without groups and with.
_METHODS = {
    ("stratified", False): (
        "MultilabelStratifiedKFold of iterative-stratification, rows sorted by id"
    ),
    ("stratified", True): "groups kept whole, greedy from the rarest label, then single moves",
    (RANDOM, False): "shuffled K-fold, not stratified, rows sorted by id",
    (RANDOM, True): "groups kept whole, shuffled K-fold of the groups, not stratified",
}


def fold_stage(
    competition: Competition,
    workspace: Workspace,
    n: int,
    seed: int,
    groups: Path | None = None,
    out: Path | None = None,
    force: bool = False,
    how: str = "stratified",
) -> Folds:
    """Make and write the folds of a competition; returns them.

    `groups` is a CSV `Id,group`; without it the competition's own group table is used if it has
    one. `how` is one of SPLITS. The same labels, groups, number, seed and way give the same bytes.
    Says which classes are missing from a fold. Raises UserError rather than replace a table that
    says something else, unless forced.
    """
    target = out or workspace.folds
    if target.suffix != ".csv":
        raise UserError(f"--out {target}: a fold table is a .csv, its provenance the .json beside.")
    labels = competition.read_labels(workspace.source)
    group_file = groups
    if groups is None and competition.group_table is not None:
        group_file = workspace.source / competition.group_table
        competition.require(group_file)
    group_of = read_groups(group_file) if group_file is not None else None
    folds = make_folds(labels, n, seed, group_of, how)
    if not force:
        _refuse_to_replace(target, folds)
    provenance = {
        "competition": competition.name,
        "method": _METHODS[how, group_of is not None],
        "n": n,
        "seed": seed,
        "rows": len(labels.ids),
        "groups": len(set(folds.group)),
        "labels_digest": digest_labels(labels),
    }
    write_folds(target, folds, provenance)
    _print_counts(competition, folds, labels)
    if missing := missing_classes(competition, folds, labels):
        say(missing)
    say(f"Wrote {target}")
    return folds


def _refuse_to_replace(target: Path, folds: Folds) -> None:
    if not target.exists():
        return
    found, wanted = read_csv(target), table_rows(folds)
    # Their order says nothing.
    if sorted(row for _, row in found) != sorted(row for _, row in wanted):
        raise UserError(
            f"{target} holds other folds. Runs that were trained on them could not be blended with "
            "new ones. To replace it all the same: --force; to write elsewhere: --out FILE."
        )


def _print_counts(competition: Competition, folds: Folds, labels: LabelTable) -> None:
    counts = count_labels(folds, labels).tolist()
    named = class_titles(competition)
    rows = [[title, sum(each), *each] for title, each in zip(named, counts, strict=True)]
    images = [int((folds.fold == fold).sum()) for fold in range(folds.n)]
    rows.append(["images", sum(images), *images])
    header = ["class", "all", *(f"fold {fold}" for fold in range(folds.n))]
    table(f"{competition.title}: positives in each fold", header, rows)


def missing_classes(competition: Competition, folds: Folds, labels: LabelTable) -> str:
    """One line that names the first classes some fold has no positive of; empty without any."""
    without = count_labels(folds, labels) == 0
    listed = [
        f"{title} (fold {', '.join(str(fold) for fold in np.flatnonzero(row))})"
        for title, row in zip(class_titles(competition), without, strict=True)
        if row.any()
    ]
    return f"Classes that a fold has no positive of: {some(listed, 8)}." if listed else ""


def class_titles(competition: Competition) -> list[str]:
    """How tables call each class: its key and its name, once where they are the same."""
    pairs = zip(competition.class_keys, competition.class_names, strict=True)
    return [f"{key} {name}" if key != name else name for key, name in pairs]
