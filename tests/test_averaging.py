"""From one model's scores to the mean of several: noise shrinks, thresholds move, rates agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from simulation import RATES, as_sample, draw_labels, measure, simulate

from kit.competitions.exact import NEVER, decide
from kit.core.errors import UserError
from kit.data.predictions import to_logits, to_probs
from kit.scores import Averaging, Sample, Transfer, choose_transfer, classes_that_disagree
from kit.scores.averaging import own_noise

MODELS = 5


def as_averaged(
    labels: NDArray[np.uint8],
    probs: NDArray[np.float32],
    noise: NDArray[np.float64],
    models: int,
) -> NDArray[np.float32]:
    """Out-of-fold scores as the mean of this many models, whose own noise is known."""
    return Averaging.measured(noise, models).apply(labels, probs)


def carry(
    name: str, thresholds: NDArray[np.float64], sample: Sample, test: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The thresholds for the test scores, without averaging."""
    return Transfer(name).carry(thresholds, sample, test)


def noisy_scores(
    rows: int, own: float, seed: int = 0
) -> tuple[NDArray[np.uint8], list[NDArray[np.float64]]]:
    """Labels, and the logits of five models whose own noise has this variance in each class."""
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, rows)
    shared = 3.0 * labels - 2.0 + rng.normal(size=labels.shape)
    return labels, [shared + rng.normal(0, np.sqrt(own), shared.shape) for _ in range(MODELS)]


# As averaged


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_without_noise_nothing_changes(seed: int, models: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (12, 2), dtype=np.uint8)
    probs = (0.01 + 0.98 * rng.random((12, 2))).astype(np.float32)
    moved = as_averaged(labels, probs, np.zeros(2), models)
    np.testing.assert_allclose(moved, probs, rtol=1e-5)


def test_the_mean_of_one_model_is_itself() -> None:
    sample = simulate(50)
    moved = as_averaged(sample.labels, sample.probs, np.full(3, 0.5), models=1)
    np.testing.assert_allclose(moved, sample.probs, rtol=1e-5)


def test_a_score_moves_as_worked_out_by_hand() -> None:
    # Rows with the label scatter by 1 around 2, rows without by 1 around -2.
    unit = np.array([-1, 1] * 15) * np.sqrt(29 / 30)
    bell = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    logits = np.concatenate([2 + unit, -2 + bell])[:, None]
    labels = np.repeat([1, 0], [30, 10_000]).astype(np.uint8)[:, None]
    moved = to_logits(as_averaged(labels, to_probs(logits), np.array([0.5]), models=4))
    # Three quarters of the noise go: variance 1 becomes 1 - 0.375.
    factor = np.sqrt(1 - 0.375)
    expected = np.concatenate([2 + factor * unit, -2 + factor * bell])[:, None]
    np.testing.assert_allclose(moved[:30], expected[:30], atol=1e-5)
    np.testing.assert_allclose(moved[30:], expected[30:], atol=5e-3)


def test_how_far_apart_negatives_are_that_no_threshold_reaches_does_not_matter() -> None:
    labels, logits = noisy_scores(2000, own=0.5)
    probs = to_probs(logits[0])
    far = to_logits(probs)
    low = (labels == 0) & (far < np.quantile(far, 0.3, axis=0))
    far[low] -= 5.0
    moved, as_before = (
        to_logits(as_averaged(labels, one, np.full(3, 0.5), MODELS))
        for one in (to_probs(far), probs)
    )
    np.testing.assert_allclose(moved[~low], as_before[~low], atol=0.02)


def test_moments_are_those_of_a_real_mean_over_models() -> None:
    labels, logits = noisy_scores(300_000, own=0.8)
    probs = to_probs(logits[0])
    moved = to_logits(as_averaged(labels, probs, np.full(3, 0.8), MODELS))
    real = np.mean(logits, axis=0)
    for kind in (0, 1):
        for column in range(3):
            inside = labels[:, column] == kind
            ours, theirs = moved[inside, column], real[inside, column]
            assert ours.var() == pytest.approx(theirs.var(), rel=0.08)
            assert ours.mean() == pytest.approx(theirs.mean(), abs=0.05)


def test_rows_of_a_kind_keep_their_order_however_large_the_noise() -> None:
    labels, logits = noisy_scores(500, own=1.0)
    probs = to_probs(logits[0])
    moved = as_averaged(labels, probs, np.full(3, 50.0), MODELS)
    for kind in (0, 1):
        inside = labels[:, 0] == kind
        before, after = to_logits(probs)[inside, 0], to_logits(moved)[inside, 0]
        np.testing.assert_array_equal(np.argsort(before), np.argsort(after))
        # The mean of five models keeps a fifth of the variance at least.
        apart = (before - before[0]) / np.sqrt(MODELS)
        np.testing.assert_allclose(after - after[0], apart, atol=1e-4)


