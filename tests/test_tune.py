"""Thresholds for predictions from anywhere: what is fitted, said and written, and refused."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flowers import FLOWERS, flowers
from numpy.typing import NDArray
from simulation import measure, simulate

from kit.cli import main
from kit.competitions.exact import decide, exact_thresholds, rate_thresholds
from kit.competitions.metrics import macro_f1
from kit.competitions.tables import LabelTable
from kit.core.disk import digest_file, read_json
from kit.core.errors import UserError
from kit.data.predictions import Predictions, write_predictions
from kit.ensemble import Decision, Members, Options, Unseen, fit_decision, studies
from kit.ensemble.evaluate import judge
from kit.ensemble.thresholds import AUTO, SEARCHED, find_policy, tuned
from kit.scores import choose_transfer, mean_over_folds
from kit.scores.oof import Sample
from kit.stages.tune import TuneInputs, tune_stage

RATES = (0.5, 0.4, 0.3, 0.2, 0.2)
SAMPLE = simulate(90, rates=RATES, folds=3)
IDS = tuple(f"row{number:02d}" for number in range(90))
TEST_IDS = tuple(f"test{number:02d}" for number in range(40))


def write_csv(path: Path, header: str, *columns: Any) -> Path:
    rows = zip(*columns, strict=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def write_probs(
    path: Path,
    ids: tuple[str, ...],
    probs: NDArray[np.float32],
    fold: NDArray[np.int64] | None = None,
) -> Path:
    write_predictions(path, Predictions(ids, probs, FLOWERS, fold), {})
    return path


def draw_test(seed: int, own: float = 0.5) -> NDArray[np.float32]:
    """The scores of the test rows by one fold's model."""
    common, rng = np.random.default_rng(77), np.random.default_rng(seed)
    labels = (common.random((40, 5)) < np.array(RATES)).astype(np.uint8)
    noise = common.normal(size=labels.shape) + own * rng.normal(size=labels.shape)
    return measure(labels, noise, RATES)


@pytest.fixture
def inputs(tmp_path: Path) -> TuneInputs:
    """Out-of-fold predictions with their folds, in another order than the labels."""
    backwards = IDS[::-1]
    oof = write_probs(tmp_path / "oof.parquet", backwards, SAMPLE.probs[::-1], SAMPLE.fold[::-1])
    labels = tmp_path / "labels.csv"
    labels.write_text(flowers.label_format.text(LabelTable(IDS, SAMPLE.labels), FLOWERS))
    return TuneInputs(oof, labels)


@pytest.fixture
def tests(tmp_path: Path) -> tuple[Path, ...]:
    """The test predictions of each of three folds; their rows are in different orders."""
    paths = []
    for fold in range(3):
        order = np.random.default_rng(fold).permutation(40)
        ids = tuple(TEST_IDS[row] for row in order)
        path = tmp_path / f"test{fold}.parquet"
        paths.append(write_probs(path, ids, draw_test(fold)[order]))
    return tuple(paths)


def without_folds(inputs: TuneInputs) -> TuneInputs:
    return replace(inputs, oof=write_probs(inputs.oof, IDS, SAMPLE.probs))


Tune = Callable[..., dict[str, Any]]


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    """Runs the stage and returns what it wrote."""

    def run(inputs: TuneInputs, policy: str = "exact", **options: Any) -> dict[str, Any]:
        out = tmp_path / "out" / "decision.json"
        tune_stage(flowers, inputs, out, Options(policy=policy, **options))
        written: dict[str, Any] = read_json(out)
        return written

    return run


def thresholds_of(written: dict[str, Any]) -> list[float]:
    assert list(written["thresholds"]) == list(FLOWERS)
    return list(written["thresholds"].values())


def chosen_of(written: dict[str, Any]) -> tuple[str, str]:
    return written["chosen"]["policy"], written["chosen"]["transfer"]


def score_of(written: dict[str, Any]) -> dict[str, Any]:
    score: dict[str, Any] = written["worth"]["score"]
    return score


# What is written


