"""Images of several stores, seen as one array."""

import operator
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """Rows of uint8 images of one size: a memory map, an array, or several of them stacked."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """(rows, size, size, channels)."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __getitem__(self, row: SupportsIndex, /) -> NDArray[np.uint8]:
        """One image, (size, size, channels)."""


@dataclass(frozen=True)
class Stacked:
    """Several image arrays as one, the rows of the first before those of the second; none copied.

    Each part is uint8 (n, size, size, channels). Raises ValueError when there is none, or when
    their sizes or channels differ.
    """

    parts: tuple[Images, ...]

    def __post_init__(self) -> None:
        if len({part.shape[1:] for part in self.parts}) != 1:
            shapes = [part.shape for part in self.parts]
            raise ValueError(f"images of one size and the same channels are wanted, got {shapes}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows of all parts, size, size, channels)."""
        return (len(self), *self.parts[0].shape[1:])

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, row: SupportsIndex, /) -> NDArray[np.uint8]:
        """The image of a row from 0, (size, size, channels); IndexError when there is no such."""
        left = operator.index(row)
        for part in self.parts:
            if 0 <= left < len(part):
                return part[left]
            left -= len(part)
        raise IndexError(f"row {operator.index(row)} of {len(self)} images")
