"""Work in threads, for functions that release the GIL: decoding, hashing, reading."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kit.core.machine import cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The result for each item in order, from a thread per core; an error ends the work at once."""
    pool = ThreadPoolExecutor(cores())
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
