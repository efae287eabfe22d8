"""Which rows of a held-out fold score an epoch: a recipe's `validate`."""

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.terms import Known, Term, parse_term

VALIDATIONS: Known = {"fold": {}, "batch": {"images": 256}}


def parse_validation(text: str) -> Term:
    """Parse `fold` or `batch(images)`; UserError for another name or less than one image."""
    chosen = parse_term("validate", text, VALIDATIONS)
    images = chosen.numbers.get("images", 1)
    if images < 1 or images != int(images):
        raise UserError(f"validate '{text}': expected a whole number of images from 1 up.")
    return chosen


def scored_rows(chosen: Term, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Of a fold's held-out `rows`, those that score its epochs: all of them, or one batch.

    The batch is drawn without replacement, by `seed` alone, and keeps the order of the rows. Of a
    fold with no more rows than that, it is the whole fold.
    """
    images = int(chosen.numbers.get("images", len(rows)))
    if images >= len(rows):
        return rows
    # A stream of its own: an epoch's rows come from (seed, epoch), its variations from keys that
    # end in 5, 7, 8 and 9.
    rng = np.random.Generator(np.random.PCG64([seed, 0, 6]))
    return rows[np.sort(rng.permutation(len(rows))[:images])]
