"""How images are varied: symmetries, moves, light, and the names that a recipe gives them."""

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.data.augment import (
    AUGMENTATIONS,
    FLIPS_AND_TURNS,
    SYMMETRIES,
    Augmentation,
    apply_symmetry,
    draw_symmetries,
    parse_augmentation,
    variation_rng,
)
from kit.data.geometry import Moves, Placement, draw_placement, place
from kit.data.photometry import (
    Light,
    add_noise,
    blur,
    brighten,
    change_light,
    cut_out,
    draw_dropped,
)

NAMED = [name for name, numbers in AUGMENTATIONS.items() if numbers]
EVERYTHING = "symmetries+" + "+".join(NAMED)
# Drawn for seed 1, epoch 2; published figures depend on them.
GOLDEN = [3, 0, 0, 1, 4, 3, 3, 3, 5, 5, 3, 0]


def image_of(size: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)


def smooth_image(size: int, channels: int) -> NDArray[np.uint8]:
    """An image without steps, on which interpolation is nearly exact."""
    y, x = np.mgrid[:size, :size] / size
    waves = [128 + 100 * np.sin((2 + k) * x + (3 - k) * y) for k in range(channels)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


# Symmetries


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


def test_the_symmetries_of_an_epoch_are_those_they_have_always_been() -> None:
    assert draw_symmetries(12, seed=1, epoch=2).tolist() == GOLDEN
    assert parse_augmentation("symmetries").symmetries(12, 1, 2).tolist() == GOLDEN


def test_flip_or_turn_is_one_of_five_and_leaves_no_image_as_it_is() -> None:
    drawn = parse_augmentation("flip_or_turn").symmetries(500, seed=1, epoch=2)
    assert drawn.dtype == np.int64
    assert set(drawn.tolist()) == set(FLIPS_AND_TURNS)
    assert drawn.tolist() != parse_augmentation("flip_or_turn").symmetries(500, 1, 3).tolist()
    image = image_of(3, 1)
    shown = {apply_symmetry(image, number).tobytes() for number in FLIPS_AND_TURNS}
    turns = [np.rot90(image, quarters) for quarters in (1, 2, 3)]
    assert shown == {each.tobytes() for each in (image[:, ::-1], image[::-1], *turns)}


@pytest.mark.parametrize("text", ["none", "rotate", "gain+noise"])
def test_without_a_name_for_it_no_image_is_flipped(text: str) -> None:
    assert parse_augmentation(text).symmetries(3, 0, 0).tolist() == [0, 0, 0]


# Names


def test_names_and_numbers_become_bounds_in_any_order() -> None:
    moves, light = Moves(crop=0.6, rotate=15), Light(gain=0.3)
    for text in (
        "symmetries+crop(0.6)+rotate+gain(change=0.3)",
        "gain(.3) + rotate + crop(0.6) + symmetries",
    ):
        parsed = parse_augmentation(text)
        assert parsed == Augmentation("symmetries", moves, light, text)
        assert str(parsed) == text


def test_every_name_changes_an_image_and_no_other_than_its_own() -> None:
    image = image_of(16, 4)
    for name in NAMED:
        augmentation = parse_augmentation(name)
        assert augmentation.varies
        seen = {augmentation.vary(image, rng_of(seed)).tobytes() for seed in range(20)}
        assert len(seen) > 1, name
    for name in ("none", "symmetries", "flip_or_turn"):
        assert not parse_augmentation(name).varies
        assert parse_augmentation(name).vary(image, rng_of(0)) is image


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "symmetry",
            "No augmentation 'symmetry'. Known: blur, channel_dropout, crop, cutout, "
            "flip_or_turn, gain, gamma, noise, none, rotate, scale, shift, symmetries. "
            "Did you mean 'symmetries'?",
        ),
        ("crop(0)", "augmentation 'crop(0)': crop(0) is out of range (allowed: 0.05 to 1)."),
        (
            "gain+rotate(181)",
            "augmentation 'gain+rotate(181)': rotate(181) is out of range (allowed: 0 to 180).",
        ),
        ("noise(-1)", "augmentation 'noise(-1)': noise(-1) is out of range (allowed: 0 to 128)."),
        ("0.5*crop", "augmentation '0.5*crop': crop takes no weight."),
        (
            "none+crop",
            "augmentation 'none+crop': none excludes all others. Remove it or them.",
        ),
        (
            "symmetries+flip_or_turn",
            "augmentation 'symmetries+flip_or_turn': symmetries include flip_or_turn. Remove one.",
        ),
        ("crop+crop", "augmentation 'crop+crop' names crop twice."),
    ],
)
def test_what_does_not_go_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_augmentation(text)
    assert str(raised.value) == message


