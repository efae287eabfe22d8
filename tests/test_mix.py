"""The mix of policies: its cuts by hand, and one study that ends the same each time."""

from dataclasses import replace

import numpy as np
import pytest
from kit.ensemble.crossfit import judge
from kit.ensemble.cuts import calibrated, class_rate, exact
from kit.ensemble.mix import Ingredients, Mix, best_mix, mixed
from kit.ensemble.policies import Policy, find_policy
from simulation import simulate

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import macro_f1

# Cuts at odds of 1/4, 4 and 1 for a class of ten positives, and for one of none.
PARTS = Ingredients(
    positives=np.array([10.0, 0.0]),
    exact=np.log([1 / 4, 1 / 4]),
    rate=np.log([4.0, 4.0]),
    calibrated=np.array([0.0, 0.0]),
)


@pytest.mark.parametrize(
    ("mix", "cut"),
    [
        (Mix(), 1 / 5),  # exact
        (Mix(shrink=10.0), 1 / 2),  # half way between odds of 1/4 and 4
        (Mix(calibration=10.0), 1 / 3),  # odds of 1/2
        (Mix(shrink=10.0, calibration=980.0), 1 / 2),
        (Mix(calibration=10.0, floor=0.4), 0.4),
        (Mix(calibration=10.0, floor=0.3), 1 / 3),
    ],
)
def test_a_mix_worked_out_by_hand(mix: Mix, cut: float) -> None:
    assert PARTS.cuts(mix).tolist() == [pytest.approx(cut), NEVER]


def test_the_ingredients_are_the_policies_cuts() -> None:
    sample = simulate(200)
    parts = Ingredients.of(sample)
    assert parts.positives.tolist() == sample.labels.sum(axis=0).tolist()
    np.testing.assert_allclose(parts.cuts(Mix()), exact(sample))
    np.testing.assert_allclose(parts.cuts(Mix(shrink=1e12)), class_rate(sample), rtol=1e-6)
    np.testing.assert_allclose(parts.cuts(Mix(calibration=1e12)), calibrated(sample), rtol=1e-6)


def test_the_study_ends_the_same_each_time() -> None:
    sample = simulate(150)
    assert best_mix(sample) == best_mix(sample)
    np.testing.assert_array_equal(mixed(sample), mixed(sample))


def test_the_best_mix_scores_on_the_folds_left_out_no_worse_than_what_it_starts_from() -> None:
    sample = simulate(300, strength=1.0)
    mix = best_mix(sample)

    def score(one: Mix) -> float:
        policy = Policy("mix", lambda others: Ingredients.of(others).cuts(one))
        return judge(sample, policy).cross_fitted

    starts = (Mix(0.1, 0.1), Mix(20.0, 0.1), Mix(0.1, 20.0), Mix(0.1, 1000.0))
    assert score(mix) >= max(score(start) for start in starts)


def test_of_one_fold_the_mix_is_a_given_one() -> None:
    sample = simulate(60)
    one = replace(sample, fold=np.zeros(60, np.int64))
    expected = Ingredients.of(one).cuts(Mix(20.0, 20.0))
    np.testing.assert_array_equal(mixed(one), expected)
    np.testing.assert_array_equal(find_policy("mixed").fit(one), expected)


def test_a_fold_that_has_all_positives_of_a_class_is_borne() -> None:
    sample = simulate(90, folds=3)
    labels = sample.labels.copy()
    labels[sample.fold != 1, 2] = 0
    labels[:, 1] = 0
    cuts = mixed(replace(sample, labels=labels))
    assert (cuts == NEVER).tolist() == [False, True, False]


def test_the_mix_decides_well_where_the_answer_is_clear() -> None:
    sample = simulate(300, strength=8.0)
    assert macro_f1(sample.labels, decide(sample.probs, mixed(sample))) > 0.95
