"""Losses: by hand, against plain NumPy, their laws, and their gradients on the running backend."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from kit.core.errors import UserError
from kit.models.losses import LOSSES, build_loss, check_smoothing, parse_loss

ROWS, CLASSES = 12, 5
SHARES = np.array([0.5, 0.2, 0.02, 0.001, 0.0])
LOG3 = np.log(3)  # the logit of a probability of 0.75
POINTWISE = ["bce", "weighted_bce", "focal(1.5,0.25)", "asymmetric(1,4,0.05)"]
TEXTS = [
    *POINTWISE,
    "focal",
    "asymmetric(0.5,0.5,0.2)",
    "asymmetric(1,2,0)",
    "soft_f1",
    "lovasz",
    "0.5*focal+2*lovasz",
]

Table = NDArray[np.float64]


def value(text: str, labels: ArrayLike, logits: ArrayLike, smoothing: float = 0.0) -> float:
    """What the loss `text` gives, as a float."""
    shares = np.resize(SHARES, np.shape(labels)[1])
    loss = build_loss(parse_loss(text), smoothing, shares)(np.asarray(labels), np.asarray(logits))
    return float(keras.ops.convert_to_numpy(loss))


def some(kind: str, seed: int = 0, scale: float = 2.0) -> tuple[Table, Table]:
    """Labels and logits (ROWS, CLASSES); hard labels leave the last class without a positive."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, scale, (ROWS, CLASSES))
    if kind == "soft":
        return draw.random((ROWS, CLASSES)), logits
    labels = (draw.random((ROWS, CLASSES)) < 0.3).astype(np.float64)
    labels[:, -1] = 0
    return labels, logits


# By hand


def test_bce_at_logits_computed_by_hand() -> None:
    # -log(sigmoid(0)) = log 2 for both, then -log(1 - 0.75) = log 4 at logit log 3.
    expected = (2 * np.log(2) + np.log(4)) / 3
    assert value("bce", [[1, 0, 0]], [[0, 0, LOG3]]) == pytest.approx(expected)


def test_weighted_bce_multiplies_positives_alone() -> None:
    # Shares 0.5, 0.2 and 0.02 give odds of 1, 4 and 49.
    labels, logits = np.array([[1, 1, 1], [0, 0, 0]]), np.zeros((2, 3))
    expected = np.log(2) * (1 + 4 + 49 + 3) / 6
    assert value("weighted_bce(1,100)", labels, logits) == pytest.approx(expected)
    expected = np.log(2) * (1 + 2 + 7 + 3) / 6
    assert value("weighted_bce", labels, logits) == pytest.approx(expected)
    expected = np.log(2) * (1 + 2 + 5 + 3) / 6
    assert value("weighted_bce(cap=5)", labels, logits) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "weight"), [(0.0, 10.0), (1.0, 0.1)])
def test_a_class_that_all_rows_or_none_have_is_weighted_by_the_cap(
    share: float, weight: float
) -> None:
    weighted = build_loss(parse_loss("weighted_bce"), shares=np.array([share]))
    loss = weighted(np.ones((1, 1)), np.zeros((1, 1)))
    assert float(loss) == pytest.approx(weight * np.log(2))


def test_focal_weighs_each_error_by_its_square() -> None:
    # Errors of 0.5, 0.5 and 0.75: 0.25 log 2 twice, and 0.5625 log 4.
    expected = (0.25 * np.log(2) * 2 + 0.5625 * np.log(4)) / 3
    assert value("focal", [[1, 0, 0]], [[0, 0, LOG3]]) == pytest.approx(expected)


def test_alpha_weighs_positives_and_the_rest_of_it_negatives() -> None:
    expected = (0.1 * np.log(2) + 0.9 * np.log(2) + 0.9 * np.log(4)) / 3
    assert value("focal(0,0.1)", [[1, 0, 0]], [[0, 0, LOG3]]) == pytest.approx(expected)