# All together


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_an_image_keeps_its_shape_and_the_original_its_pixels(channels: int) -> None:
    image = image_of(20, channels)
    before = image.copy()
    varied = parse_augmentation(EVERYTHING).vary(image, rng_of(3))
    assert varied.shape == image.shape
    assert varied.dtype == np.uint8
    assert varied.tobytes() != before.tobytes()
    np.testing.assert_array_equal(image, before)


def test_strengths_of_nothing_leave_every_byte() -> None:
    text = "crop(1)+" + "+".join(f"{name}(0)" for name in NAMED if name != "crop")
    image = image_of(16, 4)
    assert not parse_augmentation(text).varies
    assert parse_augmentation(text).vary(image, rng_of(0)).tobytes() == image.tobytes()


def test_an_image_is_varied_by_seed_epoch_and_position_alone() -> None:
    image, augmentation = image_of(24, 4), parse_augmentation(EVERYTHING)

    def varied(seed: int, epoch: int, position: int) -> bytes:
        return augmentation.vary(image, variation_rng(seed, epoch, position)).tobytes()

    assert varied(1, 2, 3) == varied(1, 2, 3)
    places = list(itertools.product(range(3), repeat=3))
    assert len({varied(*each) for each in places}) == len(places)


# Moves


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_a_crop_of_the_whole_is_the_image(channels: int) -> None:
    image = image_of(17, channels)
    np.testing.assert_array_equal(place(image, Placement()), image)


@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("channels", [1, 4, 5])
def test_a_turn_by_a_right_angle_is_numpys(size: int, channels: int) -> None:
    image = image_of(size, channels)
    for quarters in (1, 2, 3):
        turned = place(image, Placement(degrees=90 * quarters))
        np.testing.assert_array_equal(turned, np.rot90(image, quarters))


def test_a_shift_moves_pixels_right_and_down_and_reflects_the_border() -> None:
    image = image_of(10, 2)
    moved = place(image, Placement(shift=(0.2, 0.1)))
    np.testing.assert_array_equal(moved[1:, 2:], image[:-1, :-2])
    np.testing.assert_array_equal(moved[1:, 1], image[:-1, 1])
    np.testing.assert_array_equal(moved[0, 2:], image[1, :-2])


def test_a_crop_fills_the_square_with_its_part() -> None:
    image = smooth_image(64, 1)
    # The right half of the width and the upper half of the height.
    part = np.ascontiguousarray(image[:32, 32:])
    enlarged = cv2.resize(part, (64, 64), interpolation=cv2.INTER_LINEAR)[..., None]
    cropped = place(image, Placement(width=0.5, height=0.5, middle=(0.25, -0.25)))
    inside = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(cropped[inside], enlarged[inside].astype(float), atol=1)


def test_a_scale_of_two_shows_the_middle_half() -> None:
    image = image_of(16, 3)
    halves = Placement(width=0.5, height=0.5)
    np.testing.assert_array_equal(place(image, Placement(scale=2)), place(image, halves))


def test_all_moves_are_one_interpolation_in_the_order_stated() -> None:
    crop = Placement(width=0.9, height=0.8, middle=(0.05, -0.1))
    after = Placement(scale=1.2, degrees=20, shift=(0.1, -0.05))
    both = Placement(0.9, 0.8, (0.05, -0.1), 1.2, 20, (0.1, -0.05))
    size = 40
    first, second = (np.vstack([p.matrix(size), [0, 0, 1]]) for p in (crop, after))
    np.testing.assert_allclose(both.matrix(size), (first @ second)[:2], atol=1e-12)


def test_no_corner_is_black_however_an_image_is_moved() -> None:
    white = np.full((32, 32, 4), 255, np.uint8)
    augmentation = parse_augmentation("crop(0.05)+shift(0.5)+scale(0.9)+rotate(180)")
    for seed in range(50):
        assert (augmentation.vary(white, rng_of(seed)) == 255).all()


def test_crops_have_at_least_their_area_no_odd_shape_and_lie_inside() -> None:
    drawn = [draw_placement(Moves(crop=0.5), rng_of(seed)) for seed in range(500)]
    areas = np.array([each.width * each.height for each in drawn])
    aspects = np.array([each.width / each.height for each in drawn])
    assert 0.5 <= areas.min() < 0.52
    assert 0.98 < areas.max() <= 1
    assert 3 / 4 - 1e-12 <= aspects.min() < 0.8
    assert 1.25 < aspects.max() <= 4 / 3 + 1e-12
    for each in drawn:
        for length, middle in zip((each.width, each.height), each.middle, strict=True):
            assert length <= 1 + 1e-12
            assert abs(middle) + length / 2 <= 0.5 + 1e-12
        assert (each.scale, each.degrees, each.shift) == (1, 0, (0, 0))


