"""What a competition is: the fixed facts, stated once and used everywhere.

The metric is always macro-F1 (`metrics.py`): thresholds and blends are optimized for it, so a field
for another metric would have no effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.facts import (
    WrongFact,
    check_below,
    check_bits,
    check_display,
    check_flag,
    check_function,
    check_keys,
    check_methods,
    check_name,
    check_share,
    check_slug,
    check_text,
    texts_of,
)
from kit.competitions.images import ImageNames
from kit.competitions.tables import LabelTable, TableFormat, read_ids
from kit.core.errors import UserError
from kit.core.paths import default_source
from kit.core.progress import Reporter
from kit.core.suggest import Typed

# How much each channel adds to red, green and blue.
Mixture = tuple[tuple[float, float, float], ...]

# Fields of a competition that are text, each with an example.
_TEXTS = {
    "title": "Flowers in a meadow",
    "label_table": "train.csv",
    "sample_table": "sample_submission.csv",
    "id_column": "Id",
    "how_to_get_data": "Download it, then name its folder: --data DIR.",
    "train_images": "train",
    "test_images": "test",
}
# Fields that are paths in the data folder.
_PATHS = ("label_table", "sample_table", "group_table", "train_images", "test_images")


@dataclass(frozen=True)
class Grades:
    """A grader's result for a submission: the metric on each part of the hidden split."""

    public: float
    private: float


@dataclass(frozen=True)
class OnKaggle:
    """A competition on Kaggle: the last part of its URL, and the data files to download.

    Image archives among `files` stay packed.
    """

    slug: str
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_slug(self.slug)
        if self.files != ():
            object.__setattr__(self, "files", texts_of("files", self.files))
        for number, name in enumerate(self.files):
            check_below(f"files[{number}]", name)


@dataclass(frozen=True)
class Competition:
    """One competition's facts: classes, channels, files, formats, and grader.

    `label_table` is in the data folder and is read by `label_format`. The test ids are the first
    column, `id_column`, of `sample_table`; submissions keep its order.
    `train_images` and `test_images` are the image folders in the data folder, or their zip
    archives without `.zip`; both may be the same.
    `convert`: whether files with other colours than expected are converted: to three channels, grey
    is repeated; to one, colours become the luma of ITU-R BT.601; transparency is dropped.
    `bit_depth` is how many bits of 16-bit files are used, from 8 to 16; None finds it in the
    training images.
    `display` is how much each channel adds to red, green and blue when shown.
    `how_to_get_data` may contain the placeholders `{folder}` for the data folder and `{command}`
    for the command that downloads or generates the data.
    `private_share` is the share of test rows that decides the final score, if known.
    `kaggle` is where to download and submit. `prepare` generates the data in the given folder if
    they cannot be downloaded; `grade` is a local grader, used instead of Kaggle. `file` is the
    Python file by which the user named the competition.
    Raises UserError when a fact has the wrong type or facts contradict each other.
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
    file: Path | None = None
    convert: bool = False
    bit_depth: int | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        for what, example in _TEXTS.items():
            check_text(what, getattr(self, what), example)
        if self.group_table is not None:
            check_text("group_table", self.group_table, "groups.csv")
        for what in (one for one in _PATHS if getattr(self, one) is not None):
            check_below(what, getattr(self, what))
        for what in ("class_keys", "class_names", "channels"):  # lists become tuples
            object.__setattr__(self, what, texts_of(what, getattr(self, what)))
        if len(self.class_keys) != len(self.class_names):
            raise WrongFact(
                f"{self.name}: needs as many class names as class keys, has "
                f"{len(self.class_names)} names and {len(self.class_keys)} keys. Is there a "
                "comma after each?"
            )
        check_keys(self.class_keys)
        check_methods("images", self.images, ("files",), 'OneFile("{id}.png")')
        for what in ("label_format", "answer_format"):
            table_format = getattr(self, what)
            check_methods(what, table_format, ("read", "text"), 'SpaceSeparated("Id", "Target")')
            if check := getattr(table_format, "check_keys", None):
                check(self.class_keys)
        named = getattr(self.images, "channels", self.channels)
        if tuple(named) != self.channels:
            raise WrongFact(f"{self.name}: files for {named} but channels {self.channels}.")
        if self.display is not None:
            check_display(self.display, self.channels)
        check_share("private_share", self.private_share)
        check_flag("convert", self.convert)
        check_bits("bit_depth", self.bit_depth)
        if self.kaggle is not None and not isinstance(self.kaggle, OnKaggle):
            raise WrongFact(f"kaggle={self.kaggle!r}: expected OnKaggle(slug, files), or None.")
        check_function("prepare", self.prepare)
        check_function("grade", self.grade)

    def read_labels(self, source: Path) -> LabelTable:
        """Read the training labels; UserError says how to get the data if they are missing."""
        self.require(source / self.label_table)
        return self.label_format.read(source / self.label_table, self.class_keys)

    def read_test_ids(self, source: Path) -> tuple[str, ...]:
        """The ids of a submission, in its order."""
        self.require(source / self.sample_table)
        return read_ids(source / self.sample_table, self.id_column)

    def require(self, path: Path) -> None:
        """Raise UserError that says how to get the data if a file is missing."""
        if not path.exists():
            raise UserError(f"{path} does not exist. {self.how_to_get(path.parent)}")

    def how_to_get(self, folder: Path) -> str:
        """How to get the data into this data folder."""
        command = Typed(self.name if self.file is None else str(self.file)).command("data")
        if folder != (usual := default_source(self.name)):
            command += f" (it fills {usual}; then omit --data)"
        return self.how_to_get_data.replace("{folder}", str(folder)).replace("{command}", command)

    def image_folder(self, split: str) -> str:
        """The folder with the images of a split, `train` or `test`; or an archive, plus `.zip`."""
        return self.train_images if split == "train" else self.test_images

    def absent_images(self, source: Path, split: str) -> str:
        """The message for a data folder without the images of a split."""
        folder = source / self.image_folder(split)
        return f"Neither {folder}/ nor {folder}.zip exists. {self.how_to_get(source)}"

    def count_private(self, source: Path) -> int:
        """How many test rows the final score counts: all where the private share is unknown."""
        return round(len(self.read_test_ids(source)) * (self.private_share or 1.0))

    def count_public(self, source: Path) -> int | None:
        """How many test rows the score before the deadline counts; None if unknown, or all do."""
        rest = len(self.read_test_ids(source)) - self.count_private(source)
        return rest if rest else None

    def mixture(self) -> Mixture:
        """How much each channel adds to red, green and blue; equal greys if unknown."""
        if self.display is not None:
            return self.display
        if len(self.channels) == 3:
            return ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        share = 1 / len(self.channels)
        return ((share, share, share),) * len(self.channels)

    def answer(self, ids: Sequence[str], decisions: NDArray[np.uint8]) -> str:
        """The submission CSV for these ids and labels, (rows, classes) of 0 or 1."""
        return self.answer_format.text(LabelTable(tuple(ids), decisions), self.class_keys)