def test_asymmetric_lowers_the_probability_of_negatives_and_drops_the_easy_ones() -> None:
    # A positive of 0.75: error 0.25. Negatives of 0.75 and 0.25 are seen as 0.5 and 0.
    expected = (0.25 * np.log(4 / 3) + 0.5**2 * np.log(2) + 0) / 3
    logits = [[LOG3, LOG3, -LOG3]]
    assert value("asymmetric(1,2,0.25)", [[1, 0, 0]], logits) == pytest.approx(expected)


def test_soft_f1_counts_with_probabilities() -> None:
    # 2 * 0.75 / (0.75 + 0.5 + 1) = 2/3; the second class has no positive and scores 0.
    logits = [[LOG3, 0], [0, 0]]
    assert value("soft_f1", [[1, 0], [0, 0]], logits) == pytest.approx(1 - (2 / 3 + 0) / 2)


def test_lovasz_of_one_class_worked_out_by_hand() -> None:
    # Errors 0.5 of the positive, 0 and 1.5 of the negatives; the worst goes wrong first. For the
    # positives the Jaccard loss goes 1/2, 1, for the negatives 1/2, 2/3.
    positives = 1.5 * (1 / 2) + 0.5 * (1 - 1 / 2)
    negatives = 1.5 * (1 / 2) + 0.5 * (2 / 3 - 1 / 2)
    expected = (positives + negatives) / 2
    assert value("lovasz", [[1], [0], [0]], [[0.5], [-2.0], [0.5]]) == pytest.approx(expected)


def test_lovasz_splits_a_soft_label_into_a_positive_and_a_negative() -> None:
    # Label 0.3 at logit 0.5: a negative of mass 0.7 with error 1.5, a positive of 0.3 with 0.5.
    positives = 1.5 * 0.7 + 0.5 * 0.3
    negatives = 1.5 * 1
    assert value("lovasz", [[0.3]], [[0.5]]) == pytest.approx((positives + negatives) / 2)


def test_smoothing_moves_labels_towards_a_half() -> None:
    labels, logits = [[1.0, 0.0, 0.5]], [[LOG3, LOG3, 1.0]]
    smoothed = value("bce", [[0.9, 0.1, 0.5]], logits)
    assert value("bce", labels, logits, smoothing=0.2) == pytest.approx(smoothed)


# Against plain NumPy


def pointwise(
    labels: Table,
    logits: Table,
    positive: Callable[[Table], Table],
    negative: Callable[[Table], Table],
) -> float:
    """The mean of a cost of positives and one of negatives, both of the probability."""
    probs = 1 / (1 + np.exp(-logits))
    return float((labels * positive(probs) + (1 - labels) * negative(probs)).mean())


def plain_soft_f1(labels: Table, logits: Table) -> float:
    probs = 1 / (1 + np.exp(-logits))
    scores = [
        2 * (p * y).sum() / (p.sum() + y.sum()) for p, y in zip(probs.T, labels.T, strict=True)
    ]
    return 1 - float(np.mean(scores))


def plain_lovasz(labels: Table, logits: Table) -> float:
    def hinge(y: Table, z: Table) -> float:
        elements = [(1 - s, mass, 0.0) for s, mass in zip(z, y, strict=True)]
        elements += [(1 + s, 0.0, 1 - mass) for s, mass in zip(z, y, strict=True)]
        total, before, inside, outside = 0.0, 0.0, 0.0, 0.0
        for error, positive, negative in sorted(elements, reverse=True):
            inside, outside = inside + positive, outside + negative
            union = y.sum() + outside
            now = (inside + outside) / union if union else 0.0
            total += max(error, 0.0) * (now - before)
            before = now
        return total

    pairs = list(zip(labels.T, logits.T, strict=True))
    return float(np.mean([(hinge(y, z) + hinge(1 - y, -z)) / 2 for y, z in pairs]))


