"""Twins: copies of a picture are found however they were altered, other pictures are not."""

import operator
import tracemalloc
import zlib
from collections.abc import Callable
from typing import SupportsIndex

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.competitions.synthetic.draw import draw_field
from kit.competitions.synthetic.plan import plan_fields
from kit.core.disk import csv_text, digest, write_json, write_text
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreFiles, StoreKind
from kit.data import twins
from kit.data.augment import SYMMETRIES, apply_symmetry
from kit.data.runs import Run
from kit.data.twins import BLOCK, LEAST, SIDE, fingerprints
from kit.stages.blend import find_copies

Images = NDArray[np.uint8]


def find_twins(known: Images, asked: Images, least: float = LEAST) -> NDArray[np.int64]:
    return twins.find_twins(fingerprints(known), fingerprints(asked), least)


def find_twins_within(images: Images) -> NDArray[np.int64]:
    return twins.find_twins_within(fingerprints(images))


def find_all_twins(known: Images, asked: Images) -> NDArray[np.int64]:
    return twins.find_all_twins(fingerprints(known), fingerprints(asked))


def blobs(rows: int, size: int = 64, channels: int = 4, seed: int = 0) -> Images:
    """Random smooth pictures, uint8 (rows, size, size, channels)."""
    rng = np.random.default_rng(seed)
    images = np.empty((rows, size, size, channels), np.uint8)
    for image in images:
        drawn = rng.integers(0, 256, (8, 8, channels)).astype(np.float32)
        smooth = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_CUBIC)
        image[:] = np.clip(smooth, 0, 255).reshape(image.shape)
    return images


@pytest.fixture(scope="module")
def cells() -> tuple[Images, list[str]]:
    """A few synthetic fields at 128 pixels, and the antibody of each."""
    by_group: dict[str, list] = {}
    for field in plan_fields(seed=3, n_train=120, n_test=40):
        by_group.setdefault(field.group, []).append(field)
    several = [fields[:4] for fields in by_group.values() if len(fields) >= 3][:4]
    fields = [field for group in several for field in group]
    images = np.stack([draw_field(field, 128) for field in fields])
    return images, [field.group for field in fields]


# What is altered and still the same picture


def moved(image: Images) -> Images:
    return np.pad(image, ((1, 0), (1, 0), (0, 0)), mode="reflect")[:-1, :-1]


def packed(image: Images) -> Images:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 50]
    again = np.empty_like(image)
    for channel in range(image.shape[2]):
        _, data = cv2.imencode(".jpg", image[:, :, channel].copy(), quality)
        plane = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        assert plane is not None
        again[:, :, channel] = plane
    return again


def darkened(image: Images) -> Images:
    return np.rint(0.8 * image).astype(np.uint8)


def noisy(image: Images) -> Images:
    noise = np.random.default_rng(1).normal(0, 10, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def smaller(image: Images) -> Images:
    shrunk: Images = cv2.resize(image, (75, 75), interpolation=cv2.INTER_AREA)
    return shrunk


@pytest.mark.parametrize("alter", [moved, packed, darkened, noisy, smaller])
def test_an_altered_copy_is_found(
    cells: tuple[Images, list[str]], alter: Callable[[Images], Images]
) -> None:
    images, _ = cells
    rows = np.random.default_rng(0).permutation(len(images))
    asked = np.stack([alter(images[row]) for row in rows])
    assert find_twins(images, asked).tolist() == rows.tolist()


@pytest.mark.parametrize("symmetry", range(SYMMETRIES))
def test_a_turned_or_mirrored_copy_is_found(symmetry: int) -> None:
    images = blobs(6)
    asked = np.stack([apply_symmetry(image, symmetry) for image in images[::-1]])
    assert find_twins(images, asked).tolist() == [5, 4, 3, 2, 1, 0]


# What is another picture


def test_fields_of_one_antibody_are_not_twins(cells: tuple[Images, list[str]]) -> None:
    images, groups = cells
    assert len(groups) > len(set(groups)) > 1
    assert set(find_twins_within(images).tolist()) == {-1}


def test_an_image_without_its_twin_has_none() -> None:
    images = blobs(8)
    assert find_twins(images[:4], images[4:]).tolist() == [-1] * 4


def test_the_most_alike_is_taken() -> None:
    image = blobs(1)[0]
    known = np.stack([noisy(image), image, moved(image)])
    assert find_twins(known, image[None]).tolist() == [1]


def test_the_least_decides() -> None:
    image = blobs(1)
    half = image.copy()
    half[..., 2:] = blobs(1, seed=1)[..., 2:]
    alike = float((fingerprints(image) * fingerprints(half)).sum())
    assert 0 < alike < LEAST
    assert find_twins(image, half).tolist() == [-1]
    assert find_twins(image, half, least=alike - 0.01).tolist() == [0]


# Among themselves


def test_none_is_its_own_twin_and_pairs_name_each_other() -> None:
    images = blobs(5)
    images[4] = darkened(apply_symmetry(images[1], 6))
    assert find_twins_within(images).tolist() == [-1, 4, -1, -1, 1]


def test_a_picture_that_is_its_own_mirror_image_is_not_its_own_twin() -> None:
    image = blobs(1)
    mirrored = np.maximum(image, image[:, :, ::-1])
    assert find_twins_within(mirrored).tolist() == [-1]


def test_rows_are_right_in_every_block() -> None:
    images = blobs(BLOCK + 7, size=SIDE, channels=1)
    images[BLOCK + 3] = images[2]
    found = find_twins_within(images)
    assert (found[2], found[BLOCK + 3]) == (BLOCK + 3, 2)
    assert find_twins(images, images[BLOCK + 4 :]).tolist() == [BLOCK + 4, BLOCK + 5, BLOCK + 6]


# All of them


def test_every_twin_is_found_under_every_symmetry() -> None:
    known, asked = blobs(6), blobs(3, seed=1)
    for row, symmetry in ((1, 3), (4, 6)):
        known[row] = apply_symmetry(known[0], symmetry)
    asked[2] = apply_symmetry(known[0], 5)
    asked[0] = darkened(known[5])
    assert find_all_twins(known, asked).tolist() == [[0, 5], [2, 0], [2, 1], [2, 4]]


def test_among_all_twins_is_the_most_alike(cells: tuple[Images, list[str]]) -> None:
    images, _ = cells
    asked = np.stack([noisy(image) for image in images])
    pairs = find_all_twins(images, asked)
    best = list(enumerate(find_twins(images, asked).tolist()))
    assert {(row, twin) for row, twin in pairs.tolist()} >= set(best)


def test_pairs_are_right_in_every_block() -> None:
    images = blobs(BLOCK + 5, size=SIDE, channels=1)
    images[BLOCK + 3] = images[2]
    pairs = find_all_twins(images[:4], images)
    assert pairs.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [BLOCK + 3, 2]]


