"""Which test images are copies of training images, and which training images of each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.runs import Run
from kit.data.store import open_store
from kit.data.twins import find_twins, find_twins_within, fingerprints


@dataclass(frozen=True)
class Copies:
    """For each training and each test row the training row it is a copy of, or -1."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def find_copies(
    workspace: Workspace, runs: Sequence[Run], ids: Sequence[str], test_ids: Sequence[str]
) -> Copies:
    """Compare the images of the smallest store that one of the runs was trained on.

    `ids` and `test_ids` say the order of the rows; rows of the answer count in `ids`. Raises
    UserError when no run has a store, as those that were imported.
    """
    sizes = [size for run in runs if (size := run.recipe["size"]) is not None]
    if not sizes:
        raise UserError(
            "--extra copies compares images, and none of these runs was trained here. Leave it "
            f"out, or train one: {workspace.typed.command('train', 'MODEL')}"
        )
    train = open_store(workspace.store(min(sizes), "train"), workspace.typed)
    test = open_store(workspace.store(min(sizes), "test"), workspace.typed)
    known = fingerprints(train.images, train.rows(ids))
    asked = fingerprints(test.images, test.rows(test_ids))
    return Copies(find_twins_within(known), find_twins(known, asked))
