"""Ways to choose thresholds: each by hand on five rows, and what all of them hold to."""

from dataclasses import replace

import numpy as np
import pytest
from simulation import as_sample, simulate

from kit.competitions.exact import NEVER, decide, rate_thresholds
from kit.core.errors import UserError
from kit.ensemble.thresholds import (
    AUTO,
    SEARCHED,
    Thresholds,
    calibrated,
    class_rate,
    constant,
    exact,
    find_policies,
    find_policy,
    fixed,
    floored,
    fold_mean,
    mean_thresholds,
    scaled,
    shrunk,
    split_mean,
)
from kit.scores.oof import Sample

# Exact: the top 1, 2, 3, 4, 5 reach 2/4, 4/5, 4/6, 6/7, 6/8. As many rows as positives: three.
TINY = as_sample(
    labels=np.array([[1], [1], [0], [1], [0]], np.uint8),
    probs=np.array([[0.9], [0.8], [0.6], [0.4], [0.2]], np.float32),
    fold=np.array([0, 1, 0, 1, 0]),
    group=np.arange(5),
)
NOTHING = replace(TINY, labels=np.zeros((5, 1), np.uint8))


def odds(probability: float) -> float:
    return probability / (1 - probability)


def from_odds(value: float) -> float:
    return value / (1 + value)


# One by one


def test_a_fixed_threshold_is_the_same_for_every_class() -> None:
    two = as_sample(
        np.zeros((1, 2), np.uint8), np.ones((1, 2), np.float32), *[np.zeros(1, int)] * 2
    )
    assert fixed(two, 0.2).tolist() == [0.2, 0.2]


def test_exact_thresholds_lie_half_way_between_rows() -> None:
    assert exact(TINY).tolist() == [pytest.approx(0.3)]


def test_exact_thresholds_are_scaled_and_those_that_are_never_stay() -> None:
    assert scaled(TINY, 0.7).tolist() == [pytest.approx(0.21)]
    assert scaled(NOTHING, 0.7).tolist() == [NEVER]


@pytest.mark.parametrize(("floor", "expected"), [(0.15, 0.3), (0.35, 0.35)])
def test_exact_thresholds_below_a_floor_are_raised_to_it(floor: float, expected: float) -> None:
    assert floored(TINY, floor).tolist() == [pytest.approx(expected)]
    assert floored(NOTHING, floor).tolist() == [NEVER]


def test_class_rate_thresholds_lie_where_as_many_rows_are_on_as_have_the_label() -> None:
    assert class_rate(TINY).tolist() == [pytest.approx(0.5)]
    assert class_rate(NOTHING).tolist() == [NEVER]


@pytest.mark.parametrize(
    ("value", "weight"), [(0.0, 1.0), (3.0, 0.5), (9.0, 0.25)], ids=["own", "half", "mostly rate"]
)
def test_a_class_of_three_positives_is_shrunk_in_logits(value: float, weight: float) -> None:
    expected = odds(0.3) ** weight * odds(0.5) ** (1 - weight)
    assert shrunk(TINY, value).tolist() == [pytest.approx(from_odds(expected), rel=1e-6)]
    assert shrunk(NOTHING, value).tolist() == [NEVER]


def test_the_fold_mean_averages_the_thresholds_without_each_fold() -> None:
    # Without fold 0: 0.8 and 0.4, both right. Without fold 1: 0.9 right, 0.6 and 0.2 wrong.
    without = [0.4 / 2, (0.9 + 0.6) / 2]
    assert exact(TINY.only(TINY.fold == 1)).tolist() == [pytest.approx(without[0])]
    assert exact(TINY.only(TINY.fold == 0)).tolist() == [pytest.approx(without[1])]
    expected = from_odds(np.sqrt(odds(without[0]) * odds(without[1])))
    assert fold_mean(TINY).tolist() == [pytest.approx(expected, rel=1e-6)]


def test_the_split_mean_lies_among_the_thresholds_of_its_parts_and_is_the_same_each_time() -> None:
    sample = simulate(300)
    thresholds = split_mean(sample)
    np.testing.assert_array_equal(thresholds, split_mean(sample))
    assert (np.abs(thresholds - exact(sample)) < 0.2).all()
    assert (thresholds != exact(sample)).any()


def test_the_split_mean_keeps_groups_whole() -> None:
    once = simulate(60)
    rows = np.repeat(np.arange(60), 4)
    fourfold = as_sample(once.labels[rows], once.probs[rows], once.fold[rows], once.group[rows])
    np.testing.assert_array_equal(split_mean(fourfold), split_mean(once))
    apart = replace(fourfold, group=np.arange(240))
    assert (split_mean(apart) != split_mean(once)).any()


