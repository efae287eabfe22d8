"""The library: thresholds, blends and an honest score for arrays or frames of predictions.

`import kit` offers these functions. Each checks what it is given and raises `UserError`, the error
of the command line, in one line. Frames (pandas) are aligned by their index and columns; arrays are
taken in their order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions import metrics
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError, some
from kit.data import folds as splits
from kit.data.predictions import Predictions
from kit.ensemble import Decision, Members, Options, fit_decision, make_members
from kit.ensemble.oof import align, as_probs, number_groups, table_ids, to_unseen


def make_folds(y: Any, n: int = 5, groups: Any = None, seed: int = 0) -> NDArray[np.int64]:
    """Split rows into `n` folds with equal shares of every class, and groups kept whole.

    `y` is (rows, classes) of 0 and 1; `groups` are any hashable values, (rows,). Returns the fold
    of each row, int64 (rows,), 0 to n - 1, in the order of `y`. A frame's rows are split by their
    ids, whatever their order, as `kit folds` does.

    Source: Sechidis et al., On the Stratification of Multi-label Data (2011), by way of the package
    iterative-stratification; with groups a greedy pass of the kit's own.
    """
    labels, ids = as_labels(y), table_ids(y)
    names = _row_names(len(labels)) if ids is None else tuple(map(str, ids))
    if len(set(names)) < len(names):
        raise UserError("y has an id more than once: a frame's index names its rows.")
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
    """Fit a threshold for each class to one model's out-of-fold probabilities, and score it.

    `y` is (rows, classes) of 0 and 1, `probs` (rows, classes) in 0..1, each row by the model that
    did not train on its `fold`, int (rows,). Rows of one group share a fold. `tests` is one array
    (test rows, classes) where the fold models are averaged already, or a list of one a fold, which
    is better: thresholds and promise are then those of the average. `test_rows` is the size of the
    set whose score is promised; that of `tests`, else of `y`, when None.

    `policy` is one of docs/thresholds.md, `auto` for the best without Optuna's studies or `all`
    with them; `transfer` says how thresholds are carried to test scores. Raises UserError.
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
) -> Decision:
    """Combine several models, fit a threshold for each class, and score the whole.

    `probs` is a list of one array (rows, classes) a model, all on the same `fold`; `tests` a list
    of one array a model, or of one list a model with an array for each fold. `method` is one of
    mean, logit-mean, greedy, weights, stack, cross-stack, or `auto` for the best; `names` what to
    call the models. The rest as in `tune`. Raises UserError.
    """
    members = _members(y, probs, fold, groups, names)
    unseen = None
    if tests is not None:
        unseen = to_unseen(tests, len(members.names), members.class_keys)
    options = Options(method, policy, transfer, test_rows=test_rows)
    return fit_decision(members, unseen, options).decision


def macro_f1(y: Any, labels: Any) -> float:
    """Mean of F1 over all classes; a class with nothing true or nothing predicted scores 0.

    `y` and `labels` are (rows, classes) of 0 and 1; frames are aligned by their index.
    """
    true = as_labels(y)
    decided = as_labels(align(labels, table_ids(y), "labels"), "labels")
    if true.shape != decided.shape:
        raise UserError(f"y of shape {true.shape} and labels of shape {decided.shape}.")
    return metrics.macro_f1(true, decided)


def as_labels(y: Any, what: str = "y") -> NDArray[np.uint8]:
    """Labels as uint8 (rows, classes) from 0 and 1 in integers, floats or bools; else UserError."""
    array = np.asarray(y)
    if array.ndim != 2:
        raise UserError(
            f"{what} of shape {array.shape}: one row an image and one column a class is needed."
        )
    if array.dtype.kind not in "fiub":
        raise UserError(f"{what} of type {array.dtype}: zeros and ones are needed.")
    strange = (array != 0) & (array != 1)
    if strange.any():
        row, column = np.argwhere(strange)[0]
        raise UserError(
            f"{what} is {array[row, column]} in row {row}, column {column}: labels are 0 or 1."
        )
    return array.astype(np.uint8)


def as_fold(fold: Any, ids: NDArray[Any] | None, rows: int) -> NDArray[np.int64]:
    """The fold of each row, int64 (rows,), from 0 up and at least two of them; else UserError."""
    array = np.asarray(align(fold, ids, "folds"))
    if array.shape != (rows,):
        raise UserError(f"fold of shape {array.shape} for {rows} rows: one number a row is needed.")
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and (array % 1 == 0).all())
    if not whole:
        raise UserError("fold has values that are no whole numbers.")
    if (array < 0).any():
        raise UserError(
            f"fold {int(array.min())} in row {int(array.argmin())}: folds are numbered from 0. "
            "Leave out rows that no fold holds out."
        )
    found = array.astype(np.int64)
    if len(np.unique(found)) < 2:
        raise UserError("fold names a single fold: nothing can be held out.")
    return found


def _members(
    y: Any, probs: Sequence[Any], fold: Any, groups: Any, names: Sequence[str] | None
) -> Members:
    """Everything checked and aligned to the rows of `y`, or of the first frame."""
    labels = as_labels(y)
    if hasattr(probs, "columns") or getattr(probs, "ndim", None) == 2:
        raise UserError("probs is one array: blend takes a list of them; tune takes one.")
    given = list(probs)
    if not given:
        raise UserError("probs is empty: at least one model is needed.")
    ids = table_ids(y)
    if ids is None:
        ids = next((found for one in given if (found := table_ids(one)) is not None), None)
    called = tuple(names) if names is not None else tuple(f"model{n}" for n in range(len(given)))
    if len(called) != len(given) or len(set(called)) < len(called):
        raise UserError(f"names {list(called)}: {len(given)} different names are needed.")
    keys = _class_keys(y, given, labels.shape[1])
    if len(set(keys)) < len(keys):
        raise UserError("y has two columns of one name: a frame's columns name its classes.")
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


def _class_keys(y: Any, given: Sequence[Any], classes: int) -> tuple[str, ...]:
    """The names of the classes: those of the first frame's columns, else their numbers."""
    named = next((one for one in (y, *given) if hasattr(one, "columns")), None)
    if named is None or len(named.columns) != classes:
        return tuple(map(str, range(classes)))
    return tuple(map(str, named.columns))


def _groups(groups: Any, ids: NDArray[Any] | None, rows: int) -> list[Any]:
    """The group of each row, hashable; UserError for another number of them."""
    aligned = list(align(groups, ids, "groups"))
    if len(aligned) != rows:
        raise UserError(f"{len(aligned)} groups for {rows} rows: one a row is needed.")
    try:
        missing = [row for row, one in enumerate(aligned) if one is None or one != one]
        hash(tuple(aligned))
    except (TypeError, ValueError):
        raise UserError("groups must be hashable: numbers, texts, or tuples of them.") from None
    if missing:
        raise UserError(f"Rows without a group: {some(missing)}.")
    return aligned


def _refuse_split_groups(groups: Sequence[Any], fold: NDArray[np.int64]) -> None:
    """Raise UserError for a group in more than one fold: its models have seen what is held out."""
    first: dict[Any, int] = {}
    for group, number in zip(groups, fold.tolist(), strict=True):
        if first.setdefault(group, number) != number:
            raise UserError(
                f"Group {group} is in the folds {first[group]} and {number}: its models have seen "
                "what was held out. Leave groups out, or train on folds that keep them whole."
            )


def _row_names(rows: int) -> tuple[str, ...]:
    """Ids for rows without any, which sort as the rows do."""
    return _texts(np.arange(rows))


def _texts(numbers: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(f"{number:012d}" for number in numbers.tolist())
