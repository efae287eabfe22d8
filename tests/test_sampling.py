"""What an epoch shows: rare rows more often, each under one of the eight symmetries."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.data.augment import SYMMETRIES, apply_symmetry, as_pixels, draw_symmetries
from kit.data.batches import read_batch
from kit.data.sampling import epoch_rows, repeat_factors

# Sampling


def labels_with_shares(*positives: int, rows: int = 100) -> NDArray[np.uint8]:
    """Labels in which class k holds in the first `positives[k]` rows."""
    return (np.arange(rows)[:, None] < np.array(positives)).astype(np.uint8)


def test_factors_worked_out_by_hand() -> None:
    # Shares of 1/100, 4/100 and 1/2 against a threshold of 0.16: sqrt(16), sqrt(4), at least 1.
    factors = repeat_factors(labels_with_shares(1, 4, 50), threshold=0.16, cap=10)
    np.testing.assert_allclose(factors, [4.0] + [2.0] * 3 + [1.0] * 96)


def test_no_row_comes_more_often_than_the_cap() -> None:
    factors = repeat_factors(labels_with_shares(1, 4), threshold=0.16, cap=3)
    np.testing.assert_allclose(factors, [3.0] + [2.0] * 3 + [1.0] * 96)


def test_a_row_without_labels_and_a_class_without_rows_change_nothing() -> None:
    assert repeat_factors(labels_with_shares(0, 0), threshold=1, cap=8).tolist() == [1.0] * 100


def test_whole_factors_are_kept_exactly_in_every_epoch() -> None:
    factors = np.array([1.0, 3.0, 2.0])
    for epoch in range(5):
        assert sorted(epoch_rows(factors, 0, epoch).tolist()) == [0, 1, 1, 1, 2, 2]


def test_the_rest_of_a_factor_is_a_chance() -> None:
    factors = np.array([1.0, 1.25, 2.5])
    counts = [np.bincount(epoch_rows(factors, 0, epoch), minlength=3) for epoch in range(2000)]
    assert {tuple(count) for count in counts} == set(itertools.product([1], [1, 2], [2, 3]))
    # Four standard errors of a mean of 2,000 fair draws.
    np.testing.assert_allclose(np.mean(counts, axis=0), factors, atol=4 * 0.5 / np.sqrt(2000))


def test_an_epoch_follows_from_its_seed_and_number_alone() -> None:
    factors = np.full(50, 1.5)
    first = epoch_rows(factors, seed=3, epoch=7)
    np.testing.assert_array_equal(first, epoch_rows(factors, seed=3, epoch=7))
    for other in (epoch_rows(factors, 3, 8), epoch_rows(factors, 4, 7)):
        assert first.tolist() != other.tolist()


def test_the_order_of_an_epoch_is_shuffled() -> None:
    rows = epoch_rows(np.ones(50), 0, 0)
    assert sorted(rows.tolist()) == list(range(50))
    assert rows.tolist() != list(range(50))


# Augmentation


def image_of(size: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)


def test_the_bits_of_a_symmetry_by_hand() -> None:
    image = np.array([[1, 2], [3, 4]], np.uint8)
    shown = [apply_symmetry(image, symmetry).tolist() for symmetry in range(SYMMETRIES)]
    assert shown[0] == [[1, 2], [3, 4]]
    assert shown[1] == [[2, 1], [4, 3]]  # left to right
    assert shown[2] == [[3, 4], [1, 2]]  # up to down
    assert shown[3] == [[4, 3], [2, 1]]  # half a turn
    assert shown[4] == [[1, 3], [2, 4]]  # axes swapped
    assert shown[5] == np.rot90(image).tolist()
    assert shown[6] == np.rot90(image, -1).tolist()


def test_the_eight_symmetries_differ_and_form_a_group() -> None:
    image = image_of(3, 2)
    shown = {apply_symmetry(image, symmetry).tobytes() for symmetry in range(SYMMETRIES)}
    assert len(shown) == 8
    for first, second in itertools.product(range(SYMMETRIES), repeat=2):
        twice = apply_symmetry(apply_symmetry(image, first), second)
        assert twice.tobytes() in shown


def test_a_symmetry_is_a_view() -> None:
    image = image_of(3, 1)
    assert all(np.shares_memory(apply_symmetry(image, number), image) for number in range(8))


def test_symmetries_follow_from_seed_and_epoch_and_are_all_used() -> None:
    rows = np.arange(400)
    drawn = draw_symmetries(len(rows), seed=1, epoch=2)
    np.testing.assert_array_equal(drawn, draw_symmetries(len(rows), seed=1, epoch=2))
    assert drawn.tolist() != draw_symmetries(len(rows), seed=1, epoch=3).tolist()
    assert drawn.tolist() != draw_symmetries(len(rows), seed=2, epoch=2).tolist()
    assert set(drawn.tolist()) == set(range(SYMMETRIES))


# Batches


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_a_batch_holds_its_rows_under_their_symmetries(channels: int) -> None:
    images = np.stack([image_of(6, channels), image_of(6, channels) // 2])
    rows, symmetries = np.array([1, 0] * 4), np.arange(8)
    batch = read_batch(images, rows, symmetries)
    expected = [apply_symmetry(images[row], s) for row, s in zip(rows, range(8), strict=True)]
    np.testing.assert_array_equal(batch, np.stack(expected))
    assert batch.flags.c_contiguous


def test_four_channels_are_copied_as_one_number_from_the_same_memory() -> None:
    images = np.stack([image_of(4, 4)])
    assert as_pixels(images).shape == (1, 4, 4)
    assert np.shares_memory(as_pixels(images), images)
    assert as_pixels(images[..., :3]).dtype == np.uint8


def test_images_that_do_not_lie_in_one_piece_make_the_same_batch() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 8), dtype=np.uint8)[..., ::2]
    rows, symmetries = np.array([3, 1]), np.array([5, 2])
    batch = read_batch(images, rows, symmetries)
    np.testing.assert_array_equal(batch, read_batch(images.copy(), rows, symmetries))


def test_a_batch_leaves_the_store_as_it_is() -> None:
    images = np.stack([image_of(4, 4)])
    before = images.copy()
    read_batch(images, np.array([0]), np.array([7]))[:] = 0
    np.testing.assert_array_equal(images, before)
