"""Starting weights from a file: of another run, another size, or a backbone alone.

Only arrays are read from the file: no layer is built from its configuration and none of its code
is run.
"""

import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, some
from kit.core.unpack import MOST_TIMES, MOST_UNPACKED
from kit.models.registry import PRETRAINED_CHANNELS
from kit.models.stems import inflated

# What Keras writes: a model with its configuration, or only the weights.
WHOLE, ALONE = ".keras", ".weights.h5"
# The weights inside a `.keras` file.
INNER = "model.weights.h5"

# What h5py and zipfile raise for damaged files: HDF5 reports nearly everything as RuntimeError.
_DAMAGED = (
    *(OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError),
    *(EOFError, zipfile.BadZipFile, zlib.error),
)

# Arrays by their paths in a file, such as layers/functional/layers/conv2d/vars/0.
Arrays = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Started:
    """What a model loaded from a file; arrays are given by their paths in the model's own file.

    Arrays in `left` keep their seeded initialization. `share` is the share of all parameters that
    was loaded, in 0..1.
    """

    path: Path
    taken: tuple[str, ...]
    left: tuple[str, ...]
    share: float

    @property
    def told(self) -> str:
        """One line for the log."""
        total = len(self.taken) + len(self.left)
        new = f" Not loaded: {some(self.left, most=3)}." if self.left else ""
        return (
            f"Weights from {self.path}: {len(self.taken)} of {total} arrays, {self.share:.1%} of "
            f"all parameters.{new}"
        )


class _InMemory(BytesIO):
    """A file in memory that Keras takes for one of weights, because it looks at the name's end."""

    def __str__(self) -> str:
        return f"memory{ALONE}"


def weights_to_bytes(model: keras.Model) -> memoryview:
    """The contents of the `.weights.h5` file that Keras writes of this model.

    Made in memory, because HDF5 crashes the process when a disk fills up while it writes.
    """
    file = _InMemory()
    model.save_weights(file)
    return file.getbuffer()


def load_weights_bytes(model: keras.Model, content: bytes | memoryview) -> None:
    """Load what `weights_to_bytes` made, or the contents of such a file."""
    model.load_weights(_InMemory(content))


def are_readable(path: Path) -> bool:
    """Whether every array in a weights file can be read."""
    try:
        _read_file(path)
    except UserError:
        return False
    return True


def is_weights_file(weights: str) -> bool:
    """Whether the text names a weights file, judging by its suffix."""
    return weights.endswith((WHOLE, ALONE))


def find_weights_file(weights: str) -> Path:
    """The file that the text names; UserError for another suffix or a missing file."""
    if not is_weights_file(weights):
        raise UserError(f"Weights files must end in {WHOLE} or {ALONE}, got '{weights}'.")
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"Weights file {path} not found. Name another, or train from scratch: "
            "--set weights=none."
        )
    return path


def start_from(model: keras.Model, path: Path, inflating: bool = False) -> Started:
    """Load the weights in a `.keras` or `.weights.h5` file that fit the model.

    An array is loaded if the file has one of the same shape at the same path: same kind of layer,
    same order. So a head for other classes or another size keeps its initialization. A file of a
    backbone alone goes into the layer "backbone". States of random generators are not loaded. With
    `inflating`, a first convolution for three channels is widened to the model's, as in
    `kit.models.stems.inflate`. Raises UserError when the file is missing or unreadable, or when
    nothing fits.
    """
    stored = _read_file(find_weights_file(str(path)))
    # The model's own file gives the paths of its arrays; the other file's are written into it.
    file = BytesIO(weights_to_bytes(model))
    with h5py.File(file, "r+") as own:
        places = _arrays(own)
        fitting = max(
            (_fitting(places, stored, at, inflating) for at in _roots(places)), key=_values
        )
        for place, array in fitting.items():
            own[place][...] = array
    if not fitting:
        raise UserError(
            f"None of the {len(stored)} arrays in {path} fits {model.name}. Name a file of the "
            "same backbone and channel count, or train from scratch: --set weights=none."
        )
    load_weights_bytes(model, file.getbuffer())
    left = tuple(place for place in places if place not in fitting)
    return Started(path, tuple(fitting), left, _values(fitting) / _values(places))


def _read_file(path: Path) -> Arrays:
    try:
        if path.name.endswith(ALONE):
            with h5py.File(path, "r") as file:
                return _arrays(file, _most_bytes(path))
        with zipfile.ZipFile(path) as archive, archive.open(INNER) as inner:
            content = BytesIO(_unpacked(archive, inner, _most_bytes(path)))
        with h5py.File(content, "r") as file:
            return _arrays(file, _most_bytes(path))
    except _DAMAGED as error:
        raise UserError(
            f"{path} is not a readable Keras weights file; it may be truncated or written by "
            "another program."
        ) from error


def _most_bytes(path: Path) -> int:
    """What the arrays of a file may take in memory: a damaged size could ask for all of it."""
    return max(MOST_UNPACKED, MOST_TIMES * path.stat().st_size)


def _unpacked(archive: zipfile.ZipFile, inner: IO[bytes], most: int) -> bytes:
    if archive.getinfo(INNER).file_size > most:
        raise ValueError("unpacks to more than weights do")
    return inner.read()


def _arrays(file: h5py.File, most: float = math.inf) -> Arrays:
    """The arrays of floating-point numbers in a file; ValueError for over `most` bytes in all."""
    found: dict[str, NDArray[np.floating]] = {}
    total = 0

    def keep(place: str, item: object) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            total += item.nbytes
            if total > most:
                raise ValueError("has larger arrays than its size allows")
            found[place] = item[...]

    file.visititems(keep)
    return found


def _roots(places: Arrays) -> list[str]:
    """Paths in a model that may match a file's root: the model itself or one of its layers."""
    return list(dict.fromkeys(["", *("/".join(place.split("/")[:2]) + "/" for place in places)]))


def _fitting(places: Arrays, stored: Arrays, root: str, inflating: bool) -> Arrays:
    """The stored arrays by their paths in the model, if shapes agree or can be inflated."""
    found = {}
    for place, own in places.items():
        array = stored.get(place.removeprefix(root)) if place.startswith(root) else None
        if array is None:
            continue
        if array.shape == own.shape or (inflating and _widens(place, array.shape, own.shape)):
            found[place] = inflated(array, own.shape)
    return found


def _widens(place: str, three: tuple[int, ...], own: tuple[int, ...]) -> bool:
    """Whether two shapes differ only in that the stored weight is for three channels."""
    if len(three) == 4:
        return three[2] == PRETRAINED_CHANNELS and (*three[:2], three[3:]) == (*own[:2], own[3:])
    return "/normalization/" in f"/{place}" and three == (PRETRAINED_CHANNELS,)


def _values(arrays: Arrays) -> int:
    return sum(array.size for array in arrays.values())
