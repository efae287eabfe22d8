"""The search for cuts: counted by hand, and the same however often it is stopped or shared."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
import pytest
from kit.ensemble.cuts import exact
from kit.ensemble.journal import Journal
from kit.ensemble.sample import Sample
from kit.ensemble.search import HeldOut, draw_splits, middle_of_the_best, run_study, searched
from numpy.typing import NDArray
from simulation import simulate

from kit.competitions.exact import NEVER
from kit.competitions.metrics import f1_per_class
from kit.data.predictions import to_logits
from kit.ensemble import search

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
    held_out = HeldOut.of(labels, logits, splits)
    for cut in (-9.0, -4.0, -0.5, 0.0, 3.0, 4.0, 9.0):
        expected = [
            f1_per_class(labels[inside, None], logits[inside, None] >= cut)[0]
            for inside in splits.T
        ]
        np.testing.assert_allclose(held_out.f1(cut), expected)


def test_splits_hold_out_half_of_the_groups_and_keep_them_whole() -> None:
    group = np.repeat(np.arange(400), 3)
    splits = draw_splits(group)
    assert splits.shape == (1200, search.SPLITS)
    np.testing.assert_array_equal(splits[::3], splits[1::3])
    np.testing.assert_array_equal(splits[::3], splits[2::3])
    assert np.abs(splits.mean(axis=0) - 0.5).max() < 0.1
    assert len(np.unique(splits, axis=1).T) == search.SPLITS


# The middle


def tried(cuts: list[float], held_out: HeldOut) -> "optuna.Study":
    """A study in which these cuts were scored."""
    study = optuna.create_study(direction="maximize")
    distribution = optuna.distributions.FloatDistribution(-9, 9)
    for cut in cuts:
        study.add_trial(
            optuna.trial.create_trial(
                params={"logit": cut},
                distributions={"logit": distribution},
                value=float(held_out.f1(cut).mean()),
            )
        )
    return study


def test_the_middle_of_what_ties_worked_out_by_hand() -> None:
    labels = np.array([1, 0, 1], np.uint8)
    # All rows in every split: a cut above the second row has F1 2/3, below it 1/2, then 4/5.
    held_out = HeldOut.of(labels, np.array([3.0, 2.0, 1.0]), np.ones((3, 4), bool))
    assert middle_of_the_best(tried([2.5, 1.5, 0.5, -0.5], held_out), held_out) == 0.0
    assert middle_of_the_best(tried([2.5, 1.5], held_out), held_out) == 2.5


def test_what_is_behind_by_less_than_it_scatters_ties() -> None:
    labels = np.array([1, 1, 0, 1], np.uint8)
    splits = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], bool)
    held_out = HeldOut.of(labels, np.array([4.0, 3.0, 2.0, 1.0]), splits)
    # From the top row alone: 2/3 and 1/2. Two rows: 2/3 and 4/5. All: 4/5 and 1.
    np.testing.assert_allclose(held_out.f1(3.5), [2 / 3, 1 / 2])
    np.testing.assert_allclose(held_out.f1(2.5), [2 / 3, 4 / 5])
    np.testing.assert_allclose(held_out.f1(0.5), [4 / 5, 1.0])
    # Behind the best by 2/15 and 1/5: 1/6 on average, with a scatter of 1/30 that is no tie.
    assert middle_of_the_best(tried([2.5, 0.5], held_out), held_out) == 0.5
    # The same rows, but the two splits disagree by more than what the best is ahead.
    other = np.array([[1, 1], [0, 1], [1, 0], [1, 0]], bool)
    torn = HeldOut.of(labels, np.array([4.0, 3.0, 2.0, 1.0]), other)
    np.testing.assert_allclose(torn.f1(2.5), [2 / 3, 1.0])
    np.testing.assert_allclose(torn.f1(3.5), [2 / 3, 2 / 3])
    np.testing.assert_allclose(torn.f1(0.5), [4 / 5, 1.0])
    assert middle_of_the_best(tried([2.5, 0.5], torn), torn) == 1.5
    assert middle_of_the_best(tried([3.5, 0.5], torn), torn) == 0.5


def test_a_trial_that_did_not_end_counts_for_nothing() -> None:
    held_out = HeldOut.of(np.array([1, 0], np.uint8), np.array([1.0, 0.0]), np.ones((2, 2), bool))
    study = tried([0.5], held_out)
    study.ask({"logit": optuna.distributions.FloatDistribution(-9, 9)})
    assert middle_of_the_best(study, held_out) == 0.5


# A study


def test_a_study_starts_from_what_it_is_given_and_stays_near() -> None:
    sample = small()
    logits = to_logits(sample.probs)[:, 0]
    held_out = HeldOut.of(sample.labels[:, 0], logits, draw_splits(sample.group))
    study = optuna.create_study(direction="maximize")
    run_study(study, held_out, [-1.0, 0.25], seed=0)
    cuts = [trial.params["logit"] for trial in study.trials]
    assert len(cuts) == search.TRIALS
    assert cuts[:2] == [-1.0, 0.25]
    assert -1.5 <= min(cuts) < max(cuts) <= 0.75
    assert [trial.value for trial in study.trials] == [held_out.f1(cut).mean() for cut in cuts]


def test_cuts_are_the_same_each_time_and_near_the_exact_ones() -> None:
    sample = simulate(2000)
    cuts = searched(sample)
    np.testing.assert_array_equal(cuts, searched(sample))
    np.testing.assert_allclose(cuts, exact(sample), atol=0.12)


# Stopped and taken up


class Killed(BaseException):
    """As a process ends that is killed: past every handler of exceptions."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Ends the search at the n-th time that a cut is scored; never again with None."""
    real = HeldOut.f1

    def arrange(times: int | None) -> None:
        left = [times]

        def f1(self: HeldOut, cut: float) -> NDArray[np.float64]:
            if left[0] == 0:
                raise Killed
            left[0] = None if left[0] is None else left[0] - 1
            return real(self, cut)

        monkeypatch.setattr(HeldOut, "f1", f1)

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