def test_one_threshold_for_all_classes_is_the_best_of_its_kind() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], np.uint8)
    probs = np.array([[0.9, 0.5], [0.7, 0.9], [0.5, 0.4], [0.1, 0.1]], np.float32)
    sample = as_sample(labels, probs, np.arange(4) % 2, np.arange(4))
    # Between 0.5 and 0.7 the first class is whole and the second has one of two: (1 + 2/3) / 2.
    # Between 0.1 and 0.4 both have one row too many: (4/5 + 4/5) / 2.
    thresholds = constant(sample)
    assert thresholds[0] == thresholds[1]
    assert 0.5 < thresholds[0] < 0.7


def test_of_many_rows_the_calibrated_thresholds_are_the_exact_ones() -> None:
    sample = simulate(20_000)
    np.testing.assert_allclose(calibrated(sample), exact(sample), atol=0.06)


# Rates and means


@pytest.mark.parametrize(
    ("rate", "threshold"),
    [
        (0.0, NEVER),
        (0.1, NEVER),  # less than half a row of four
        (0.25, 0.7),
        (0.5, 0.45),
        (0.6, 0.45),
        (0.75, 0.2),
        (1.0, 0.05),
    ],
)
def test_a_share_of_the_rows_worked_out_by_hand(rate: float, threshold: float) -> None:
    probs = np.array([[0.6], [0.1], [0.8], [0.3]], np.float32)
    assert rate_thresholds(probs, np.array([rate])).tolist() == [pytest.approx(threshold)]


def test_rows_of_one_score_at_the_threshold_are_on_together() -> None:
    probs = np.array([[0.8], [0.5], [0.5], [0.1]], np.float32)
    threshold = rate_thresholds(probs, np.array([0.5]))
    assert decide(probs, threshold).ravel().tolist() == [1, 1, 1, 0]


def test_as_large_a_share_lies_above_as_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    probs, rates = rng.random((500, 6), np.float32), np.array([0, 0.002, 0.1, 0.5, 0.998, 1])
    shares = decide(probs, rate_thresholds(probs, rates)).mean(axis=0)
    np.testing.assert_allclose(shares, rates)


def test_means_are_taken_in_logits_of_the_thresholds_there_are() -> None:
    several: list[Thresholds] = [
        np.array([0.5, NEVER, 0.25]),
        np.array([0.8, NEVER, NEVER]),
    ]
    # Odds of 1 and 4 have the geometric mean 2.
    expected = [2 / 3, 0.125, 0.25]
    found = mean_thresholds(several, fallback=np.array([0.5, 0.125, 0.5]))
    assert found.tolist() == [pytest.approx(threshold) for threshold in expected]


# By name

LABEL_AWARE = (
    "calibrated",
    "class-rate",
    "fold-mean",
    "split-mean",
    "exact",
    "tuned",
    "mixed",
    "scaled",
    "floored",
    "shrunk",
)
EVERY = (*LABEL_AWARE, "constant", "fixed")


@pytest.mark.parametrize(
    ("title", "full", "value"),
    [
        ("exact", "exact", None),
        ("fixed", "fixed=0.5", 0.5),
        ("fixed=0.2", "fixed=0.2", 0.2),
        ("fixed=.20", "fixed=0.2", 0.2),
        ("scaled", "scaled=0.7", 0.7),
        ("floored=0", "floored=0", 0.0),
        ("shrunk=1e3", "shrunk=1000", 1000.0),
    ],
)
def test_a_policy_is_found_by_its_title_and_says_its_full_one(
    title: str, full: str, value: float | None
) -> None:
    policy = find_policy(title)
    assert (policy.title, policy.value) == (full, value)
    assert find_policy(policy.title).title == full


