"""What the checks of files cost: `python bench/checks.py`.

First, how long it takes to open a store of the real competition's size, 31,072 rows at 512 pixels:
the first time, when all pixels are read, and then. The file is sparse, so it needs no space and no
disk is measured. Then the share of a demo (five to eight minutes) that is spent on writing, reading
and comparing digests, except those of pixels, which packing computes as it writes them.
`docs/reliability.md` quotes this script's output.
"""

import hashlib
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

import kit.core.disk
import kit.core.seal
import kit.data.store_pixels

ROWS, SIZE, CHANNELS = 31_072, 512, 4

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Stopwatch:
    """The time spent in some functions, those that they call included, each moment once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def timed(self, work: Callable[Given, Result]) -> Callable[Given, Result]:
        """The function, whose time counts."""

        @wraps(work)
        def counted(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            begun = time.perf_counter()
            self._depth += 1
            try:
                return work(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - begun

        return counted


WATCH = Stopwatch()
# Before anything else imports these by name.
kit.core.disk.digest = WATCH.timed(kit.core.disk.digest)
kit.core.disk.digest_file = WATCH.timed(kit.core.disk.digest_file)
kit.core.seal.seal = WATCH.timed(kit.core.seal.seal)
kit.core.seal.find_damage = WATCH.timed(kit.core.seal.find_damage)
kit.data.store_pixels.damaged_pixels = WATCH.timed(kit.data.store_pixels.damaged_pixels)


def open_a_large_store(folder: Path) -> None:
    """Time the opening of a store before and after its pixels were checked."""
    from kit.core.store_paths import StoreFiles, StoreKind
    from kit.data.store import open_store
    from kit.data.store_files import write_ids, write_meta
    from kit.data.store_pixels import PixelSeals, Written

    files = StoreFiles(folder, StoreKind(SIZE), "train")
    files.folder.mkdir(parents=True)
    shape = (ROWS, SIZE, SIZE, CHANNELS)
    with files.images.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + ROWS * SIZE * SIZE * CHANNELS)
    row = bytes(SIZE * SIZE * CHANNELS)
    known = hashlib.sha256(row).digest()
    blocks = tuple(hashlib.sha256(known).hexdigest() for _ in range(ROWS))
    ids = [f"{number:036d}" for number in range(ROWS)]
    described = {
        "competition": "bench",
        "split": "train",
        "rows": ROWS,
        "size": SIZE,
        "channels": [str(number) for number in range(CHANNELS)],
        "ids_digest": kit.core.disk.digest(ids),
    }
    write_ids(files, ids)
    write_meta(files, described, {}, Written((zlib.crc32(row),) * ROWS, PixelSeals(1, blocks)))
    for remembered in files.folder.glob(".*.json"):
        remembered.unlink()
    for when in ("first", "then", "again"):
        begun = time.perf_counter()
        open_store(files)
        print(f"open {ROWS:,} rows at {SIZE} px, {when}: {time.perf_counter() - begun:.2f} s")


def run_a_demo(folder: Path) -> None:
    """Time the checks of a demo, and print their share."""
    from kit.demo import FULL, run_demo

    os.chdir(folder)
    before, begun = WATCH.seconds, time.perf_counter()
    run_demo(FULL)
    seconds, checks = time.perf_counter() - begun, WATCH.seconds - before
    print(f"checks: {checks:.2f} s of {seconds:.0f} s, {checks / seconds:.2%}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        open_a_large_store(Path(scratch) / "store")
    with tempfile.TemporaryDirectory() as scratch:
        run_a_demo(Path(scratch))