def test_moves_stay_within_their_bounds_and_reach_them() -> None:
    bounds = Moves(shift=0.1, scale=0.2, rotate=15)
    drawn = [draw_placement(bounds, rng_of(seed)) for seed in range(500)]
    for values, low, high in (
        ([each.shift[0] for each in drawn], -0.1, 0.1),
        ([each.shift[1] for each in drawn], -0.1, 0.1),
        ([each.scale for each in drawn], 0.8, 1.2),
        ([each.degrees for each in drawn], -15, 15),
    ):
        room = 0.05 * (high - low)
        assert low <= min(values) < low + room
        assert high - room < max(values) <= high


# Light


def test_gains_and_gammas_by_hand() -> None:
    image = np.array([[[100, 100, 51], [200, 0, 255]]], np.uint8)
    changed = brighten(image, np.array([1.2, 0.5, 1.0]), np.array([1.0, 1.0, 2.0]))
    # 1.2 * 100, 0.5 * 100, 255 * 0.2 ** 2 = 10.2; then 240, 0, 255.
    assert changed.tolist() == [[[120, 50, 10], [240, 0, 255]]]
    assert brighten(image, np.full(3, 2.0), np.ones(3)).tolist() == [
        [[200, 200, 102], [255, 0, 255]]
    ]


def test_each_channel_has_a_gain_of_its_own_within_bounds() -> None:
    grey = np.full((2, 2, 5), 100, np.uint8)
    drawn = np.array([change_light(grey, Light(gain=0.2), rng_of(s))[0, 0] for s in range(300)])
    assert drawn.min() == 80
    assert drawn.max() == 120
    assert all(len(set(each)) > 1 for each in drawn.tolist())


def test_noise_has_its_sigma_and_no_mean_and_is_cut_at_the_ends() -> None:
    grey = np.full((100, 100, 4), 128, np.uint8)
    noisy = add_noise(grey, 8, rng_of(0)).astype(float) - 128
    # Four standard errors over 40,000 draws.
    assert abs(noisy.mean()) < 4 * 8 / 200
    assert abs(noisy.std() - 8) < 4 * 8 / np.sqrt(80_000) + 0.01
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.04
    black = add_noise(np.zeros((50, 50, 1), np.uint8), 8, rng_of(0))
    assert black.min() == 0
    assert black.max() < 60


def test_blur_spreads_a_point_as_the_gaussian_does() -> None:
    point = np.zeros((15, 15, 2), np.uint8)
    point[7, 7] = 255
    seen = blur(point, 1.0)
    weights = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    weights /= weights.sum()
    expected = 255 * np.outer(weights, weights)
    np.testing.assert_allclose(seen[4:11, 4:11, 0], expected, atol=1)
    assert blur(point, 0.1).tobytes() == point.tobytes()


def test_channels_become_black_by_their_chance_but_never_all() -> None:
    drawn = np.array([draw_dropped(4, 0.5, rng_of(seed)) for seed in range(2000)])
    assert not drawn.all(axis=1).any()
    # A half, less the draws in which all were hit and one was kept: (1/2)^4 / 4.
    share = 0.5 - 1 / 64
    np.testing.assert_allclose(drawn.mean(axis=0), share, atol=4 * 0.5 / np.sqrt(2000))
    assert not any(draw_dropped(1, 0.9, rng_of(seed)).any() for seed in range(50))


def test_a_dropped_channel_is_black_and_the_others_are_as_they_were() -> None:
    image = np.maximum(image_of(8, 4), 1)
    for seed in range(30):
        seen = change_light(image, Light(channel_dropout=0.5), rng_of(seed))
        black = ~seen.any(axis=(0, 1))
        np.testing.assert_array_equal(seen[..., ~black], image[..., ~black])


def test_a_cutout_is_a_square_of_its_share_or_less_at_the_border() -> None:
    white = np.full((20, 20, 3), 255, np.uint8)
    areas = []
    for seed in range(300):
        black = (cut_out(white, 0.25, rng_of(seed)) == 0).all(axis=-1)
        rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
        assert black.sum() == len(rows) * len(columns)
        assert max(len(rows), len(columns)) <= 5
        areas.append(int(black.sum()))
    assert max(areas) == 25
    assert min(areas) == 9
