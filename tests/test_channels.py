"""`kit look --channels`: images with each channel in its own colour, beside the composite."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import inside
from command import kit as run_kit
from flowers import FILE, write_flowers
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.cells import generate_cells
from kit.competitions.images import FilePerChannel, OneFile
from kit.competitions.registry import find_competition
from kit.core.disk import write_text
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.decode import Decoding, decode_native
from kit.data.images import Folder
from kit.report.channels import (
    Panels,
    draw_channels,
    full_colour,
    look_channels,
    make_panels,
    split_channels,
)
from kit.report.figures import to_rgb

RGBY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0))


def pixels_of(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# Colours


def test_each_channel_has_its_colour_and_all_together_come_last() -> None:
    pixels = pixels_of(20, 30, 4)
    red, green, blue, yellow, composite = split_channels(pixels, RGBY)
    for number, picture in enumerate((red, green, blue)):
        others = [each for each in range(3) if each != number]
        assert picture.shape == (20, 30, 3)
        assert picture[..., number].max() == 255
        assert not picture[..., others].any()
    np.testing.assert_array_equal(yellow[..., 0], yellow[..., 1])
    assert yellow[..., 0].max() == 255  # half of it would be hard to see
    assert not yellow[..., 2].any()
    np.testing.assert_array_equal(composite, to_rgb(pixels, RGBY))


def test_a_single_channel_is_grey() -> None:
    single, composite = split_channels(pixels_of(8, 8, 1), ((1.0, 1.0, 1.0),))
    np.testing.assert_array_equal(single, composite)
    np.testing.assert_array_equal(single[..., 0], single[..., 2])


def test_a_channel_that_is_not_displayed_is_grey_alone() -> None:
    assert full_colour((0.0, 0.0, 0.0)) == (1.0, 1.0, 1.0)
    assert full_colour((0.25, 0.25, 0.25)) == (1.0, 1.0, 1.0)
    assert full_colour((0.5, 0.25, 0.0)) == (1.0, 0.5, 0.0)


def test_a_large_image_is_reduced_in_its_proportions() -> None:
    pictures = split_channels(pixels_of(600, 1200, 2), RGBY[:2])
    assert {picture.shape for picture in pictures} == {(165, 330, 3)}


# Decoding


def test_files_are_decoded_at_their_own_size(tmp_path: Path) -> None:
    colour = pixels_of(30, 50, 3)
    cv2.imwrite(str(tmp_path / "a.png"), colour[..., ::-1])
    np.testing.assert_array_equal(decode_native(Folder(tmp_path), ["a.png"], Decoding(3)), colour)
    cv2.imwrite(str(tmp_path / "grey.png"), colour[..., 0].astype(np.uint16) << 8)
    np.testing.assert_array_equal(
        decode_native(Folder(tmp_path), ["grey.png"], Decoding(1)), colour[..., :1]
    )


def test_channels_of_other_sizes_get_that_of_the_first(tmp_path: Path) -> None:
    for name, side in (("a", 20), ("b", 40)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((side, side), side, np.uint8))
    pixels = decode_native(Folder(tmp_path), ["a.png", "b.png"], Decoding(2))
    assert pixels.shape == (20, 20, 2)
    assert pixels[0, 0].tolist() == [20, 40]


# Which images


@pytest.fixture
def meadow(tmp_path: Path) -> Path:
    """A folder with a few flowers; nothing is packed."""
    write_flowers(tmp_path / "data" / "flowers", n_train=6, n_test=2)
    return tmp_path


def panels(folder: Path, *ids: str) -> list[Panels]:
    workspace = Workspace.of("flowers", folder / "data" / "flowers")
    return list(make_panels(find_competition(FILE), workspace, ids))


def test_images_of_train_and_test_in_the_order_asked_for(meadow: Path) -> None:
    table = find_competition(FILE).read_labels(meadow / "data" / "flowers")
    found = panels(meadow, "meadow007", "meadow002", "meadow006", "meadow000")
    assert [one.image_id for one in found] == ["meadow007", "meadow002", "meadow006", "meadow000"]
    assert [one.about for one in found[::2]] == [("test image",)] * 2
    flowers = find_competition(FILE).class_names
    for one in found[1::2]:
        present = np.flatnonzero(table.of([one.image_id])[0])
        assert one.about == (tuple(flowers[each] for each in present) or ("no labels",))
    for one in found:
        pixels = cv2.imread(str(meadow / "data/flowers/images" / f"{one.image_id}.jpg"))
        assert pixels is not None
        assert [picture.shape for picture in one.pictures] == [pixels.shape] * 4


@pytest.mark.parametrize(
    ("got", "hint"),
    [
        ("meadow02", "Similar: meadow0"),
        ("meadow00", "Similar: meadow000, meadow001, meadow002."),
        ("zzz", "They list meadow000, meadow001, meadow002 and 5 more."),
        ("", "They list meadow000"),
    ],
)
def test_an_unknown_id_is_told_with_similar_ones(got: str, hint: str, meadow: Path) -> None:
    with pytest.raises(UserError) as raised:
        panels(meadow, "meadow001", got)
    said = str(raised.value)
    assert said.startswith(f"No image '{got}' in labels.csv and sample.csv. {hint}")
    assert "\n" not in said


def test_missing_files_are_told_as_packing_tells_them(meadow: Path) -> None:
    images = meadow / "data/flowers/images"
    (images / "meadow001.jpg").unlink()
    with pytest.raises(UserError, match="train: ids in the table without an image: meadow001"):
        panels(meadow, "meadow000", "meadow001")
    shutil.rmtree(images)
    with pytest.raises(UserError, match=r"Neither .*images/ nor .*images.zip exists. Pick them."):
        panels(meadow, "meadow000")


def test_images_are_read_from_an_archive(meadow: Path) -> None:
    before = panels(meadow, "meadow000")
    images = meadow / "data/flowers/images"
    shutil.make_archive(str(images), "zip", images)
    shutil.rmtree(images)
    for old, new in zip(before[0].pictures, panels(meadow, "meadow000")[0].pictures, strict=True):
        np.testing.assert_array_equal(old, new)


def test_more_images_than_a_picture_holds_are_refused(meadow: Path) -> None:
    workspace = Workspace.of("flowers", meadow / "data" / "flowers")
    names = [str(number) for number in range(51)]
    with pytest.raises(UserError, match="--channels: at most 50 images in one picture, got 51"):
        look_channels(find_competition(FILE), workspace, names, meadow / "x.png")


def test_one_missing_channel_is_named(tmp_path: Path) -> None:
    generate_cells(tmp_path, seed=0, n_train=3, n_test=1, size=32)
    competition, workspace = find_competition("cells"), Workspace.of("cells", tmp_path)
    first = competition.read_labels(tmp_path).ids[0]
    (one,) = make_panels(competition, workspace, [first])
    assert len(one.pictures) == 5
    name = competition.images.files(first)[1]
    (tmp_path / "train" / name).unlink()
    with pytest.raises(UserError, match=f"train: missing channel files: {name}"):
        list(make_panels(competition, workspace, [first]))


def test_a_competition_with_one_channel(shapes: Competition, tmp_path: Path) -> None:
    grey = replace(shapes, channels=("light",), images=FilePerChannel("{id}.png", ("light",)))
    one_file = replace(shapes, channels=("light",), images=OneFile("{id}.png"))
    write_text(tmp_path / "labels.csv", "image,shapes\na,circle\nb,\n")
    write_text(tmp_path / "sample.csv", "image,circle,square,star\nc,0,0,0\n")
    for name in "ab":
        path = tmp_path / "train" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), pixels_of(9, 7, 1))
    for competition in (grey, one_file):
        workspace = Workspace.of("shapes", tmp_path)
        circle, none = make_panels(competition, workspace, ["a", "b"])
        assert (circle.about, none.about) == (("Circle",), ("no labels",))
        assert [picture.shape for picture in circle.pictures] == [(9, 7, 3)] * 2


# The picture


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_ids_labels_and_channels_are_text_and_not_markup(
    shapes: Competition, tmp_path: Path
) -> None:
    odd = replace(shapes, title="$Shapes$", channels=("r_$x", "<g>", "$b$"))
    pictures = (np.zeros((4, 6, 3), np.uint8),) * 4
    rows = [Panels("id_$1$", (r"$\frac{", "<b>Star"), pictures)]
    figure = draw_channels(rows, odd)
    heading, title, *names = texts(figure)
    assert heading.startswith("$Shapes$: each channel in its colour")
    assert title == r"id_$1$: $\frac{, <b>Star"
    assert names == ["r_$x", "<g>", "$b$", "composite"]
    figure.savefig(tmp_path / "drawn.png")


def test_many_labels_take_two_lines_and_the_rest_is_counted(shapes: Competition) -> None:
    names = tuple(f"Organelle number {number}" for number in range(40))
    pictures = (np.zeros((4, 4, 3), np.uint8),) * 4
    figure = draw_channels([Panels("a", names, pictures)], shapes)
    title = texts(figure)[1]
    assert title.count("\n") == 1
    assert title.replace("\n", " ").endswith("more")


def test_the_command_draws_each_image_once(meadow: Path) -> None:
    said = run_kit(meadow, "look", "-c", FILE, "--channels", "meadow000", "meadow007", "meadow000")
    path = meadow / "runs/flowers/channels.png"
    assert said == "Wrote runs/flowers/channels.png\n"
    two = cv2.imread(str(path))
    run_kit(meadow, "look", "-c", FILE, "--channels", "meadow000", "--out", "mine.PNG")
    one = cv2.imread(str(meadow / "mine.PNG"))
    assert one is not None
    assert two is not None
    assert one.shape[0] < two.shape[0] < 2 * one.shape[0]
    assert one.shape[1] == two.shape[1]
    with inside(meadow):
        assert not Workspace.of("flowers").stores.exists()  # nothing is packed for it
