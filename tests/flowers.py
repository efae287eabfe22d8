"""A whole competition in one file, as different from the first as can be: five flowers.

RGB JPEGs of mixed sizes in one folder, one-hot label columns, and a submission under another
header. The tests take it through the whole line by its path; see `write_flowers` for its data.
"""

from pathlib import Path

import cv2
import numpy as np

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.competitions.tables import OneHot

# As the command line takes this competition.
FILE = __file__

FLOWERS = ("aster", "bellflower", "clover", "daisy", "edelweiss")

flowers = Competition(
    name="flowers",
    title="Flowers in a meadow",
    class_keys=FLOWERS,
    class_names=tuple(name.capitalize() for name in FLOWERS),
    channels=("red", "green", "blue"),
    images=OneFile("{id}.jpg"),
    label_table="labels.csv",
    label_format=OneHot("image_name"),
    sample_table="sample.csv",
    id_column="image_name",
    answer_format=OneHot("image_name"),
    how_to_get_data="Pick them.",
    train_images="images",
    test_images="images",
)


def write_flowers(folder: Path, n_train: int, n_test: int) -> None:
    """Write small meadows: each flower is a blob of its own color, in images of mixed sizes."""
    rng = np.random.Generator(np.random.PCG64(5))
    colors = ((220, 40, 40), (60, 60, 230), (230, 60, 220), (240, 240, 240), (240, 220, 40))
    tables = {
        "train": ["image_name," + ",".join(FLOWERS)],
        "test": ["image_name," + ",".join(FLOWERS)],
    }
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(n_train + n_test):
        split = "train" if number < n_train else "test"
        height, width = (int(side) for side in rng.integers(40, 90, 2))
        image = np.full((height, width, 3), (30, 110, 40), np.uint8)
        present = rng.random(len(FLOWERS)) < 0.4
        for flower in np.flatnonzero(present):
            center = (int(rng.integers(8, width - 8)), int(rng.integers(8, height - 8)))
            cv2.circle(image, center, 7, colors[flower], -1)
        cv2.imwrite(str(folder / "images" / f"meadow{number:03d}.jpg"), image[:, :, ::-1])
        shown = present if split == "train" else np.zeros(len(FLOWERS), bool)
        cells = ",".join(str(int(cell)) for cell in shown)
        tables[split].append(f"meadow{number:03d},{cells}")
    (folder / "labels.csv").write_text("\n".join(tables["train"]) + "\n")
    (folder / "sample.csv").write_text("\n".join(tables["test"]) + "\n")
