"""Predictions: probabilities with their ids and, out of fold, the fold of each row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import write_bytes
from kit.core.errors import UserError, brief, some
from kit.core.ids import positions, twice
from kit.data.prediction_columns import Naming
from kit.data.prediction_table import read_prediction_table

PROVENANCE_KEY = b"kit"

# float32 rounds probabilities closer to 1 up to 1, whose logit is infinite.
EPSILON = 1e-6


@dataclass(frozen=True)
class Predictions:
    """One probability per class for every id.

    `probs` is float32 (rows, classes) in 0..1 without NaN; `fold` is int64 (rows,) for
    out-of-fold predictions and None for a test set; ids are unique. Raises UserError otherwise.
    """

    ids: tuple[str, ...]
    probs: NDArray[np.float32]
    class_keys: tuple[str, ...]
    fold: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.probs.shape != (len(self.ids), len(self.class_keys)):
            raise UserError(
                f"Predictions of shape {self.probs.shape} for {len(self.ids)} ids "
                f"and {len(self.class_keys)} classes."
            )
        if self.fold is not None and self.fold.shape != (len(self.ids),):
            raise UserError(f"Folds of shape {self.fold.shape} for {len(self.ids)} ids.")
        if doubled := twice(self.ids):
            raise UserError(f"Ids predicted more than once: {some(doubled)}.")
        bad = ~((self.probs >= 0) & (self.probs <= 1))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise UserError(
                f"A probability is {self.probs[row, column]}, for id {self.ids[row]}, "
                f"class {self.class_keys[column]}; expected a number from 0 to 1."
            )

    def take(self, ids: Sequence[str]) -> "Predictions":
        """The predictions for exactly these ids, in this order.

        Raises UserError naming missing or extra ids.
        """
        rows = positions(self.ids, ids, "Ids without a prediction")
        if extra := sorted(set(self.ids) - set(ids)):
            raise UserError(f"Predictions for unexpected ids: {some(extra)}.")
        fold = None if self.fold is None else self.fold[rows]
        return Predictions(tuple(ids), self.probs[rows], self.class_keys, fold)


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """All rows of several out-of-fold predictions, sorted by id; ids must not overlap."""
    ids = [image_id for part in parts for image_id in part.ids]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    probs = np.concatenate([part.probs for part in parts])[order]
    folds = [part.fold for part in parts if part.fold is not None]
    if len(folds) != len(parts):
        raise UserError("Cannot join out-of-fold predictions without a fold column.")
    fold = np.concatenate(folds)[order]
    return Predictions(tuple(ids[row] for row in order), probs, parts[0].class_keys, fold)


def to_logits(probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """log(p / (1 - p)) with p clipped away from 0 and 1, as float64 of the same shape."""
    p = np.clip(probs.astype(np.float64), EPSILON, 1 - EPSILON)
    return np.log(p) - np.log1p(-p)


def to_probs(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    """1 / (1 + exp(-logit)) as float32 of the same shape."""
    with np.errstate(over="ignore"):  # exp overflows to infinity, and 1 / inf is the correct 0
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def mean_of_logits(
    members: Sequence[Predictions], weights: Sequence[float] | None = None
) -> Predictions:
    """The weighted mean of logits of predictions for the same ids, in any order.

    Weights are equal by default and are scaled to sum to one. The result has the first member's
    order and folds. Raises UserError when ids or folds differ.
    """
    first = members[0]
    share = np.full(len(members), 1.0) if weights is None else np.asarray(weights, np.float64)
    logits = np.zeros(first.probs.shape)
    for member, weight in zip(members, share / share.sum(), strict=True):
        aligned = member.take(first.ids)
        if not _same_folds(aligned.fold, first.fold):
            raise UserError("Cannot blend out-of-fold predictions on different folds.")
        logits += weight * to_logits(aligned.probs)
    return Predictions(first.ids, to_probs(logits), first.class_keys, first.fold)


def _same_folds(one: NDArray[np.int64] | None, other: NDArray[np.int64] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool((one == other).all())


def as_probabilities(
    ids: Sequence[object] | NDArray[Any], values: NDArray[Any], class_keys: Sequence[str]
) -> NDArray[np.float32]:
    """Values (rows, classes) as float32 probabilities, with rounding errors beyond 0 and 1 clipped.

    Raises UserError for NaN, and for values outside 0 to 1: those look like logits.
    """
    numbers = values.astype(np.float64)
    if np.isnan(numbers).any():
        row, column = np.argwhere(np.isnan(numbers))[0]
        raise UserError(
            f"NaN for id {brief(ids[row])}, class {class_keys[column]}; "
            f"{int(np.isnan(numbers).sum())} of {numbers.size} values are NaN: expected numbers "
            "from 0 to 1."
        )
    outside = (numbers < -EPSILON) | (numbers > 1 + EPSILON)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise UserError(
            f"{numbers[row, column]:g} for id {brief(ids[row])}, class {class_keys[column]}, "
            f"is not a probability; {outside.sum()} of {numbers.size} values are outside 0 to 1. "
            "They look like logits: apply a sigmoid, 1 / (1 + exp(-x)), first."
        )
    return np.clip(numbers, 0, 1).astype(np.float32)


def write_predictions(path: Path, predictions: Predictions, provenance: Mapping[str, Any]) -> None:
    """Write Parquet: `Id`, `fold` if any, one float32 column per class, and provenance."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"Id": pa.array(predictions.ids, pa.string())}
    if predictions.fold is not None:
        columns["fold"] = pa.array(predictions.fold, pa.int64())
    for position, key in enumerate(predictions.class_keys):
        columns[key] = pa.array(predictions.probs[:, position], pa.float32())
    note = json.dumps(provenance, sort_keys=True).encode()
    table = pa.table(columns).replace_schema_metadata({PROVENANCE_KEY: note})
    # Into memory first: Arrow reports a full disk in its own way, and not always.
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(path, memoryview(sink.getvalue()))


def read_predictions(
    path: Path, class_keys: Sequence[str], naming: Naming | None = None, folds: bool = True
) -> Predictions:
    """Read Parquet or CSV written here or elsewhere; UserError for wrong columns or invalid values.

    `naming` is what columns may be called besides the class keys and `Id`. With `folds` False,
    a column `fold` is refused. Rounding errors beyond 0 and 1 are clipped.
    """
    keys = tuple(class_keys)
    table = read_prediction_table(path, naming or Naming(keys), folds)
    try:
        probs = as_probabilities(table.ids, table.values, keys)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return Predictions(table.ids, probs, keys, table.fold)
