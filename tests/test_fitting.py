"""From members to a decision: what is chosen, what it is worth, blind to rows held out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from simulation import as_members, name_rows, simulate_members, with_guesses

from kit.competitions.exact import NEVER, decide, rate_thresholds
from kit.competitions.metrics import macro_f1
from kit.core.errors import UserError
from kit.data.predictions import to_logits, to_probs
from kit.ensemble import combine, thresholds
from kit.ensemble.combine import METHODS, Average, combine_test
from kit.ensemble.decision import Decision
from kit.ensemble.fitting import Fitted, Options, fit_decision
from kit.ensemble.thresholds import find_policy
from kit.scores import choose_transfer, mean_over_folds
from kit.scores.oof import Members, Sample, Unseen

TWO = [[[2.0]], [[1.5]]]
SEVERAL = ("fold-mean", "exact", "fixed=0.5")

Choose = Callable[..., None]


@pytest.fixture
def choose_from(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Limits what `auto` chooses from to some methods and policies."""

    def limit(methods: tuple[str, ...], policies: tuple[str, ...] = SEVERAL) -> None:
        monkeypatch.setattr(combine, "METHODS", {name: METHODS[name] for name in methods})
        monkeypatch.setattr(thresholds, "AUTO", policies)

    return limit


def as_unseen(by_fold: list[NDArray[np.float32]]) -> Unseen:
    """Test rows from their scores by each fold's models, (models, rows, classes)."""
    return Unseen(name_rows(by_fold[0].shape[1]), tuple(by_fold))


def fold_tests(members: Members, folds: int, own: float = 0.3, seed: int = 9) -> Unseen:
    """The scores of these rows by the models of each fold, which differ by noise of their own."""
    rng = np.random.default_rng(seed)
    logits = to_logits(members.probs)
    return as_unseen([to_probs(logits + rng.normal(0, own, logits.shape)) for _ in range(folds)])


def averaged_tests(rows: int = 80, strength: ArrayLike = TWO) -> Unseen:
    """One set of test predictions, averaged by whoever made it."""
    return as_unseen([simulate_members(rows, strength, seed=99).probs])


def as_test_scores(fitted: Fitted, unseen: Unseen) -> Sample:
    """Out-of-fold rows of a fit with scores as its test scores are averaged."""
    made, sample = fitted.decision.combination, fitted.sample
    tests = [made.apply(one) for one in unseen.by_fold]
    return choose_transfer("averaged", sample, mean_over_folds(tests), tests).averaged(sample)


# The whole


def test_a_decision_is_made_from_end_to_end(choose_from: Choose) -> None:
    choose_from(("logit-mean", "mean", "stack"))
    members = simulate_members(240, TWO)
    unseen = fold_tests(simulate_members(100, TWO, seed=1), folds=3)
    fitted = fit_decision(members, unseen, Options(test_rows=70))
    decision, test = fitted.decision, fitted.test
    assert (decision.members, decision.class_keys) == (members.names, members.class_keys)
    assert decision.chosen.method in ("logit-mean", "mean", "stack")
    assert decision.chosen.policy in ("fold-mean", "exact", "fixed=0.5")
    assert decision.chosen.transfer == "averaged"
    assert [one.name for one in decision.weighed.methods] == ["logit-mean", "mean", "stack"]
    assert [one.name for one in decision.weighed.policies] == ["fold-mean", "exact", "fixed=0.5"]
    for one in (*decision.weighed.methods, *decision.weighed.policies):
        assert one.interval[0] < one.held_out < one.interval[1]
    assert test is not None
    assert test.shape == (100, 3)
    assert test.dtype == np.float32
    np.testing.assert_array_equal(test, combine_test(decision.combination, unseen))
    np.testing.assert_array_equal(test, decision.combine(unseen))
    policy = find_policy(decision.chosen.policy)
    expected = policy.fit(as_test_scores(fitted, unseen))
    np.testing.assert_array_equal(decision.thresholds, expected)
    np.testing.assert_array_equal(decision.oof_thresholds, expected)
    np.testing.assert_array_equal(decision.decide(unseen), decide(test, expected))
    score = decision.worth.score
    assert score.test_rows == 70
    assert score.interval[0] < score.expected < score.interval[1]
    labels = decide(fitted.sample.probs, policy.fit(fitted.sample))
    assert score.fitted == macro_f1(members.labels, labels)
    assert score.cross_fitted == macro_f1(members.labels, fitted.labels)
    positives = [decision.worth.classes[key].positives for key in members.class_keys]
    assert positives == members.labels.sum(0).tolist()
    assert tuple(decision.worth.alone) == members.names
    for alone in decision.worth.alone.values():
        assert alone.thresholds.shape == (3,)
        assert alone.score.test_rows == 70
    best = max(members.names, key=lambda name: decision.worth.alone[name].score.expected)
    against = decision.worth.against_best
    assert against is not None
    assert against.member == best
    gain = score.expected - decision.worth.alone[best].score.expected
    assert against.difference == gain
    assert against.interval[0] < gain < against.interval[1]