def plain(text: str, labels: Table, logits: Table) -> float:
    """The loss `text` written as its source writes it, in float64."""
    weights = np.array([1, 2, 7, np.sqrt(999), 10]).clip(max=10)
    if text == "0.5*focal+2*lovasz":
        return 0.5 * plain("focal", labels, logits) + 2 * plain("lovasz", labels, logits)
    if text in ("soft_f1", "lovasz"):
        return (plain_soft_f1 if text == "soft_f1" else plain_lovasz)(labels, logits)
    costs: dict[str, tuple[Callable[[Table], Table], Callable[[Table], Table]]] = {
        "bce": (lambda p: -np.log(p), lambda p: -np.log(1 - p)),
        "weighted_bce": (lambda p: -weights * np.log(p), lambda p: -np.log(1 - p)),
        "focal": (lambda p: -((1 - p) ** 2) * np.log(p), lambda p: -(p**2) * np.log(1 - p)),
        "focal(1.5,0.25)": (
            lambda p: -0.25 * (1 - p) ** 1.5 * np.log(p),
            lambda p: -0.75 * p**1.5 * np.log(1 - p),
        ),
        "asymmetric(1,2,0)": (
            lambda p: -(1 - p) * np.log(p),
            lambda p: -(p**2) * np.log(1 - p),
        ),
        "asymmetric(1,4,0.05)": (
            lambda p: -(1 - p) * np.log(p),
            lambda p: -(np.maximum(p - 0.05, 0) ** 4) * np.log(1 - np.maximum(p - 0.05, 0)),
        ),
        "asymmetric(0.5,0.5,0.2)": (
            lambda p: -np.sqrt(1 - p) * np.log(p),
            lambda p: -np.sqrt(np.maximum(p - 0.2, 0)) * np.log(1 - np.maximum(p - 0.2, 0)),
        ),
    }
    return pointwise(labels, logits, *costs[text])


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("text", TEXTS)
def test_values_are_those_of_plain_numpy(text: str, kind: str) -> None:
    for seed in range(5):
        labels, logits = some(kind, seed)
        assert value(text, labels, logits) == pytest.approx(plain(text, labels, logits), rel=1e-5)


# Gradients


