"""Initial values from a seed where a library's constructor takes none."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Layers that are made and built inside draw their initial values from this seed alone.

    A layer that is given no seed draws one from Python's `random` (make_default_seed in
    keras/src/random/seed_generator.py), whose state is put back after.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
