"""The samplings: how often each row comes, and which rows an epoch of each shows."""

import itertools
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.data.sampling import (
    SAMPLINGS,
    Sampler,
    Sampling,
    SamplingOptions,
    build_sampling,
    by_chance,
    parse_repeats,
    parse_sampling,
    repeat_factors,
)
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.training.plan import plan_epoch, recipe_sampling

HOWS = ("repeat", "table", "inverse", "balanced", "none", "replacement")
STEADY = tuple(how for how in HOWS if how != "replacement")
AS_MANY_AS_ROWS = ("inverse", "balanced", "none", "replacement")
KEYS = ("a", "b", "c", "d")
REPEATS = "c:4,b:2.5"


def sampling(
    how: str,
    labels: NDArray[np.uint8],
    keys: tuple[str, ...] = KEYS,
    threshold: float = 0.1,
    cap: float = 8,
    repeats: str = REPEATS,
) -> Sampling:
    options = SamplingOptions(keys, threshold, cap, parse_repeats(repeats))
    return build_sampling(parse_sampling(how), labels, options)


def labels_of(*rows: str, keys: str = "ab") -> NDArray[np.uint8]:
    """One row a text, which names its classes: `labels_of("a", "ab", "")`."""
    return np.array([[key in row for key in keys] for row in rows], np.uint8)


def rare_labels(rows: int = 400) -> NDArray[np.uint8]:
    """Shares of about 0.5, 0.1 and 0.01, a class without rows, and rows without labels."""
    rng = np.random.default_rng(0)
    return (rng.random((rows, 4)) < [0.5, 0.1, 0.01, 0]).astype(np.uint8)


def turns_of(drawn: NDArray[np.int64], labels: NDArray[np.uint8]) -> list[int]:
    """The class of each row drawn, where a row has one at most; the number of classes if none."""
    with_none = np.hstack([labels, ~labels.any(axis=1, keepdims=True)])
    assert (with_none.sum(axis=1) == 1).all()
    classes: list[int] = with_none.argmax(axis=1)[drawn].tolist()
    return classes


# How often each row comes, by hand


def test_none_shows_each_row_once() -> None:
    assert sampling("none", labels_of("a", "b", "")).times.tolist() == [1, 1, 1]


def test_repeat_is_the_repeat_factors() -> None:
    labels = rare_labels()
    expected = repeat_factors(labels, threshold=0.2, cap=3)
    np.testing.assert_array_equal(sampling("repeat", labels, threshold=0.2, cap=3).times, expected)


def test_in_a_table_the_largest_number_of_a_rows_classes_counts() -> None:
    labels = labels_of("a", "b", "ab", "", "c", keys="abc")
    found = sampling("table", labels, ("a", "b", "c"), repeats=" a:3 , b:7.5")
    assert found.times.tolist() == [3, 7.5, 7.5, 1, 1]


def test_a_class_key_may_have_a_colon_in_it() -> None:
    labels = labels_of("a", "b")
    assert sampling("table", labels, ("a", "b:2"), repeats="b:2:4").times.tolist() == [1, 4]


def test_inverse_weights_by_the_rarest_class() -> None:
    # One over 3, 3, 3 and 1 is 2 in all, made 4: a row with both classes counts as the rarer.
    found = sampling("inverse", labels_of("a", "a", "ab", "b"), cap=8)
    np.testing.assert_allclose(found.times, np.array([1 / 3, 1 / 3, 1 / 2, 1 / 2]) * 4 / (5 / 3))
    found = sampling("inverse", labels_of("a", "a", "a", "b"), cap=8)
    np.testing.assert_allclose(found.times, [2 / 3, 2 / 3, 2 / 3, 2])


def test_what_the_cap_takes_from_rare_rows_goes_to_the_others() -> None:
    found = sampling("inverse", labels_of("a", "a", "a", "b"), cap=1.5)
    np.testing.assert_allclose(found.times, [2.5 / 3, 2.5 / 3, 2.5 / 3, 1.5])


def test_rows_that_the_cap_of_others_lifts_to_it_are_capped_too() -> None:
    # One over 1, 2 and 12 is 3 in all, made 15: 5, 2.5 and 0.42. At a cap of 2.6 the first leaves
    # 12.4 for the others, which would make 3.1 of the two in between.
    labels = labels_of("a", "b", "b", *["c"] * 12, keys="abc")
    found = sampling("inverse", labels, ("a", "b", "c"), cap=2.6)
    np.testing.assert_allclose(found.times, [2.6] * 3 + [7.2 / 12] * 12)


def test_a_cap_of_one_leaves_each_row_once() -> None:
    np.testing.assert_allclose(sampling("inverse", rare_labels(), cap=1).times, 1)