def test_it_is_the_same_each_time(choose_from: Choose) -> None:
    choose_from(("logit-mean", "greedy"))
    members, unseen = simulate_members(90, TWO), averaged_tests()
    first, second = (fit_decision(members, unseen, Options(test_rows=80)) for _ in range(2))
    assert first.decision.as_json() == second.decision.as_json()
    assert first.test is not None
    assert second.test is not None
    np.testing.assert_array_equal(first.test, second.test)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.averaged, second.averaged)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_asked_for_alone(method: str) -> None:
    options = Options(method, "exact", test_rows=80)
    decision = fit_decision(simulate_members(90, TWO), averaged_tests(), options).decision
    assert decision.chosen.method == method
    assert decision.weighed.methods == decision.weighed.policies == ()
    assert 0.5 < decision.expected <= 1


def test_a_method_that_knows_whom_to_trust_is_chosen_over_the_mean(choose_from: Choose) -> None:
    def draw(seed: int) -> Members:
        members = simulate_members(600, [[[2.5]], [[2.5]]], seed)
        return with_guesses(with_guesses(members, 1, column=0), 0, column=1)

    choose_from(("logit-mean", "stack"))
    options = Options(policy="exact", test_rows=600)
    decision = fit_decision(draw(0), as_unseen([draw(1).probs]), options).decision
    assert decision.chosen.method == "stack"
    held_out = {one.name: one.held_out for one in decision.weighed.methods}
    assert held_out["stack"] > held_out["logit-mean"] + 0.05


def test_of_models_that_are_alike_the_plain_mean_is_taken(choose_from: Choose) -> None:
    choose_from(("logit-mean", "stack"))
    options = Options(policy="exact", test_rows=80)
    decision = fit_decision(simulate_members(300, TWO), averaged_tests(), options).decision
    assert decision.chosen.method == "logit-mean"
    assert isinstance(decision.combination, Average)


# Small and awkward


@pytest.mark.parametrize("method", METHODS)
def test_one_model_is_enough(method: str) -> None:
    members, unseen = simulate_members(90, [[[2.0]]]), averaged_tests(strength=[[[2.0]]])
    options = Options(method, "exact", test_rows=80)
    decision = fit_decision(members, unseen, options).decision
    assert decision.chosen.method == method
    assert decision.worth.alone == {}
    assert decision.worth.against_best is None
    auto = fit_decision(members, unseen, replace(options, method="auto")).decision
    if isinstance(decision.combination, Average):
        assert decision.worth == auto.worth
    assert auto.cross_fitted > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_two_folds_are_enough(method: str, choose_from: Choose) -> None:
    choose_from(tuple(dict.fromkeys(("logit-mean", method))))
    members = simulate_members(80, TWO, folds=2)
    unseen = fold_tests(simulate_members(40, TWO, seed=1), folds=2)
    fitted = fit_decision(members, unseen, Options(test_rows=40))
    assert len(fitted.sample.folds) == 2
    assert 0.3 < fitted.decision.expected <= 1


@pytest.mark.parametrize("method", METHODS)
def test_classes_with_positives_in_few_folds_or_none_are_handled(
    method: str, choose_from: Choose
) -> None:
    members = simulate_members(90, TWO, rates=(0.5, 0.25, 0.3, 0.3))
    labels = members.labels.copy()
    labels[members.fold != 1, 1] = 0
    labels[:, 2] = 0
    labels[:, 3] = np.arange(90) == 4
    members = replace(members, labels=labels)
    choose_from((method,), SEVERAL[:2])
    fitted = fit_decision(members, fold_tests(members, folds=3), Options(method, test_rows=90))
    decision = fitted.decision
    assert decision.thresholds[2] == NEVER
    assert np.isfinite(decision.thresholds).all()
    classes = list(decision.worth.classes.values())
    assert [one.positives for one in classes][2:] == [0, 1]
    assert classes[2].f1 == 0.0
    assert classes[2].unreliable
    assert fitted.test is not None
    assert np.isfinite(fitted.test).all()


