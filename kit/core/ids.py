"""Alignment of rows by id, for tables, predictions, folds and images alike."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, some


def positions(
    known: Sequence[Hashable], wanted: Sequence[Hashable], complaint: str
) -> NDArray[np.int64]:
    """The position in `known` of each wanted id, int64 (wanted,).

    Raises UserError, `complaint` and the first few ids, for unknown ids.
    """
    position = {one: number for number, one in enumerate(known)}
    if missing := [one for one in wanted if one not in position]:
        raise UserError(f"{complaint}: {some(missing)}.")
    return np.array([position[one] for one in wanted], dtype=np.int64)


def twice(ids: Sequence[Hashable]) -> list[Hashable]:
    """The ids that appear more than once, in order of first appearance."""
    return [one for one, times in Counter(ids).items() if times > 1]
