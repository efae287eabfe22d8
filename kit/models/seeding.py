"""Seeded initialization for library constructors that take no seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Layers created and built inside are initialized from this seed alone.

    A layer without a seed draws one from Python's `random` (make_default_seed in
    keras/src/random/seed_generator.py), whose state is restored afterwards.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
