"""The synthetic cells as a competition on Kaggle: the stand-in grades them, the kit does not."""

from dataclasses import replace

from kit.competitions.base import OnKaggle
from kit.competitions.cells import cells

# Under the same name, so that a folder in which the cells were trained on can submit them.
on_kaggle = replace(
    cells,
    kaggle=OnKaggle("synthetic-cells", ("train.csv", "sample_submission.csv", "test.zip")),
    prepare=None,
    grade=None,
)
