"""Labelled rows with out-of-fold probabilities, and unlabelled rows with test probabilities."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.exact import Ranked
from kit.core.arrays import as_list, depth
from kit.core.errors import UserError, listed, some
from kit.data.frames import as_probs, class_names, plain_names, table_ids
from kit.data.predictions import Predictions


@dataclass(frozen=True)
class Rows:
    """Labelled rows, in one order.

    `ids` is (rows,); `labels` is uint8 (rows, classes). `fold` and `group` are int64 (rows,): rows
    of a group are correlated and share a fold; groups are numbered from 0.
    """

    ids: NDArray[Any]
    labels: NDArray[np.uint8]
    fold: NDArray[np.int64]
    group: NDArray[np.int64]

    @property
    def folds(self) -> NDArray[np.int64]:
        """The folds that have rows here, ascending."""
        return np.unique(self.fold)

    def with_probs(self, probs: NDArray[np.float32]) -> "Sample":
        """These rows with the probabilities of one model or blend, (rows, classes)."""
        return Sample(self.ids, self.labels, self.fold, self.group, probs)


@dataclass(frozen=True)
class Sample(Rows):
    """Rows with the out-of-fold probabilities of one model or blend, float32 (rows, classes)."""

    probs: NDArray[np.float32]

    @cached_property
    def ranked(self) -> Ranked:
        """The rows of each class by falling score."""
        return Ranked.of(self.labels, self.probs)

    def only(self, rows: NDArray[np.bool_]) -> "Sample":
        """The rows where `rows`, bool (rows,), is true."""
        part = Sample(
            self.ids[rows], self.labels[rows], self.fold[rows], self.group[rows], self.probs[rows]
        )
        if "ranked" in vars(self):  # spares the part a sort
            vars(part)["ranked"] = self.ranked.only(rows)
        return part


@dataclass(frozen=True)
class Members(Rows):
    """Rows with the out-of-fold probabilities of several models.

    `probs` is float32 (models, rows, classes); `names` are the models', `class_keys` the classes'.
    """

    probs: NDArray[np.float32]
    names: tuple[str, ...]
    class_keys: tuple[str, ...]

    def only(self, rows: NDArray[np.bool_]) -> "Members":
        """The rows where `rows`, bool (rows,), is true."""
        return Members(
            self.ids[rows],
            self.labels[rows],
            self.fold[rows],
            self.group[rows],
            self.probs[:, rows],
            self.names,
            self.class_keys,
        )

    def one(self, model: int) -> "Members":
        """The same rows with one model."""
        return replace(self, probs=self.probs[[model]], names=(self.names[model],))

    def without(self, names: Collection[str]) -> "Members":
        """The same rows without the models of these names."""
        kept = [model for model, name in enumerate(self.names) if name not in names]
        called = tuple(self.names[model] for model in kept)
        return replace(self, probs=self.probs[kept], names=called)


@dataclass(frozen=True)
class Unseen:
    """Unlabelled rows, scored by every member: the test set.

    `by_fold` has one float32 array (models, rows, classes) per fold, or a single one if they are
    averaged already; `ids` is (rows,).
    """

    ids: NDArray[Any]
    by_fold: tuple[NDArray[np.float32], ...]

    def one(self, model: int) -> "Unseen":
        """The same rows scored by one model."""
        return Unseen(self.ids, tuple(probs[[model]] for probs in self.by_fold))

    def only(self, models: NDArray[np.bool_]) -> "Unseen":
        """The same rows scored by the models where `models`, bool (models,), is true."""
        if models.all():
            return self
        return Unseen(self.ids, tuple(probs[models] for probs in self.by_fold))


def number_groups(groups: Sequence[object] | NDArray[Any]) -> NDArray[np.int64]:
    """Number groups of any hashable names from 0, in the order of their texts: int64 (rows,).

    By text, so that "7" read from a table and 7 in an array get the same number, and with it the
    same random draws.
    """
    names = sorted(dict.fromkeys(groups), key=str)
    number = {name: position for position, name in enumerate(names)}
    return np.array([number[name] for name in groups], dtype=np.int64)


def make_members(
    labels: NDArray[np.uint8],
    oofs: Sequence[Predictions],
    names: Sequence[str],
    groups: Sequence[object] | None = None,
) -> Members:
    """Members from the out-of-fold predictions of one or more models.

    The first model's ids set the order, in which `labels` (rows, classes) and `groups` (rows,) must
    already be; without `groups`, every row is its own group. Raises UserError for a model with
    other ids, folds or classes, for predictions without folds, and for a single fold: nothing could
    be held out.
    """
    first = oofs[0]
    if first.fold is None:
        raise UserError("Out-of-fold predictions without a fold column cannot be cross-fitted.")
    if len(np.unique(first.fold)) < 2:
        raise UserError("Out-of-fold predictions of a single fold: nothing can be held out.")
    aligned = [first, *(other.take(first.ids) for other in oofs[1:])]
    _refuse_other_classes(aligned)
    for name, other in zip(names, aligned, strict=True):
        if other.fold is None or (other.fold != first.fold).any():
            raise UserError(f"{name} and {names[0]} were trained on different folds.")
    rows = len(first.ids)
    return Members(
        ids=np.array(first.ids, dtype=object),
        labels=labels,
        fold=first.fold,
        group=np.arange(rows) if groups is None else number_groups(groups),
        probs=np.stack([one.probs for one in aligned]),
        names=tuple(names),
        class_keys=first.class_keys,
    )


def make_unseen(tests: Sequence[Sequence[Predictions]]) -> Unseen:
    """The test set from the test predictions of each model: one per fold, or a single mean.

    The first ids set the order. Raises UserError for other ids or classes, and for a model with
    another number of test predictions.
    """
    ids = tests[0][0].ids
    aligned = [[one.take(ids) for one in of_model] for of_model in tests]
    _refuse_other_classes([one for of_model in aligned for one in of_model])
    if len(counts := {len(of_model) for of_model in tests}) > 1:
        raise UserError(
            f"Models with test predictions of {listed(sorted(counts))} folds: give the same number "
            "for each."
        )
    by_fold = zip(*aligned, strict=True)
    stacked = tuple(np.stack([one.probs for one in of_fold]) for of_fold in by_fold)
    return Unseen(np.array(ids, dtype=object), stacked)


def _refuse_other_classes(several: Sequence[Predictions]) -> None:
    """Raise UserError if classes or their order differ: columns are matched by position."""
    keys = several[0].class_keys
    if other := next((one.class_keys for one in several if one.class_keys != keys), None):
        raise UserError(f"Predictions of the classes {some(keys, 3)} and of {some(other, 3)}.")


def to_unseen(tests: Any, members: int, class_keys: Sequence[str]) -> Unseen:
    """The test set from arrays or data frames; see `Decision.decide` for what `tests` may be.

    Frames are aligned by their index, in the order of the first. Raises UserError for a shape that
    does not fit the members or classes, for other ids, and for values that are not probabilities.
    """
    if isinstance(tests, Unseen):
        return tests
    wanted = "a list of arrays, (rows, classes)"
    given = [tests] if _is_table(tests) else as_list(tests, "tests", wanted)
    if members == 1 and all(_is_table(one) for one in given):
        given = [given]
    if len(given) != members:
        raise UserError(
            f"Test predictions of {len(given)} members, expected {members}: give a list with one "
            "array per member, or with one list per member that has an array per fold model."
        )
    by_member = [[one] if _is_table(one) else as_list(one, "tests", wanted) for one in given]
    counts = {len(one) for one in by_member}
    if len(counts) > 1 or counts == {0}:
        raise UserError(
            f"Members with test predictions of {listed(sorted(counts))} fold models: "
            "give the same number for each, or average each member's first."
        )
    ids = table_ids(by_member[0][0])
    if tuple(class_keys) == plain_names(len(class_keys)):
        class_keys = class_names(
            [one for of_member in by_member for one in of_member], len(class_keys)
        )
    read = [[as_probs(one, class_keys, ids) for one in of_member] for of_member in by_member]
    if len(shapes := {probs.shape for of_member in read for probs in of_member}) > 1:
        raise UserError(f"Test predictions of different shapes: {', '.join(map(str, shapes))}.")
    if not len(read[0][0]):
        raise UserError("Test predictions without rows, expected one or more.")
    rows = np.arange(len(read[0][0])) if ids is None else ids
    return Unseen(rows, tuple(np.stack(of_fold) for of_fold in zip(*read, strict=True)))


def _is_table(value: Any) -> bool:
    """Whether a value is one table: a frame, or an array or list of two dimensions."""
    return hasattr(value, "columns") or depth(value) == 2
