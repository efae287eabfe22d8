"""Optuna's studies: counted by hand, the same each time, however often stopped or shared."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from simulation import simulate

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import f1_per_class, macro_f1
from kit.core.journal import Journal
from kit.core.owner import own
from kit.data.predictions import to_logits
from kit.ensemble import studies
from kit.ensemble.evaluate import judge
from kit.ensemble.studies import (
    HeldOutF1,
    Ingredients,
    MixNumbers,
    draw_splits,
    middle_of_the_best,
    run_study,
    search_mix,
)
from kit.ensemble.thresholds import (
    Policy,
    calibrated,
    class_rate,
    exact,
    find_policy,
    ingredients_of,
    mixed,
    tuned,
)
from kit.scores.oof import Sample

optuna.logging.set_verbosity(optuna.logging.WARNING)


def small() -> Sample:
    """Eighty rows of three classes."""
    return simulate(80)


# Counting


@pytest.mark.parametrize("seed", range(10))
def test_f1_on_held_out_rows_is_what_counting_them_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 30, dtype=np.uint8)
    logits = rng.integers(-4, 5, 30).astype(np.float64)  # many ties
    splits = rng.random((30, 6)) < 0.5
    held_out = HeldOutF1.of(labels, logits, splits)
    for threshold in (-9.0, -4.0, -0.5, 0.0, 3.0, 4.0, 9.0):
        expected = [
            f1_per_class(labels[inside, None], logits[inside, None] >= threshold)[0]
            for inside in splits.T
        ]
        np.testing.assert_allclose(held_out.f1(threshold), expected)


def test_splits_hold_out_half_of_the_groups_and_keep_them_whole() -> None:
    group = np.repeat(np.arange(400), 3)
    splits = draw_splits(group)
    assert splits.shape == (1200, studies.SPLITS)
    np.testing.assert_array_equal(splits[::3], splits[1::3])
    np.testing.assert_array_equal(splits[::3], splits[2::3])
    assert np.abs(splits.mean(axis=0) - 0.5).max() < 0.1
    assert len(np.unique(splits, axis=1).T) == studies.SPLITS


# The middle


def tried(thresholds: list[float], held_out: HeldOutF1) -> "optuna.Study":
    """A study in which these thresholds were scored."""
    study = optuna.create_study(direction="maximize")
    distribution = optuna.distributions.FloatDistribution(-9, 9)
    for threshold in thresholds:
        study.add_trial(
            optuna.trial.create_trial(
                params={"logit": threshold},
                distributions={"logit": distribution},
                value=float(held_out.f1(threshold).mean()),
            )
        )
    return study


def test_the_middle_of_what_ties_worked_out_by_hand() -> None:
    labels = np.array([1, 0, 1], np.uint8)
    # All rows in every split: a threshold above the second row has F1 2/3, below it 1/2, then 4/5.
    held_out = HeldOutF1.of(labels, np.array([3.0, 2.0, 1.0]), np.ones((3, 4), bool))
    assert middle_of_the_best(tried([2.5, 1.5, 0.5, -0.5], held_out), held_out) == 0.0
    assert middle_of_the_best(tried([2.5, 1.5], held_out), held_out) == 2.5


def test_what_is_behind_by_less_than_it_scatters_ties() -> None:
    labels = np.array([1, 1, 0, 1], np.uint8)
    splits = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], bool)
    held_out = HeldOutF1.of(labels, np.array([4.0, 3.0, 2.0, 1.0]), splits)
    # From the top row alone: 2/3 and 1/2. Two rows: 2/3 and 4/5. All: 4/5 and 1.
    np.testing.assert_allclose(held_out.f1(3.5), [2 / 3, 1 / 2])
    np.testing.assert_allclose(held_out.f1(2.5), [2 / 3, 4 / 5])
    np.testing.assert_allclose(held_out.f1(0.5), [4 / 5, 1.0])
    # Behind the best by 2/15 and 1/5: 1/6 on average, with a scatter of 1/30 that is no tie.
    assert middle_of_the_best(tried([2.5, 0.5], held_out), held_out) == 0.5
    # The same rows, but the two splits disagree by more than what the best is ahead.
    other = np.array([[1, 1], [0, 1], [1, 0], [1, 0]], bool)
    torn = HeldOutF1.of(labels, np.array([4.0, 3.0, 2.0, 1.0]), other)
    np.testing.assert_allclose(torn.f1(2.5), [2 / 3, 1.0])
    np.testing.assert_allclose(torn.f1(3.5), [2 / 3, 2 / 3])
    np.testing.assert_allclose(torn.f1(0.5), [4 / 5, 1.0])
    assert middle_of_the_best(tried([2.5, 0.5], torn), torn) == 1.5
    assert middle_of_the_best(tried([3.5, 0.5], torn), torn) == 0.5


def test_a_trial_that_did_not_end_counts_for_nothing() -> None:
    held_out = HeldOutF1.of(np.array([1, 0], np.uint8), np.array([1.0, 0.0]), np.ones((2, 2), bool))
    study = tried([0.5], held_out)
    study.ask({"logit": optuna.distributions.FloatDistribution(-9, 9)})
    assert middle_of_the_best(study, held_out) == 0.5


# A study


def test_a_study_starts_from_what_it_is_given_and_stays_near() -> None:
    sample = small()
    logits = to_logits(sample.probs)[:, 0]
    held_out = HeldOutF1.of(sample.labels[:, 0], logits, draw_splits(sample.group))
    study = optuna.create_study(direction="maximize")
    run_study(study, held_out, [-1.0, 0.25], seed=0)
    thresholds = [trial.params["logit"] for trial in study.trials]
    assert len(thresholds) == studies.TRIALS
    assert thresholds[:2] == [-1.0, 0.25]
    assert -1.5 <= min(thresholds) < max(thresholds) <= 0.75
    scores = [held_out.f1(one).mean() for one in thresholds]
    assert [trial.value for trial in study.trials] == scores


def test_thresholds_are_the_same_each_time_and_near_the_exact_ones() -> None:
    sample = simulate(2000)
    thresholds = tuned(sample)
    np.testing.assert_array_equal(thresholds, tuned(sample))
    np.testing.assert_allclose(thresholds, exact(sample), atol=0.12)


# Stopped and resumed


class Killed(BaseException):
    """As a process ends that is killed: past every handler of exceptions."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Ends the search at the n-th time that a threshold is scored; never again with None."""
    real = HeldOutF1.f1

    def arrange(times: int | None) -> None:
        left = [times]

        def f1(self: HeldOutF1, threshold: float) -> NDArray[np.float64]:
            if left[0] == 0:
                raise Killed
            left[0] = None if left[0] is None else left[0] - 1
            return real(self, threshold)

        monkeypatch.setattr(HeldOutF1, "f1", f1)

    return arrange


