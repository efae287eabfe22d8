"""The views that test-time augmentation averages, and the predictor that averages them."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from recording import Recording

from kit.core.errors import UserError
from kit.data.augment import apply_symmetry
from kit.data.views import VIEWS, read_view
from kit.recipes.base import Recipe
from kit.training.memory import is_out_of_memory, more_parts
from kit.training.predictor import Predictor


def some_images(count: int, size: int, channels: int = 4) -> NDArray[np.uint8]:
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def test_the_first_eight_views_are_the_symmetries() -> None:
    images = some_images(3, 8)
    for view in range(8):
        expected = [apply_symmetry(images[row], view) for row in (2, 0)]
        np.testing.assert_array_equal(read_view(images, np.array([2, 0]), view), expected)


def test_the_others_are_those_of_the_centre_and_of_four_corners() -> None:
    # Of 16 pixels a part has 14: the centre begins at 1, a corner at 0 or at 2. One bright pixel
    # in the top left corner is seen in the view of that corner, enlarged, and in no other part.
    images = np.zeros((1, 16, 16, 1), np.uint8)
    images[0, 0, 0] = 200
    seen = [int(read_view(images, np.array([0]), 8 * part).max()) for part in range(6)]
    assert seen == [200, 0, 200, 0, 0, 0]


def test_a_part_of_an_even_image_is_even_and_turned_like_the_whole() -> None:
    images = np.full((1, 24, 24, 5), 7, np.uint8)
    assert (read_view(images, np.array([0]), VIEWS - 1) == 7).all()
    images = some_images(1, 24)
    plain = read_view(images, np.array([0]), 8)[0]
    np.testing.assert_array_equal(
        read_view(images, np.array([0]), 8 + 5)[0], apply_symmetry(plain, 5)
    )


def test_as_many_views_as_a_recipe_may_have() -> None:
    limits = Recipe.model_json_schema()["properties"]["tta"]
    assert (limits["minimum"], limits["maximum"]) == (1, VIEWS)


# The predictor


class TopLeft(keras.layers.Layer):
    """The first channel of the first pixel, as the only logit."""

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return images[:, 0, 0, :1]


def corner_model(size: int) -> keras.Model:
    images = keras.Input((size, size, 2), dtype="float32")
    return keras.Model(images, TopLeft()(images))


def test_logits_are_the_mean_over_the_views() -> None:
    images = some_images(3, 4, 2)
    rows = np.array([2, 0, 1])
    predictor = Predictor(corner_model(4), 4)
    np.testing.assert_array_equal(predictor.logits(images, rows)[:, 0], images[rows, 0, 0, 0])
    # The eight symmetries bring each corner to the top left twice.
    corners = [images[rows, y, x, 0].astype(float) for y in (0, -1) for x in (0, -1)]
    averaged = predictor.logits(images, rows, views=8)
    np.testing.assert_allclose(averaged[:, 0], np.mean(corners, axis=0), rtol=1e-6)
    assert averaged.dtype == np.float32


class Short:
    """A model that holds so many images at once."""

    variables: tuple[keras.Variable, ...] = ()

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[int] = []

    def predict_on_batch(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.append(len(images))
        if len(images) > self.most:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
        return images[:, 0, 0, :1].astype(np.float32)


def test_a_batch_that_does_not_fit_is_halved_from_then_on() -> None:
    images = some_images(70, 4, 2)
    model = Short(most=20)
    reporter = Recording()
    predictor = Predictor(model, 4, reporter=reporter)
    logits = predictor.logits(images, np.arange(70))
    np.testing.assert_array_equal(logits[:, 0], images[:, 0, 0, 0])
    predictor.logits(images, np.arange(16))
    assert model.asked == [64, 32, 16, 16, 16, 16, 16, 16]
    assert reporter.lines == [
        "Out of memory: predicting 32 images at once.",
        "Out of memory: predicting 16 images at once.",
    ]


def test_one_image_that_does_not_fit_is_told_with_its_size() -> None:
    with pytest.raises(UserError, match=r"a single image of 1024 pixels\. Try a smaller --size"):
        Predictor(Short(most=0), 1024).logits(some_images(1, 1024, 1), np.array([0]))


def test_weights_that_a_failed_prediction_destroyed_are_put_back() -> None:
    # As JAX does, which frees what it was given.
    class Destroying(Short):
        def __init__(self) -> None:
            super().__init__(most=20)
            self.variables = (keras.Variable(np.array([1.5, 2.5], np.float32)),)

        def predict_on_batch(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            if len(images) > self.most:
                self.variables[0].assign(np.zeros(2))
            return super().predict_on_batch(images)

    model = Destroying()
    Predictor(model, 4).logits(some_images(70, 4, 2), np.arange(70))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model.variables[0]), [1.5, 2.5])


def test_memory_may_have_been_short_before_another_error() -> None:
    def hidden() -> None:
        try:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        finally:
            raise TypeError("'NoneType' object is not callable")

    with pytest.raises(TypeError) as raised:
        hidden()
    assert is_out_of_memory(raised.value)


def test_other_errors_are_not_mistaken_for_memory() -> None:
    class Broken:
        variables = ()

        def predict_on_batch(self, images: object) -> None:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        Predictor(Broken(), 4).logits(some_images(1, 4), np.array([0]))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("Graph execution error: OOM when allocating tensor"), True),
        (ValueError("not enough rows"), False),
        (RuntimeError("zoom"), False),
    ],
)
def test_how_backends_say_that_memory_is_short(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("batch", "parts", "expected"),
    [(32, 1, 2), (32, 2, 4), (10, 1, 2), (10, 2, 10), (10, 10, None), (9, 1, 3), (7, 1, 7)],
)
def test_parts_are_equal_and_made_of_the_parts_before(
    batch: int, parts: int, expected: int | None
) -> None:
    assert more_parts(batch, parts) == expected
