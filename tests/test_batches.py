"""Batches: rows of a store under their symmetries and variations, whatever a batch's size."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.data.augment import apply_symmetry, as_pixels, parse_augmentation, variation_rng
from kit.data.batches import EpochPlan, read_batch, read_planned
from kit.data.mixing import Mix, parse_mix
from kit.data.stacked import Images, Stacked
from kit.training.batches import EpochBatches

VARIED = "symmetries+crop+rotate+gain+noise+channel_dropout+cutout"


def image_of(size: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)


def images_of(rows: int, size: int, channels: int) -> NDArray[np.uint8]:
    shape = (rows, size, size, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def planned(text: str, rows: NDArray[np.int64], seed: int = 1, epoch: int = 2) -> EpochPlan:
    augmentation = parse_augmentation(text)
    symmetries = augmentation.symmetries(len(rows), seed, epoch)
    return EpochPlan(rows, symmetries, augmentation, seed, epoch)


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


def test_images_may_be_any_rows_of_images() -> None:
    images = images_of(5, 6, 4)
    stacked = Stacked((images[:2], images[2:]))
    rows, symmetries = np.array([4, 0, 2, 1]), np.array([7, 0, 5, 2])
    expected = read_batch(images, rows, symmetries)
    np.testing.assert_array_equal(read_batch(stacked, rows, symmetries), expected)


def test_a_plan_without_augmentation_shows_rows_as_they_are() -> None:
    images, rows = images_of(5, 6, 4), np.array([4, 0, 2])
    plan = EpochPlan.unchanged(rows)
    np.testing.assert_array_equal(read_planned(images, plan, slice(None)), images[rows])
    np.testing.assert_array_equal(read_planned(images, plan, slice(1, 3)), images[rows[1:]])


def test_a_planned_image_is_turned_and_then_varied_by_its_position() -> None:
    images, rows = images_of(3, 12, 4), np.array([2, 0, 1, 2])
    plan = planned(VARIED, rows)
    shown = read_planned(images, plan, slice(2, 4))
    for number, position in enumerate((2, 3)):
        turned = apply_symmetry(images[rows[position]], int(plan.symmetries[position]))
        rng = variation_rng(1, 2, position)
        expected = plan.augmentation.vary(np.ascontiguousarray(turned), rng)
        np.testing.assert_array_equal(shown[number], expected)


@pytest.mark.parametrize("channels", [3, 4])
def test_the_size_of_a_batch_changes_no_image(channels: int) -> None:
    images, rows = images_of(6, 12, channels), np.random.default_rng(1).integers(0, 6, 12)
    plan = planned(VARIED, rows)
    whole = read_planned(images, plan, slice(None))
    for size in (1, 4, 5):
        parts = [read_planned(images, plan, slice(a, a + size)) for a in range(0, 12, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


# Epochs for Keras


def batches_of(
    images: Images, labels: NDArray[np.uint8], text: str, mix: Mix
) -> tuple[EpochBatches, EpochPlan]:
    plan = planned(text, np.random.default_rng(1).integers(0, len(images), 22))
    return EpochBatches(images, labels, plan, 4, mix), plan


@pytest.mark.parametrize("text", ["none", "symmetries", VARIED])
def test_a_step_is_its_part_of_the_plan_in_whatever_order_it_is_asked_for(text: str) -> None:
    images, labels = images_of(6, 12, 4), np.eye(6, dtype=np.uint8)
    batches, plan = batches_of(images, labels, text, Mix())
    assert len(batches) == 5
    for step in (0, 0, 1, 0, 1, 2, 3, 4, 2):
        part = slice(4 * step, 4 * step + 4)
        pixels, truth = batches[step]
        assert (pixels.dtype, truth.dtype) == (np.uint8, np.float32)
        np.testing.assert_array_equal(pixels, read_planned(images, plan, part))
        np.testing.assert_array_equal(truth, labels[plan.rows[part]])
        if step == 3:
            batches.on_epoch_end()


def test_a_mixed_step_is_its_part_of_the_plan_mixed_by_its_number() -> None:
    images, labels = images_of(6, 12, 4), np.eye(6, dtype=np.uint8)
    mix = parse_mix("mixup")
    batches, plan = batches_of(images, labels, VARIED, mix)
    for step in (3, 0):
        part = slice(4 * step, 4 * step + 4)
        truth = labels[plan.rows[part]].astype(np.float32)
        expected = mix.apply(read_planned(images, plan, part), truth, 1, 2, step)
        for got, wanted in zip(batches[step], expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    batches.on_epoch_end()


def test_an_error_in_a_thread_comes_out_where_the_batch_is_asked_for() -> None:
    images, labels = images_of(6, 12, 4), np.zeros((100, 6), np.uint8)
    plan = planned(VARIED, np.array([0, 1, 99, 2]))
    batches = EpochBatches(images, labels, plan, 2, Mix())
    with pytest.raises(IndexError, match="99"):
        [batches[step] for step in range(2)]
    batches.on_epoch_end()


def test_keras_trains_on_the_steps_in_order_from_its_first_fit_on() -> None:
    """The first `fit` looks at a batch beforehand, which must put nothing out of order."""
    images, labels = images_of(6, 12, 4), np.eye(6, dtype=np.uint8)
    batches, plan = batches_of(images, labels, VARIED, Mix())
    means: list[float] = []

    class Mean(keras.losses.Loss):
        def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
            return y_pred

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            means.append(float((logs or {})["loss"]))

    pixels = keras.Input((12, 12, 4))
    average = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))
    total = keras.layers.Dense(1, kernel_initializer="ones")(average)
    model = keras.Model(pixels, total)
    model.compile(keras.optimizers.SGD(0.0), Mean())
    model.fit(batches, verbose=0, shuffle=False, callbacks=[Note()])
    shown = read_planned(images, plan, slice(0, 20)).reshape(5, 4, 12, 12, 4)
    steps = (shown / 255).mean(axis=(2, 3)).sum(axis=2).mean(axis=1)
    # Keras logs the mean over the steps so far.
    running = np.cumsum(steps) / np.arange(1, 6)
    np.testing.assert_allclose(means, running, rtol=1e-5)