def test_rows_without_labels_count_as_the_most_frequent_class() -> None:
    found = sampling("inverse", labels_of("a", "a", "b", ""))
    np.testing.assert_allclose(found.times, [0.8, 0.8, 1.6, 0.8])
    np.testing.assert_allclose(sampling("inverse", labels_of("", "")).times, [1, 1])


def test_balanced_shares_the_epoch_among_the_classes_and_the_rows_without_labels() -> None:
    # Three turns share four rows: 4/3 each.
    found = sampling("balanced", labels_of("a", "a", "b", ""))
    np.testing.assert_allclose(found.times, [2 / 3, 2 / 3, 4 / 3, 4 / 3])


def test_a_row_comes_in_the_turn_of_each_of_its_classes() -> None:
    found = sampling("balanced", labels_of("a", "a", "ab", "b"))
    np.testing.assert_allclose(found.times, [2 / 3, 2 / 3, 2 / 3 + 1, 1])


# Laws of all of them


@pytest.mark.parametrize("how", HOWS)
def test_an_epoch_follows_from_its_seed_and_number_alone(how: str) -> None:
    first = sampling(how, rare_labels()).draw(seed=3, epoch=7)
    assert first.dtype == np.int64
    np.testing.assert_array_equal(first, sampling(how, rare_labels()).draw(3, 7))
    for other in (sampling(how, rare_labels()).draw(3, 8), sampling(how, rare_labels()).draw(4, 7)):
        assert first.tolist() != other.tolist()


@pytest.mark.parametrize("how", STEADY)
def test_the_times_are_the_mean_over_many_epochs(how: str) -> None:
    labels = labels_of("a", "a", "a", "a", "ab", "b", "c", "", "", keys="abcd")
    found = sampling(how, labels, threshold=0.9, cap=2.5)
    counts = [np.bincount(found.draw(0, epoch), minlength=9) for epoch in range(2000)]
    # Four standard errors: no row's count varies by more than 0.7 from epoch to epoch.
    np.testing.assert_allclose(np.mean(counts, axis=0), found.times, atol=4 * 0.7 / 2000**0.5)
    assert np.std(counts, axis=0).max() < 0.7


@pytest.mark.parametrize("how", AS_MANY_AS_ROWS)
def test_an_epoch_has_as_many_rows_as_there_are(how: str) -> None:
    found = sampling(how, rare_labels())
    assert found.times.sum() == pytest.approx(400)
    assert {len(found.draw(0, epoch)) for epoch in range(50)} == {400}


def test_an_epoch_of_repeats_has_as_many_rows_as_the_times_say() -> None:
    whole = sampling("table", rare_labels(), repeats="c:4,b:2")
    assert {len(whole.draw(0, epoch)) for epoch in range(5)} == {int(whole.times.sum())}


@pytest.mark.parametrize("how", ["repeat", "table", "inverse", "none"])
def test_no_epoch_is_off_a_rows_times_by_one_or_more(how: str) -> None:
    found = sampling(how, rare_labels())
    for epoch in range(20):
        counts = np.bincount(found.draw(0, epoch), minlength=400)
        assert (np.abs(counts - found.times) < 1 + 1e-9).all()


@pytest.mark.parametrize("how", HOWS)
def test_a_single_row_is_every_epoch(how: str) -> None:
    found = sampling(how, np.array([[0, 1, 0, 0]], np.uint8), repeats="a:2")
    assert found.draw(0, 0).tolist() == [0] * len(found.draw(0, 0))
    assert found.times.tolist() == [len(found.draw(0, 0))]


@pytest.mark.parametrize("how", HOWS)
def test_so_many_rows_as_are_asked_for(how: str) -> None:
    found = sampling(how, rare_labels())
    epoch = found.draw(0, 1)
    for count in (1, 7, len(epoch), 3 * len(epoch) + 5):
        drawn = found.draw(0, 1, count)
        assert drawn.dtype == np.int64
        assert len(drawn) == count
        np.testing.assert_array_equal(drawn[: len(epoch)], epoch[:count])


@pytest.mark.parametrize("how", STEADY)
def test_an_epoch_that_is_too_short_is_shown_again(how: str) -> None:
    found = sampling(how, rare_labels())
    epoch = found.draw(0, 1)
    drawn = found.draw(0, 1, 2 * len(epoch) + 3)
    np.testing.assert_array_equal(drawn, np.concatenate([epoch, epoch, epoch[:3]]))


# With replacement


