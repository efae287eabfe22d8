"""What follows the thresholds: rules, filled rows and copies, each worked out by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from simulation import as_sample, name_rows, simulate

from kit.competitions.exact import NEVER, decide
from kit.competitions.metrics import f1_per_class
from kit.core.errors import UserError
from kit.ensemble.postprocess import (
    LEAST_SUPPORT,
    NOTHING,
    Copied,
    Postprocess,
    Rule,
    TwinLabels,
    Twins,
    check_steps,
    copied,
    learn,
    learn_rules,
)
from kit.ensemble.thresholds import exact
from kit.scores.oof import Sample

HALVES = np.array([0.5, 0.5])
PROBS = np.array([[0.9, 0.3], [0.4, 0.3], [0.2, 0.45], [0.6, 0.1]], np.float32)


# Rules


def test_a_rule_moves_the_threshold_of_one_class_where_another_is_decided() -> None:
    rule = Rule(column=1, on=0, given=0.25, otherwise=0.5)
    found = Postprocess((rule,)).decide(PROBS, HALVES)
    assert found.tolist() == [[1, 1], [0, 0], [0, 0], [1, 0]]
    assert found.dtype == np.uint8
    otherwise = replace(rule, given=NEVER, otherwise=0.25)
    assert Postprocess((otherwise,)).decide(PROBS, HALVES)[:, 1].tolist() == [0, 1, 1, 0]


def test_rules_look_at_the_labels_by_the_thresholds_alone() -> None:
    there, back = Rule(1, 0, 0.25, 0.5), Rule(0, 1, 0.0, NEVER)
    for rules in ((there, back), (back, there)):
        # By the thresholds no row has the second class, so the first goes everywhere.
        assert Postprocess(rules).decide(PROBS, HALVES).tolist() == [
            *([0, 1], [0, 0]),
            *([0, 0], [0, 0]),
        ]


def linked(rows: int = 400, seed: int = 0) -> Sample:
    """Two classes: the second, whose scores say little, is there mostly where the first is."""
    rng = np.random.default_rng(seed)
    first = rng.random(rows) < 0.4
    second = rng.random(rows) < np.where(first, 0.9, 0.2)
    labels = np.stack([first, second], axis=1).astype(np.uint8)
    clear = np.where(first, 0.9, 0.1)
    vague = 0.4 + 0.2 * labels[:, 1] + 0.2 * rng.normal(size=rows)
    probs = np.clip(np.stack([clear, vague], axis=1), 0.01, 0.99).astype(np.float32)
    return as_sample(labels, probs, np.arange(rows) % 4, np.arange(rows))


def test_a_rule_is_learned_where_labels_go_together() -> None:
    sample = linked()
    rules = learn_rules(sample, HALVES)
    assert [(rule.column, rule.on) for rule in rules] == [(1, 0)]
    before = f1_per_class(sample.labels, decide(sample.probs, HALVES))[1]
    found = learn(["rules"], sample, HALVES)
    assert found.rules == rules
    assert not found.fill_empty
    after = f1_per_class(sample.labels, found.decide(sample.probs, HALVES))[1]
    assert after > before + 0.05


@pytest.mark.parametrize("seed", range(5))
def test_no_other_pair_of_thresholds_is_better_than_the_rules(seed: int) -> None:
    sample = linked(240, seed)
    sample = replace(sample, probs=np.round(sample.probs, 1))  # ties
    (rule,) = learn_rules(sample, HALVES)
    steps = [0.0, *np.arange(0.05, 1.0, 0.1).tolist(), NEVER]
    tried = [
        f1_per_class(
            sample.labels,
            Postprocess((Rule(1, 0, given, otherwise),)).decide(sample.probs, HALVES),
        )[1]
        for given, otherwise in product(steps, steps)
    ]
    found = f1_per_class(sample.labels, Postprocess((rule,)).decide(sample.probs, HALVES))[1]
    assert found == pytest.approx(max(tried))


def test_where_labels_have_nothing_to_do_with_each_other_there_is_no_rule() -> None:
    sample = simulate(3000)
    assert learn_rules(sample, exact(sample)) == ()


def test_few_rows_and_classes_that_are_never_on_have_no_rule() -> None:
    sample = linked()
    assert learn_rules(sample, np.array([0.5, NEVER])) == ()
    assert learn_rules(sample, np.array([NEVER, 0.5])) == ()  # nothing is given
    some = sample.labels[:, 1].cumsum() < LEAST_SUPPORT
    assert learn_rules(sample.only(some), HALVES) == ()


# Rows without a label


def test_an_empty_row_gets_the_label_that_is_nearest_to_its_threshold() -> None:
    fill = Postprocess(fill_empty=True)
    # Of the second row 0.4 is nearer to 0.5 than 0.3, of the third 0.45.
    assert fill.decide(PROBS, HALVES).tolist() == [[1, 0], [1, 0], [0, 1], [1, 0]]
    # In logits: 0.2 is further below 0.5 than 0.01 below 0.02.
    probs = np.array([[0.2, 0.01]], np.float32)
    assert fill.decide(probs, np.array([0.5, 0.02])).tolist() == [[0, 1]]


def test_a_label_that_is_never_on_fills_no_row() -> None:
    fill = Postprocess(fill_empty=True)
    assert fill.decide(PROBS, np.array([NEVER, 0.5])).tolist() == [[0, 1]] * 4
    assert fill.decide(PROBS, np.array([NEVER, NEVER])).tolist() == [[0, 0]] * 4


def test_a_row_that_a_rule_empties_is_filled() -> None:
    both = Postprocess((Rule(0, 1, NEVER, NEVER),), fill_empty=True)
    assert (both.decide(PROBS, HALVES).sum(axis=1) == 1).all()


def test_without_steps_the_thresholds_decide() -> None:
    np.testing.assert_array_equal(NOTHING.decide(PROBS, HALVES), decide(PROBS, HALVES))
    assert learn([], linked(), HALVES) == NOTHING
    assert learn(["copies"], linked(), HALVES) == NOTHING  # nothing to learn from scores
    assert learn(["fill"], linked(), HALVES) == Postprocess(fill_empty=True)


# Copies

LABELS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], np.uint8)
TWINS = Twins(train=np.array([2, -1, 0]), test=np.array([-1, 2, 0, 1]))


def test_test_rows_copy_the_labels_of_their_twins() -> None:
    test_ids = np.array(["p", "q", "r", "s"], dtype=object)
    copies = copied(LABELS, name_rows(3), test_ids, TWINS)
    assert copies == {
        "q": Copied("row2", (1,)),
        "r": Copied("row0", (0, 2)),
        "s": Copied("row1", ()),
    }
    ones = np.ones((4, 3), np.uint8)
    found = Postprocess(copies=copies).copy(ones, test_ids)
    assert found.tolist() == [[1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert ones.all()
    # By id and not by row.
    backwards = Postprocess(copies=copies).copy(ones, test_ids[::-1])
    np.testing.assert_array_equal(backwards, found[::-1])


def test_rows_with_a_twin_take_its_labels() -> None:
    everywhere = np.ones(3, bool)
    twins = TwinLabels.of(LABELS, TWINS.train, everywhere)
    decisions: NDArray[np.uint8] = np.ones((3, 3), np.uint8)
    assert twins.replace(decisions).tolist() == [[0, 1, 0], [1, 1, 1], [1, 0, 1]]
    assert twins.only(np.array([False, True, True])).known.tolist() == [False, True]


def test_a_twin_that_is_not_usable_is_none() -> None:
    twins = TwinLabels.of(LABELS, TWINS.train, np.array([True, True, False]))
    assert twins.known.tolist() == [False, False, True]
    # The last row is no twin of rows that have none.
    none = TwinLabels.of(LABELS, np.full(3, -1), np.ones(3, bool))
    assert not none.known.any()


def test_an_unknown_step_is_answered_with_the_known_ones() -> None:
    check_steps(["rules", "fill", "copies"])
    with pytest.raises(UserError, match=r"No post-processing 'fil'\. Known: .* mean 'fill'\?"):
        check_steps(["rules", "fil"])