def test_a_journal_changes_nothing_in_the_cuts(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "tune.log"
    np.testing.assert_array_equal(searched(small(), Journal(journal)), searched(small()))
    assert states(journal) == ["COMPLETE"] * 3 * search.TRIALS


# In a study's first trials, among those that are searched for, while the middle is looked for, and
# in the second study.
@pytest.mark.parametrize("times", [0, 2, 8, 17, 29, 33, 70])
def test_a_search_that_was_killed_goes_on_to_the_same_cuts(
    tmp_path: Path, times: int, kill_after: Callable[[int | None], None]
) -> None:
    journal = Journal(tmp_path / "tune.log")
    kill_after(times)
    with pytest.raises(Killed):
        searched(small(), journal)
    before = states(journal.file)
    kill_after(None)
    np.testing.assert_array_equal(searched(small(), journal), searched(small()))
    after = states(journal.file)
    assert after.count("COMPLETE") == 3 * search.TRIALS
    # A trial that was under way is left behind.
    assert after.count("RUNNING") == before.count("RUNNING")
    assert before.count("RUNNING") == (times in (8, 17, 29, 70))


def test_a_search_killed_again_and_again_ends_in_the_same_cuts(
    tmp_path: Path, kill_after: Callable[[int | None], None]
) -> None:
    journal = Journal(tmp_path / "tune.log")
    for times in (12, 3, 5, 40):
        kill_after(times)
        with pytest.raises(Killed):
            searched(small(), journal)
    kill_after(None)
    np.testing.assert_array_equal(searched(small(), journal), searched(small()))


def test_a_journal_opened_again_is_read_and_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "tune.log")
    first = searched(small(), journal)
    trials = states(journal.file)

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(optuna.Study, "ask", refuse)
    monkeypatch.setattr(optuna.Study, "add_trial", refuse)
    np.testing.assert_array_equal(searched(small(), journal), first)
    assert states(journal.file) == trials


def test_another_sample_finds_studies_of_its_own_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tune.log")
    searched(small(), journal)
    other = simulate(80, seed=1)
    np.testing.assert_array_equal(searched(other, journal), searched(other))
    assert len(states(journal.file)) == 6 * search.TRIALS


def test_a_class_without_positives_has_no_study(tmp_path: Path) -> None:
    sample = small()
    sample.labels[:, 1] = 0
    journal = Journal(tmp_path / "tune.log")
    cuts = searched(sample, journal)
    assert (cuts == NEVER).tolist() == [False, True, False]
    assert len(states(journal.file)) == 2 * search.TRIALS


# Shared


def search_in_a_process(journal: Path) -> list[float]:
    return searched(small(), Journal(journal)).tolist()


def test_two_processes_at_once_find_what_one_alone_does(tmp_path: Path) -> None:
    journal = tmp_path / "tune.log"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        both = list(pool.map(search_in_a_process, [journal] * 2))
    alone = searched(small()).tolist()
    assert both == [alone, alone]
    # None of the work was done twice.
    assert states(journal) == ["COMPLETE"] * 3 * search.TRIALS


def test_a_class_that_another_process_has_in_hand_comes_last(tmp_path: Path) -> None:
    from filelock import FileLock

    journal = Journal(tmp_path / "tune.log")
    theirs = FileLock(f"{journal.file}.0.lock")
    theirs.acquire()
    order: list[int] = []

    def note(column: int, study: "optuna.Study") -> None:
        order.append(column)
        if column == 2:
            theirs.release()  # the other process is done, or was killed

    journal.share("a class", [0, 1, 2], note)
    assert order == [1, 2, 0]
