"""A competition of thirty small pictures, on which the files in `tests/formats/` were made."""

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.competitions.tables import OneHot, SpaceSeparated

shapes = Competition(
    name="shapes",
    title="Shapes",
    class_keys=("circle", "square", "star"),
    class_names=("Circle", "Square", "Star"),
    channels=("red", "green", "blue"),
    images=OneFile("{id}.png"),
    label_table="labels.csv",
    label_format=SpaceSeparated("image", "shapes"),
    sample_table="sample.csv",
    id_column="image",
    answer_format=OneHot("image"),
    how_to_get_data="Draw them: tests/make_formats.py.",
)
