"""Mixing: images and labels by the same shares, from (seed, epoch, step) alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.data.mixing import MIXES, Mix, parse_mix

WAYS = [name for name in MIXES if name != "none"]
ROWS, SIZE = 8, 32


def batch(channels: int = 4) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images each of one grey of its own, 0, 20, 40 and so on, and several labels an image."""
    greys = 20 * np.arange(ROWS, dtype=np.uint8)
    pixels = np.broadcast_to(greys[:, None, None, None], (ROWS, SIZE, SIZE, channels))
    # Column k of the first eight is image k's own; the others hold in several images.
    several = np.arange(ROWS)[:, None] % np.array([2, 3, 4]) == 0
    return pixels.copy(), np.hstack([np.eye(ROWS), several]).astype(np.float32)


def mixed(text: str, channels: int = 4, step: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return parse_mix(text).apply(*batch(channels), seed=1, epoch=2, step=step)


@pytest.mark.parametrize("text", WAYS)
@pytest.mark.parametrize("channels", [3, 4])
def test_labels_are_two_rows_by_shares_that_sum_to_one(text: str, channels: int) -> None:
    labels = batch()[1]
    pixels, truth = mixed(text, channels)
    assert pixels.shape == (ROWS, SIZE, SIZE, channels)
    assert (pixels.dtype, truth.dtype) == (np.float32, np.float32)
    for own, row in enumerate(truth):
        shares = row[:ROWS]
        np.testing.assert_allclose(shares.sum(), 1, rtol=1e-5)
        others = np.flatnonzero(shares)
        assert len(others) <= 2
        assert shares[own] == 1 or set(others) - {own}
        # Labels of both are 1, of neither 0, of one its share.
        np.testing.assert_allclose(row, shares @ labels, atol=1e-6)
    assert len({float(truth[row, row]) for row in range(ROWS)} - {1.0}) > 1


def test_mixup_adds_the_images_by_the_shares_of_their_labels() -> None:
    pixels, truth = mixed("mixup(1)")
    expected = truth[:, :ROWS] @ (20 * np.arange(ROWS))
    np.testing.assert_allclose(pixels.min(axis=(1, 2, 3)), expected, atol=1e-3)
    np.testing.assert_allclose(pixels.max(axis=(1, 2, 3)), expected, atol=1e-3)


def test_cutmix_shows_of_each_image_the_share_of_its_labels() -> None:
    for step in range(5):
        pixels, truth = mixed("cutmix", step=step)
        for own in range(ROWS):
            shown = np.array([(pixels[own] == 20 * row).mean() for row in range(ROWS)])
            np.testing.assert_allclose(shown.sum(), 1, rtol=1e-6)
            # Borders lie on whole pixels: at most a row and a column more or less.
            np.testing.assert_allclose(shown, truth[own, :ROWS], atol=2 / SIZE)
            inside = (pixels[own, ..., 0] != 20 * own).nonzero()
            area = np.prod([1 + np.ptp(each) if len(each) else 0 for each in inside])
            assert area == len(inside[0])


@pytest.mark.parametrize(("text", "alpha"), [("mixup(0.2)", 0.2), ("mixup(2)", 2), ("cutmix", 1)])
def test_shares_follow_the_beta_distribution_of_alpha(text: str, alpha: float) -> None:
    images, labels = np.zeros((200, 8, 8, 1), np.uint8), np.eye(200, dtype=np.float32)
    mix = parse_mix(text)
    own = [np.diag(mix.apply(images, labels, 1, 2, step)[1]) for step in range(5)]
    # An image that is mixed with itself keeps its label.
    shares = np.concatenate(own)[np.concatenate(own) < 1]
    # The variance of Beta(alpha, alpha) is 1 / (4 * (2 * alpha + 1)), at most a quarter, and four
    # standard errors of a mean over 1,000 draws at most 0.06.
    assert abs(shares.mean() - 0.5) < 0.06
    assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.015


@pytest.mark.parametrize("text", WAYS)
def test_a_batch_is_mixed_by_seed_epoch_and_step_alone(text: str) -> None:
    mix, (pixels, labels) = parse_mix(text), batch()

    def seen(seed: int, epoch: int, step: int) -> tuple[bytes, bytes]:
        images, truth = mix.apply(pixels, labels, seed, epoch, step)
        return images.tobytes(), truth.tobytes()

    first = seen(1, 2, 3)
    others = [seen(*places) for places in ((2, 2, 3), (1, 3, 3), (1, 2, 4), (4_000_000_000, 2, 3))]
    assert seen(1, 2, 3) == first
    assert len({first, *others}) == 5
    np.testing.assert_array_equal(pixels, batch()[0])
    np.testing.assert_array_equal(labels, batch()[1])


def test_none_changes_the_type_alone() -> None:
    pixels, labels = batch()
    assert not parse_mix("none").mixes
    shown, truth = parse_mix("none").apply(pixels, labels, 0, 0, 0)
    assert shown.dtype == np.float32
    np.testing.assert_array_equal(shown, pixels)
    np.testing.assert_array_equal(truth, labels)


def test_a_text_names_one_way_and_its_alpha() -> None:
    assert parse_mix("mixup") == Mix("mixup", 0.2, "mixup")
    assert parse_mix("mixup(alpha=0.4)") == Mix("mixup", 0.4, "mixup(alpha=0.4)")
    assert parse_mix("cutmix") == Mix("cutmix", 1.0, "cutmix")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mixip", "No mix 'mixip'. Known: cutmix, mixup, none. Did you mean 'mixup'?"),
        ("mixup+cutmix", "mix 'mixup+cutmix': name one of none, mixup, cutmix, without a weight."),
        ("2*mixup", "mix '2*mixup': name one of none, mixup, cutmix, without a weight."),
        ("mixup(0)", "mix 'mixup(0)': alpha=0 is out of range (allowed: 0.05 to 10)."),
        ("cutmix(2)", "mix 'cutmix(2)': alpha=2 is out of range (allowed: 0.05 to 1)."),
        ("none(1)", "mix 'none(1)' has too many parameters; it takes none."),
    ],
)
def test_what_does_not_go_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_mix(text)
    assert str(raised.value) == message
