"""The kinds of image stores, and the names of their files."""

from dataclasses import dataclass
from pathlib import Path

from kit.core.errors import unknown

# How images are brought to the size of a store. Area: averaged to shrink, cubic to enlarge. Earlier
# versions knew only that, so folders and descriptions do not name it. Linear: bilinear both ways.
AREA = "area"
LINEAR = "linear"
RESIZES = (AREA, LINEAR)
# The largest side of stored images, in pixels: ten times what networks are trained on.
LARGEST_SIZE = 16_384


@dataclass(frozen=True, order=True)
class StoreKind:
    """What distinguishes the stores of a split: the side in pixels, and how images are resized.

    Stores of one kind share a folder. Raises UserError for a `resize` that is not one of RESIZES.
    """

    size: int
    resize: str = AREA

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise unknown("resize method", self.resize, RESIZES)

    @property
    def name(self) -> str:
        """The folder's name: `299`, or `299-linear`."""
        return str(self.size) if self.resize == AREA else f"{self.size}-{self.resize}"

    @property
    def words(self) -> tuple[str, ...]:
        """The options of `kit pack` for this kind."""
        resize = () if self.resize == AREA else ("--resize", self.resize)
        return ("--size", str(self.size), *resize)


@dataclass(frozen=True)
class StoreFiles:
    """The files of one packed split of one kind, below the folder of all stores."""

    stores: Path
    kind: StoreKind
    split: str

    @property
    def folder(self) -> Path:
        return self.stores / self.kind.name

    @property
    def images(self) -> Path:
        return self.folder / f"{self.split}.npy"

    @property
    def ids(self) -> Path:
        return self.folder / f"{self.split}.ids.csv"

    @property
    def meta(self) -> Path:
        """The description; written last."""
        return self.folder / f"{self.split}.meta.json"

    @property
    def twins(self) -> Path:
        """Which rows of a store of extra images are near-duplicates of training rows."""
        return self.folder / f"{self.split}.twins.json"


def stores_of(stores: Path, split: str) -> tuple[StoreFiles, ...]:
    """The packed stores of a split, of every kind, from the smallest."""
    found = []
    for meta in stores.glob(f"*/{split}.meta.json"):
        size, _, resize = meta.parent.name.partition("-")
        if size.isdecimal() and (resize or AREA) in RESIZES:
            found.append(StoreFiles(stores, StoreKind(int(size), resize or AREA), split))
    return tuple(sorted(found, key=lambda files: files.kind))