def states(journal: Path) -> list[str]:
    """How each trial in a journal ended, or that it did not."""
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(journal))
    )
    studies = storage.get_all_studies()
    return [
        trial.state.name for study in studies for trial in storage.get_all_trials(study._study_id)
    ]


def test_a_journal_changes_nothing_in_the_thresholds(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "tune.log"
    np.testing.assert_array_equal(tuned(small(), Journal(journal)), tuned(small()))
    assert states(journal) == ["COMPLETE"] * 3 * studies.TRIALS


# In a study's first trials, among those that are searched for, while the middle is looked for, and
# in the second study.
@pytest.mark.parametrize("times", [0, 2, 8, 17, 29, 33, 70])
def test_a_search_that_was_killed_resumes_to_the_same_thresholds(
    tmp_path: Path, times: int, kill_after: Callable[[int | None], None]
) -> None:
    journal = Journal(tmp_path / "tune.log")
    kill_after(times)
    with pytest.raises(Killed):
        tuned(small(), journal)
    before = states(journal.file)
    kill_after(None)
    np.testing.assert_array_equal(tuned(small(), journal), tuned(small()))
    after = states(journal.file)
    assert after.count("COMPLETE") == 3 * studies.TRIALS
    # A trial that was under way is left behind.
    assert after.count("RUNNING") == before.count("RUNNING")
    assert before.count("RUNNING") == (times in (8, 17, 29, 70))


def test_a_search_killed_again_and_again_ends_in_the_same_thresholds(
    tmp_path: Path, kill_after: Callable[[int | None], None]
) -> None:
    journal = Journal(tmp_path / "tune.log")
    for times in (12, 3, 5, 40):
        kill_after(times)
        with pytest.raises(Killed):
            tuned(small(), journal)
    kill_after(None)
    np.testing.assert_array_equal(tuned(small(), journal), tuned(small()))


def test_a_journal_opened_again_is_read_and_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "tune.log")
    first = tuned(small(), journal)
    trials = states(journal.file)

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(optuna.Study, "ask", refuse)
    monkeypatch.setattr(optuna.Study, "add_trial", refuse)
    np.testing.assert_array_equal(tuned(small(), journal), first)
    assert states(journal.file) == trials


def test_another_sample_finds_studies_of_its_own_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tune.log")
    tuned(small(), journal)
    other = simulate(80, seed=1)
    np.testing.assert_array_equal(tuned(other, journal), tuned(other))
    assert len(states(journal.file)) == 6 * studies.TRIALS


def test_a_class_without_positives_has_no_study(tmp_path: Path) -> None:
    sample = small()
    sample.labels[:, 1] = 0
    journal = Journal(tmp_path / "tune.log")
    thresholds = tuned(sample, journal)
    assert (thresholds == NEVER).tolist() == [False, True, False]
    assert len(states(journal.file)) == 2 * studies.TRIALS