@pytest.mark.parametrize("transfer", ["auto", "averaged", "thresholds", "rates"])
def test_one_test_row_is_enough(transfer: str) -> None:
    members = simulate_members(60, TWO)
    unseen = fold_tests(simulate_members(1, TWO, seed=1), folds=3)
    fitted = fit_decision(members, unseen, Options("logit-mean", "exact", transfer))
    decision = fitted.decision
    assert decision.worth.score.test_rows == 1
    assert fitted.test is not None
    assert fitted.test.shape == (1, 3)
    assert np.isfinite(decision.thresholds).all()
    low, high = decision.interval
    assert 0 <= low <= high <= 1


def test_rows_of_a_group_widen_the_interval() -> None:
    once = simulate_members(60, TWO)
    rows = np.repeat(np.arange(60), 4)
    members = as_members(once.labels[rows], once.probs[:, rows], once.fold[rows], rows)
    apart = replace(members, group=np.arange(240))
    widths = []
    for one in (members, apart):
        options = Options("mean", "fixed=0.5", test_rows=240)
        low, high = fit_decision(one, averaged_tests(), options).decision.interval
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1]


@pytest.mark.parametrize(
    "options",
    [
        Options(method="meen"),
        Options(policy="exakt"),
        Options(transfer="rate"),
        Options(steps=("ruls",)),
    ],
)
def test_an_unknown_option_is_answered_with_the_known_ones(options: Options) -> None:
    with pytest.raises(UserError, match=r"Known: .* Did you mean") as raised:
        fit_decision(simulate_members(30, TWO), None, options)
    assert "\n" not in str(raised.value)


# Test predictions


@pytest.mark.parametrize("transfer", ["thresholds", "rates"])
def test_without_averaging_what_is_expected_is_what_was_cross_fitted(
    transfer: str, choose_from: Choose
) -> None:
    choose_from(("mean",))
    members = simulate_members(400, TWO)
    unseen = fold_tests(simulate_members(50, TWO, seed=1), folds=3)
    fitted = fit_decision(members, unseen, Options("mean", "auto", transfer, test_rows=400))
    score = fitted.decision.worth.score
    np.testing.assert_array_equal(fitted.averaged, fitted.labels)
    assert macro_f1(members.labels, fitted.averaged) == pytest.approx(score.cross_fitted)
    assert score.expected == pytest.approx(score.cross_fitted, abs=0.01)
    assert score.gap == score.expected - score.cross_fitted


def test_averaging_fold_models_is_expected_to_gain() -> None:
    members = simulate_members(900, [[[1.5]]])
    (noisy,) = fold_tests(members, folds=1, own=1.2, seed=3).by_fold
    members = replace(members, probs=noisy)
    unseen = fold_tests(simulate_members(400, [[[1.5]]], seed=1), folds=3, own=1.2)
    fitted = fit_decision(members, unseen, Options("logit-mean", "exact", test_rows=400))
    assert fitted.decision.chosen.transfer == "averaged"
    assert fitted.decision.worth.score.gap > 0.02
    moved = as_test_scores(fitted, unseen)
    assert (moved.probs != fitted.sample.probs).any()
    np.testing.assert_array_equal(fitted.decision.thresholds, find_policy("exact").fit(moved))


def test_fold_models_that_agree_change_nothing(choose_from: Choose) -> None:
    choose_from(("logit-mean",))
    members = simulate_members(150, TWO)
    test = simulate_members(60, TWO, seed=1).probs
    by_fold = fit_decision(members, as_unseen([test] * 3), Options(test_rows=60))
    once = fit_decision(members, as_unseen([test]), Options(transfer="thresholds", test_rows=60))
    assert by_fold.decision.chosen.transfer == "averaged"
    assert by_fold.test is not None
    assert once.test is not None
    np.testing.assert_allclose(by_fold.test, once.test, rtol=1e-5)
    np.testing.assert_allclose(by_fold.decision.thresholds, once.decision.thresholds, rtol=1e-4)
    assert by_fold.decision.expected == pytest.approx(once.decision.expected)


def test_test_scores_of_another_kind_get_thresholds_of_the_same_rates() -> None:
    members = simulate_members(600, TWO)
    logits = to_logits(simulate_members(500, TWO, seed=1).probs)
    options = Options("logit-mean", "exact", test_rows=500)
    fitted = fit_decision(members, as_unseen([to_probs(0.2 * logits)]), options)
    decision = fitted.decision
    assert decision.chosen.transfer == "rates"
    assert decision.worth.score.at_least
    assert not decision.promised
    out_of_fold = find_policy("exact").fit(fitted.sample)
    np.testing.assert_array_equal(decision.oof_thresholds, out_of_fold)
    rates = decide(fitted.sample.probs, out_of_fold).mean(axis=0)
    assert fitted.test is not None
    np.testing.assert_array_equal(decision.thresholds, rate_thresholds(fitted.test, rates))