def test_no_images_have_no_pairs() -> None:
    assert find_all_twins(blobs(2)[:0], blobs(2)).shape == (0, 2)
    assert find_all_twins(blobs(2), blobs(2)[:0]).shape == (0, 2)
    assert find_all_twins(blobs(2), blobs(2, seed=1)).shape == (0, 2)


# Blank and faint channels


def test_a_blank_channel_counts_for_nothing() -> None:
    images = blobs(4)
    images[..., 1] = 7
    prints = fingerprints(images)
    assert not prints[..., 1].any()
    np.testing.assert_allclose((prints**2).sum(axis=(1, 2, 3)), 1, rtol=1e-5)
    assert find_twins(images, images[::-1]).tolist() == [3, 2, 1, 0]


def test_the_noise_of_a_dark_channel_does_not_part_copies() -> None:
    one, other = blobs(1), blobs(1)
    for seed, image in enumerate((one, other)):
        image[..., 1] = np.random.default_rng(seed).integers(0, 7, image.shape[:3])
    assert find_twins(one, other).tolist() == [0]


def test_images_without_any_contrast_are_like_none() -> None:
    images = np.full((2, 32, 32, 3), 9, np.uint8)
    assert find_twins(images, images).tolist() == [-1, -1]
    assert np.isfinite(fingerprints(images)).all()


# Shapes


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_any_number_of_channels_is_compared(channels: int) -> None:
    images = blobs(4, channels=channels)
    assert find_twins(images, images).tolist() == [0, 1, 2, 3]


def test_other_channels_are_refused() -> None:
    with pytest.raises(UserError, match=r"Images of 4 and of 3 channels cannot be compared"):
        find_twins(blobs(1), blobs(1, channels=3))
    with pytest.raises(UserError, match=r"Images of 4 and of 3 channels cannot be compared"):
        find_all_twins(blobs(1), blobs(1, channels=3))


def test_no_images_have_no_twins() -> None:
    assert find_twins(blobs(2)[:0], blobs(2)).tolist() == [-1, -1]
    assert find_twins(blobs(2), blobs(2)[:0]).tolist() == []


# Memory


class OneAtATime:
    """Images that give one row at a time, as a memory map that is larger than memory must."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.shape = images.shape
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: SupportsIndex) -> Images:
        self.read.append(operator.index(row))
        return self._images[row]


def test_images_are_read_one_at_a_time_in_the_order_asked_for() -> None:
    images = blobs(5)
    mapped = OneAtATime(images)
    rows = np.array([3, 0, 4])
    np.testing.assert_array_equal(fingerprints(mapped, rows), fingerprints(images[rows]))
    assert mapped.read == [3, 0, 4]
    np.testing.assert_array_equal(fingerprints(mapped), fingerprints(images))


def test_copies_in_stores_are_found_without_reading_the_stores_into_memory(
    workspace: Workspace, make_run: Callable[..., Run]
) -> None:
    images = blobs(160, size=16)
    images = images.repeat(8, axis=1).repeat(8, axis=2)  # 128 pixels a side, 10 MB
    images[7] = images[3]
    put(workspace.store(StoreKind(16), "train"), "train", images[:80])
    put(workspace.store(StoreKind(16), "test"), "test", images[::-1][:80])
    run = make_run("one", 1)
    ids = [f"train{row:03d}" for row in range(80)][::-1]
    test_ids = [f"test{row:03d}" for row in range(80)]
    tracemalloc.start()
    try:
        copies = find_copies(workspace, [run], ids, test_ids)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {row: twin for row, twin in enumerate(copies.train.tolist()) if twin >= 0} == {
        72: 76,
        76: 72,
    }
    assert set(copies.test.tolist()) == {-1}
    assert peak < images.nbytes / 4


def put(files: StoreFiles, prefix: str, images: Images) -> None:
    """Write a packed store whose ids are numbered."""
    files.images.parent.mkdir(parents=True, exist_ok=True)
    np.save(files.images, images)
    rows = [(f"{prefix}{row:03d}",) for row in range(len(images))]
    write_text(files.ids, csv_text([("Id",), *rows]))
    described = {
        "rows": len(images),
        "size": images.shape[1],
        "channels": ["grey"] * images.shape[3],
        "ids_digest": digest([row[0] for row in rows]),
    }
    checksums = [zlib.crc32(image.tobytes()) for image in images]
    write_json(files.meta, {**described, "digest": digest([described, checksums])})
