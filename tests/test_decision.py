"""The decision: the same after a way through its file, and labels from whatever form tests have."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from damage import edit_unsealed
from numpy.typing import NDArray
from simulation import as_members, name_rows, simulate_members

import kit
from kit.competitions.exact import NEVER, decide
from kit.core.errors import UserError
from kit.data.predictions import to_logits, to_probs
from kit.ensemble.combine import Average, Stack
from kit.ensemble.decision import FORMAT, Decision
from kit.ensemble.fitting import Options, fit_decision
from kit.ensemble.postprocess import Copied, Postprocess, Rule
from kit.ensemble.thresholds import find_policy
from kit.ensemble.worth import Origin
from kit.scores import choose_transfer, mean_over_folds
from kit.scores.oof import Unseen

TWO = [[[2.0]], [[1.5]]]
STEPS = Postprocess(
    rules=(Rule(column=1, on=0, given=0.25, otherwise=0.75),),
    fill_empty=True,
    copies={"row3": Copied("train7", (0, 2))},
)
ORIGIN = Origin({"model0": "ab12"}, {"policy": "auto"}, True, {"oof.parquet": "cd34"})


def fit(method: str = "logit-mean", models: int = 2, policy: str = "auto") -> Decision:
    """A decision of a hundred rows; the class in the middle has no positives."""
    members = simulate_members(100, TWO[:models])
    members.labels[:, 1] = 0
    tests = [simulate_members(20, TWO[:models], seed).probs for seed in (1, 2, 3)]
    unseen = Unseen(name_rows(20), tuple(tests))
    return fit_decision(members, unseen, Options(method, policy, steps=("rules", "fill"))).decision


@pytest.fixture(scope="module")
def made() -> Decision:
    """A decision with everything that one may have."""
    return replace(fit(), postprocess=STEPS, origin=ORIGIN)


@pytest.fixture
def file(made: Decision, tmp_path: Path) -> Path:
    """The same, saved."""
    made.save(tmp_path / "decision.json")
    return tmp_path / "decision.json"


def refused(path: Path) -> str:
    """The one line that refuses a file, which it names."""
    with pytest.raises(UserError) as raised:
        Decision.load(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path)).strip()


# To a file and back


def test_its_parts_are_equal_by_their_values() -> None:
    made = Stack(np.eye(2), None, np.zeros(2))
    assert made == Stack(np.eye(2), None, np.zeros(2))
    assert made != Stack(np.eye(2), np.zeros((2, 2)), np.zeros(2))
    assert made != Stack(np.eye(2), None, np.ones(2))
    assert Average(np.ones(1)) != Average(np.ones(1), in_logits=False)
    assert Average(np.ones(1)) != made


@pytest.mark.parametrize("method", ["mean", "logit-mean", "greedy", "stack", "cross-stack"])
def test_a_decision_reads_back_equal(method: str, tmp_path: Path) -> None:
    fitted = fit(method)
    for number, one in enumerate((fitted, replace(fitted, postprocess=STEPS, origin=ORIGIN))):
        path = tmp_path / f"{number}.json"
        one.save(path)
        back = Decision.load(path)
        assert back == one
        assert type(back.combination) is (Stack if "stack" in method else Average)
        assert back.postprocess == one.postprocess
        assert back.combination == one.combination
        assert back.worth == one.worth
        assert back.origin == one.origin
        assert back.worth.score == one.worth.score
        assert back.worth.classes == one.worth.classes
        assert back.weighed == one.weighed
        assert back.chosen == one.chosen
        for name in ("thresholds", "oof_thresholds"):
            np.testing.assert_array_equal(getattr(back, name), getattr(one, name))
            assert getattr(back, name).dtype == np.float64
        probs = simulate_members(30, TWO, seed=5).probs
        unseen = Unseen(name_rows(30), (probs,))
        np.testing.assert_array_equal(back.combine(unseen), one.combine(unseen))
        np.testing.assert_array_equal(back.decide(unseen), one.decide(unseen))


def test_every_other_decision_is_unequal(made: Decision) -> None:
    assert made == replace(made)
    assert made != replace(made, thresholds=made.thresholds / 2)
    assert made != replace(made, postprocess=replace(STEPS, fill_empty=False))
    assert made != replace(made, origin=Origin())
    assert made != "decision"


def test_thresholds_are_named_by_their_classes(file: Path, made: Decision) -> None:
    content = json.loads(file.read_text())
    assert (content["format"], content["kit"]) == (1, kit.__version__)
    for name in ("thresholds", "oof_thresholds"):
        assert content[name] == dict(zip(made.class_keys, getattr(made, name), strict=True))
    assert content["thresholds"]["class1"] == NEVER
    # In any order: what counts is the name.
    content["thresholds"] = dict(reversed(content["thresholds"].items()))
    file.write_text(json.dumps(content))
    assert Decision.load(file) == made


# Damaged, too new, too old


def at(*path: str, value: Any = ...) -> Callable[[dict[str, Any]], None]:
    """Sets what lies at a path to a value, or takes it away without one."""

    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        if value is ...:
            del content[path[-1]]
        else:
            content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (at("thresholds", "class1"), "thresholds: expected one threshold per class"),
        (at("thresholds", "class9", value=0.5), "thresholds: expected one threshold per class"),
        (at("oof_thresholds", "class1"), "oof_thresholds: expected one threshold per class"),
        (at("thresholds", value=[0.1, 0.2, 0.3]), "thresholds: expected one threshold per class"),
        (at("thresholds", value=0.5), "thresholds: expected one threshold per class"),
        (at("thresholds", "class1", value=None), "thresholds: expected finite numbers"),
        (at("thresholds", "class1", value="0.5"), "thresholds: expected finite numbers"),
        (at("thresholds", "class1", value=[0.5, 1]), "thresholds: lists of different lengths"),
        (at("unheard", value=1), "unheard: Unexpected"),
        (at("worth", "score", "unheard", value=1), r"worth\.score\.unheard: Unexpected"),
        (at("postprocess", "unheard", value=1), r"postprocess\.unheard: Unexpected"),
        (at("worth"), "worth: Field required"),
        (at("postprocess"), "postprocess: incomplete"),
        (at("postprocess", "rules"), "postprocess: incomplete"),
        (at("combination", "in_logits"), "combination: incomplete"),
        (at("combination", value={}), r"combination\.Average\.weights: Field required"),
        (at("combination", "weights", value=[1.0]), "worth: the combination is for another number"),
        (at("members", value=["model0"]), "combination: made for another number of members"),
        (at("worth", "classes", "class0"), "worth: expected one score and count per class"),
        (at("worth", "alone", "model0"), "worth: expected one score per member"),
        (at("worth", "score", "test_rows", value="x"), r"worth\.score\.test_rows: Input should be"),
        (at("postprocess", "fill_empty", value="true"), "postprocess: incomplete"),
        (at("worth", "score", "interval", value=[0.5]), r"worth\.score\.interval\.1: Field"),
        (
            at("postprocess", "copies", "row3", "columns", value=[0, 3]),
            "postprocess: names an unknown class",
        ),
    ],
)
def test_a_damaged_file_is_refused_at_the_damage(
    file: Path, change: Callable[[dict[str, Any]], None], place: str
) -> None:
    edit_unsealed(file, change)
    message = refused(file)
    assert re.match(f"is not valid: {place}", message)
    assert message.endswith(FORMAT.remake)


@pytest.mark.parametrize("text", ["", "{", "thresholds: 0.5", "\x00\xff", "NaN", "[Infinity]"])
def test_what_is_not_json_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    assert "is not JSON" in refused(file)


@pytest.mark.parametrize("content", [[], [0.5], "decision", 1, None, {"format": None}])
def test_json_of_another_kind_is_refused(file: Path, content: object) -> None:
    file.write_text(json.dumps(content))
    assert refused(file) == "is not a decision. Blend or tune again."


def test_a_file_of_a_later_format_names_the_kit_that_wrote_it(file: Path) -> None:
    edit_unsealed(file, lambda content: content.update(format=2, kit="7.3"))
    assert refused(file) == (
        "is a decision of format 2, written by hpa-kit 7.3. This is hpa-kit "
        f"{kit.__version__}, which reads formats up to 1: update it."
    )


def test_thresholds_of_release_0_1_are_refused_by_their_release(tmp_path: Path) -> None:
    old = tmp_path / "thresholds.json"
    old.write_text(
        json.dumps(
            {
                "thresholds": {"0": 0.31, "1": 0.11},
                "policy": "fold-mean",
                "transfer": "averaged",
                "finish": {"fill_empty": False, "rules": []},
                "copies": {},
                "scores": {"fitted": 0.52, "cross_fitted": 0.5, "expected": 0.51},
            }
        )
    )
    assert refused(old) == (
        "is a decision of format 0, written by hpa-kit 0.1, which hpa-kit "
        f"{kit.__version__} no longer reads. Blend or tune again."
    )


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "decision.json")


# Labels


def folds_of(models: int, rows: int = 20) -> list[NDArray[np.float32]]:
    """The scores of some rows by three folds' models, each (models, rows, classes)."""
    logits = to_logits(simulate_members(rows, TWO[:models], seed=5).probs)
    rng = np.random.default_rng(6)
    return [to_probs(logits + rng.normal(0, 0.4, logits.shape)) for _ in range(3)]


