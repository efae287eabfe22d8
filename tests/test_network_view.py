"""`kit look MODEL --grid`: the images of the first epoch as the recipe's network sees them."""

from pathlib import Path
from typing import Any, cast

import cv2
import keras
import numpy as np
import pytest
from command import inside
from command import kit as run_kit
from flowers import FILE, FLOWERS, write_flowers
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kit.competitions.base import Competition, Mixture
from kit.competitions.registry import find_competition
from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles, Workspace
from kit.data.batches import EpochPlan
from kit.models.build import build_model
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.report.figures import shrink, to_rgb
from kit.report.grid import Grid, draw_grid, parse_grid
from kit.report.layout import Font, fit_names, wrap
from kit.report.network_view import (
    GridPicture,
    Seen,
    caption_of,
    describe,
    look_grid,
    plan_first_epoch,
    see,
    show_first,
    to_display,
)
from kit.training.batches import EpochBatches
from kit.training.fold import FoldTask
from kit.training.plan import plan_epoch

RGBY = ("red", "green", "blue", "yellow")
KEYS = tuple("abcdef")
RGB: Mixture = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def recipe_with(*settings: str, name: str = "convnet") -> Recipe:
    return with_settings(recipes.get(name), ["size=32", *settings])


def images_of(rows: int, channels: int = 4, size: int = 32) -> NDArray[np.uint8]:
    shape = (rows, size, size, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def labels_of(rows: int) -> NDArray[np.uint8]:
    return (np.random.default_rng(1).random((rows, len(KEYS))) < 0.3).astype(np.uint8)


# Which images


@pytest.mark.parametrize(
    "settings",
    [
        ("augment=none",),
        ("augment=symmetries",),
        ("augment=symmetries+rotate+noise", "sampling=balanced"),
        ("augment=flip_or_turn", "sampling=repeat", "repeat_threshold=0.9"),
        ("mix=mixup(1)",),
        ("mix=cutmix", "accumulate=2", "augment=crop"),
    ],
    ids=lambda settings: " ".join(settings),
)
def test_the_images_are_those_of_the_first_batches(settings: tuple[str, ...]) -> None:
    images, labels = images_of(20), labels_of(20)
    recipe = recipe_with("batch=8", "seed=3", *settings)
    plan = plan_first_epoch(recipe, labels, KEYS)
    shown = list(show_first(images, labels, plan, recipe, 13))
    parts = recipe.batch // recipe.accumulate
    batches = EpochBatches(images, labels, plan, parts, recipe.mix)
    given = [batches[step] for step in range(-(-13 // parts))]
    batches.on_epoch_end()
    expected = np.concatenate([pixels for pixels, _ in given])[:13]
    np.testing.assert_array_equal(np.stack([pixels for pixels, _ in shown]), expected)
    shares = np.concatenate([shares for _, shares in given])[:13]
    np.testing.assert_array_equal(np.stack([shares for _, shares in shown]), shares)


def test_the_plan_is_the_one_that_training_on_all_rows_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_flowers(tmp_path / "data" / "flowers", n_train=20, n_test=2)
    plans: list[EpochPlan] = []

    def recorded(*asked: Any) -> EpochPlan:
        plans.append(plan_epoch(*asked))
        return plans[-1]

    monkeypatch.setattr("kit.training.phase.plan_epoch", recorded)
    changes = ["epochs=1", "batch=8", "sampling=balanced", "seed=2"]
    words = [word for change in changes for word in ("--set", change)]
    run_kit(tmp_path, "folds", "-c", FILE, "--n", "2")
    run_kit(tmp_path, "train", "convnet", "-c", FILE, "--size", "32", "--folds", "all", *words)
    table = find_competition(FILE).read_labels(tmp_path / "data" / "flowers")
    labels = table.of(sorted(table.ids))
    plan = plan_first_epoch(recipe_with(*changes), labels, FLOWERS)
    np.testing.assert_array_equal(plan.rows, plans[0].rows)
    np.testing.assert_array_equal(plan.symmetries, plans[0].symmetries)
    assert (plan.seed, plan.epoch) == (plans[0].seed, plans[0].epoch) == (2999, 0)


def test_the_seed_is_that_of_a_training_on_all_rows(shapes: Competition, tmp_path: Path) -> None:
    recipe = recipe_with("seed=4")
    task = FoldTask("run", None, recipe, shapes, cast(Any, None), FoldRunFiles(tmp_path))
    assert plan_first_epoch(recipe, labels_of(40), KEYS).seed == task.seed == 4999


# What the network sees


def before_backbone(recipe: Recipe, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the network itself computes before its backbone."""
    model = build_model(recipe, RGBY, len(KEYS), seed=0)
    (entered,) = model.get_layer("backbone")._inbound_nodes[-1].input_tensors
    front = keras.Model(model.input, entered)
    return np.asarray(keras.ops.convert_to_numpy(front(pixels.astype(np.float32))))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("convnet", ("normalize=scale",)),
        ("convnet", ("normalize=scale", "stem=mix_half_yellow")),
        ("convnet", ("normalize=scale", "stem=conv1x1")),
        ("convnet", ("normalize=image",)),
        ("convnet", ("normalize=image", "stem=mix_third_yellow")),
        ("convnet", ("normalize=backbone", "stem=drop_yellow")),
        ("mobile", ("normalize=backbone", "stem=mix_half_yellow")),
        ("mobile", ("normalize=backbone",)),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_the_values_are_those_of_the_network(name: str, settings: tuple[str, ...]) -> None:
    small = ["backbone=mobilenetv3small"] if name == "mobile" else []
    recipe = recipe_with(*small, *settings)
    pixels = images_of(3)
    seen = see(((one, np.ones(6, np.float32)) for one in pixels), recipe, RGBY, side=100)
    expected = before_backbone(recipe, pixels)
    np.testing.assert_allclose(seen.pixels, expected, rtol=1e-6, atol=1e-6)
    assert (seen.least, seen.most) == pytest.approx((expected.min(), expected.max()), abs=1e-6)


@pytest.mark.parametrize("settings", [(), ("stem=mix_half_yellow",), ("stem=conv1x1",)])
def test_channels_that_the_network_has_in_another_order_are_drawn_in_theirs(
    settings: tuple[str, ...],
) -> None:
    recipe = recipe_with("backbone=vgg16", "normalize=backbone", *settings)
    pixels = images_of(2)
    seen = see(((one, np.ones(6, np.float32)) for one in pixels), recipe, RGBY, side=100)
    own = before_backbone(recipe, pixels)
    np.testing.assert_allclose(seen.pixels[..., [2, 1, 0]], own[..., :3], atol=1e-4)
    np.testing.assert_array_equal(seen.pixels[..., 3:], own[..., 3:])
    assert "its channels are blue, green, red" in describe(seen, recipe, RGBY)


def test_a_learned_normalization_is_shown_before_it() -> None:
    pixels = images_of(2)
    batch, scale = recipe_with("normalize=batch"), recipe_with("normalize=scale")
    seen, scaled = (
        see(((one, np.ones(6, np.float32)) for one in pixels), recipe, RGBY, side=100)
        for recipe in (batch, scale)
    )
    np.testing.assert_array_equal(seen.pixels, scaled.pixels)
    np.testing.assert_allclose(seen.pixels, pixels / np.float32(255), atol=1e-6)
    assert "batch (a learned layer: shown before it, divided by 255)" in describe(seen, batch, RGBY)


def test_a_stem_mixes_as_its_table_says() -> None:
    image = np.empty((32, 32, 4), np.uint8)
    image[:] = (200, 100, 50, 30)
    recipe = recipe_with("stem=mix_half_yellow", "normalize=scale")
    seen = see([(image, np.ones(6, np.float32))], recipe, RGBY, side=100)
    np.testing.assert_allclose(seen.pixels[0, 0, 0] * 255, [115, 65, 25], atol=1e-3)


def test_extremes_are_those_before_the_image_is_reduced() -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[5, 5] = 255
    seen = see([(image, np.ones(6, np.float32))], recipe_with(), RGBY, side=8)
    assert seen.pixels.shape == (1, 8, 8, 4)
    assert seen.pixels.max() < 0.1
    assert (seen.least, seen.most) == (0, 1)


# How it is drawn

GREYS: Mixture = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def seen_of(values: NDArray[np.float32]) -> Seen:
    pixels = values.astype(np.float32)
    return Seen(pixels, np.ones((len(pixels), 6), np.float32), pixels.min(), pixels.max())


def test_values_from_0_to_1_are_drawn_as_they_are() -> None:
    values = np.array([0.2, 0.4, 0.6], np.float32).reshape(1, 1, 1, 3)
    assert to_display(seen_of(values), GREYS).ravel().tolist() == [51, 102, 153]


def test_other_values_share_one_range() -> None:
    values = np.array([[-1, 0, 1], [0, 2, 3]], np.float32).reshape(2, 1, 1, 3)
    assert to_display(seen_of(values), GREYS).reshape(2, 3).tolist() == [
        [0, 64, 128],
        [64, 191, 255],
    ]
    dim = np.array([-1, -0.5, 0], np.float32).reshape(1, 1, 1, 3)
    assert to_display(seen_of(dim), GREYS).ravel().tolist() == [0, 64, 128]  # 1 would be white


def test_other_numbers_of_channels_are_mixed_for_display() -> None:
    values = np.array([0.2, 0.6], np.float32).reshape(1, 1, 1, 2)
    assert to_display(seen_of(values), GREYS).ravel().tolist() == [102, 102, 102]


def test_the_caption_states_stem_normalization_and_range() -> None:
    three, four = np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2, 4), np.float32)
    three[0, 0, 0, 0] = 1
    recipe = recipe_with("stem=mix_half_yellow", "normalize=scale")
    assert describe(seen_of(three), recipe, RGBY) == (
        "as the network sees it: stem mix_half_yellow, normalize scale; values 0.00 to 1.00"
    )
    four[0, 0, 0] = (-2, 3.456, 0, 0)
    assert describe(seen_of(four), recipe_with("normalize=image"), RGBY) == (
        "as the network sees it: stem as_is, normalize image; values -2.00 to 3.46; drawn from "
        "-2.00 (black) to 3.46 (white); 4 channels in display colours"
    )
    learned = recipe_with("stem=conv1x1", "normalize=scale")
    assert "stem conv1x1 (its initial kernel), normalize" in describe(seen_of(three), learned, RGBY)


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_large_images_are_reduced_whatever_their_channels(channels: int) -> None:
    large = images_of(1, channels, size=90)[0]
    assert shrink(large, 30).shape == (30, 30, channels)
    np.testing.assert_allclose(
        shrink(large.astype(np.float32), 30).mean(axis=(0, 1)), large.mean(axis=(0, 1)), atol=0.1
    )
    assert shrink(large, 90) is large


def test_labels_have_their_shares_only_if_images_with_others_are_mixed() -> None:
    names = ("Circle", "Square", "Star")
    assert caption_of(np.array([1, 0, 1], np.float32), names) == ["Circle", "Star"]
    assert caption_of(np.zeros(3, np.float32), names) == ["no labels"]
    mixed = np.array([0.25, 0.002, 0.75], np.float32)
    assert caption_of(mixed, names) == ["0.75 Star", "0.25 Circle"]


def test_as_many_names_as_fit_and_the_rest_counted() -> None:
    names = [f"Organelle {letter}" for letter in "abcdefgh"]
    text = fit_names(names, inches=1.9, font=Font(7), lines=3)
    assert text.count("\n") <= 2
    assert text.startswith("Organelle a, Organelle b")
    assert text.replace("\n", " ").endswith("more")
    assert fit_names(names[:2], 1.9, Font(7), 3) == "Organelle a, Organelle b"
    longest = max(text.splitlines(), key=len)
    assert wrap(longest, 1.9, Font(7)) == [longest]


def test_a_name_too_long_for_its_place_is_shortened() -> None:
    text = fit_names(["endless" * 40, "Star"], 1.9, Font(7), 3)
    assert len(text.splitlines()) == 3
    assert text.endswith("…")
    assert fit_names([], 1.9, Font(7), 3) == ""


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    names = [r"$\alpha", "a_b$", "<b>Star</b>", "50% & more", "[red]x[/red]", "$x^2$"]
    images = np.zeros((1, 8, 8, 3), np.uint8)
    figure = draw_grid(images, [names], Grid(1, 1), "a $heading$ with $\\broken{")
    assert texts(figure) == ["a $heading$ with $\\broken{", ", ".join(names)]
    figure.savefig(tmp_path / "drawn.png")


@pytest.mark.parametrize(
    ("text", "cells"), [("10x5", 50), ("1X1", 1), (" 2x8 ", 16), ("20x20", 400)]
)
def test_a_grid_has_rows_and_columns(text: str, cells: int) -> None:
    grid = parse_grid(text)
    assert grid.cells == cells
    assert parse_grid(str(grid)) == grid
    assert 200 < grid.side < 500


@pytest.mark.parametrize(
    "text", ["", "10", "10x", "x5", "10*5", "-1x5", "1.5x2", "9999999x1", "٣x٣"]
)
def test_another_text_is_no_grid(text: str) -> None:
    with pytest.raises(UserError, match="--grid expects rows x columns, such as 10x5; got"):
        parse_grid(text)


@pytest.mark.parametrize("text", ["0x1", "1x0", "21x1", "1x21", "9999x9999"])
def test_a_grid_has_limits(text: str) -> None:
    with pytest.raises(UserError, match=f"--grid {text}: allowed are 1x1 to 20x20"):
        parse_grid(text)


# The command


@pytest.fixture
def meadow(tmp_path: Path) -> Path:
    """A folder with a few flowers and no folds."""
    write_flowers(tmp_path / "data" / "flowers", n_train=12, n_test=2)
    return tmp_path


def look(folder: Path, *words: str) -> str:
    return run_kit(folder, "look", "convnet", "-c", FILE, "--size", "32", *words)


def test_the_command_draws_and_says_what(meadow: Path) -> None:
    said = look(meadow, "--grid", "2x3")
    path = Path("runs/flowers/look-convnet-32-2x3.png")
    assert said.splitlines()[-1].startswith(
        f"Wrote {path}, 6 images as the network sees them: stem as_is, normalize scale; values 0.0"
    )
    first = (meadow / path).read_bytes()
    assert look(meadow, "--grid", "2x3") == said.splitlines()[-1] + "\n"
    assert (meadow / path).read_bytes() == first
    look(meadow, "--grid", "2x3", "--set", "seed=1")
    assert (meadow / path).read_bytes() != first
    look(meadow, "--grid", "2x3", "--raw")
    look(meadow, "--grid", "1x1", "--out", "one.png")
    assert sorted(one.name for one in (meadow / path).parent.iterdir()) == [
        "look-convnet-32-2x3-raw.png",
        path.name,
    ]
    assert (meadow / "one.png").exists()


def test_raw_with_a_grid_shows_the_same_images_stretched(
    meadow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[NDArray[np.uint8], Any, str]] = []

    def keep(images: NDArray[np.uint8], captions: Any, grid: Grid, heading: str) -> Figure:
        drawn.append((images, captions, heading))
        return draw_grid(images, captions, grid, heading)

    monkeypatch.setattr("kit.report.network_view.draw_grid", keep)
    look(meadow, "--grid", "3x4")
    look(meadow, "--grid", "3x4", "--raw")
    (seen, captions, heading), (raw, same, raw_heading) = drawn
    assert seen.shape == raw.shape == (12, 32, 32, 3)
    assert captions == same
    for dim, bright in zip(seen, raw, strict=True):
        np.testing.assert_array_equal(bright, to_rgb(dim, RGB))
    assert "First epoch, first 12 images as the network sees them" in heading
    assert raw_heading.endswith("12 images before stem and scaling, each image stretched")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "image as the network sees it: stem as_is, normalize scale; values "),
        (("--raw",), "image before stem and scaling, stretched"),
    ],
)
def test_a_single_image_is_told_in_the_singular(
    words: tuple[str, ...], told: str, meadow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headings: list[str] = []

    def keep(images: NDArray[np.uint8], captions: Any, grid: Grid, heading: str) -> Figure:
        headings.append(heading)
        return draw_grid(images, captions, grid, heading)

    monkeypatch.setattr("kit.report.network_view.draw_grid", keep)
    said = look(meadow, "--grid", "1x1", *words)
    assert f"First epoch, first {told}" in headings[0]
    assert f"-1x1{'-raw' if words else ''}.png, 1 {told}" in said


def test_large_images_make_a_picture_of_bounded_size(meadow: Path) -> None:
    run_kit(meadow, *f"look convnet -c {FILE} --size 600 --grid 1x2 --out a.png".split())
    picture = cv2.imread(str(meadow / "a.png"))
    assert picture is not None
    assert picture.shape[1] < 1300


@pytest.mark.parametrize(
    ("grid", "settings", "message"),
    [
        ("5x7", [], "--grid 5x7: that is 35 images, and an epoch of convnet shows 32. Choose"),
        ("1x1", ["stem=mix_half_yellow"], "needs the channels red, yellow, green, blue"),
        ("1x1", ["accumulate=5"], "does not divide"),
    ],
)
def test_what_cannot_be_shown_is_told_before_any_work(
    grid: str, settings: list[str], message: str, meadow: Path
) -> None:
    recipe = recipe_with(*settings)
    with inside(meadow):
        competition = find_competition(FILE)
        workspace = Workspace.of("flowers")
        picture = GridPicture(parse_grid(grid), False, Path("x.png"))
        with pytest.raises(UserError, match=message) as raised:
            look_grid(competition, workspace, recipe, picture)
        assert "\n" not in str(raised.value)
        assert not workspace.stores.exists()
        assert not Path("x.png").exists()
