"""The speed of the kit's stages on this machine: `python bench/speed.py`.

Prints one line per stage. Figures hold for one run on one machine; compare them only within a run.
The README quotes this script's output.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kit.competitions.cells import cells, generate_cells
from kit.competitions.exact import exact_thresholds
from kit.competitions.tables import LabelTable
from kit.core.machine import cores
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.core.terminal import say
from kit.data.batches import read_batch
from kit.data.folds import make_folds
from kit.data.store import pack

# Rows and classes of the real competition, for stages whose cost depends only on them.
ROWS, CLASSES = 31_072, 28


def timed(what: str, count: int, unit: str, work: Callable[[], object]) -> None:
    """Run the work once and print its rate."""
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    say(f"{what:<60} {count / seconds:>10,.0f} {unit}/s   ({seconds:.2f} s)")


def main() -> None:
    """Time drawing, packing, batches, folds and thresholds."""
    say(f"{cores()} cores")
    rng = np.random.Generator(np.random.PCG64(0))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = folder / "cells"
        timed(
            "draw and write four-channel cells, 128 px",
            240,
            "samples",
            lambda: generate_cells(source, seed=0, n_train=160, n_test=80, size=128),
        )
        workspace = Workspace(source, folder / "store", folder / "runs", folder / "f.csv", folder)
        ids = cells.read_labels(source).ids
        timed(
            "pack: decode four PNGs of 128 px, resize to 64",
            len(ids),
            "samples",
            lambda: pack(cells, workspace, "train", StoreKind(64), ids),
        )
    store = rng.integers(0, 256, (512, 256, 256, 4), dtype=np.uint8)
    rows, symmetries = rng.integers(0, 512, 4096), rng.integers(0, 8, 4096)

    def read_all() -> None:
        for start in range(0, len(rows), 32):
            read_batch(store, rows[start : start + 32], symmetries[start : start + 32])

    timed("batches: rows of a 256 px store under random symmetries", 4096, "samples", read_all)
    labels = (rng.random((ROWS, CLASSES)) < 0.06).astype(np.uint8)
    probs = rng.random((ROWS, CLASSES)).astype(np.float32)
    table = LabelTable(tuple(f"{row:06d}" for row in range(ROWS)), labels)
    timed("five folds of 31,072 x 28", 1, "splits", lambda: make_folds(table, 5, 0))
    timed("exact thresholds of 31,072 x 28", 1, "fits", lambda: exact_thresholds(labels, probs))


if __name__ == "__main__":
    main()