def test_a_member_alone_takes_an_array_or_a_list_of_one_a_fold() -> None:
    one = fit(models=1)
    tests = [probs[0] for probs in folds_of(1)]
    expected = one.label(one.combine(Unseen(name_rows(20), tuple(folds_of(1)))), name_rows(20))
    labels = one.decide(tests)
    np.testing.assert_array_equal(labels, expected)
    assert (labels.dtype, labels.shape) == (np.uint8, (20, 3))
    averaged = one.postprocess.decide(tests[0], one.thresholds)
    np.testing.assert_array_equal(one.decide(tests[0]), averaged)
    np.testing.assert_array_equal(one.decide([tests[0]]), averaged)
    np.testing.assert_array_equal(one.decide([tests]), expected)


def test_several_members_take_a_list_of_one_each_or_of_a_list_each(made: Decision) -> None:
    folds = folds_of(2)
    unseen = Unseen(np.arange(20), tuple(folds))
    by_member = [[probs[model] for probs in folds] for model in (0, 1)]
    expected = made.label(made.combine(unseen), np.arange(20))
    np.testing.assert_array_equal(made.decide(by_member), expected)
    np.testing.assert_array_equal(made.decide(unseen), expected)
    once = made.label(made.combination.apply(folds[0]), np.arange(20))
    np.testing.assert_array_equal(made.decide([folds[0][0], folds[0][1]]), once)
    # The members are not interchangeable: the first sees more.
    assert (made.decide([by_member[1], by_member[1]]) != expected).any()


