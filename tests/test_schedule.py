"""The learning rate: a function of the recipe, the phase and how far one is through it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.recipes.base import Recipe
from kit.training.schedule import Phase, is_over, learning_rate, phases, plateau_part

RECIPE = Recipe(name="r", backbone="convnet", size=64, epochs=4, learning_rate=0.8)
COSINE = RECIPE.model_copy(update={"schedule": "cosine"})
WARM = RECIPE.model_copy(update={"warmup": 0.2})
WARM_COSINE = COSINE.model_copy(update={"warmup": 0.2})
CYCLE = RECIPE.model_copy(update={"schedule": "onecycle"})
WARM_CYCLE = CYCLE.model_copy(update={"warmup": 0.5})
PLATEAU = RECIPE.model_copy(update={"schedule": "plateau"})
THAWED = RECIPE.model_copy(update={"frozen_epochs": 2, "frozen_learning_rate": 0.1})


def rate(recipe: Recipe, progress: float) -> float:
    return learning_rate(recipe, phases(recipe)[-1], progress)


def test_a_recipe_without_frozen_epochs_is_one_phase() -> None:
    assert phases(RECIPE) == (Phase(0, 4, frozen=False, learning_rate=0.8),)


def test_frozen_epochs_come_first_and_the_others_follow() -> None:
    assert phases(THAWED) == (Phase(0, 2, True, 0.1), Phase(2, 6, False, 0.8))


@pytest.mark.parametrize(
    ("recipe", "progress", "expected"),
    [
        (RECIPE, 0.0, 0.8),
        (RECIPE, 1.0, 0.8),
        (WARM, 0.0, 0.0),
        (WARM, 0.05, 0.2),
        (WARM, 0.2, 0.8),
        (WARM, 1.0, 0.8),
        (COSINE, 0.0, 0.8),
        (COSINE, 0.5, 0.4),
        (COSINE, 2 / 3, 0.2),
        (COSINE, 1.0, 0.0),
        (WARM_COSINE, 0.1, 0.4),
        (WARM_COSINE, 0.2, 0.8),
        (WARM_COSINE, 0.6, 0.4),
        (WARM_COSINE, 1.0, 0.0),
        # From a 25th of 0.8, which is 0.032, to 0.8 and to 0, half-way at the middle of each.
        (CYCLE, 0.0, 0.032),
        (CYCLE, 0.15, 0.416),
        (CYCLE, 0.3, 0.8),
        (CYCLE, 0.65, 0.4),
        (CYCLE, 1.0, 0.0),
        (WARM_CYCLE, 0.25, 0.416),
        (WARM_CYCLE, 0.5, 0.8),
        (WARM_CYCLE, 0.75, 0.4),
        (PLATEAU, 0.0, 0.8),
        (PLATEAU, 1.0, 0.8),
    ],
)
def test_rates_worked_out_by_hand(recipe: Recipe, progress: float, expected: float) -> None:
    assert rate(recipe, progress) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("progress", [0.0, 0.1, 1.0])
def test_a_frozen_phase_is_constant_whatever_the_schedule(progress: float) -> None:
    recipe = THAWED.model_copy(update={"schedule": "cosine", "warmup": 0.5})
    assert learning_rate(recipe, phases(recipe)[0], progress) == 0.1


@given(st.floats(0, 0.99), st.floats(0, 1), st.floats(0, 1))
def test_rates_rise_through_warm_up_and_fall_after(warmup: float, one: float, two: float) -> None:
    recipe = COSINE.model_copy(update={"warmup": warmup})
    early, late = sorted([one, two])
    if late < warmup:
        assert rate(recipe, early) <= rate(recipe, late)
    elif early >= warmup:
        assert rate(recipe, early) >= rate(recipe, late)
    assert 0 <= rate(recipe, early) <= recipe.learning_rate * (1 + 1e-12)


def test_the_cosine_is_half_a_wave() -> None:
    expected = 0.8 * (1 + math.cos(math.pi * 0.3)) / 2
    assert rate(COSINE, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], 1.0),
        ([3, 2, 1], 1.0),
        ([1, 2], 1.0),
        ([1, 2, 2], 0.1),
        ([1, 1, 1], 0.1),
        ([1, 2, 0.5, 2], 1.0),
        ([1, 2, 2, 2], 0.1),
        ([1, 2, 2, 2, 2], 0.01),
        ([1, 2, 2, 0.5, 2, 2], 0.01),
    ],
)
def test_the_rate_is_cut_where_two_epochs_in_a_row_are_no_better(
    losses: list[float], expected: float
) -> None:
    assert plateau_part(losses, epochs=2, factor=0.1) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("trained", "best", "expected"),
    [(4, 3, False), (5, 3, False), (6, 3, True), (10, 9, True), (9, 8, False), (2, 0, False)],
)
def test_a_fold_is_over_after_its_epochs_or_its_patience(
    trained: int, best: int, expected: bool
) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 10, "patience": 2})
    assert is_over(recipe, trained, best) is expected


def test_patience_begins_after_the_frozen_epochs_and_is_none_without_a_choice() -> None:
    thawed = RECIPE.model_copy(update={"epochs": 10, "frozen_epochs": 3, "patience": 2})
    assert [is_over(thawed, trained, 0) for trained in (3, 4, 5)] == [False, False, True]
    last = thawed.model_copy(update={"keep": "last"})
    assert not any(is_over(last, trained, trained - 1) for trained in range(1, 13))
    assert is_over(last, 13, 12)