# Honest


@pytest.mark.parametrize("fold", range(3))
def test_decisions_on_a_fold_never_see_its_labels(fold: int, choose_from: Choose) -> None:
    choose_from(("logit-mean", "greedy", "stack", "cross-stack"))
    members = simulate_members(90, TWO)
    inside = members.fold == fold
    labels = members.labels.copy()
    labels[inside] = np.random.default_rng(fold).integers(0, 2, labels[inside].shape)
    changed = replace(members, labels=labels)
    options = Options(transfer="thresholds", steps=("rules", "fill"), test_rows=80)
    before, after = (
        fit_decision(one, averaged_tests(), options).averaged for one in (members, changed)
    )
    np.testing.assert_array_equal(before[inside], after[inside])
    assert (before[~inside] != after[~inside]).any()  # the others are fitted on them


def test_noise_is_worth_no_more_than_noise() -> None:
    members = simulate_members(150, TWO)
    for model in (0, 1):
        members = with_guesses(members, model)
    # Ten more models that guess: there is much to fit, and nothing to learn.
    more = np.stack([np.roll(members.probs[0], 11 * shift, axis=0) for shift in range(2, 12)])
    probs = np.concatenate([members.probs, more])
    members = as_members(members.labels, probs, members.fold, members.group)
    options = Options("greedy", "exact", test_rows=150)
    score = fit_decision(members, as_unseen([probs]), options).decision.worth.score
    guess = 2 * members.labels.mean(axis=0) / (1 + members.labels.mean(axis=0))  # all rows on
    assert score.fitted > guess.mean() + 0.02
    assert score.cross_fitted < guess.mean() + 0.02


def test_the_score_of_the_public_part_is_less_certain(tmp_path: Path) -> None:
    members = simulate_members(300, [[[2.0]]])
    options = Options(policy="exact", test_rows=200, public_rows=60)
    made = fit_decision(members, None, options).decision
    public = made.worth.public
    assert public is not None
    assert public.rows == 60
    assert public.interval[0] < made.interval[0] < made.interval[1] < public.interval[1]
    alone = fit_decision(members, None, replace(options, test_rows=60, public_rows=None)).decision
    assert alone.worth.public is None
    assert (public.expected, public.interval) == (alone.expected, alone.interval)
    made.save(tmp_path / "decision.json")
    assert Decision.load(tmp_path / "decision.json") == made


def test_the_estimate_is_right_about_the_score_of_fresh_rows(choose_from: Choose) -> None:
    choose_from(("logit-mean", "mean"))
    inside, missed = 0, []
    for seed in range(12):
        members = simulate_members(200, TWO, seed)
        fresh = simulate_members(200, TWO, seed + 100)
        options = Options(transfer="thresholds")
        decision = fit_decision(members, as_unseen([fresh.probs]), options).decision
        got = macro_f1(fresh.labels, decision.decide([fresh.probs[0], fresh.probs[1]]))
        low, high = decision.interval
        inside += low <= got <= high
        missed.append(got - decision.expected)
    assert inside >= 10
    assert abs(np.mean(missed)) < 0.03


def test_post_processing_is_estimated_as_it_is_chosen_without_each_fold() -> None:
    # As worked out in test_evaluate.py: filling rows gains in fold 0 alone.
    fold = np.concatenate([np.repeat(np.arange(3), 20), np.repeat(np.arange(3), [40, 10, 10])])
    labels = np.repeat([1, 1, 0], [60, 40, 20]).astype(np.uint8)[:, None]
    probs = np.repeat([0.9, 0.2], [60, 60]).astype(np.float32)[None, :, None]
    members = as_members(labels, probs, fold, np.arange(120))
    decision = fit_decision(members, None, Options(policy="fixed=0.5", steps=("fill",))).decision
    assert [(one.name, one.taken) for one in decision.weighed.steps] == [("fill", True)]
    assert decision.postprocess.fill_empty
    assert decision.cross_fitted == pytest.approx(2 * 60 / (80 + 100))
    assert decision.expected == pytest.approx(decision.cross_fitted, abs=0.005)
    assert decision.decide(probs[0]).all()
