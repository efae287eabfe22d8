"""Groups of rows: their table, and folds that keep them together and balance every label."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import read_csv
from kit.core.errors import UserError, brief

# The weight of relative imbalance in fold size against that in label counts.
SIZE_WEIGHT = 5.0

Name = TypeVar("Name")


def split_group(group: Sequence[Name], fold: Sequence[int]) -> tuple[Name, int, int] | None:
    """A group that is in more than one fold, with two of them; None if every group is whole."""
    first: dict[Name, int] = {}
    for name, number in zip(group, fold, strict=True):
        if first.setdefault(name, number) != number:
            return name, first[name], number
    return None


def read_groups(path: Path) -> dict[str, str]:
    """Read a CSV with header `Id,group`; UserError for any other contents."""
    rows = read_csv(path)
    if not rows or rows[0][1] != ["Id", "group"]:
        raise UserError(f"{path}: expected two columns with the header 'Id,group'.")
    groups: dict[str, str] = {}
    for line, row in rows[1:]:
        if len(row) != 2 or "" in row:
            raise UserError(f"{path}, line {line}: expected an id and its group, got {brief(row)}.")
        if row[0] in groups:
            raise UserError(f"{path}, line {line}: id {brief(repr(row[0]))} appears twice.")
        groups[row[0]] = row[1]
    return groups


def assign_groups(
    labels: NDArray[np.uint8], group: Sequence[str], n: int, seed: int
) -> NDArray[np.int64]:
    """Assign groups to folds greedily, rarest labels first, then improve by single moves.

    `labels` is (rows, classes), `group` names each row's group. Returns the fold of each row.
    The cost is the sum over folds and classes of the squared deviation of the label count from
    its fair share, relative to the class's total, plus the weighted same for the number of rows.
    The seed breaks ties among groups.

    iterative-stratification ignores groups; applied to the union of each group's labels, it leaves
    common classes unbalanced. Hence our own algorithm.
    """
    names, member = np.unique(np.asarray(group), return_inverse=True)
    totals = np.maximum(labels.sum(axis=0), 1).astype(np.float64)
    # One extra column: the number of rows, treated as a label.
    counts = np.zeros((len(names), labels.shape[1] + 1))
    np.add.at(counts[:, :-1], member, labels)
    counts[:, -1] = np.bincount(member, minlength=len(names))
    scaled = counts / np.append(totals, len(labels) / np.sqrt(SIZE_WEIGHT))

    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names))
    rarest_first = order[np.argsort(-scaled[order, :-1].max(axis=1), kind="stable")]
    fair = scaled.sum(axis=0) / n
    excess = np.tile(-fair, (n, 1))
    fold = np.zeros(len(names), dtype=np.int64)
    for position in rarest_first:
        fold[position] = np.argmin(_added_cost(excess, scaled[position]))
        excess[fold[position]] += scaled[position]
    _move_singly(fold, excess, scaled, order)
    return fold[member]


def _added_cost(excess: NDArray[np.float64], added: NDArray[np.float64]) -> NDArray[np.float64]:
    """The increase in cost of adding the counts `added` to each fold: (folds,)."""
    return (added * (2 * excess + added)).sum(axis=1)


def _move_singly(
    fold: NDArray[np.int64],
    excess: NDArray[np.float64],
    scaled: NDArray[np.float64],
    order: NDArray[np.int64],
) -> None:
    """Move one group at a time to the fold where it costs least, until no move helps."""
    moved = True
    while moved:
        moved = False
        for position in order:
            here = fold[position]
            excess[here] -= scaled[position]
            best = int(np.argmin(_added_cost(excess, scaled[position])))
            cost = _added_cost(excess, scaled[position])
            # Gains below rounding error could oscillate forever.
            if cost[best] < cost[here] - 1e-12:
                fold[position] = best
                moved = True
            excess[fold[position]] += scaled[position]
