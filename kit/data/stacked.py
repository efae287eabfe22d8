"""Images of several stores as one array."""

import operator
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray


class Images(Protocol):
    """Rows of uint8 images of one size: a memory map, an array, or a stack of these."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """(rows, size, size, channels)."""

    def __len__(self) -> int:
        """The number of rows."""

    def __getitem__(self, row: SupportsIndex, /) -> NDArray[np.uint8]:
        """One image, (size, size, channels)."""


@dataclass(frozen=True)
class Stacked:
    """Several image arrays concatenated without a copy.

    Each part is uint8 (n, size, size, channels). Raises ValueError when there are no parts, or
    when their sizes or channels differ.
    """

    parts: tuple[Images, ...]

    def __post_init__(self) -> None:
        if len({part.shape[1:] for part in self.parts}) != 1:
            shapes = [part.shape for part in self.parts]
            raise ValueError(f"images must have one size and the same channels, got {shapes}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows of all parts, size, size, channels)."""
        return (len(self), *self.parts[0].shape[1:])

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, row: SupportsIndex, /) -> NDArray[np.uint8]:
        """The image of a row from 0, (size, size, channels); IndexError if out of range."""
        left = operator.index(row)
        for part in self.parts:
            if 0 <= left < len(part):
                return part[left]
            left -= len(part)
        raise IndexError(f"row {operator.index(row)} of {len(self)} images")