def test_thresholds_are_joined_by_id_and_fitted_on_all_rows(
    tune: Tune, inputs: TuneInputs, tmp_path: Path
) -> None:
    written = tune(inputs)
    expected = exact_thresholds(SAMPLE.labels, SAMPLE.probs)
    np.testing.assert_allclose(thresholds_of(written), expected.thresholds)
    assert chosen_of(written) == ("exact", "thresholds")
    score = score_of(written)
    judged = judge(SAMPLE, find_policy("exact"))
    assert score["fitted"] == pytest.approx(expected.f1.mean()) == judged.fitted
    assert score["cross_fitted"] == judged.held_out < judged.fitted
    assert score["interval"][0] < score["expected"] < score["interval"][1]
    assert score["test_rows"] == 90
    digests = {str(path): digest_file(path) for path in (inputs.oof, inputs.labels)}
    assert written["origin"]["inputs"] == digests
    assert written["origin"]["options"] == {"policy": "exact", "transfer": "auto"}
    decision = Decision.load(tmp_path / "out" / "decision.json")
    assert decision.thresholds.tolist() == thresholds_of(written)
    assert decision.cross_fitted == score["cross_fitted"]
    assert decision.members == ("oof",)


@pytest.mark.parametrize(("policy", "titles"), [("auto", AUTO), ("all", (*AUTO, *SEARCHED))])
def test_every_policy_is_tried_and_the_choice_is_marked(
    tune: Tune,
    inputs: TuneInputs,
    capsys: pytest.CaptureFixture[str],
    policy: str,
    titles: tuple[str, ...],
) -> None:
    written = tune(inputs, policy)
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index(next(line for line in lines if "Policies" in line)) :]
    (taken,) = [line for line in table if line.endswith("<- taken")]
    assert taken.split()[0] == written["chosen"]["policy"]
    shown = [line.split()[0] for line in table if line.strip()]
    for title in titles:
        assert find_policy(title).title in shown
    tried = [one["name"] for one in written["weighed"]["policies"]]
    assert tried == [find_policy(title).title for title in titles]
    expected = f"Expected macro-F1 on 90 test rows: {score_of(written)['expected']:.3f}, 95% CI "
    assert any(line.startswith(expected) for line in lines)
    assert lines[-1].startswith("Wrote ")