def test_the_number_behind_the_name_is_what_is_fitted_with() -> None:
    assert find_policy("fixed=0.2").fit(TINY).tolist() == [0.2]
    assert find_policy("scaled=0.5").fit(TINY).tolist() == [pytest.approx(0.15)]


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("exakt", "No policy 'exakt'. Known: .*. Did you mean 'exact'?"),
        ("fold_mean", "Did you mean 'fold-mean'?"),
        ("exact=0.5", "No policy 'exact=0.5'"),  # it has no number
        ("", "No policy ''"),
        ("fixed=", "Policy fixed needs a number, such as fixed=0.5, got 'fixed='"),
        ("fixed=half", "Policy fixed needs a number, such as fixed=0.5, got 'fixed=half'"),
        ("fixed=-0.1", "Policy fixed=-0.1: fixed needs a number from 0 to 1, such as fixed=0.5"),
        ("shrunk=inf", "Policy shrunk=inf: shrunk needs a number from 0 up, such as shrunk=0.5"),
        ("scaled=nan", "Policy scaled=nan: scaled needs a number from 0 up"),
        ("fixed=1.5", "Policy fixed=1.5: fixed needs a number from 0 to 1"),
        ("floored=2", "Policy floored=2: floored needs a number from 0 to 1"),
    ],
)
def test_a_wrong_title_is_answered_with_the_right_ones(title: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")) as raised:
        find_policy(title)
    assert "\n" not in str(raised.value)


def test_auto_and_all_are_choices_of_policies_and_any_other_title_is_one() -> None:
    assert [policy.title for policy in find_policies("auto")] == [
        find_policy(title).title for title in AUTO
    ]
    assert len(set(AUTO)) == len(AUTO) > 1
    assert [policy.title for policy in find_policies("all")] == [
        find_policy(title).title for title in (*AUTO, *SEARCHED)
    ]
    assert not set(AUTO) & set(SEARCHED)
    assert [policy.title for policy in find_policies("scaled")] == ["scaled=0.7"]


# What every policy holds to


def awkward() -> Sample:
    """Sixty rows: a class without positives, one with a single one, one positive in one fold only,
    and one that is always there."""
    sample = simulate(60, rates=(0.5, 0.25, 0.1, 0.3, 0.5, 0.5), folds=3)
    labels = sample.labels.copy()
    labels[:, 2] = 0
    labels[:, 3] = np.arange(60) == 7
    labels[:, 4] = (sample.fold == 1) & (np.arange(60) % 2 == 0)
    labels[:, 5] = 1
    return replace(sample, labels=labels)


@pytest.mark.parametrize("title", EVERY)
def test_thresholds_are_probabilities_or_never(title: str) -> None:
    sample = awkward()
    thresholds = find_policy(title).fit(sample)
    assert thresholds.shape == (6,)
    assert thresholds.dtype == np.float64
    assert (((thresholds >= 0) & (thresholds <= 1)) | (thresholds == NEVER)).all()
    if title in LABEL_AWARE:
        assert (thresholds == NEVER).tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("title", EVERY)
def test_thresholds_are_the_same_each_time_and_leave_the_sample_alone(title: str) -> None:
    sample = awkward()
    fit = find_policy(title).fit
    np.testing.assert_array_equal(fit(sample), fit(sample))
    np.testing.assert_array_equal(sample.probs, awkward().probs)
    np.testing.assert_array_equal(sample.labels, awkward().labels)


@pytest.mark.parametrize("title", EVERY)
def test_the_order_of_the_rows_does_not_matter(title: str) -> None:
    sample = awkward()
    order = np.random.default_rng(0).permutation(60)
    mixed = as_sample(
        sample.labels[order], sample.probs[order], sample.fold[order], sample.group[order]
    )
    fit = find_policy(title).fit
    np.testing.assert_allclose(fit(mixed), fit(sample), rtol=1e-9)


@pytest.mark.parametrize("title", EVERY)
def test_the_order_of_the_classes_does_not_matter_much(title: str) -> None:
    sample = awkward()
    backwards = replace(sample, labels=sample.labels[:, ::-1], probs=sample.probs[:, ::-1])
    thresholds = find_policy(title).fit(sample)
    # The search of each class is seeded by its place.
    tolerance = 0.2 if title == "tuned" else 1e-9
    np.testing.assert_allclose(find_policy(title).fit(backwards)[::-1], thresholds, atol=tolerance)


@pytest.mark.parametrize("title", EVERY)
@pytest.mark.parametrize("score", [0.0, 0.3, 1.0])
def test_a_single_row_is_enough(title: str, score: float) -> None:
    one = as_sample(
        labels=np.array([[1, 0]], np.uint8),
        probs=np.full((1, 2), score, np.float32),
        fold=np.zeros(1, np.int64),
        group=np.zeros(1, np.int64),
    )
    thresholds = find_policy(title).fit(one)
    assert np.isfinite(thresholds).all()
    if title in LABEL_AWARE:
        assert thresholds[1] == NEVER
    # Means in logits know no threshold below 1e-6.
    if title in ("exact", "class-rate") or (title in ("fold-mean", "split-mean") and score > 0):
        assert decide(one.probs, thresholds).tolist() == [[1, 0]]


@pytest.mark.parametrize("title", LABEL_AWARE)
def test_without_any_positive_nothing_is_ever_on(title: str) -> None:
    assert find_policy(title).fit(NOTHING).tolist() == [NEVER]


@pytest.mark.parametrize("title", [title for title in EVERY if title != "fixed"])
def test_on_clear_scores_every_policy_that_looks_finds_the_gap(title: str) -> None:
    sample = simulate(400, rates=(0.4, 0.2), strength=9.0)
    assert (decide(sample.probs, find_policy(title).fit(sample)) == sample.labels).mean() > 0.97
