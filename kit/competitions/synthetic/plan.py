"""Plans the synthetic competition: rows, labels, antibodies, and the split into parts.

Label frequencies and co-occurrences were counted in the competition's train.csv (31,072 rows) and
tempered, so that a set of a few hundred rows still has every class.
"""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import isqrt

import numpy as np

from kit.competitions.synthetic.ink import generator
from kit.competitions.synthetic.style import FieldStyle, field_style, group_style

CLASSES = 28
CELL_JUNCTIONS = 22

# Rows of train.csv with each label.
_COUNTS = (
    12885, 1254, 3621, 1561, 1858, 2513, 1008, 2822, 53, 45, 28, 1093, 688, 537,
    1066, 21, 530, 210, 902, 1482, 172, 3777, 802, 2965, 322, 8228, 328, 11,
)  # fmt: skip
# Rows with one, two, three, four labels.
_LABELS_A_ROW = (15126, 12485, 3160, 301)
# The labels that most often occur with each, with their share of its rows in percent. Classes that
# never occur alone in train.csv (10, 15, 17) get additional ones, so that they can be told apart.
_COMPANIONS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((25, 28), (2, 13), (21, 10), (7, 8), (23, 6), (5, 6), (19, 5), (3, 4)),
    ((0, 48), (25, 21), (2, 12), (21, 6), (23, 4), (7, 4)),
    ((0, 48), (25, 22), (23, 6), (21, 6), (7, 5), (1, 4)),
    ((0, 37), (25, 17), (23, 3), (7, 3), (21, 2), (6, 2)),
    ((25, 18), (21, 7), (0, 5), (2, 3), (1, 3), (23, 2)),
    ((0, 32), (25, 22), (21, 5), (7, 3), (23, 2), (2, 2)),
    ((25, 15), (0, 9), (2, 8), (21, 3), (7, 2), (3, 2)),
    ((0, 39), (25, 15), (2, 7), (21, 5), (5, 3), (1, 2)),
    ((2, 21), (0, 9), (3, 8), (25, 4), (21, 4), (7, 2)),
    ((10, 62), (6, 24), (25, 10), (0, 10)),
    ((9, 60), (6, 39), (25, 10), (0, 10)),
    ((0, 24), (25, 13), (2, 7), (24, 2), (21, 2), (19, 2)),
    ((0, 29), (25, 23), (21, 19), (2, 4), (23, 3), (13, 3)),
    ((0, 33), (25, 23), (21, 21), (7, 4), (12, 3), (2, 3)),
    ((0, 20), (25, 15), (16, 10), (2, 7), (21, 4), (17, 4)),
    ((0, 57), (2, 48), (16, 43), (5, 38)),
    ((0, 54), (25, 28), (14, 19), (17, 15), (2, 9), (21, 7)),
    ((16, 37), (25, 36), (0, 36), (18, 23), (14, 22), (21, 13)),
    ((0, 31), (25, 29), (21, 7), (17, 5), (16, 3), (23, 2)),
    ((0, 41), (25, 19), (21, 5), (2, 4), (23, 2), (5, 2)),
    ((0, 34), (23, 10), (25, 5), (6, 3), (2, 3), (4, 1)),
    ((0, 36), (25, 24), (2, 6), (7, 4), (4, 4), (22, 3)),
    ((0, 41), (21, 16), (25, 14), (2, 6), (7, 4), (4, 3)),
    ((0, 27), (2, 8), (25, 7), (21, 2), (5, 2), (3, 2)),
    ((0, 24), (25, 16), (5, 9), (11, 6), (2, 4), (21, 3)),
    ((0, 44), (21, 11), (2, 10), (5, 7), (7, 5), (4, 4)),
    ((0, 35), (25, 16), (21, 5), (4, 5), (3, 4), (5, 3)),
    ((0, 64), (5, 36), (23, 18), (19, 9), (4, 9), (2, 9)),
)
_PUBLIC_TENTHS = 3
_LEAST_PUBLIC, _LEAST_PRIVATE = 2, 4


@dataclass(frozen=True)
class FieldPlan:
    """One row of the competition and what its field shows."""

    id: str  # uuid-like, as in the competition
    split: str  # "train" or "test"
    group: str  # the antibody; its fields share split, style, cell line and most labels
    labels: tuple[int, ...]  # sorted, never empty, 0 to 27
    usage: str  # "Public" or "Private" for test rows, "" for train
    style: FieldStyle


@dataclass(frozen=True)
class _Group:
    labels: tuple[int, ...]  # the first is the antibody's own, the others may be missing in a field
    fields: int


