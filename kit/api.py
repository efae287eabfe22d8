"""The library: thresholds, blends and an honest score for arrays or frames of predictions.

`import kit` offers these functions. Each checks its arguments and raises `UserError`, one line, as
the command line does. Frames (pandas) are aligned by index and columns; arrays must be in the order
of `y`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions import metrics
from kit.competitions.tables import LabelTable
from kit.core.arrays import as_list, as_numbers, depth, has_ids, name_of, shown, whole_number
from kit.core.errors import UserError, some
from kit.data import folds as splits
from kit.data.frames import align, as_probs, by_name, class_names, table_ids
from kit.data.group_folds import split_group
from kit.data.predictions import Predictions
from kit.ensemble import (
    Decision,
    Members,
    Options,
    fit_decision,
    make_members,
    number_groups,
    to_unseen,
)

# The interval takes time and memory in proportion to the rows of the test set.
MOST_TEST_ROWS = 10_000_000
MOST_FOLD = 2**53


def make_folds(y: Any, n: int = 5, groups: Any = None, seed: int = 0) -> NDArray[np.int64]:
    """Split rows into `n` folds with equal shares of every class; a group stays in one fold.

    `y` is (rows, classes) of 0 and 1; `groups` are any hashable values, (rows,). Returns each row's
    fold, int64 (rows,), 0 to n - 1, in the order of `y`. A frame's split depends on its ids and not
    on their order, as in `kit folds`.

    Source: Sechidis et al., On the Stratification of Multi-label Data (2011), as implemented by the
    package iterative-stratification; with groups the kit's own greedy pass.
    """
    labels, ids = as_labels(y), table_ids(y)
    n, seed = whole_number(n, "n"), whole_number(seed, "seed")
    names = _row_names(len(labels)) if ids is None else tuple(map(str, ids))
    if len(set(names)) < len(names):
        raise UserError("y has duplicate ids: a frame's index must name each row once.")
    group_of = None
    if groups is not None:
        numbers = number_groups(_groups(groups, ids, len(labels)))
        group_of = dict(zip(names, _texts(numbers), strict=True))
    return splits.make_folds(LabelTable(names, labels), n, seed, group_of).of(names)


def tune(
    y: Any,
    probs: Any,
    fold: Any,
    groups: Any = None,
    tests: Any = None,
    test_rows: int | None = None,
    policy: str = "auto",
    transfer: str = "auto",
) -> Decision:
    """Fit a threshold per class to one model's out-of-fold probabilities, and estimate its score.

    `y` is (rows, classes) of 0 and 1. `probs` is (rows, classes) in 0..1, each row predicted by the
    model that held out its `fold`, int (rows,). Rows of one group must share a fold. `tests` is one
    array (test rows, classes) if the fold models are averaged already, or better a list, one per
    fold: thresholds and expected score are then those of the average. `test_rows` is the size of
    the set that the expected score is for; when None that of `tests`, else of `y`.

    `policy` is one of docs/thresholds.md, `auto` for the best without Optuna's studies, or `all`
    for the best with them; `transfer` is how thresholds are adapted to test scores. Raises
    UserError.
    """
    return blend(y, [probs], fold, groups, tests, "auto", policy, None, transfer, test_rows)


def blend(
    y: Any,
    probs: Sequence[Any],
    fold: Any,
    groups: Any = None,
    tests: Any = None,
    method: str = "auto",
    policy: str = "auto",
    names: Sequence[str] | None = None,
    transfer: str = "auto",
    test_rows: int | None = None,
    trust: Sequence[str] = (),
) -> Decision:
    """Combine several models, fit a threshold per class, and estimate the score.

    `probs` is a list with one array (rows, classes) per model, all on the same `fold`. `tests` is a
    list with one array per model, or one list per model with an array per fold. `method` is one of
    mean, logit-mean, greedy, weights, stack, cross-stack, or `auto` for the best; `names` names the
    models. A model whose `probs` know the labels better than its `tests` can is left out, unless
    `trust` has its name. All else as in `tune`. Raises UserError.
    """
    members = _members(y, probs, fold, groups, names)
    unseen = None
    if tests is not None:
        unseen = to_unseen(tests, len(members.names), members.class_keys)
    options = Options(
        name_of(method, "method"),
        name_of(policy, "policy"),
        name_of(transfer, "transfer"),
        test_rows=None if test_rows is None else _test_rows(test_rows),
        trust=_trusted(trust, members.names),
    )
    return fit_decision(members, unseen, options).decision


def macro_f1(y: Any, labels: Any) -> float:
    """Mean F1 over all classes; a class with no positives or no predictions scores 0.

    `y` and `labels` are (rows, classes) of 0 and 1; frames are aligned by index and columns.
    """
    true = as_labels(y)
    aligned = align(labels, table_ids(y), "labels")
    if hasattr(aligned, "columns"):
        aligned = by_name(aligned, class_names([y, aligned], true.shape[1]))
    decided = as_labels(aligned, "labels")
    if true.shape != decided.shape:
        raise UserError(f"labels of shape {decided.shape}, expected the shape of y, {true.shape}.")
    return metrics.macro_f1(true, decided)


def as_labels(y: Any, what: str = "y") -> NDArray[np.uint8]:
    """Labels as uint8 (rows, classes), from integers, floats or bools; UserError unless 0 or 1."""
    array = as_numbers(y, what, "zeros and ones")
    if array.ndim != 2 or not array.size:
        raise UserError(
            f"{what} of shape {array.shape}, expected (rows, classes): one row per image."
        )
    strange = (array != 0) & (array != 1)
    if strange.any():
        row, column = np.argwhere(strange)[0]
        raise UserError(
            f"{what} is {array[row, column]} in row {row}, column {column}, expected 0 or 1."
        )
    return array.astype(np.uint8)


def as_fold(fold: Any, ids: NDArray[Any] | None, rows: int) -> NDArray[np.int64]:
    """Each row's fold, int64 (rows,); UserError unless there are two or more, numbered from 0."""
    array = as_numbers(align(fold, ids, "folds"), "fold", "one integer per row")
    if array.shape != (rows,):
        raise UserError(f"fold of shape {array.shape}, expected one integer per row, ({rows},).")
    whole = array.dtype.kind in "iu"
    if array.dtype.kind == "f":
        whole = bool(np.isfinite(array).all() and (array % 1 == 0).all())
    if not whole:
        raise UserError("fold has values that are not whole numbers.")
    if (array > MOST_FOLD).any():
        raise UserError(f"fold {array.max()} is too large, expected numbers from 0.")
    if (array < 0).any():
        raise UserError(
            f"fold {int(array.min())} in row {int(array.argmin())}: folds are numbered from 0. "
            "Remove rows that no fold holds out."
        )
    found = array.astype(np.int64)
    if len(np.unique(found)) < 2:
        raise UserError("fold has a single fold, expected two or more: nothing can be held out.")
    return found


