"""What scores are: on the scale of log-odds or not, averaged or not, honest or not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from simulation import as_members, as_sample, draw_labels, measure, name_rows

import kit
from kit.core.errors import UserError
from kit.core.progress import SILENT
from kit.data.predictions import to_logits, to_probs
from kit.ensemble import Decision, Members, Options, Unseen, fit_decision
from kit.scores import Scale, choose_transfer, examine, mean_over_folds, prepare
from kit.scores.averaging import Averaging, mean_of_probs
from kit.scores.leak import head_start
from kit.scores.match import Near, match_file, match_folds
from kit.scores.scale import KNOTS, learn_scale
from kit.stages.decision_tables import print_decision

ROWS, TEST_ROWS, FOLDS = 3000, 1500, 5
# Enough classes to compare distributions.
MANY = (0.4, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.03, 0.02, 0.01)


def draw(
    seed: int, models: int = 1, own: float = 0.3, leaked: float = 0.0, rows: int = ROWS
) -> tuple[Members, list[NDArray[np.float32]], NDArray[np.uint8]]:
    """Members, each fold model's test scores (models, rows, classes), and the test labels.

    A share `own` of the variance of the noise is a fold model's own. The first member's
    out-of-fold measurements of positives are shifted by `leaked`.
    """
    rng = np.random.default_rng(seed)
    labels, unknown = draw_labels(rng, rows, MANY), draw_labels(rng, TEST_ROWS, MANY)

    def noise(count: int, several: int) -> list[NDArray[np.float64]]:
        shape = (models, count, len(MANY))
        rest = np.sqrt(0.5) * (rng.normal(size=shape) + rng.normal(size=shape[1:]))
        own_noise = (rng.normal(size=shape) for _ in range(several))
        return [np.sqrt(1 - own) * rest + np.sqrt(own) * one for one in own_noise]

    (mine,) = noise(rows, 1)
    mine[0] += leaked * labels
    tests = [measure(unknown, one, MANY) for one in noise(TEST_ROWS, FOLDS)]
    probs = measure(labels, mine, MANY)
    members = as_members(labels, probs, np.arange(rows) % FOLDS, np.arange(rows))
    return members, tests, unknown


def as_unseen(tests: list[NDArray[np.float32]]) -> Unseen:
    return Unseen(name_rows(TEST_ROWS), tuple(tests))


def averaged(tests: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """One file: the mean of probabilities."""
    return [np.stack(tests).mean(axis=0, dtype=np.float64).astype(np.float32)]


# The scale of log-odds


def test_calibrated_scores_keep_their_scale() -> None:
    members, _, _ = draw(0)
    scale = learn_scale(members.labels, members.probs[0])
    before, after = to_logits(members.probs[0]), to_logits(scale.apply(members.probs[0]))
    slopes = [np.polyfit(before[:, one], after[:, one], 1)[0] for one in range(len(MANY))]
    assert np.median(slopes) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("shape", ["squashed", "doubled", "ranks"])
def test_scores_of_any_shape_stand_for_the_same_log_odds(shape: str) -> None:
    members, _, _ = draw(0)
    probs = members.probs[0]
    order = probs.argsort(axis=0).argsort(axis=0)
    shaped = {
        "squashed": 0.3 + 0.2 * probs,
        "doubled": expit(2 * to_logits(probs)),
        "ranks": (order + 1) / (ROWS + 1),
    }[shape].astype(np.float32)
    plain = to_logits(learn_scale(members.labels, probs).apply(probs))
    found = to_logits(learn_scale(members.labels, shaped).apply(shaped))
    assert np.median(np.abs(found - plain)) < 0.05


def test_squashed_scores_are_brought_to_log_odds_and_log_odds_are_left_alone() -> None:
    members, tests, _ = draw(0, models=2)
    squashed = members.probs.copy()
    squashed[0] = 0.3 + 0.2 * squashed[0]
    for probs, are_odds in ((members.probs, True), (squashed, False)):
        inputs = prepare(replace(members, probs=probs), as_unseen(tests), SILENT)
        assert not inputs.scales if are_odds else all(inputs.scales)
        before, after = (to_logits(one.probs[0]).ravel() for one in (members, inputs.members))
        slope = np.polyfit(before, after, 1)[0]
        assert slope == pytest.approx(1, abs=0.15)


def test_thresholds_come_back_to_the_scores_they_were_fitted_on() -> None:
    members, _, _ = draw(0)
    scores = 0.3 + 0.2 * members.probs[0]
    scale = learn_scale(members.labels, scores)
    np.testing.assert_allclose(scale.back(scale.apply(scores)), scores, atol=2e-3)
    outside = np.full(len(MANY), 2.0)
    np.testing.assert_array_equal(scale.back(outside), outside)


def test_a_scale_fits_its_classes_and_rises() -> None:
    rising = np.tile(np.linspace(-3, 3, KNOTS), (2, 1))
    assert Scale(rising, rising).fits(2)
    assert not Scale(rising, rising).fits(3)
    assert not Scale(rising, rising[:, ::-1]).fits(2)
    assert not Scale(rising, rising[:, :5]).fits(2)


# Averaging, found from the test scores alone


@pytest.mark.parametrize("own", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("in_logits", [True, False])
def test_the_share_that_averaging_removes_is_found_in_one_file(own: float, in_logits: bool) -> None:
    members, tests, _ = draw(1, own=own)
    probs = members.probs[0]
    mean = to_probs(to_logits(np.stack(tests)[:, 0]).mean(axis=0))
    test = mean if in_logits else averaged(tests)[0][0]
    near = Near.of(members.with_probs(probs), test)
    found = match_file(near, len(MANY))
    share = np.median(found.averaging.removed / near.usual(len(MANY)))
    assert share == pytest.approx(own * (1 - 1 / FOLDS), abs=0.08)
    assert bool(found.averaging.widened.any()) == (own > 0 and not in_logits)
    assert not near.too_different(found.misfit)


def test_means_of_probabilities_are_nearer_to_one_half_and_thresholds_follow() -> None:
    logits = np.array([-3.0, 0.0, 3.0])
    moved = mean_of_probs(logits, np.ones(3))
    rng = np.random.default_rng(0)
    drawn = expit(logits + rng.normal(size=(200_000, 3))).mean(axis=0)
    np.testing.assert_allclose(expit(moved), drawn, atol=2e-3)
    averaging = Averaging(np.ones(3), 0.2, np.ones(3))
    thresholds = np.array([expit(-3.0), 2.0, 0.0])
    np.testing.assert_allclose(averaging.carry(thresholds), [expit(moved[0]), 2.0, 0.0])


def test_scores_of_another_kind_match_no_averaging() -> None:
    members, tests, _ = draw(2)
    sample = members.with_probs(members.probs[0])
    other = to_probs(3 * to_logits(tests[0][0]) + 2)
    transfer = choose_transfer("auto", sample, other)
    assert transfer.unlike
    assert (transfer.name, transfer.averaging) == ("rates", None)
    assert not choose_transfer("auto", sample, tests[0][0]).unlike


def test_a_noise_that_is_measured_too_large_is_taken_as_large_as_it_fits() -> None:
    members, tests, _ = draw(3, own=0.0)
    sample = members.with_probs(members.probs[0])
    # Fold models that differ by a shift of their scale, and not in what they know of an image.
    by_fold = [to_probs(to_logits(tests[0][0]) + shift) for shift in (-2, -1, 0, 1, 2)]
    transfer = choose_transfer("auto", sample, tests[0][0], by_fold)
    assert transfer.averaging is not None
    assert transfer.averaging.removed.max() < 0.2


def test_a_class_with_few_positives_borrows_what_averaging_removes() -> None:
    members, tests, _ = draw(4)
    by_fold = [one[0] for one in tests]
    near = Near.of(members.with_probs(members.probs[0]), mean_over_folds(by_fold))
    usual = near.usual(len(MANY))
    measured = Averaging.between(members.labels.mean(axis=0), by_fold)
    measured.removed[-1] = usual[-1]  # all of the variance of the rarest class
    found = match_folds(near, measured, exact=True).averaging.removed
    assert found[-1] < 0.7 * usual[-1]
    np.testing.assert_allclose(found[:5], measured.removed[:5], rtol=0.3)


# Scores that know too much


@pytest.mark.parametrize("one_file", [False, True])
def test_clean_members_are_hardly_ever_suspected(one_file: bool) -> None:
    found = []
    for seed in range(8):
        members, tests, _ = draw(seed, rows=1000)
        by_fold = averaged(tests) if one_file else tests
        scores = [one[0] for one in by_fold]
        one = examine(members.with_probs(members.probs[0]), scores)
        assert one.head is not None
        found.append(one.head.shift / one.head.error)
        assert not one.head.too_good
    assert abs(np.mean(found)) < 1.5


@pytest.mark.parametrize(("leaked", "one_file"), [(0.4, False), (2.0, False), (2.0, True)])
def test_a_member_that_saw_the_labels_is_found(leaked: float, one_file: bool) -> None:
    members, tests, _ = draw(0, leaked=leaked)
    scores = [one[0] for one in (averaged(tests) if one_file else tests)]
    head = examine(members.with_probs(members.probs[0]), scores).head
    assert head is not None
    assert head.too_good
    if not one_file:
        assert head.shift == pytest.approx(leaked, rel=0.5)


def test_rows_of_a_group_make_a_head_start_less_certain() -> None:
    members, tests, _ = draw(0)
    sample, scores = members.with_probs(members.probs[0]), [test[0] for test in tests]
    alone = head_start(sample, scores)
    in_fours = head_start(replace(sample, group=np.arange(ROWS) // 4), scores)
    assert in_fours.shift == alone.shift
    assert in_fours.error == pytest.approx(2 * alone.error)


def test_a_class_without_enough_positives_says_nothing() -> None:
    labels = np.zeros((50, 2), np.uint8)
    labels[:3] = 1
    probs = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    sample = as_sample(labels, probs, np.arange(50) % 2, np.arange(50))
    head = head_start(sample, [probs, probs])
    assert not head.too_good


@pytest.fixture(scope="module")
def leaky() -> tuple[Members, Unseen]:
    """Three members, the first of which saw the labels."""
    members, tests, _ = draw(5, models=3, leaked=1.5)
    return members, as_unseen(tests)


def test_a_member_that_knows_too_much_is_left_out(leaky: tuple[Members, Unseen]) -> None:
    members, unseen = leaky
    fitted = fit_decision(members, unseen, Options("mean", "exact"))
    made = fitted.decision
    assert made.left_out == ("model0",)
    assert made.promised
    (suspect,) = made.worth.suspects
    assert suspect.shift > 4 * suspect.error
    assert not suspect.trusted
    assert made.members == members.names
    assert set(made.worth.alone) == set(members.names)
    assert made.worth.against_best is not None
    assert made.worth.against_best.member != "model0"
    honest = fit_decision(
        members.without(["model0"]),
        unseen.only(np.array([False, True, True])),
        Options("mean", "exact"),
    ).decision
    assert made.expected == pytest.approx(honest.expected)
    np.testing.assert_array_equal(
        made.decide(unseen), honest.decide(unseen.only(np.array([False, True, True])))
    )


def test_a_trusted_member_is_blended_with_the_promise_without_it_beside(
    leaky: tuple[Members, Unseen], tmp_path: Path
) -> None:
    members, unseen = leaky
    left_out = fit_decision(members, unseen, Options("mean", "exact")).decision
    made = fit_decision(members, unseen, Options("mean", "exact", trust=("model0",))).decision
    assert made.left_out == ()
    (suspect,) = made.worth.suspects
    assert suspect.without is not None
    assert suspect.without.expected == pytest.approx(left_out.expected)
    assert made.expected > left_out.expected + 0.05
    for one in (made, left_out):
        one.save(tmp_path / "decision.json")
        again = Decision.load(tmp_path / "decision.json")
        assert again == one
        assert again.left_out == one.left_out
        np.testing.assert_array_equal(again.decide(unseen), one.decide(unseen))


def test_the_tables_name_who_is_left_out_and_who_is_trusted(
    leaky: tuple[Members, Unseen], capsys: pytest.CaptureFixture[str]
) -> None:
    members, unseen = leaky
    names = dict(zip(members.class_keys, members.class_keys, strict=True))
    for trust in ((), ("model0",)):
        options = Options("mean", "exact", trust=trust)
        print_decision("blend", fit_decision(members, unseen, options).decision, names)
        shown = capsys.readouterr().out
        assert "Warning: model0 knows labels that it should not: " in shown
        assert ("model0 (left out)" in shown) == (not trust)
        assert ("To blend it all the same: --trust model0" in shown) == (not trust)
        assert ("do not rely on the score below. Without it: " in shown) == bool(trust)


def test_a_score_that_cannot_be_promised_is_printed_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    members, tests, _ = draw(2)
    other = [to_probs(3 * to_logits(one) + 2) for one in tests]
    made = fit_decision(members, as_unseen(averaged(other)), Options(policy="exact")).decision
    print_decision("one", made, dict(zip(members.class_keys, members.class_keys, strict=True)))
    shown = capsys.readouterr().out
    assert f"test rows: at least {made.expected:.3f}, 95% CI" in shown
    assert "Warning: this score cannot be promised. The test scores are not distributed" in shown


def test_trust_names_members() -> None:
    members, tests, _ = draw(0, rows=200)
    with pytest.raises(UserError, match=r"No member 'modle0'\. Known: model0\. Did you mean"):
        fit_decision(members, as_unseen(tests), Options(trust=("modle0",)))
    y, folds = members.labels, members.fold
    with pytest.raises(UserError, match=r"trust has 'b', expected names of models: a\."):
        kit.blend(y, [members.probs[0]], folds, names=["a"], trust=["b"])


def test_if_all_members_know_too_much_the_score_is_not_promised() -> None:
    members, tests, _ = draw(6, models=2)
    known = to_logits(members.probs) + 3.0 * (members.labels - 0.2)
    made = fit_decision(
        replace(members, probs=to_probs(known)), as_unseen(tests), Options("mean", "exact")
    ).decision
    assert made.left_out == ()
    assert not made.promised
    assert made.worth.doubts[0].startswith("All members have out-of-fold scores that know")


# Decisions on scores of any shape


def test_squashed_scores_lose_nothing(tmp_path: Path) -> None:
    members, tests, truth = draw(7, models=2)

    def squash(scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return (0.3 + 0.2 * scores.astype(np.float64)).astype(np.float32)

    options = Options("logit-mean", "calibrated")
    plain = fit_decision(members, as_unseen(tests), options).decision
    unseen = as_unseen([squash(one) for one in tests])
    made = fit_decision(replace(members, probs=squash(members.probs)), unseen, options).decision
    score, before = (
        kit.macro_f1(truth, one.decide(rows))
        for one, rows in ((made, unseen), (plain, as_unseen(tests)))
    )
    assert score > before - 0.02
    assert made.expected == pytest.approx(plain.expected, abs=0.03)
    low, high = made.interval
    assert low <= score <= high
    made.save(tmp_path / "decision.json")
    again = Decision.load(tmp_path / "decision.json")
    np.testing.assert_array_equal(again.decide(unseen), made.decide(unseen))


@pytest.mark.parametrize("one_file", [False, True])
def test_a_single_member_has_thresholds_for_its_own_scores(one_file: bool) -> None:
    members, tests, _ = draw(8)
    squashed = replace(members, probs=(0.3 + 0.2 * members.probs).astype(np.float32))
    unseen = as_unseen(
        [(0.3 + 0.2 * one).astype(np.float32) for one in (averaged(tests) if one_file else tests)]
    )
    fitted = fit_decision(squashed, unseen, Options(policy="exact"))
    made = fitted.decision
    for thresholds in (made.thresholds, made.oof_thresholds):
        assert ((thresholds >= 0.3) & (thresholds <= 0.5)).all()
    np.testing.assert_allclose(fitted.sample.probs, squashed.probs[0], atol=2e-3)
    found = made.combine(unseen)
    assert found.min() > 0.29
    assert found.max() < 0.51
    np.testing.assert_array_equal(made.label(found, unseen.ids), made.decide(unseen))


def test_votes_are_not_promised() -> None:
    members, tests, _ = draw(9)
    rng = np.random.default_rng(0)

    def vote(scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return (rng.binomial(10, scores) / 10).astype(np.float32)

    unseen = as_unseen([vote(one) for one in tests])
    made = fit_decision(
        replace(members, probs=vote(members.probs)), unseen, Options(policy="exact")
    ).decision
    assert any("a few values only" in doubt for doubt in made.worth.doubts)


def test_one_averaged_file_is_promised_as_one_file_a_fold_is() -> None:
    members, tests, truth = draw(10, models=2)
    options = Options("logit-mean", "calibrated")
    by_fold = fit_decision(members, as_unseen(tests), options).decision
    unseen = as_unseen(averaged(tests))
    once = fit_decision(members, unseen, options).decision
    assert once.chosen.transfer == "averaged"
    assert once.expected == pytest.approx(by_fold.expected, abs=0.02)
    low, high = once.interval
    assert low <= kit.macro_f1(truth, once.decide(unseen)) <= high
