"""`kit look`: a picture of training images as a recipe varies them."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.cli import main
from kit.competitions.cells import generate_cells
from kit.data.augment import apply_symmetry, draw_symmetries
from kit.data.sampling import rare_rows
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.report.look import Versions, draw_versions, title, vary_rows

RGB = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def recipe_with(*settings: str) -> Recipe:
    return with_settings(recipes.get("convnet"), settings)


def images_of(rows: int, channels: int = 3) -> NDArray[np.uint8]:
    shape = (rows, 16, 16, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_the_rarest_classes_come_first_and_no_row_twice() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], np.uint8)
    assert rare_rows(labels, 2).tolist() == [3, 1]
    assert rare_rows(labels, 4).tolist() == [3, 1, 0, 2]
    assert rare_rows(labels, 9).tolist() == [3, 1, 0, 2, 4]
    assert rare_rows(np.zeros((3, 2), np.uint8), 2).tolist() == [0, 1]


def test_the_first_column_is_unchanged_and_the_others_are_epochs() -> None:
    images, labels = images_of(5), np.eye(5, dtype=np.uint8)
    rows = np.array([4, 1])
    seen = vary_rows(images, labels, rows, recipe_with("augment=symmetries", "seed=3"), 2)
    assert seen.pixels.shape == (2, 3, 16, 16, 3)
    np.testing.assert_array_equal(seen.pixels[:, 0], images[rows])
    for epoch in range(2):
        symmetries = draw_symmetries(2, 3, epoch)
        for number, row in enumerate(rows):
            expected = apply_symmetry(images[row], int(symmetries[number]))
            np.testing.assert_array_equal(seen.pixels[number, 1 + epoch], expected)
    assert (seen.labels == labels[rows][:, None]).all()


def test_mixed_images_come_with_their_shares() -> None:
    images, labels = images_of(4), np.eye(4, dtype=np.uint8)
    recipe = recipe_with("augment=none", "mix=mixup(1)")
    seen = vary_rows(images, labels, np.arange(4), recipe, 3)
    expected = np.tensordot(seen.labels, images.astype(float), axes=1)
    np.testing.assert_allclose(seen.pixels, expected, atol=0.51)
    assert (seen.labels[:, 0] == labels).all()
    assert ((seen.labels > 0) & (seen.labels < 1)).any()


def texts(figure: Figure) -> list[str]:
    found = [axis.get_title(loc="left") for axis in figure.axes]
    found += [text.get_text() for axis in figure.axes for text in axis.texts]
    return [text for text in found if text]


def test_rows_have_their_labels_and_mixed_images_their_shares() -> None:
    pixels = np.zeros((2, 2, 4, 4, 3), np.uint8)
    labels = np.array([[[1, 1, 0], [1, 1, 0]], [[0, 0, 1], [0.25, 0.25, 0.75]]], np.float32)
    figure = draw_versions(Versions(pixels, labels), ("Circle", "Square", "Star"), RGB, "heading")
    assert texts(figure) == ["Circle, Square", "Star", "0.75 Star\n0.25 Circle\n0.25 Square"]
    assert figure.get_suptitle() == "heading"


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    pixels = np.zeros((1, 2, 4, 4, 3), np.uint8)
    labels = np.array([[[1, 0], [0.5, 0.5]]], np.float32)
    names = (r"$\frac{", "a_b$<i>")
    figure = draw_versions(Versions(pixels, labels), names, RGB, "$heading_{")
    assert texts(figure) == [r"$\frac{", "0.50 $\\frac{\n0.50 a_b$<i>"]
    figure.savefig(tmp_path / "drawn.png")


def test_a_darker_version_looks_darker() -> None:
    pixels = np.full((1, 2, 4, 4, 3), 200, np.uint8)
    pixels[0, 1] = 100
    figure = draw_versions(Versions(pixels, np.ones((1, 2, 1), np.float32)), ("Star",), RGB, "")
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    assert [int(image.max()) for image in shown] == [255, 127]


def test_the_title_says_how_images_are_varied() -> None:
    plain = recipe_with("augment=symmetries+crop(0.6)", "size=32")
    assert title(plain) == "convnet at 32 px: augment=symmetries+crop(0.6)"
    assert title(with_settings(plain, ["mix=cutmix"])).endswith("crop(0.6), mix=cutmix")


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a few synthetic cells and no folds."""
    monkeypatch.chdir(tmp_path)
    for name in ("KIT_DATA", "KIT_RUNS"):
        monkeypatch.delenv(name, raising=False)
    generate_cells(tmp_path / "data" / "cells", seed=0, n_train=12, n_test=2, size=32)
    return tmp_path


def kit(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """The exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["kit", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_the_command_packs_and_draws_without_folds_and_draws_the_same_again(
    cells: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["look", "convnet", "-c", "cells", "--size", "32"]
    path = Path("runs/cells/look-convnet-32.png")
    assert kit(monkeypatch, *words, "--set", "augment=symmetries+rotate+noise") == 0
    assert capsys.readouterr().out.endswith(f"Wrote {path}\n")
    first = path.read_bytes()
    picture = cv2.imread(str(path))
    assert picture is not None
    assert min(picture.shape[:2]) > 500
    assert kit(monkeypatch, *words, "--set", "augment=symmetries+rotate+noise") == 0
    assert path.read_bytes() == first
    assert kit(monkeypatch, *words, "--set", "augment=symmetries", "--set", "mix=cutmix") == 0
    assert path.read_bytes() != first
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("augment=rotates", "kit: No augmentation 'rotates'. Known: blur, "),
        ("mix=mixip", "kit: No mix 'mixip'. Known: cutmix, mixup, none. Did you mean 'mixup'?"),
    ],
)
def test_a_wrong_name_is_told_in_one_line_before_any_work(
    setting: str,
    message: str,
    cells: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert kit(monkeypatch, "look", "convnet", "-c", "cells", "--set", setting) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert not (cells / "data" / "cells" / "store").exists()


@pytest.mark.parametrize(
    "words", ["look convnet", "look convnet --grid 2x2", "models convnet --summary"]
)
def test_no_library_announces_itself(cells: Path, words: str) -> None:
    """In a process of its own, because a library announces itself once, when it is imported."""
    typed = [sys.executable, "-m", "kit", *words.split(), "-c", "cells", "--size", "32"]
    done = subprocess.run(typed, cwd=cells, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