def test_rows_drawn_with_replacement_come_as_often_as_independent_draws() -> None:
    found = sampling("replacement", rare_labels(50))
    assert found.times.tolist() == [1] * 50
    counts = np.array([np.bincount(found.draw(0, e), minlength=50) for e in range(2000)])
    # A row's count in an epoch is binomial: 50 draws, each it with a chance of 1 in 50.
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=4 / 2000**0.5)
    np.testing.assert_allclose(counts.var(axis=0), 49 / 50, atol=0.2)
    # So (49/50)**50, or 36 in 100, of the rows are left out of an epoch.
    assert (counts == 0).mean() == pytest.approx(0.98**50, abs=0.01)


def test_draws_with_replacement_do_not_depend_on_each_other() -> None:
    found = sampling("replacement", rare_labels(4))
    drawn = np.concatenate([found.draw(0, epoch, 8) for epoch in range(4000)]).reshape(-1, 8)
    # Any two places in an epoch show each pair of rows equally often, also a place and the one four
    # later: those are drawn, not repeated.
    for one, other in itertools.combinations(range(8), 2):
        pairs = np.bincount(4 * drawn[:, one] + drawn[:, other], minlength=16)
        # Five standard errors of a count of 4,000 pairs, each with a chance of 1 in 16.
        np.testing.assert_allclose(pairs, 250, atol=5 * (4000 * 15 / 256) ** 0.5)


def test_more_draws_than_rows_are_drawn_and_not_repeated() -> None:
    found = sampling("replacement", rare_labels(30))
    drawn = found.draw(3, 4, 90)
    first, second, third = drawn.reshape(3, 30).tolist()
    assert first != second != third != first
    np.testing.assert_array_equal(found.draw(3, 4, 60), drawn[:60])


def test_an_epoch_of_steps_is_that_many_independent_draws() -> None:
    """From the rows of the training set, whose numbers are not their places in it."""
    rows = np.array([3, 5, 8, 9])
    recipe = recipes.get("convnet").model_copy(update={"batch": 4, "steps": 50})
    recipe = with_settings(recipe, ["sampling=replacement"])
    found = recipe_sampling(recipe, rare_labels(4), KEYS)
    shown = plan_epoch(recipe, rows, found, seed=1, epoch=2).rows
    assert len(shown) == 200
    assert set(shown.tolist()) == set(rows.tolist())
    # Four standard errors; repeated from the first four, a row would come 0, 50, 100 times.
    np.testing.assert_allclose(np.bincount(shown)[rows], 50, atol=4 * (200 * 3 / 16) ** 0.5)
    assert len({tuple(batch) for batch in shown.reshape(50, 4).tolist()}) > 30
    np.testing.assert_array_equal(plan_epoch(recipe, rows, found, 1, 2).rows, shown)
    assert (plan_epoch(recipe, rows, found, 1, 3).rows != shown).any()
    whole = recipe.model_copy(update={"batch": 3, "steps": None})
    assert len(plan_epoch(whole, rows, found, 1, 2).rows) == 3


# The order of an epoch


def test_repeat_and_none_draw_the_rows_that_runs_were_trained_on() -> None:
    # As drawn by the version whose figures are published.
    labels = labels_of("ab", "b", "b", "", "", "")
    repeat = sampling("repeat", labels, ("a", "b"), threshold=0.9)
    assert repeat.draw(3, 7).tolist() == [5, 0, 4, 2, 1, 3, 0]
    assert sampling("none", labels).draw(3, 7).tolist() == [5, 0, 3, 2, 4, 1]
    for how, factors in (("repeat", repeat.times), ("none", np.ones(6))):
        drawn = sampling(how, labels, ("a", "b"), threshold=0.9).draw(1, 2)
        np.testing.assert_array_equal(drawn, by_chance(factors).draw(1, 2))


def test_classes_take_turns_wherever_a_batch_begins() -> None:
    labels = labels_of(*["a"] * 30, *["b"] * 6, *["c"], *[""] * 3, keys="abcd")
    for epoch in range(5):
        turns = turns_of(sampling("balanced", labels).draw(0, epoch), labels)
        for start in range(len(turns) - 3):
            assert sorted(turns[start : start + 4]) == [0, 1, 2, 4]


def test_the_order_of_the_turns_differs_between_epochs() -> None:
    labels = labels_of(*"abcd" * 4, keys="abcd")
    found = sampling("balanced", labels)
    first = {tuple(turns_of(found.draw(0, epoch)[:4], labels)) for epoch in range(60)}
    assert len(first) > 12


