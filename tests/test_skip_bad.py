"""Images that cannot be used: all are listed, or skipped up to a number, and never trained on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from recording import Recording

from kit.competitions.base import Competition
from kit.competitions.images import OneFile
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data.extra import read_extra
from kit.data.folds import Folds
from kit.data.store import Store, open_store, pack, packing_facts
from kit.training.inputs import Inputs
from kit.training.start import Start

KIND = StoreKind(16)
IDS = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def pngs(shapes: Competition, workspace: Workspace) -> Competition:
    """Images of two splits: of train, b is grey, c is missing and d is cut."""
    for split in ("train", "test"):
        for number, one in enumerate(IDS):
            put(workspace.source / split / f"{one}.png", np.full((16, 16, 3), 40 + number))
    folder = workspace.source / "train"
    put(folder / "b.png", np.full((16, 16), 50))
    (folder / "c.png").unlink()
    (folder / "d.png").write_bytes((folder / "d.png").read_bytes()[:-9])
    return replace(shapes, images=OneFile("{id}.png"), file=Path("mine.py"))


def put(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), image.astype(np.uint8))


def skipping(workspace: Workspace, count: int) -> Workspace:
    return replace(workspace, skip_bad=count)


def test_missing_and_odd_images_are_listed_before_any_is_decoded(
    pngs: Competition, workspace: Workspace
) -> None:
    with pytest.raises(UserError) as raised:
        pack(pngs, skipping(workspace, 1), "train", KIND, IDS)
    missing, odd = str(raised.value).split("\n")
    assert missing.startswith("train: ids in the table without an image: c. Looked for c.png in ")
    assert odd == (
        f"{workspace.source / 'train' / 'b.png'} is grey instead of colour. To convert such files, "
        "set convert=True in mine.py. Or go on without: kit pack --size 16 --skip-bad 2"
    )
    assert not workspace.stores.exists()


def test_one_more_than_allowed_is_refused_with_the_list(
    pngs: Competition, workspace: Workspace
) -> None:
    with pytest.raises(UserError, match=r"^train: 3 images cannot be packed: ") as raised:
        pack(pngs, skipping(workspace, 2), "train", KIND, IDS)
    said = str(raised.value)
    assert all(f"{name}.png" in said for name in "bcd")
    assert said.endswith("Or go on without: kit pack --size 16 --skip-bad 3")
    assert "\n" not in said
    assert [path for path in workspace.stores.rglob("*") if path.is_file()] == []


def test_all_images_with_damaged_pixels_are_listed(pngs: Competition, workspace: Workspace) -> None:
    folder = workspace.source / "test"
    for name in "bd":
        (folder / f"{name}.png").write_bytes((folder / f"{name}.png").read_bytes()[:-9])
    with pytest.raises(UserError, match=r"^test: 2 images cannot be packed: ") as raised:
        pack(pngs, workspace, "test", KIND, IDS)
    assert str(raised.value) == (
        f"test: 2 images cannot be packed: {folder}/b.png is truncated or damaged, "
        f"{folder}/d.png is truncated or damaged. Download it again. "
        "Or go on without: kit pack --size 16 --skip-bad 2"
    )


@pytest.fixture
def skipped(pngs: Competition, workspace: Workspace) -> Store:
    return pack(pngs, skipping(workspace, 3), "train", KIND, IDS)


def test_skipped_images_are_black_and_told_each_time(
    pngs: Competition, workspace: Workspace, skipped: Store
) -> None:
    assert skipped.skipped == ("b", "c", "d")
    assert skipped.has_pixels.tolist() == [True, False, False, False, True, True]
    assert [int(image.max()) for image in skipped.images] == [40, 0, 0, 0, 44, 45]
    reporter = Recording()
    again = pack(pngs, workspace, "train", KIND, IDS, reporter)
    assert again.digest == skipped.digest
    path = workspace.store(KIND, "train").images
    assert reporter.lines == [f"{path}: images that could not be read are black (3): b, c, d."]


@pytest.mark.parametrize(
    ("split", "meaning"),
    [
        ("train", "They are not trained on; a fold that holds one out predicts it from a black"),
        ("test", "They are predicted from a black image, so that the submission has all rows."),
    ],
)
def test_what_skipping_means_is_said(
    pngs: Competition, workspace: Workspace, split: str, meaning: str
) -> None:
    (workspace.source / split / "a.png").write_bytes(b"")
    reporter = Recording()
    store = pack(pngs, skipping(workspace, 6), split, KIND, IDS, reporter)
    (line,) = [line for line in reporter.lines if line.startswith(f"{split}: skipped (")]
    assert "a.png is not a readable image: it is empty" in line
    assert meaning in line
    assert len(store.ids) == len(store.images) == len(IDS)


def test_a_store_with_skipped_images_is_another_store(
    pngs: Competition, workspace: Workspace, skipped: Store
) -> None:
    """One with an image that is really black has another digest."""
    for name in "bcd":
        put(workspace.source / "train" / f"{name}.png", np.zeros((16, 16, 3)))
    black = pack(pngs, replace(workspace, stores=workspace.stores / "black"), "train", KIND, IDS)
    np.testing.assert_array_equal(black.images, skipped.images)
    assert black.digest != skipped.digest


def test_they_do_not_train_and_are_predicted_when_held_out(skipped: Store) -> None:
    folds = Folds(IDS, np.array([0, 0, 0, 1, 1, 1]), IDS)
    inputs = Inputs(folds, np.zeros((6, 3), np.uint8), skipped, skipped, None, Start())

    def rows(fold: int | None) -> tuple[Sequence[int], Sequence[int]]:
        data = inputs.of_fold(fold)
        return data.train_rows.tolist(), data.val_rows.tolist()

    assert rows(0) == ([4, 5], [0, 1, 2])
    assert rows(1) == ([0], [3, 4, 5])
    assert rows(None) == ([0, 4, 5], [])


def test_extra_images_that_are_skipped_do_not_train(
    pngs: Competition, workspace: Workspace, skipped: Store, labels: LabelTable
) -> None:
    folder = workspace.source / "more"
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3))
    for name, image in zip(("x1", "x2", "x3"), noise, strict=True):
        put(folder / f"{name}.png", image)
    (folder / "x2.png").write_bytes(b"<html>")
    table = workspace.source / "more.csv"
    table.write_text("image,shapes\nx1,circle\nx2,circle\nx3,square\n")
    extra = read_extra(pngs, skipping(workspace, 1), f"{table}:{folder}", skipped, ())
    allowed = extra.allowed(np.array([0]))
    assert allowed.tolist() == [True, False, True]
    assert extra.told(allowed) == "2 of 3 images of more.csv train too."


def test_a_notebook_learns_how_many_were_skipped(
    pngs: Competition, workspace: Workspace, skipped: Store
) -> None:
    for name in "ab":
        (workspace.source / "test" / f"{name}.png").unlink()
    pack(pngs, skipping(workspace, 2), "test", KIND, IDS)
    facts = packing_facts(workspace, [KIND, StoreKind(32)])
    assert facts == {"bit_depths": {"16": None}, "skip_bad": 2}
    assert open_store(workspace.store(KIND, "test")).skipped == ("a", "b")


def test_a_message_lists_twenty_and_a_count(pngs: Competition, workspace: Workspace) -> None:
    ids = [f"g{number:02d}" for number in range(60)]
    for number, one in enumerate(ids):
        shape = (16, 16) if number % 2 else (16, 16, 3)
        put(workspace.source / "train" / f"{one}.png", np.zeros(shape))
    with pytest.raises(UserError, match=r"^train: 30 images cannot be packed: ") as raised:
        pack(pngs, workspace, "train", KIND, ids)
    assert str(raised.value).count("is grey instead of colour") == 20
    assert "is grey instead of colour and 10 more. To convert such files" in str(raised.value)
    converted = pack(replace(pngs, convert=True), workspace, "train", KIND, ids)
    assert converted.skipped == ()