def plan_fields(seed: int, n_train: int, n_test: int) -> tuple[FieldPlan, ...]:
    """Plan the rows of a synthetic competition: train rows, then test rows, each sorted by id.

    Groups have two to five fields. In a split of at least 56 rows every class has a positive; 1400
    train rows have at least 12 in 4 groups; 700 test rows at least 8, of them 2 Public and 4
    Private. Raises ValueError for a negative seed or count.
    """
    if min(seed, n_train, n_test) < 0:
        raise ValueError("seed, n_train and n_test may not be negative")
    names = generator(seed, 0).permutation(n_train + n_test).tolist()
    train = _plan_split(seed, "train", n_train, 12, names[:n_train])
    test = _plan_split(seed, "test", n_test, 8, names[n_train:])
    return (*train, *_with_usage(test, generator(seed, 3)))


def _plan_split(
    seed: int, split: str, rows: int, most_reserved: int, names: Sequence[int]
) -> tuple[FieldPlan, ...]:
    rng = generator(seed, 1 if split == "train" else 2)
    fields: list[FieldPlan] = []
    for name, group in zip(names, _plan_groups(rng, rows, most_reserved), strict=False):
        style = group_style(rng, CELL_JUNCTIONS in group.labels)
        for _ in range(group.fields):
            fields.append(
                FieldPlan(
                    id=str(uuid.UUID(bytes=rng.bytes(16))),
                    split=split,
                    group=f"antibody-{name:05d}",
                    labels=_field_labels(rng, group.labels),
                    usage="",
                    style=field_style(style, rng),
                )
            )
    return tuple(sorted(fields, key=lambda field: field.id))


def _plan_groups(rng: np.random.Generator, rows: int, most_reserved: int) -> list[_Group]:
    """Assign rows to groups: first some for each class, then by tempered frequency."""
    reserved = max(min(2, rows // CLASSES), min(most_reserved, rows // 80))
    groups: list[_Group] = []
    if reserved >= 2:
        for label in range(CLASSES):
            for fields in _pieces(rng, reserved):
                groups.append(_Group(_group_labels(rng, label), fields))
    left = rows - sum(group.fields for group in groups)
    # Power 3/4: the most common class stays about 200 times as frequent as the rarest.
    weights = [isqrt(isqrt(count**3)) for count in _COUNTS]
    while left > 0:
        # Never leave a single field for the end.
        fields = left if left <= 3 else min(int(rng.integers(2, 6)), left - 2)
        groups.append(_Group(_group_labels(rng, _draw(rng, weights)), fields))
        left -= fields
    return groups


def _pieces(rng: np.random.Generator, rows: int) -> list[int]:
    """Cut the rows of a class into groups of two or three, in random order."""
    pieces = [2] * (rows // 2) if rows < 8 else [3] * (rows // 3)
    for extra in range(rows - sum(pieces)):
        pieces[extra % len(pieces)] += 1
    rng.shuffle(pieces)
    return pieces


def _group_labels(rng: np.random.Generator, first: int) -> tuple[int, ...]:
    labels = [first]
    for _ in range(_draw(rng, _LABELS_A_ROW)):
        companion = _companion(rng, labels)
        if companion is not None:
            labels.append(companion)
    return tuple(labels)


def _companion(rng: np.random.Generator, labels: Sequence[int]) -> int | None:
    """Draw one more label that occurs with the first, or None if there is none left."""
    choices = [(label, share) for label, share in _COMPANIONS[labels[0]] if label not in labels]
    if not choices:
        return None
    return choices[_draw(rng, [share for _, share in choices])][0]


def _field_labels(rng: np.random.Generator, labels: tuple[int, ...]) -> tuple[int, ...]:
    """Vary the labels of one field: sometimes drop a companion or add one."""
    chance = float(rng.random())
    found = list(labels)
    if chance < 0.12 and len(found) > 1:
        del found[int(rng.integers(1, len(found)))]
    elif chance > 0.95 and len(found) < 4:
        extra = _companion(rng, found)
        found += [] if extra is None else [extra]
    return tuple(sorted(found))


def _draw(rng: np.random.Generator, weights: Sequence[int]) -> int:
    """Draw an index with integer weights."""
    sums = list(accumulate(weights))
    return bisect_right(sums, int(rng.integers(0, sums[-1])))


def _with_usage(rows: tuple[FieldPlan, ...], rng: np.random.Generator) -> tuple[FieldPlan, ...]:
    """Mark about 30% of the rows Public, class by class from the rarest, and the others Private.

    Rows of one group may be in both parts, as in the competition.
    """
    holders = {
        label: [i for i, row in enumerate(rows) if label in row.labels] for label in range(CLASSES)
    }
    usage: dict[int, str] = {}
    for label in sorted(holders, key=lambda label: (len(holders[label]), label)):
        mine = holders[label]
        public = max((_PUBLIC_TENTHS * len(mine) + 5) // 10, _LEAST_PUBLIC)
        public = max(min(public, len(mine) - _LEAST_PRIVATE), min(1, len(mine) - 1))
        public -= sum(usage.get(i) == "Public" for i in mine)
        open_rows = [i for i in mine if i not in usage]
        rng.shuffle(open_rows)
        for place, i in enumerate(open_rows):
            usage[i] = "Public" if place < public else "Private"
    return tuple(replace(row, usage=usage[i]) for i, row in enumerate(rows))