def test_a_handful_of_rows_takes_its_variance_from_all() -> None:
    labels, logits = noisy_scores(400, own=0.5)
    labels[:, 0] = 0
    labels[[3, 5], 0] = 1
    labels[:, 1] = 0
    probs = to_probs(logits[0])
    moved = to_logits(as_averaged(labels, probs, np.full(3, 0.5), MODELS))
    before = to_logits(probs)
    factor = np.sqrt(1 - 0.8 * 0.5 / before[:, 0].var(ddof=1))
    apart = before[5, 0] - before[3, 0]
    assert moved[5, 0] - moved[3, 0] == pytest.approx(factor * apart, rel=1e-4)
    assert np.isfinite(moved).all()


def test_scores_that_are_all_the_same_stay() -> None:
    labels = np.array([[1]] * 7 + [[0]] * 7, np.uint8)
    probs = np.full((14, 1), 0.25, np.float32)
    np.testing.assert_allclose(as_averaged(labels, probs, np.array([0.5]), 5), probs, rtol=1e-6)


# Noise


@pytest.mark.parametrize("own", [0.0, 0.2, 1.5])
def test_the_noise_of_the_models_own_is_measured(own: float) -> None:
    _, logits = noisy_scores(4000, own)
    found = own_noise(np.array(RATES), [to_probs(one) for one in logits])
    np.testing.assert_allclose(found, [own] * 3, rtol=0.1, atol=1e-9)


def test_noise_is_measured_among_the_highest_rows_where_decisions_are_made() -> None:
    rng = np.random.default_rng(0)
    # The models agree on the highest hundred rows, and on nothing below.
    is_high = np.arange(1000)[:, None] < 100
    height, spread = np.where(is_high, 8.0, -4.0), np.where(is_high, 0.1, 2.0)
    tests = [to_probs(height + spread * rng.normal(size=(1000, 1))) for _ in range(MODELS)]
    assert own_noise(np.array([0.02]), tests)[0] == pytest.approx(0.01, rel=0.3)
    assert own_noise(np.array([0.5]), tests)[0] > 1


@pytest.mark.parametrize("rows", [1, 5, 30])
def test_few_test_rows_are_all_looked_at(rows: int) -> None:
    rng = np.random.default_rng(0)
    tests = [rng.random((rows, 2), np.float32) for _ in range(2)]
    found = own_noise(np.array([0.0, 1.0]), tests)
    assert found.shape == (2,)
    assert (found >= 0).all()
    if rows <= 20:
        variance = np.stack([to_logits(one) for one in tests]).var(axis=0, ddof=1)
        np.testing.assert_allclose(found, variance.mean(axis=0))


# Which way