def test_classes_that_are_mostly_noise_are_named(
    tune: Tune, inputs: TuneInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = SAMPLE.labels.copy()
    labels[:, 3] = 0
    labels[[1, 50], 3] = 1
    inputs.labels.write_text(flowers.label_format.text(LabelTable(IDS, labels), FLOWERS))
    tune(inputs)
    assert "Daisy" in next(
        line for line in capsys.readouterr().out.splitlines() if "F1 unreliable" in line
    )


# Folds from a table


def test_folds_may_come_from_a_table_of_their_own(
    tune: Tune, inputs: TuneInputs, tmp_path: Path
) -> None:
    expected = tune(inputs)
    order = np.random.default_rng(0).permutation(90)
    table = write_csv(
        tmp_path / "folds.csv", "Id,fold", [IDS[row] for row in order], SAMPLE.fold[order]
    )
    found = tune(replace(without_folds(inputs), folds=table))
    assert found["thresholds"] == expected["thresholds"]
    assert score_of(found) == score_of(expected)


def test_a_table_may_name_more_rows_than_there_are_predictions(
    tune: Tune, inputs: TuneInputs, tmp_path: Path
) -> None:
    expected = tune(inputs)
    folds = [*SAMPLE.fold.tolist(), 0]
    table = write_csv(tmp_path / "folds.csv", "Id,fold", (*IDS, "another"), folds)
    found = tune(replace(without_folds(inputs), folds=table))
    assert score_of(found) == score_of(expected)


def test_groups_of_the_table_widen_the_interval(
    tune: Tune, inputs: TuneInputs, tmp_path: Path
) -> None:
    rows = np.arange(90) // 3 % 10 * 3 + np.arange(90) % 3  # ten groups of three in each fold
    fold, probs = SAMPLE.fold[rows], SAMPLE.probs[rows]
    repeated = Sample(np.array(IDS), SAMPLE.labels[rows], fold, rows, probs)
    np.testing.assert_array_equal(repeated.fold, SAMPLE.fold)
    bare = replace(inputs, oof=write_probs(inputs.oof, IDS, repeated.probs))
    inputs.labels.write_text(flowers.label_format.text(LabelTable(IDS, repeated.labels), FLOWERS))
    apart = write_csv(tmp_path / "apart.csv", "Id,fold", IDS, SAMPLE.fold)
    names = [f"g{row}" for row in rows]
    together = write_csv(tmp_path / "together.csv", "Id,fold,group", IDS, SAMPLE.fold, names)
    first, second = (score_of(tune(replace(bare, folds=table))) for table in (apart, together))
    assert first["cross_fitted"] == second["cross_fitted"]
    widths = [score["interval"][1] - score["interval"][0] for score in (first, second)]
    assert widths[1] > 1.3 * widths[0]


FOLDS = list(zip(IDS, SAMPLE.fold.tolist(), strict=True))


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("Id,fold", FOLDS[2:], r"has no fold for: row00, row01\."),
        (
            "Id,fold",
            [("row00", "x"), *FOLDS[1:]],
            r"line 2: expected Id,fold, got \['row00', 'x'\]",
        ),
        (
            "Id,fold",
            [("row00", "-1"), *FOLDS[1:]],
            r"line 2: expected Id,fold, got \['row00', '-1'\]",
        ),
        ("id,fold", FOLDS, "expected the header 'Id,fold' or 'Id,fold,group', got"),
        ("fold,Id", FOLDS, "expected the header"),
        ("Id,fold,extra", [(*row, 1) for row in FOLDS], "expected the header"),
        ("Id,fold", [*FOLDS, FOLDS[0]], "the id row00 appears twice"),
        ("Id,fold,group", [(*row, "one") for row in FOLDS], "group one is in the folds 0 and 1"),
        ("Id,fold", [(name, 0) for name in IDS], "of a single fold: nothing can be held out"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tune: Tune,
    inputs: TuneInputs,
    tmp_path: Path,
    header: str,
    rows: list[tuple[object, ...]],
    message: str,
) -> None:
    table = write_csv(tmp_path / "folds.csv", header, *zip(*rows, strict=True))
    with pytest.raises(UserError, match=message) as raised:
        tune(replace(without_folds(inputs), folds=table))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_table_that_contradicts_the_predictions_is_refused(
    tune: Tune, inputs: TuneInputs, tmp_path: Path
) -> None:
    fold = SAMPLE.fold.copy()
    fold[:4] = (fold[:4] + 1) % 3
    table = write_csv(tmp_path / "folds.csv", "Id,fold", IDS, fold)
    with pytest.raises(UserError, match=r"other folds than the predictions, for 4 rows\."):
        tune(replace(inputs, folds=table))


def test_predictions_without_folds_are_refused(tune: Tune, inputs: TuneInputs) -> None:
    with pytest.raises(UserError, match="without a fold column cannot be cross-fitted"):
        tune(without_folds(inputs))


def test_the_predictions_of_one_fold_only_are_refused(tune: Tune, inputs: TuneInputs) -> None:
    write_probs(inputs.oof, IDS, SAMPLE.probs, np.full(90, 2))
    with pytest.raises(UserError, match="of a single fold: nothing can be held out"):
        tune(inputs)


# Test predictions


def test_test_predictions_of_each_fold_are_averaged(
    tune: Tune, inputs: TuneInputs, tests: tuple[Path, ...]
) -> None:
    written = tune(replace(inputs, tests=tests))
    assert chosen_of(written) == ("exact", "averaged")
    assert score_of(written)["test_rows"] == 40
    scores = [draw_test(fold) for fold in range(3)]
    transfer = choose_transfer("averaged", SAMPLE, mean_over_folds(scores), scores)
    expected = exact_thresholds(SAMPLE.labels, transfer.averaged(SAMPLE).probs).thresholds
    np.testing.assert_allclose(thresholds_of(written), expected, rtol=1e-6)
    fitted = exact_thresholds(SAMPLE.labels, SAMPLE.probs).f1.mean()
    assert score_of(written)["fitted"] == pytest.approx(fitted)


def test_test_predictions_once_are_taken_as_they_are(
    tune: Tune, inputs: TuneInputs, tests: tuple[Path, ...]
) -> None:
    thresholds = exact_thresholds(SAMPLE.labels, SAMPLE.probs).thresholds
    written = tune(replace(inputs, tests=tests[:1]), transfer="thresholds")
    assert chosen_of(written) == ("exact", "thresholds")
    np.testing.assert_array_equal(thresholds_of(written), thresholds)
    written = tune(replace(inputs, tests=tests[:1]), transfer="rates")
    rates = decide(SAMPLE.probs, thresholds).mean(axis=0)
    np.testing.assert_allclose(thresholds_of(written), rate_thresholds(draw_test(0), rates))
    assert written["origin"]["options"] == {"policy": "exact", "transfer": "rates"}


def test_classes_predicted_far_more_often_on_the_test_set_are_named(
    tune: Tune, inputs: TuneInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probs = draw_test(0)
    probs[:, 4] = 0.97
    test = write_probs(tmp_path / "often.parquet", TEST_IDS, probs)
    tune(replace(inputs, tests=(test,)), transfer="thresholds")
    said = capsys.readouterr().out
    assert "Warning: predicted more or less often on the test set" in said
    assert "Edelweiss" in said[said.index("Warning") :]


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_test_files_than_one_or_one_a_fold_is_refused(
    tune: Tune, inputs: TuneInputs, tests: tuple[Path, ...], count: int
) -> None:
    with pytest.raises(UserError, match=f"{count} test files for 3 folds: give one"):
        tune(replace(inputs, tests=(tests * 2)[:count]))


def test_test_files_of_different_rows_are_refused(
    tune: Tune, inputs: TuneInputs, tests: tuple[Path, ...]
) -> None:
    write_probs(tests[1], TEST_IDS[1:], draw_test(1)[1:])
    with pytest.raises(UserError, match="test00"):
        tune(replace(inputs, tests=tests))


# Predictions that are not what they should be


def test_rows_without_a_prediction_or_a_label_are_named(tune: Tune, inputs: TuneInputs) -> None:
    write_probs(inputs.oof, IDS[1:], SAMPLE.probs[1:], SAMPLE.fold[1:])
    with pytest.raises(UserError, match=r"oof\.parquet lacks ids of .*, 1 in all: row00\."):
        tune(inputs)
    other = (*IDS, "stranger")
    probs = np.vstack([SAMPLE.probs, SAMPLE.probs[:1]])
    write_probs(inputs.oof, other, probs, np.append(SAMPLE.fold, 0))
    with pytest.raises(UserError, match=r"has ids that .* lacks, 1 in all: stranger\."):
        tune(inputs)


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.25])
def test_what_is_no_probability_is_refused_with_its_place(
    tune: Tune, inputs: TuneInputs, tmp_path: Path, value: float
) -> None:
    probs = SAMPLE.probs.copy()
    probs[3, 2] = value
    columns: dict[str, Any] = dict(zip(FLOWERS, probs.T, strict=True))
    pq.write_table(pa.table({"Id": IDS, "fold": SAMPLE.fold, **columns}), inputs.oof)
    with pytest.raises(UserError, match="for id row03, class clover") as raised:
        tune(inputs)
    assert str(raised.value).startswith(str(inputs.oof))
    assert not (tmp_path / "out").exists()


