"""Weights to start from that lie in a file: of another run, another size, or a backbone alone.

Arrays are read from the file and nothing else is: no layer is made from a file's description, and
no code of it is run.
"""

import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError, some
from kit.models.registry import PRETRAINED_CHANNELS
from kit.models.stems import inflated

# What Keras writes: a model with its description, and its weights alone.
WHOLE, ALONE = ".keras", ".weights.h5"
# The weights within a file of the first kind.
INNER = "model.weights.h5"

# Where an array lies in a file, such as layers/functional/layers/conv2d/vars/0.
Arrays = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Started:
    """What a model took from a file: the places of arrays in the model, as its own file has them.

    Those that were left keep the initial values that follow from the seed. `share` is the part of
    all parameters that was taken, in 0..1.
    """

    path: Path
    taken: tuple[str, ...]
    left: tuple[str, ...]
    share: float

    @property
    def told(self) -> str:
        """One line for the log."""
        total = len(self.taken) + len(self.left)
        new = f" Begin anew: {some(self.left, most=3)}." if self.left else ""
        return (
            f"Weights from {self.path}: {len(self.taken)} of {total} arrays, {self.share:.1%} of "
            f"all parameters.{new}"
        )


def is_weights_file(weights: str) -> bool:
    """Whether the text is meant as a file with weights, by its ending."""
    return weights.endswith((WHOLE, ALONE))


def find_weights_file(weights: str) -> Path:
    """The file that the text names; UserError when Keras writes none so, or it does not exist."""
    if not is_weights_file(weights):
        raise UserError(
            f"Weights are read from files that end in {WHOLE} or {ALONE}, not from '{weights}'."
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"There is no file {path} with weights. Name another, or train from scratch: "
            "--set weights=none."
        )
    return path


def start_from(model: keras.Model, path: Path, inflating: bool = False) -> Started:
    """Give the model the weights in a `.keras` or `.weights.h5` file, as far as they fit.

    An array is taken where the file has one of the same shape at the same place: of the same kind
    of layer, in the same order. So a head for other classes or another size keeps its initial
    values. What a file of a backbone alone holds goes into the layer "backbone". States of random
    numbers are not taken. With `inflating`, a first convolution for three channels is widened to
    the model's, as `kit.models.stems.inflate` does. Raises UserError when the file is missing or
    unreadable, or nothing fits.
    """
    stored = _read_file(find_weights_file(str(path)))
    with tempfile.TemporaryDirectory() as folder:
        # The model's own file says where its arrays lie, and takes those of the other one.
        file = Path(folder) / f"model{ALONE}"
        model.save_weights(file)
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
                "same backbone for as many channels, or train from scratch: --set weights=none."
            )
        model.load_weights(file)
    left = tuple(place for place in places if place not in fitting)
    return Started(path, tuple(fitting), left, _values(fitting) / _values(places))


def _read_file(path: Path) -> Arrays:
    try:
        if path.name.endswith(ALONE):
            with h5py.File(path, "r") as file:
                return _arrays(file)
        with zipfile.ZipFile(path) as archive, archive.open(INNER) as inner:
            content = BytesIO(inner.read())
        with h5py.File(content, "r") as file:
            return _arrays(file)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} cannot be read as weights that Keras has saved; it may be cut short, or of "
            "another program."
        ) from error


def _arrays(file: h5py.File) -> Arrays:
    found: dict[str, NDArray[np.floating]] = {}

    def keep(place: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            found[place] = item[...]

    file.visititems(keep)
    return found


def _roots(places: Arrays) -> list[str]:
    """Where in a model the root of another file may lie: at its own, or in one of its layers."""
    return list(dict.fromkeys(["", *("/".join(place.split("/")[:2]) + "/" for place in places)]))


def _fitting(places: Arrays, stored: Arrays, root: str, inflating: bool) -> Arrays:
    """The stored arrays by their places in the model, where shapes agree or are made to."""
    found = {}
    for place, own in places.items():
        array = stored.get(place.removeprefix(root)) if place.startswith(root) else None
        if array is None:
            continue
        if array.shape == own.shape or (inflating and _widens(place, array.shape, own.shape)):
            found[place] = inflated(array, own.shape)
    return found


def _widens(place: str, three: tuple[int, ...], own: tuple[int, ...]) -> bool:
    """Whether a weight differs in nothing but that the one sees three channels."""
    if len(three) == 4:
        return three[2] == PRETRAINED_CHANNELS and (*three[:2], three[3:]) == (*own[:2], own[3:])
    return "/normalization/" in f"/{place}" and three == (PRETRAINED_CHANNELS,)


def _values(arrays: Arrays) -> int:
    return sum(array.size for array in arrays.values())