def pulled(probs: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """The same scores with logits closer together."""
    logits = to_logits(probs)
    return to_probs(logits.mean(axis=0) + factor * (logits - logits.mean(axis=0)))


@pytest.mark.parametrize(
    ("wanted", "models", "factor", "chosen"),
    [
        ("auto", 5, 1.0, "averaged"),
        ("auto", 1, 1.0, "averaged"),
        ("auto", 1, 0.3, "rates"),
        ("averaged", 1, 0.3, "averaged"),
        ("thresholds", 5, 1.0, "thresholds"),
        ("rates", 5, 1.0, "rates"),
    ],
)
def test_the_way_is_chosen_by_what_the_test_scores_are(
    wanted: str, models: int, factor: float, chosen: str
) -> None:
    sample = simulate(3000)
    test = pulled(sample.probs, factor)
    by_fold = [test] * models
    assert choose_transfer(wanted, sample, test, by_fold).name == chosen


def test_rows_whose_logits_are_cut_off_do_not_make_the_others_certain() -> None:
    # Most rows without the label lie below what logits are cut off at.
    rng = np.random.default_rng(0)
    logits = np.concatenate([rng.normal(-1, 1, 100), rng.normal(-1.5, 1, 90), np.full(4810, -20)])
    labels = (np.arange(5000) < 100).astype(np.uint8)[:, None]
    probs = to_probs(logits[:, None])
    moved = as_averaged(labels, probs, np.array([1e-9]), models=5)
    np.testing.assert_allclose(to_logits(moved), to_logits(probs), atol=1e-4)


@pytest.mark.parametrize("wanted", ["auto", "thresholds"])
def test_without_a_test_set_thresholds_stay_as_they_are(wanted: str) -> None:
    assert choose_transfer(wanted, simulate(30), None).name == "thresholds"


@pytest.mark.parametrize("wanted", ["averaged", "rates"])
def test_without_a_test_set_there_is_nothing_to_carry_thresholds_to(wanted: str) -> None:
    message = f"--transfer {wanted} needs test predictions: --test FILE"
    with pytest.raises(UserError, match=message) as raised:
        choose_transfer(wanted, simulate(30), None)
    assert "\n" not in str(raised.value)


def test_an_unknown_way_is_answered_with_the_known_ones() -> None:
    sample = simulate(30)
    message = "No transfer 'rate'. Known: auto, averaged, rates, thresholds. Did you mean 'rates'?"
    with pytest.raises(UserError) as raised:
        choose_transfer("rate", sample, sample.probs)
    assert str(raised.value) == message


# Carrying over

FOUR = as_sample(
    labels=np.array([[1, 0], [1, 0], [0, 0], [0, 1]], np.uint8),
    probs=np.array([[0.9, 0.1], [0.6, 0.2], [0.4, 0.3], [0.2, 0.8]], np.float32),
    fold=np.arange(4) % 2,
    group=np.arange(4),
)
TEST = np.array([[0.5, 0.3], [0.3, 0.2], [0.25, 0.1], [0.1, 0.6]], np.float32)


@pytest.mark.parametrize("transfer", ["averaged", "thresholds"])
def test_thresholds_are_carried_over_as_they_are(transfer: str) -> None:
    thresholds = np.array([0.5, NEVER])
    np.testing.assert_array_equal(carry(transfer, thresholds, FOUR, TEST), thresholds)


def test_rates_are_carried_over_as_shares_of_the_rows() -> None:
    # Two of four rows in the first class, one of four in the second.
    found = carry("rates", np.array([0.5, 0.5]), FOUR, TEST)
    np.testing.assert_allclose(found, [(0.3 + 0.25) / 2, (0.6 + 0.3) / 2], rtol=1e-6)
    assert carry("rates", np.array([NEVER, 0.0]), FOUR, TEST).tolist() == [
        NEVER,
        pytest.approx(0.05),
    ]


# Warning


def test_scores_of_the_same_kind_rarely_warn() -> None:
    thresholds, warned = np.full(3, 0.4), 0
    for seed in range(100):
        sample, test = simulate(400, seed), simulate(300, seed + 1000).probs
        warned += bool(classes_that_disagree(thresholds, sample, thresholds, test))
    assert warned <= 12  # five are expected, give or take two


def test_rows_that_go_together_do_not_warn_more_often() -> None:
    thresholds, warned, thoughtless = np.full(3, 0.4), 0, 0
    rows = np.repeat(np.arange(60), 6)
    for seed in range(100):
        once, test = simulate(60, seed), simulate(60, seed + 1000).probs[rows]
        grouped = as_sample(once.labels[rows], once.probs[rows], once.fold[rows], rows)
        warned += bool(classes_that_disagree(thresholds, grouped, thresholds, test))
        apart = as_sample(grouped.labels, grouped.probs, grouped.fold, np.arange(360))
        thoughtless += bool(classes_that_disagree(thresholds, apart, thresholds, test))
    assert warned <= 12
    assert thoughtless > 30


@pytest.mark.parametrize("seed", range(5))
def test_a_class_three_times_as_frequent_is_named(seed: int) -> None:
    thresholds = np.full(3, 0.4)
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, 1000, (0.5, 0.25, 0.3))
    test = measure(labels, rng.normal(size=labels.shape))
    sample = simulate(1000, seed + 100)
    assert classes_that_disagree(thresholds, sample, thresholds, test) == [2]
    # Thresholds that give the same shares of rows cannot disagree.
    carried = carry("rates", thresholds, sample, test)
    assert classes_that_disagree(thresholds, sample, carried, test) == []


def test_classes_that_are_never_or_always_on_everywhere_agree() -> None:
    sample, test = simulate(50), simulate(20, seed=1).probs
    thresholds = np.array([NEVER, 0.0, 0.5])
    assert classes_that_disagree(thresholds, sample, thresholds, test) == []


def test_decisions_at_carried_rates_have_those_rates() -> None:
    sample, test = simulate(400), simulate(200, seed=1, rates=(0.3, 0.3, 0.3)).probs
    thresholds = np.full(3, 0.4)
    there = decide(test, carry("rates", thresholds, sample, test)).mean(axis=0)
    np.testing.assert_allclose(there, decide(sample.probs, thresholds).mean(axis=0), atol=0.5 / 200)