def test_a_deck_is_gone_through_before_a_row_comes_again() -> None:
    labels = labels_of(*["a"] * 30, *["b"] * 7, "c", keys="abcd")
    drawn = sampling("balanced", labels).draw(0, 0)
    of_b = [row for row in drawn.tolist() if 30 <= row < 37]
    assert sorted(of_b[:7]) == list(range(30, 37))
    assert len(of_b) in (12, 13)
    of_a = [row for row in drawn.tolist() if row < 30]
    assert len(set(of_a)) == len(of_a)


def test_more_classes_than_rows_take_turns_over_the_epochs() -> None:
    found = sampling("balanced", np.array([[1, 1, 1, 0], [0, 0, 0, 1]], np.uint8))
    drawn = [found.draw(0, epoch) for epoch in range(40)]
    assert {len(rows) for rows in drawn} == {2}
    assert set(np.concatenate(drawn).tolist()) == {0, 1}


def test_the_order_of_an_inverse_epoch_is_shuffled() -> None:
    rows = sampling("inverse", labels_of(*["a"] * 50)).draw(0, 0)
    assert sorted(rows.tolist()) == list(range(50))
    assert rows.tolist() != list(range(50))


# What is refused


@pytest.mark.parametrize(
    ("repeats", "message"),
    [
        ("", "sampling=table needs repeats: class:times, separated by commas, such as 27:10."),
        ("  ", "sampling=table needs repeats: class:times, separated by commas, such as 27:10."),
        ("c", "repeats 'c': 'c' is not class:times, such as 27:10."),
        ("c:4,", "repeats 'c:4,': '' is not class:times, such as 27:10."),
        ("e:4", "No class 'e'. Known: a, b, c, d."),
        ("c:4,c:5", "repeats 'c:4,c:5' names class c twice. Name it once."),
        ("c:many", "repeats 'c:many': expected a number of times from 1 up, got 'many'."),
        ("c:0.5", "repeats 'c:0.5': expected a number of times from 1 up, got '0.5'."),
        ("c:inf", "repeats 'c:inf': expected a number of times from 1 up, got 'inf'."),
        ("c:nan", "repeats 'c:nan': expected a number of times from 1 up, got 'nan'."),
    ],
)
def test_repeats_that_make_no_sense_are_refused_in_one_line(repeats: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        sampling("table", rare_labels(), repeats=repeats)
    assert "\n" not in str(raised.value)


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"No sampling 'balance'\. .* Did you mean 'balanced'\?"):
        sampling("balance", rare_labels())


def test_texts_print_as_they_were_given() -> None:
    assert str(parse_repeats(" c:4 ,b:2.5")) == " c:4 ,b:2.5"
    assert str(parse_repeats("")) == ""
    assert str(parse_sampling("balanced")) == "balanced"


def _every_other(labels: NDArray[np.uint8], options: SamplingOptions, step: float) -> Sampling:
    return by_chance((np.arange(len(labels)) % step == 0).astype(np.float64))


def test_a_sampling_is_a_function_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own number in brackets, and none of the recipe's settings."""
    sampler = Sampler(_every_other, "every other row", numbers={"step": 2})
    monkeypatch.setitem(SAMPLINGS, "other", sampler)
    assert sorted(sampling("other", rare_labels(6)).draw(0, 0).tolist()) == [0, 2, 4]
    assert sorted(sampling("other(3)", rare_labels(6)).draw(0, 0).tolist()) == [0, 3]
    recipe = with_settings(recipes.get("convnet"), ["sampling=other(step=3)", "seed=1"])
    assert recipe.model_dump()["sampling"] == "other(step=3)"
    drawn = recipe_sampling(recipe, rare_labels(6), KEYS).draw(0, 0)
    assert sorted(drawn.tolist()) == [0, 3]
    with pytest.raises(UserError, match="repeat_cap=2 has no effect with sampling=other"):
        with_settings(recipes.get("convnet"), ["sampling=other", "repeat_cap=2"])


# The repeat factors, and the rows that they make


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
        assert sorted(by_chance(factors).draw(0, epoch).tolist()) == [0, 1, 1, 1, 2, 2]


def test_the_rest_of_a_factor_is_a_chance() -> None:
    factors = np.array([1.0, 1.25, 2.5])
    counts = [np.bincount(by_chance(factors).draw(0, epoch), minlength=3) for epoch in range(2000)]
    assert {tuple(count) for count in counts} == set(itertools.product([1], [1, 2], [2, 3]))
    # Four standard errors of a mean of 2,000 fair draws.
    np.testing.assert_allclose(np.mean(counts, axis=0), factors, atol=4 * 0.5 / np.sqrt(2000))


def test_the_order_of_an_epoch_is_shuffled() -> None:
    rows = by_chance(np.ones(50)).draw(0, 0)
    assert sorted(rows.tolist()) == list(range(50))
    assert rows.tolist() != list(range(50))