# Shared


def search_in_a_process(journal: Path) -> list[float]:
    return tuned(small(), Journal(journal)).tolist()


def test_two_processes_at_once_find_what_one_alone_does(tmp_path: Path) -> None:
    journal = tmp_path / "tune.log"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        both = list(pool.map(search_in_a_process, [journal] * 2))
    alone = tuned(small()).tolist()
    assert both == [alone, alone]
    # None of the work was done twice.
    assert states(journal) == ["COMPLETE"] * 3 * studies.TRIALS


def test_a_class_that_another_process_is_searching_comes_last(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tune.log")
    order: list[int] = []

    def note(column: int, study: "optuna.Study") -> None:
        order.append(column)
        if column == 2:
            theirs.close()  # the other process is done, or was killed

    with ExitStack() as theirs:
        theirs.enter_context(own(tmp_path / "tune.log.0", "class 0"))
        journal.share("a class", [0, 1, 2], note)
    assert order == [1, 2, 0]


# The numbers of the mixed policy

# Thresholds at odds of 1/4, 4 and 1 for a class of ten positives, and for one of none.
PARTS = Ingredients(
    positives=np.array([10.0, 0.0]),
    exact=np.log([1 / 4, 1 / 4]),
    rate=np.log([4.0, 4.0]),
    calibrated=np.array([0.0, 0.0]),
)


@pytest.mark.parametrize(
    ("mix", "threshold"),
    [
        (MixNumbers(), 1 / 5),  # exact
        (MixNumbers(shrink=10.0), 1 / 2),  # half way between odds of 1/4 and 4
        (MixNumbers(calibration=10.0), 1 / 3),  # odds of 1/2
        (MixNumbers(shrink=10.0, calibration=980.0), 1 / 2),
        (MixNumbers(calibration=10.0, floor=0.4), 0.4),
        (MixNumbers(calibration=10.0, floor=0.3), 1 / 3),
    ],
)
def test_a_mix_worked_out_by_hand(mix: MixNumbers, threshold: float) -> None:
    assert PARTS.mix(mix).tolist() == [pytest.approx(threshold), NEVER]


def best_mix(sample: Sample) -> MixNumbers:
    """The numbers that score best on the folds held out, as the policy `mixed` takes them."""
    without = [ingredients_of(sample.only(sample.fold != fold)) for fold in sample.folds]
    return search_mix(sample, without)


def test_the_ingredients_are_the_policies_thresholds() -> None:
    sample = simulate(200)
    parts = ingredients_of(sample)
    assert parts.positives.tolist() == sample.labels.sum(axis=0).tolist()
    np.testing.assert_allclose(parts.mix(MixNumbers()), exact(sample))
    np.testing.assert_allclose(parts.mix(MixNumbers(shrink=1e12)), class_rate(sample), rtol=1e-6)
    np.testing.assert_allclose(
        parts.mix(MixNumbers(calibration=1e12)), calibrated(sample), rtol=1e-6
    )


def test_the_study_ends_the_same_each_time() -> None:
    sample = simulate(150)
    assert best_mix(sample) == best_mix(sample)
    np.testing.assert_array_equal(mixed(sample), mixed(sample))


def test_the_best_mix_scores_on_the_folds_left_out_no_worse_than_what_it_starts_from() -> None:
    sample = simulate(300, strength=1.0)
    mix = best_mix(sample)

    def score(one: MixNumbers) -> float:
        policy = Policy("mix", lambda others: ingredients_of(others).mix(one))
        return judge(sample, policy).held_out

    starts = (
        MixNumbers(0.1, 0.1),
        MixNumbers(20.0, 0.1),
        MixNumbers(0.1, 20.0),
        MixNumbers(0.1, 1000.0),
    )
    assert score(mix) >= max(score(start) for start in starts)


def test_of_one_fold_the_mix_is_a_given_one() -> None:
    sample = simulate(60)
    one = replace(sample, fold=np.zeros(60, np.int64))
    expected = ingredients_of(one).mix(MixNumbers(20.0, 20.0))
    np.testing.assert_array_equal(mixed(one), expected)
    np.testing.assert_array_equal(find_policy("mixed").fit(one), expected)


def test_a_fold_that_has_all_positives_of_a_class_is_handled() -> None:
    sample = simulate(90, folds=3)
    labels = sample.labels.copy()
    labels[sample.fold != 1, 2] = 0
    labels[:, 1] = 0
    thresholds = mixed(replace(sample, labels=labels))
    assert (thresholds == NEVER).tolist() == [False, True, False]


def test_the_mix_decides_well_where_the_answer_is_clear() -> None:
    sample = simulate(300, strength=8.0)
    assert macro_f1(sample.labels, decide(sample.probs, mixed(sample))) > 0.95