# The journal


def test_a_journal_is_gone_on_with_and_gives_the_same_file(
    tune: Tune, inputs: TuneInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "TRIALS", 12)
    plain = tune(inputs, "tuned")
    np.testing.assert_array_equal(thresholds_of(plain), tuned(SAMPLE))
    for _ in range(2):
        assert tune(inputs, "tuned", journal=tmp_path / "tune.log") == plain
    assert (tmp_path / "tune.log").exists()


# On the command line


def kit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    competition = str(Path(__file__).parent / "flowers.py")
    monkeypatch.setattr(sys, "argv", ["kit", "tune", "--competition", competition, *words])
    try:
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def given(inputs: TuneInputs, tests: tuple[Path, ...] = ()) -> list[str]:
    words = ["--oof", str(inputs.oof), "--labels", str(inputs.labels)]
    return [*words, *(word for test in tests for word in ("--test", str(test)))]


def test_the_command_writes_thresholds_that_score_what_they_promise(
    inputs: TuneInputs,
    tests: tuple[Path, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "t.json"
    words = [*given(inputs, tests), "--out", str(out), "--policy", "scaled=0.9"]
    status, said, _ = kit(monkeypatch, capsys, *words)
    assert status == 0
    assert f"Wrote {out}." in said
    written = read_json(out)
    assert chosen_of(written) == ("scaled=0.9", "averaged")
    plain = find_policy("scaled=0.9").fit(SAMPLE)
    fitted = macro_f1(SAMPLE.labels, decide(SAMPLE.probs, plain))
    assert score_of(written)["fitted"] == pytest.approx(fitted)
    again = out.read_bytes()
    kit(monkeypatch, capsys, *words)
    assert out.read_bytes() == again


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--policy", "exakt"), "No policy 'exakt'. Known: "),
        (("--policy", "exakt"), "Did you mean 'exact'?"),
        (("--policy", "fixed=high"), "Policy fixed needs a number, such as fixed=0.5"),
        (("--transfer", "rate"), "Did you mean 'rates'?"),
        (("--folds", "nowhere.csv"), "nowhere.csv does not exist"),
        (("--oof", "nowhere.parquet"), "nowhere.parquet does not exist"),
        (("--labels", "nowhere.csv"), "nowhere.csv does not exist"),
        (("--test", "nowhere.parquet"), "nowhere.parquet does not exist"),
    ],
)
def test_a_mistake_gets_one_line_and_writes_nothing(
    inputs: TuneInputs,
    tests: tuple[Path, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    out = tmp_path / "t.json"
    status, _, error = kit(
        monkeypatch, capsys, *given(inputs, tests[:1]), "--out", str(out), *words
    )
    assert status == 2
    assert error.startswith("kit: ")
    assert error.count("\n") == 1
    assert message in error
    assert not out.exists()


# The library


@pytest.mark.parametrize("policy", ["auto", "exact", "shrunk=7"])
@pytest.mark.parametrize("models", [0, 1, 3])
def test_the_command_and_the_library_find_the_same_decision(
    inputs: TuneInputs,
    tests: tuple[Path, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    policy: str,
    models: int,
) -> None:
    out = tmp_path / "decision.json"
    words = [*given(inputs, tests[:models]), "--out", str(out), "--policy", policy]
    assert kit(monkeypatch, capsys, *words)[0] == 0
    read = Decision.load(out)
    members = Members(
        ids=np.array(IDS, dtype=object),
        labels=SAMPLE.labels,
        fold=SAMPLE.fold,
        group=np.arange(90),
        probs=SAMPLE.probs[None],
        names=("oof",),
        class_keys=FLOWERS,
    )
    by_fold = tuple(draw_test(fold)[None] for fold in range(models))
    unseen = Unseen(np.array(TEST_IDS, dtype=object), by_fold) if models else None
    fitted = fit_decision(members, unseen, Options(policy=policy))
    made = fitted.decision
    np.testing.assert_array_equal(made.thresholds, read.thresholds)
    np.testing.assert_array_equal(made.oof_thresholds, read.oof_thresholds)
    assert (made.chosen, made.worth) == (read.chosen, read.worth)
    if unseen is not None:
        labels = made.decide(by_fold[0][0] if models == 1 else [probs[0] for probs in by_fold])
        np.testing.assert_array_equal(labels, read.decide(unseen))
