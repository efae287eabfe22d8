"""Imported predictions: checked before anything is written, then a run like any other."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core import formats
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data import imported
from kit.data.folds import Folds, digest_labels, write_folds
from kit.data.given import read_given
from kit.data.imported import import_predictions
from kit.data.predictions import Predictions, read_predictions
from kit.data.runs import Run, open_run
from kit.ensemble import Decision
from kit.stages.blend import blend
from kit.stages.imported import import_stage

MakeRun = Callable[..., Run]
Import = Callable[..., Run]
KEYS = ["circle", "square", "star"]
NAMES = ["Circle", "Square", "Star"]


def frame(ids: tuple[str, ...], seed: int, fold: NDArray[np.int64] | None = None) -> pd.DataFrame:
    """Random probabilities as another framework might keep them, in no order."""
    made = pd.DataFrame({"Id": ids})
    if fold is not None:
        made["fold"] = fold
    rng = np.random.default_rng(seed)
    made[KEYS] = rng.random((len(ids), len(KEYS)), np.float32)
    return made.sample(frac=1, random_state=seed)


@pytest.fixture
def oof(folds: Folds) -> pd.DataFrame:
    return frame(folds.ids, 1, folds.fold)


@pytest.fixture
def test(shapes: Competition, workspace: Workspace, labels: LabelTable) -> pd.DataFrame:
    return frame(shapes.read_test_ids(workspace.source), 2)


@pytest.fixture
def bring(shapes: Competition, workspace: Workspace, tmp_path: Path) -> Import:
    """Imports data frames, or files that are there, under the name `other`."""

    def run(oof: pd.DataFrame | Path, *tests: pd.DataFrame | Path, name: str = "other") -> Run:
        files = [
            given if isinstance(given, Path) else save(given, tmp_path / f"{number}.parquet")
            for number, given in enumerate((oof, *tests))
        ]
        return import_stage(shapes, workspace, name, files[0], files[1:])

    return run


def save(made: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        made.to_parquet(path, index=False)
    else:
        made.to_csv(path, index=False)
    return path


def same(read: Predictions, made: pd.DataFrame) -> bool:
    """Whether predictions say of every id what the frame says."""
    wanted = made.set_index("Id").loc[list(read.ids), KEYS].to_numpy(np.float32)
    return set(read.ids) == set(made["Id"]) and bool(np.array_equal(read.probs, wanted))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What comes in


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.csv.gz", "p.data"])
def test_both_formats_are_read_whatever_the_file_is_called(
    shapes: Competition,
    folds: Folds,
    oof: pd.DataFrame,
    test: pd.DataFrame,
    bring: Import,
    tmp_path: Path,
    name: str,
) -> None:
    run = bring(save(oof, tmp_path / name), save(test, tmp_path / f"test-{name}"))
    held_out = run.read_oof(shapes)
    assert same(held_out, oof)
    assert held_out.fold is not None
    np.testing.assert_array_equal(held_out.fold, folds.of(held_out.ids))
    assert same(run.read_tests(shapes)[0], test)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_columns_may_be_called_by_names_and_by_the_competitions_id(
    oof: pd.DataFrame, test: pd.DataFrame, bring: Import, tmp_path: Path, suffix: str
) -> None:
    called = {"Id": "image", **dict(zip(KEYS, NAMES, strict=True))}
    columns = ["Star", "image", "Circle", "fold", "Square"]
    renamed = save(oof.rename(columns=called)[columns], tmp_path / f"p.{suffix}")
    again = save(test.rename(columns=called), tmp_path / f"t.{suffix}")
    assert bring(renamed, again).name == bring(oof, test).name


def test_names_that_are_keys_of_other_classes_are_read_as_keys(
    shapes: Competition, workspace: Workspace, oof: pd.DataFrame, tmp_path: Path
) -> None:
    crossed = replace(shapes, class_names=("square", "circle", "star"))
    path = save(oof, tmp_path / "p.csv")
    run = import_predictions(crossed, workspace, "other", path).run
    assert same(run.read_oof(crossed), oof)


def test_names_that_other_columns_have_tell_no_columns_apart(
    shapes: Competition, workspace: Workspace, oof: pd.DataFrame, tmp_path: Path
) -> None:
    alike = replace(shapes, class_names=("Round", "fold", "Star"))
    called = {"circle": "Round", "star": "Star"}
    path = save(oof.rename(columns=called), tmp_path / "p.csv")
    with pytest.raises(UserError, match=r"lacks class columns: circle, star\."):
        import_predictions(alike, workspace, "other", path)


def test_ids_of_digits_keep_their_zeros(tmp_path: Path, shapes: Competition) -> None:
    path = tmp_path / "p.csv"
    path.write_text("image,circle,square,star\n007,0,1,0.5\n08,1,0,1e-3\n")
    read = read_given(path, shapes, folds=False)
    assert read.ids == ("007", "08")
    assert read.probs.tolist() == [[0, 1, 0.5], [1, 0, np.float32(1e-3)]]


def test_rounding_above_one_is_no_logit(
    shapes: Competition, oof: pd.DataFrame, bring: Import
) -> None:
    oof.loc[0, "star"] = np.float32(1 + 1.2e-7)
    assert bring(oof).read_oof(shapes).probs.max() == 1


# Which test predictions


def test_one_test_file_is_averaged_already(
    shapes: Competition, oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    run = bring(oof, test)
    (averaged,) = run.read_tests(shapes)
    assert same(averaged, test)
    np.testing.assert_allclose(run.read_test(shapes).probs, averaged.probs, atol=1e-6)


def test_as_many_test_files_as_folds_are_one_a_fold(
    shapes: Competition, oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    other = frame(tuple(test["Id"]), 3)
    first, second = bring(oof, test, other).read_tests(shapes)
    assert same(first, test)
    assert same(second, other)


def test_another_number_of_test_files_is_refused(
    oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    with pytest.raises(UserError, match=r"given 3 times\. Give it once, .* or 2 times"):
        bring(oof, test, test, test)


def test_the_same_predictions_for_two_folds_are_refused(
    oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    with pytest.raises(UserError, match=r"1\.parquet and .*2\.parquet hold identical predictions"):
        bring(oof, test, test)
    twice = Path(bring(oof, test).recipe["imported"]["tests"][0])
    with pytest.raises(UserError, match=r"1\.parquet and .*1\.parquet hold identical predictions"):
        bring(oof, twice, twice)


def test_without_test_predictions_a_run_is_compared_but_not_blended(
    shapes: Competition,
    workspace: Workspace,
    oof: pd.DataFrame,
    bring: Import,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = bring(oof)
    assert "no test predictions. It can be compared, but not" in capsys.readouterr().out
    assert not run.has_tests()
    assert same(run.read_oof(shapes), oof)
    command = r"kit import-predictions other --oof .*0\.parquet --test FILE"
    with pytest.raises(UserError, match=f"{run.name} has no test predictions\\. .*: {command}"):
        blend(shapes, workspace, [run.name])
    assert workspace.blend_names() == ()


# A run among the others


def test_the_same_again_changes_nothing_whatever_the_order_and_format(
    workspace: Workspace, oof: pd.DataFrame, test: pd.DataFrame, bring: Import, tmp_path: Path
) -> None:
    first = bring(oof, test)
    before = contents(workspace.runs)
    shuffled = save(oof.sample(frac=1, random_state=9), tmp_path / "again.csv")
    assert bring(shuffled, test) == first
    assert contents(workspace.runs) == before


def test_other_predictions_and_other_names_are_other_runs(
    workspace: Workspace, oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    changed = oof.copy()
    changed.loc[7, "star"] = 0.123
    names = [bring(oof).name, bring(changed).name, bring(oof, test).name]
    names += [bring(oof, frame(tuple(test["Id"]), 4)).name, bring(oof, test, name="third").name]
    assert len(set(names)) == 5
    assert workspace.run_names() == tuple(sorted(names))
    assert names[0].startswith("other-imported-")


def test_a_run_says_where_it_came_from(
    workspace: Workspace, oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    run = bring(oof, test)
    assert run.recipe["name"] == "other"
    made = run.recipe["imported"]
    assert made["oof"].endswith("0.parquet")
    assert [Path(path).name for path in made["tests"]] == ["1.parquet"]
    assert made["folds_checked"]
    assert open_run(workspace, run.name) == run
    assert run.seconds() == 0
    assert run.missing_folds() == ()


def test_the_digest_follows_every_file(
    oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    other = frame(tuple(test["Id"]), 3)
    runs = [bring(oof), bring(oof, test), bring(oof, other), bring(oof, test, other)]
    assert len({run.digest() for run in runs}) == 4
    assert runs[0].digest() == runs[0].digest()


def test_the_beginning_of_a_name_is_enough_when_only_one_run_has_it(
    workspace: Workspace, oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    run = bring(oof)
    assert open_run(workspace, "other") == open_run(workspace, "other-imported") == run
    with pytest.raises(UserError, match=f"No run 'oth' in .* Known: {run.name}"):
        open_run(workspace, "oth")
    second = bring(oof, test)
    both = ", ".join(sorted([run.name, second.name]))
    with pytest.raises(UserError, match=f"'other' is ambiguous: {both}. Name one"):
        open_run(workspace, "other")
    assert open_run(workspace, run.name) == run


@pytest.mark.parametrize("averaged", [True, False])
def test_it_joins_a_blend_with_a_trained_run(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    oof: pd.DataFrame,
    test: pd.DataFrame,
    make_run: MakeRun,
    bring: Import,
    averaged: bool,
) -> None:
    truth = 0.25 + 0.5 * labels.of(tuple(oof["Id"]))
    oof[KEYS] = np.clip(truth + np.random.default_rng(5).normal(0, 0.3, truth.shape), 0, 1)
    tests = [test] if averaged else [test, frame(tuple(test["Id"]), 3)]
    trained, brought = make_run("net", seed=1), bring(oof, *tests)
    made = blend(shapes, workspace, [trained.name, brought.name])
    runs = Decision.load(made.decision).origin.inputs
    assert runs == {trained.name: trained.digest(), brought.name: brought.digest()}
    answers = read_predictions(made.test, shapes.class_keys)
    assert answers.ids == shapes.read_test_ids(workspace.source)


def test_it_is_blended_alone(
    shapes: Competition, workspace: Workspace, oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    run = bring(oof, test)
    made = blend(shapes, workspace)
    assert Decision.load(made.decision).members == (run.name,)


# Killed


@pytest.mark.parametrize("survived", range(8))
def test_an_import_that_was_killed_is_finished_by_running_it_again(
    shapes: Competition,
    workspace: Workspace,
    oof: pd.DataFrame,
    test: pd.DataFrame,
    bring: Import,
    monkeypatch: pytest.MonkeyPatch,
    survived: int,
) -> None:
    """Recipe, inputs, then out-of-fold, test and marker of two folds: killed after each of them."""
    written = 0

    def until_killed(real: Callable[..., None]) -> Callable[..., None]:
        def write(*args: object) -> None:
            nonlocal written
            if written == survived:
                raise KeyboardInterrupt
            written += 1
            real(*args)

        return write

    other = frame(tuple(test["Id"]), 3)
    with monkeypatch.context() as killing:
        for module, name in ((formats, "write_json"), (imported, "write_predictions")):
            killing.setattr(module, name, until_killed(getattr(module, name)))
        with pytest.raises(KeyboardInterrupt):
            bring(oof, test, other)
    for name in workspace.run_names():
        with pytest.raises(
            UserError, match=r"(was interrupted\. Rerun|Import it again): kit import"
        ):
            open_run(workspace, name).digest()
    run = bring(oof, test, other)
    assert workspace.run_names() == (run.name,)
    assert same(run.read_oof(shapes), oof)
    assert same(run.read_tests(shapes)[1], other)


def test_a_run_is_whole_only_with_its_averaged_test(
    shapes: Competition,
    oof: pd.DataFrame,
    test: pd.DataFrame,
    bring: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(imported, "write_predictions", killed)
        with pytest.raises(KeyboardInterrupt):
            bring(oof, test)
    assert bring(oof, test).missing_folds() == ()
    assert same(bring(oof, test).read_tests(shapes)[0], test)


# What is refused


def test_a_file_without_folds_is_taken_and_said_so(
    shapes: Competition,
    folds: Folds,
    oof: pd.DataFrame,
    bring: Import,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = bring(oof.drop(columns="fold"))
    assert "has no column 'fold', so the kit cannot check" in capsys.readouterr().out
    assert not run.recipe["imported"]["folds_checked"]
    held_out = run.read_oof(shapes)
    assert held_out.fold is not None
    np.testing.assert_array_equal(held_out.fold, folds.of(held_out.ids))


def test_other_folds_are_refused(oof: pd.DataFrame, folds: Folds, bring: Import) -> None:
    wrong = folds.ids[3]
    ours = int(folds.fold[3])
    oof.loc[oof["Id"] == wrong, "fold"] = 1 - ours
    message = (
        rf"1 of 40 rows have another fold .* is {wrong}, {1 - ours} instead of {ours}\. .*seen"
    )
    with pytest.raises(UserError, match=message) as raised:
        bring(oof)
    assert "Train on the folds of" in str(raised.value)


def test_folds_counted_from_one_are_told_from_other_folds(oof: pd.DataFrame, bring: Import) -> None:
    oof["fold"] += 1
    with pytest.raises(
        UserError, match=r"folds are the same but numbered differently: write 0 for 1, 1 for 2"
    ):
        bring(oof)


def without(row: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda made: made.drop(index=made.index[row])


def renamed(columns: Mapping[str, str]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda made: made.rename(columns=columns)


def set_to(value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(made: pd.DataFrame) -> pd.DataFrame:
        kind = {str: str, type(None): object}.get(type(value), float)
        made = made.astype({"star": kind})
        made.iloc[4, made.columns.get_loc("star")] = value
        return made

    return change


WRONG = [
    (without(0), r"lacks ids of .*\.csv, 1 in all: \w+\. Expected one row"),
    (
        lambda made: made.replace(made["Id"].iloc[0], "nobody"),
        r"lacks ids of .*; it has ids that .* lacks, 1 in all: nobody\.",
    ),
    (lambda made: pd.concat([made, made[:1]]), r"Ids predicted more than once: \w+\."),
    (set_to(-3.5), r"-3\.5 for id \w+, class star, .*; 1 of .* look like logits: apply a sig"),
    (set_to(float("inf")), r"inf for id \w+, class star, is not a probability"),
    (set_to(float("nan")), r"A probability is nan, for id \w+, class star|'star' has empty cells"),
    (set_to(None), r"the column 'star' has empty cells"),
    (set_to("yes"), r"the column 'star' cannot be read as float64: 'yes' for id"),
    (renamed({"star": "sun"}), r"lacks class columns: star\. .*\(circle, square, star\) or"),
    (renamed({"circle": "Circle"}), r"lacks class columns: Square, Star\."),
    (renamed({"Id": "name"}), r"lacks an id column, named Id or image\."),
    (lambda made: made.assign(image=made["Id"]), r"unexpected columns: 'image'\."),
    (lambda made: made.reset_index(), r"unexpected columns: 'index'\. .*index=False"),
    (lambda made: made.replace(made["Id"].iloc[0], ""), r"the column 'Id' has empty cells"),
]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_file_is_refused_and_nothing_is_written(
    workspace: Workspace,
    oof: pd.DataFrame,
    test: pd.DataFrame,
    bring: Import,
    tmp_path: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
    which: int,
    suffix: str,
) -> None:
    frames = [oof, test]
    frames[which] = change(frames[which])
    files = [save(made, tmp_path / f"{number}.{suffix}") for number, made in enumerate(frames)]
    with pytest.raises(UserError, match=message) as raised:
        bring(*files)
    assert str(raised.value).startswith(str(files[which]))
    assert "\n" not in str(raised.value)
    assert not workspace.runs.exists()


def test_test_predictions_have_no_folds(
    oof: pd.DataFrame, test: pd.DataFrame, bring: Import
) -> None:
    with pytest.raises(UserError, match=r"1\.parquet has unexpected columns: 'fold'"):
        bring(oof, test.assign(fold=0))


@pytest.mark.parametrize("value", [0.5, "first", None])
def test_a_fold_is_a_number(oof: pd.DataFrame, bring: Import, value: object) -> None:
    with pytest.raises(UserError, match=r"the column 'fold' (cannot be read as int|has empty)"):
        bring(oof.assign(fold=value))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is not a Parquet file or UTF-8 CSV \(it is empty\)"),
        (b"PAR1 and then no more", r"is not a complete Parquet file"),
        (
            b"\x93NUMPY\x01\x00v\x00\xff\xfe,\xff\n\xff\xff,\xff\n",
            r"lacks an id column|Parquet file or UTF-8 CSV",
        ),
        (b"Id,circle,square,star\na,0.1,0.2\n", r"line 2: expected 4 cells, got 3\."),
        (b"Id,circle,square,star,star\na,0,0,0,0\n", r"duplicate columns: star"),
        (b"Id;circle;square;star\na;0;0;0\n", r"id column, .* by semicolons: save it with commas"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    folds: Folds, bring: Import, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        bring(tmp_path / "p.csv")
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_refused(folds: Folds, bring: Import, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.csv does not exist"):
        bring(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("name", ["", "../up", "two words", "-dash", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(oof: pd.DataFrame, bring: Import, name: str) -> None:
    with pytest.raises(UserError, match=r"use only letters, digits"):
        bring(oof, name=name)


def test_folds_must_have_been_made(
    workspace: Workspace, labels: LabelTable, bring: Import, tmp_path: Path
) -> None:
    path = save(frame(labels.ids, 1), tmp_path / "p.csv")
    with pytest.raises(UserError, match="Make it: kit folds"):
        bring(path)


def test_an_import_for_the_folds_of_then_does_not_fit_new_ones(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    folds: Folds,
    oof: pd.DataFrame,
    test: pd.DataFrame,
    bring: Import,
) -> None:
    run = bring(oof, test)
    exchanged = replace(folds, fold=1 - folds.fold)
    write_folds(workspace.folds, exchanged, {"labels_digest": digest_labels(labels)})
    with pytest.raises(UserError, match=f"{run.name}: .*other folds"):
        blend(shapes, workspace, [run.name])