def _members(
    y: Any, probs: Sequence[Any], fold: Any, groups: Any, names: Sequence[str] | None
) -> Members:
    """Check all arguments and align them to the rows of `y`, or of the first frame."""
    labels = as_labels(y)
    if hasattr(probs, "columns") or depth(probs) == 2:
        raise UserError("probs is one array: blend takes a list of arrays; for one array use tune.")
    given = as_list(probs, "probs", "a list of one array per model")
    if not given:
        raise UserError("probs is empty, expected one array per model.")
    ids = table_ids(y)
    if ids is None:
        ids = next((found for one in given if (found := table_ids(one)) is not None), None)
    called = _names(names, len(given))
    keys = class_names([y, *given], labels.shape[1])
    if len(set(keys)) < len(keys):
        raise UserError("Duplicate columns: a frame's columns must name each class once.")
    rows = len(labels)
    held_out_in = as_fold(fold, ids, rows)
    row_ids = _row_names(rows) if ids is None else tuple(map(str, ids))
    oofs = []
    for name, one in zip(called, given, strict=True):
        read = as_probs(one, keys, ids)
        if len(read) != rows:
            raise UserError(f"{name} has {len(read)} rows, y has {rows}.")
        oofs.append(Predictions(row_ids, read, keys, held_out_in))
    group = None if groups is None else _groups(groups, ids, rows)
    if group is not None:
        _refuse_split_groups(group, held_out_in)
    return make_members(labels, oofs, called, group)


def _names(names: Sequence[str] | None, models: int) -> tuple[str, ...]:
    """What the models are called; UserError unless there is one name per model, all different."""
    if names is None:
        return tuple(f"model{number}" for number in range(models))
    called = as_list(names, "names", f"a list of {models} texts")
    for name in called:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise UserError(f"names has {shown(name)}, expected printable text for each model.")
    if len(called) != models or len(set(called)) < models:
        raise UserError(f"names are {shown(called)}, expected {models} different names.")
    return tuple(map(str, called))


def _trusted(trust: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The names of trusted models; UserError unless each is a model's."""
    given = [trust] if isinstance(trust, str) else as_list(trust, "trust", "a list of names")
    for name in given:
        if name not in names:
            raise UserError(f"trust has {shown(name)}, expected names of models: {some(names)}.")
    return tuple(map(str, given))


def _test_rows(rows: Any) -> int:
    number = whole_number(rows, "test_rows")
    if number > MOST_TEST_ROWS:
        raise UserError(f"test_rows {shown(number)}: expected at most {MOST_TEST_ROWS:,}.")
    return number


def _groups(groups: Any, ids: NDArray[Any] | None, rows: int) -> list[Any]:
    """Each row's group; UserError unless there is one hashable value per row."""
    aligned = align(groups, ids, "groups")
    if hasattr(aligned, "__array__") and not has_ids(aligned):
        aligned = np.asarray(aligned)  # a tensor's items are hashed by identity, not by value
    found = as_list(aligned, "groups", "one hashable value per row")
    if len(found) != rows:
        raise UserError(f"{len(found)} groups for {rows} rows, expected one per row.")
    try:
        hash(tuple(found))
    except TypeError:
        raise UserError("groups must be hashable: numbers, strings, or tuples of them.") from None
    missing = [row for row, one in enumerate(found) if _is_missing(one)]
    if missing:
        raise UserError(f"Rows without a group: {some(missing)}.")
    return found


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT, or pandas' NA, whose comparisons have no truth value."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def _refuse_split_groups(groups: Sequence[Any], fold: NDArray[np.int64]) -> None:
    """Raise UserError for a group in more than one fold: its models saw what was held out."""
    if split := split_group(groups, fold.tolist()):
        group, one, other = split
        raise UserError(
            f"Group {group} is in the folds {one} and {other}: models trained on groups they held "
            "out. Drop groups, or train on folds that keep each in one fold."
        )


def _row_names(rows: int) -> tuple[str, ...]:
    """Ids for rows without any, in the sort order of the rows."""
    return _texts(np.arange(rows))


def _texts(numbers: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(f"{number:012d}" for number in numbers.tolist())
