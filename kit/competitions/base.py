"""What a competition is: the fixed facts that every other file asks for and none repeats.

The metric is macro-F1 in every one of them (`metrics.py`): thresholds and blends are solved for it,
and a field for another metric would be a promise that nothing keeps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.images import ImageNames
from kit.competitions.tables import LabelTable, TableFormat, read_ids
from kit.core.errors import UserError
from kit.core.progress import Reporter

# How much a channel adds to red, to green and to blue.
Mixture = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Grades:
    """What a grader answers to a submission: the metric on each side of the hidden split."""

    public: float
    private: float


@dataclass(frozen=True)
class OnKaggle:
    """A competition's place on Kaggle: the last part of its address, and the files it needs.

    `files` are the names of the data files to download; archives of images stay packed.
    """

    slug: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Competition:
    """One competition's facts: classes, channels, files, formats, and grader.

    `label_table` lies in the data folder and is read by `label_format`; the test ids are the
    first column, `id_column`, of `sample_table`, whose order a submission keeps.
    `train_images` and `test_images` are the folders of the data folder that the images lie in, or
    their zip archives without `.zip`; both may be the same.
    `display` mixes the channels for the eye: how much each adds to red, green and blue.
    `how_to_get_data` may have the place `{folder}` for the data folder.
    `private_share` is the share of the test rows that decides the final score, when it is known.
    `kaggle` is where it is downloaded from and submitted to. `prepare` makes the data where no
    one can download them, in the folder it is given; `grade` is a local grader, which is asked
    instead of Kaggle.
    Raises ValueError when the facts contradict each other.
    """

    name: str
    title: str
    class_keys: tuple[str, ...]
    class_names: tuple[str, ...]
    channels: tuple[str, ...]
    images: ImageNames
    label_table: str
    label_format: TableFormat
    sample_table: str
    id_column: str
    answer_format: TableFormat
    how_to_get_data: str
    train_images: str = "train"
    test_images: str = "test"
    display: Mixture | None = None
    group_table: str | None = None
    private_share: float | None = None
    kaggle: OnKaggle | None = None
    prepare: Callable[[Path, Reporter], None] | None = None
    grade: Callable[[Path, Path], Grades] | None = None

    def __post_init__(self) -> None:
        if len(self.class_keys) != len(self.class_names):
            raise ValueError(f"{self.name}: as many class names as class keys are wanted")
        if len(set(self.class_keys)) != len(self.class_keys):
            raise ValueError(f"{self.name}: class keys must differ")
        # Keys are the columns of a predictions table, beside these two.
        if taken := {"Id", "fold"} & set(self.class_keys):
            raise ValueError(f"{self.name}: no class key may be called {sorted(taken)}")
        named = getattr(self.images, "channels", self.channels)
        if tuple(named) != tuple(self.channels):
            raise ValueError(f"{self.name}: files for {named}, but channels {self.channels}")
        if self.display is not None and len(self.display) != len(self.channels):
            raise ValueError(f"{self.name}: one row of display for each channel is wanted")

    def read_labels(self, source: Path) -> LabelTable:
        """The training labels from the data folder; UserError that says how to get the data."""
        self.require(source / self.label_table)
        return self.label_format.read(source / self.label_table, self.class_keys)

    def read_test_ids(self, source: Path) -> tuple[str, ...]:
        """The ids that a submission answers, in its order."""
        self.require(source / self.sample_table)
        return read_ids(source / self.sample_table, self.id_column)

    def require(self, path: Path) -> None:
        """Raise UserError with the way to get the data when a file of them is not there."""
        if not path.exists():
            raise UserError(f"{path} does not exist. {self.how_to_get(path.parent)}")

    def how_to_get(self, folder: Path) -> str:
        """The way to get the data into this data folder."""
        return self.how_to_get_data.replace("{folder}", str(folder))

    def mixture(self) -> Mixture:
        """How much each channel adds to red, green and blue, the same grey each if unknown."""
        if self.display is not None:
            return self.display
        if len(self.channels) == 3:
            return ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        share = 1 / len(self.channels)
        return ((share, share, share),) * len(self.channels)

    def answer(self, ids: Sequence[str], decisions: NDArray[np.uint8]) -> str:
        """The submission CSV for these ids and decisions, (rows, classes) of 0 or 1."""
        return self.answer_format.text(LabelTable(tuple(ids), decisions), self.class_keys)