class Shift(keras.layers.Layer):
    """Adds a weight to each logit, 0 at the beginning."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.shift = self.add_weight(shape=input_shape, initializer="zeros")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs + self.shift


def shifted(loss: keras.losses.Loss) -> keras.Model:
    """A model that gives its input, and of which one step subtracts the gradient from a weight."""
    inputs = keras.Input(batch_shape=(ROWS, CLASSES))
    model = keras.Model(inputs, Shift()(inputs))
    model.compile(keras.optimizers.SGD(1.0), loss)
    return model


def gradient(text: str, labels: Table, logits: Table) -> Table:
    """The gradient by the logits, (ROWS, CLASSES), with which the running backend trains."""
    model = shifted(build_loss(parse_loss(text), shares=SHARES))
    model.train_on_batch(logits.astype(np.float32), labels.astype(np.float32))
    return -np.asarray(model.get_weights()[0], np.float64)


@pytest.mark.parametrize("text", TEXTS)
def test_gradients_are_the_differences_of_plain_numpy(text: str) -> None:
    labels, logits = some("soft" if text != "focal" else "hard")
    step = 1e-6
    expected = np.zeros_like(logits)
    for at in np.ndindex(*logits.shape):
        move = np.zeros_like(logits)
        move[at] = step
        rise = plain(text, labels, logits + move) - plain(text, labels, logits - move)
        expected[at] = rise / (2 * step)
    np.testing.assert_allclose(gradient(text, labels, logits), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [0.0, 30.0, 1e4])
@pytest.mark.parametrize("text", TEXTS)
def test_values_and_gradients_are_finite_at_extreme_logits(text: str, size: float) -> None:
    labels, logits = some("hard")
    extreme = size * np.sign(logits)
    assert np.isfinite(value(text, labels, extreme))
    assert np.isfinite(gradient(text, labels, extreme)).all()


def test_cross_entropy_is_exact_at_extreme_logits() -> None:
    assert value("bce", [[1, 0]], [[-1e4, 1e4]]) == 1e4
    assert value("bce", [[1, 0]], [[1e4, -1e4]]) == 0
    assert value("bce", [[1]], [[40]]) == pytest.approx(np.exp(-40), rel=1e-4)


def test_bce_has_the_right_gradient_at_a_logit_of_zero() -> None:
    labels, _ = some("soft")
    expected = (0.5 - labels) / labels.size
    found = gradient("bce", labels, np.zeros((ROWS, CLASSES)))
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_soft_f1_does_not_move_a_class_without_positives() -> None:
    labels, logits = some("hard")
    moved = gradient("soft_f1", labels, logits)
    np.testing.assert_array_equal((moved != 0).any(axis=0), labels.any(axis=0))


# Laws


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("text", ["focal(gamma=0)", "asymmetric(0,0,0)", "weighted_bce(power=0)"])
def test_losses_without_their_own_idea_are_cross_entropy(text: str, kind: str) -> None:
    labels, logits = some(kind)
    assert value(text, labels, logits) == pytest.approx(value("bce", labels, logits))


def test_asymmetric_with_equal_powers_and_no_clip_is_focal() -> None:
    labels, logits = some("soft")
    focal = value("focal(1.5)", labels, logits)
    assert value("asymmetric(1.5,1.5,0)", labels, logits) == pytest.approx(focal)


def test_a_weighted_sum_is_the_sum_of_its_parts() -> None:
    labels, logits = some("soft")
    total = value("0.25*bce+3*lovasz+soft_f1", labels, logits)
    parts = [value(text, labels, logits) for text in ("bce", "lovasz", "soft_f1")]
    assert total == pytest.approx(0.25 * parts[0] + 3 * parts[1] + parts[2])


@pytest.mark.parametrize("text", TEXTS)
def test_the_order_of_the_rows_changes_nothing(text: str) -> None:
    labels, logits = some("soft")
    order = np.random.default_rng(1).permutation(ROWS)
    expected = value(text, labels, logits)
    assert value(text, labels[order], logits[order]) == pytest.approx(expected, rel=1e-5)


def test_a_perfect_answer_with_a_margin_has_no_lovasz_loss() -> None:
    labels, _ = some("hard")
    assert value("lovasz", labels, 2 * labels - 1) == 0
    assert value("lovasz", labels, 0.9 * (2 * labels - 1)) == pytest.approx(0.1)


def test_lovasz_of_decisions_is_the_jaccard_loss_of_positives_and_negatives() -> None:
    labels, logits = some("hard", seed=3)
    decided, true = logits > 0, labels > 0
    losses = []
    for said, is_true in ((decided, true), (~decided, ~true)):
        union = (said | is_true).sum(axis=0)
        losses.append(1 - (said & is_true).sum(axis=0) / union)
    # A wrong entry at a logit of 1 or -1 has an error of 2, a right one of 0.
    expected = 2 * np.mean(losses)
    assert value("lovasz", labels, 2.0 * decided - 1) == pytest.approx(expected)


def test_soft_f1_of_decisions_is_macro_f1() -> None:
    labels, logits = some("hard", seed=3)
    scores = []
    for said, true in zip(logits.T > 0, labels.T, strict=True):
        scores.append(2 * (said * true).sum() / (said.sum() + true.sum()))
    decisions = 1e4 * np.sign(logits)
    assert value("soft_f1", labels, decisions) == pytest.approx(1 - np.mean(scores))


def test_soft_f1_where_nothing_is_true_or_predicted_is_1() -> None:
    assert value("soft_f1", [[0.0]], [[-1e4]]) == 1


@pytest.mark.parametrize("text", POINTWISE)
def test_the_loss_of_a_mixed_label_is_the_mixture_of_the_losses(text: str) -> None:
    labels, logits = some("hard", 1)
    others, _ = some("hard", 2)
    mixed = value(text, 0.3 * labels + 0.7 * others, logits)
    apart = 0.3 * value(text, labels, logits) + 0.7 * value(text, others, logits)
    assert mixed == pytest.approx(apart)


def test_smoothing_leaves_losses_of_sets_alone() -> None:
    labels, logits = some("hard")
    parts = value("bce", labels, logits, 0.2) + value("lovasz", labels, logits)
    assert value("bce+lovasz", labels, logits, 0.2) == pytest.approx(parts)


@pytest.mark.parametrize("text", TEXTS)
def test_losses_of_half_precision_are_computed_in_float32(text: str) -> None:
    labels, logits = some("hard")
    half = keras.ops.cast(logits, "bfloat16")
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    loss = build_loss(parse_loss(text), shares=SHARES)(labels, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(value(text, labels, rounded))


# In training


@pytest.mark.parametrize("text", TEXTS)
def test_a_model_learns_with_every_loss(text: str) -> None:
    labels, logits = some("hard", scale=0.5)
    model = shifted(build_loss(parse_loss(text), shares=SHARES))
    losses = [
        float(model.train_on_batch(logits.astype(np.float32), labels.astype(np.float32)))
        for _ in range(5)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_model_that_was_compiled_with_a_loss_is_saved_and_loaded(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", build_loss(parse_loss("0.5*focal+0.5*lovasz")))
    inputs = np.ones((4, 3), np.float32)
    model.train_on_batch(inputs, np.ones((4, 2), np.float32))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


# What is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "bec",
            "No loss 'bec'. Known: asymmetric, bce, focal, lovasz, soft_f1, weighted_bce. "
            "Did you mean 'bce'?",
        ),
        ("focal(beta=1)", "loss 'focal(beta=1)': no parameter 'beta'; it takes gamma=2, alpha=-1."),
        ("focal(-1)", "loss 'focal(-1)': gamma of focal is -1; it must be from 0."),
        (
            "bce+focal(2,0)",
            "loss 'bce+focal(2,0)': alpha of focal is 0; it must be between 0 and 1, or -1 for "
            "no balance.",
        ),
        (
            "asymmetric(clip=1)",
            "loss 'asymmetric(clip=1)': clip of asymmetric is 1; it must be from 0 below 1.",
        ),
        (
            "weighted_bce(cap=.5)",
            "loss 'weighted_bce(cap=.5)': cap of weighted_bce is 0.5; it must be from 1.",
        ),
        ("bce+0*lovasz", "loss 'bce+0*lovasz': the weight of lovasz is 0; it must be above 0."),
        ("-1*bce", "loss '-1*bce': the weight of bce is -1; it must be above 0."),
        ("soft_f1(1)", "loss 'soft_f1(1)' has too many parameters; it takes none."),
    ],
)
def test_a_text_that_is_no_loss_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_loss(text)
    assert str(raised.value) == message


def test_smoothing_that_changes_nothing_is_refused() -> None:
    for read in (check_smoothing, build_loss):
        with pytest.raises(UserError) as raised:
            read(parse_loss("soft_f1+lovasz"), 0.1)
        assert str(raised.value) == (
            "label_smoothing=0.1 has no effect with loss 'soft_f1+lovasz': soft_f1 and lovasz "
            "do not smooth labels. Set it to 0, or add bce to the loss."
        )


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_checked_and_built_with_its_usual_numbers(name: str) -> None:
    assert str(parse_loss(name)) == name
    labels, logits = some("hard")
    numbers = ",".join(f"{key}={number:g}" for key, number in LOSSES[name].items())
    given = value(f"{name}({numbers})", labels, logits)
    assert given == value(name, labels, logits)


def test_weighted_bce_needs_shares() -> None:
    with pytest.raises(ValueError, match="weighted_bce needs the share of positives"):
        build_loss(parse_loss("weighted_bce"))
    for wrong in (np.array([0.5, 1.5]), np.array([np.nan]), np.array([[0.5]])):
        with pytest.raises(ValueError, match="shares must be numbers from 0 to 1"):
            build_loss(parse_loss("weighted_bce"), shares=wrong)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, np.nan])
def test_smoothing_out_of_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
        build_loss(parse_loss("bce"), smoothing)


def test_weights_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="sample_weight must be None"):
        build_loss(parse_loss("bce"))(np.ones((2, 1)), np.ones((2, 1)), sample_weight=np.ones(2))


def test_texts_are_checked_without_importing_keras() -> None:
    code = (
        "import sys\n"
        "from kit.models.losses import parse_loss\n"
        "parse_loss('0.5*focal+0.5*lovasz')\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