def test_frames_are_aligned_by_their_ids_and_columns(made: Decision) -> None:
    folds, ids = folds_of(2), [f"row{number}" for number in range(20)]
    frames = [
        [pd.DataFrame(probs[model], index=ids, columns=list(made.class_keys)) for probs in folds]
        for model in (0, 1)
    ]
    expected = made.decide(Unseen(name_rows(20), tuple(folds)))
    np.testing.assert_array_equal(made.decide(frames), expected)
    rng = np.random.default_rng(0)
    frames[1][2] = frames[1][2].iloc[rng.permutation(20)]
    frames[0][1] = frames[0][1].iloc[::-1][["class2", "class0", "class1"]]
    np.testing.assert_array_equal(made.decide(frames), expected)
    # The first frame's order is that of the labels.
    order = rng.permutation(20)
    frames[0][0] = frames[0][0].iloc[order]
    np.testing.assert_array_equal(made.decide(frames), expected[order])


def test_copies_follow_the_ids_of_a_frame(made: Decision) -> None:
    frame = [pd.DataFrame(probs, index=name_rows(20)) for probs in folds_of(2)[0]]
    with_copies = made.decide(frame)
    without = replace(made, postprocess=replace(STEPS, copies={})).decide(frame)
    assert with_copies[3].tolist() == [1, 0, 1]
    others = np.arange(20) != 3
    np.testing.assert_array_equal(with_copies[others], without[others])


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (folds_of(2)[0][0], "Test predictions of 1 members, expected 2"),
        (list(folds_of(2)[0]) * 2, "Test predictions of 4 members, expected 2"),
        ([folds_of(2)[0][0][:, :2]] * 2, r"Probabilities of shape \(20, 2\) for 3 classes"),
        ([folds_of(2)[0][0], folds_of(2, rows=9)[0][0]], "Test predictions of different shapes"),
        ([to_logits(folds_of(2)[0][0])] * 2, "They look like logits: apply a sigmoid"),
        ([np.where(np.eye(20, 3) > 0, np.nan, 0.5)] * 2, "NaN for id 0, class class0; 3 of 60"),
    ],
)
def test_tests_that_do_not_fit_are_refused_in_one_line(
    made: Decision, tests: object, message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        made.decide(tests)
    assert "\n" not in str(raised.value)


# What it says of itself


def test_it_says_the_promise_in_two_lines(made: Decision) -> None:
    score = made.worth.score
    low, high = made.interval
    assert repr(made).splitlines() == [
        f"Decision for 2 members by logit-mean: {made.chosen.policy} thresholds for 3 classes, "
        "transfer averaged",
        f"Expected macro-F1 {made.expected:.3f} (95% CI {low:.3f} to {high:.3f}) on 20 test rows; "
        f"cross-fitted {made.cross_fitted:.3f}, fitted {score.fitted:.3f}",
    ]
    assert repr(fit(models=1)).startswith("Decision for model0: ")
    assert len(repr(fit(models=1)).splitlines()) == 2


# A single member


@pytest.mark.parametrize(
    "title",
    ["calibrated", "fold-mean", "split-mean", "shrunk", "exact", "class-rate", "constant", "mixed"],
)
def test_a_member_alone_gets_what_the_policy_fits(title: str) -> None:
    members = simulate_members(150, [[[2.0]]])
    tests = folds_of(1, rows=60)
    unseen = Unseen(name_rows(60), tuple(tests))
    sample = members.with_probs(members.probs[0])
    without = fit_decision(members, None, Options(policy=title)).decision
    np.testing.assert_array_equal(without.thresholds, find_policy(title).fit(sample))
    np.testing.assert_array_equal(without.oof_thresholds, without.thresholds)
    scores = [probs[0] for probs in tests]
    transfer = choose_transfer("averaged", sample, mean_over_folds(scores), scores)
    averaged = transfer.averaged(sample)
    by_fold = fit_decision(members, unseen, Options(policy=title)).decision
    assert by_fold.chosen.transfer == "averaged"
    np.testing.assert_array_equal(by_fold.thresholds, find_policy(title).fit(averaged))


def test_a_member_alone_keeps_its_probabilities_bit_for_bit() -> None:
    members = simulate_members(60, [[[2.0]]])
    members.probs[0, :3, 0] = [0.0, 1.0, 1e-30]
    fitted = fit_decision(members, None, Options(policy="exact"))
    np.testing.assert_array_equal(fitted.sample.probs, members.probs[0])
    tests = folds_of(1)[0]
    tests[0, :4, 1] = [0.0, 1.0, 1e-30, np.nextafter(np.float32(1), np.float32(0))]
    combined = fitted.decision.combine(Unseen(name_rows(20), (tests,)))
    np.testing.assert_array_equal(combined, tests[0])
    labels = fitted.decision.decide(tests[0])
    np.testing.assert_array_equal(labels, decide(tests[0], fitted.decision.thresholds))


def test_without_a_test_set_thresholds_are_carried_over_and_nothing_else_can_be() -> None:
    members = simulate_members(60, [[[2.0]]])
    fitted = fit_decision(members, None, Options(policy="exact"))
    assert fitted.decision.chosen.transfer == "thresholds"
    assert fitted.test is None
    assert fitted.decision.worth.score.test_rows == 60
    assert fitted.decision.worth.rates_disagree == ()
    for transfer in ("averaged", "rates"):
        with pytest.raises(UserError, match=f"--transfer {transfer} needs test predictions"):
            fit_decision(members, None, Options(policy="exact", transfer=transfer))


def test_the_ensemble_of_one_is_that_member() -> None:
    members = simulate_members(60, [[[2.0]]])
    decision = fit_decision(members, None, Options(policy="exact")).decision
    twice = as_members(
        members.labels, np.repeat(members.probs, 2, axis=0), members.fold, members.group
    )
    both = fit_decision(twice, None, Options("logit-mean", "exact")).decision
    assert both.cross_fitted == pytest.approx(decision.cross_fitted)
    np.testing.assert_allclose(both.thresholds, decision.thresholds, rtol=1e-5)
