"""A team's own split: taken from a table of any form, with the checks of the kit's own folds."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kit.cli import main
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.paths import Workspace, provenance_of
from kit.data import prediction_table
from kit.data.fold_table import FoldOptions, make_fold_table
from kit.data.folds import read_folds
from kit.data.given_folds import take_folds

IDS = tuple(f"im{row}" for row in range(8))
LABELS = LabelTable(IDS, np.eye(8, 2, dtype=np.uint8))
FOLD = [0, 1, 2, 0, 1, 2, 0, 1]
TRAIN = Path("train.csv")


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"Id": IDS, "fold": FOLD, **columns})


def take(tmp_path: Path, table: pd.DataFrame, groups: dict[str, str] | None = None) -> list[int]:
    table.to_csv(tmp_path / "team.csv", index=False)
    return take_folds(tmp_path / "team.csv", LABELS, TRAIN, groups).fold.tolist()


@pytest.mark.parametrize(
    "columns",
    [
        ("Id", "fold"),
        ("image", "fold"),
        ("ID", "Fold"),
        ("name", "kfold"),
        ("file", "split"),
        ("fold_id", "part"),
    ],
)
def test_columns_may_have_any_names(tmp_path: Path, columns: tuple[str, str]) -> None:
    table = frame()
    table.columns = pd.Index(columns)
    assert take(tmp_path, table) == FOLD


@pytest.mark.parametrize("numbers", [[1, 2, 3], [10, 20, 30], [0.0, 1.0, 2.0]])
def test_folds_are_numbered_from_0_in_their_order(tmp_path: Path, numbers: list[float]) -> None:
    table = frame()
    table["fold"] = [numbers[fold] for fold in FOLD]
    assert take(tmp_path, table) == FOLD


def test_rows_and_columns_may_be_in_any_order(tmp_path: Path) -> None:
    table = frame(more=np.linspace(0, 1, 8))[["more", "fold", "Id"]].iloc[::-1]
    assert take(tmp_path, table) == FOLD


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_out_of_fold_predictions_have_the_folds(tmp_path: Path, suffix: str) -> None:
    probs = np.random.default_rng(0).random((8, 2))
    table = frame(**{"0": probs[:, 0], "1": probs[:, 1]})
    path = tmp_path / f"oof.{suffix}"
    if suffix == "parquet":
        table.set_index("Id").to_parquet(path)
    else:
        table.to_csv(path, index=False)
    assert take_folds(path, LABELS, TRAIN, None).fold.tolist() == FOLD


def test_without_groups_each_image_is_its_own(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "team.csv", index=False)
    assert take_folds(tmp_path / "team.csv", LABELS, TRAIN, None).group == IDS


def test_groups_are_those_of_the_table_or_given(tmp_path: Path) -> None:
    groups = [f"g{fold}" for fold in FOLD]
    frame(group=groups).to_csv(tmp_path / "team.csv", index=False)
    path = tmp_path / "team.csv"
    assert take_folds(path, LABELS, TRAIN, None).group == tuple(groups)
    given = {image_id: f"h{fold}" for image_id, fold in zip(IDS, FOLD, strict=True)}
    assert take_folds(path, LABELS, TRAIN, given).group == tuple(given.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.iloc[:-1], r"lacks ids of train\.csv, 1 in all: im7"),
        (lambda one: one.replace({"Id": {"im7": "im8"}}), r"has ids that train\.csv lacks"),
        (lambda one: one.replace({"Id": {"im7": "im6"}}), "the id im6 appears twice"),
        (lambda one: one.drop(columns="fold"), "one column only"),
        (lambda one: one.drop(columns="Id"), "has no column of ids: none of 'fold' holds an id"),
        (lambda one: one.assign(fold=0), "has 1 different values, expected 2 to 100 folds"),
        (lambda one: one.assign(fold=[-1, *FOLD[1:]]), "has '-1', expected the fold that holds"),
        (lambda one: one.assign(fold=["a", *FOLD[1:]]), "column 'fold' has 'a', expected the fold"),
        (lambda one: one.assign(fold=[0.5, *FOLD[1:]]), "has '0.5', expected the fold"),
        (
            lambda one: one.rename(columns={"fold": "a"}).assign(b=FOLD),
            "several columns could be the folds: 'a', 'b'. Call the column of folds 'fold'",
        ),
        (
            lambda one: one.rename(columns={"fold": "a"}).assign(a=np.linspace(0, 1, 8)),
            "no column of folds among 'a'",
        ),
        (lambda one: one.assign(group="all"), "group 'all' is in folds 0 and 1"),
        (lambda one: one.iloc[:0], "has a header but no rows"),
    ],
)
def test_what_is_no_split_of_these_images_is_one_line(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        take(tmp_path, change(frame()))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "team.csv"))


def test_a_file_that_is_no_table_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "team.parquet"
    path.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(UserError, match="is not a complete Parquet file"):
        take_folds(path, LABELS, TRAIN, None)


def test_the_folds_become_the_competitions_own(
    shapes: Competition, workspace: Workspace, labels: LabelTable, tmp_path: Path
) -> None:
    fold = np.arange(len(labels.ids)) % 3
    team = tmp_path / "team.csv"
    pd.DataFrame({"image": labels.ids, "part": fold + 1}).to_csv(team, index=False)
    made = make_fold_table(shapes, workspace, FoldOptions(source=team))
    again = read_folds(workspace.folds, labels, workspace.typed)
    assert again.digest == made.digest
    assert made.of(labels.ids).tolist() == fold.tolist()
    provenance = read_json(provenance_of(workspace.folds))
    assert provenance["n"] == 3
    assert provenance["method"].startswith(f"taken from {team}, SHA-256 ")
    assert provenance["command"] == ["folds", "--from", str(team)]
    # The same table again changes nothing; another one needs --force.
    assert make_fold_table(shapes, workspace, FoldOptions(source=team)).digest == made.digest
    pd.DataFrame({"image": labels.ids, "part": fold[::-1]}).to_csv(team, index=False)
    with pytest.raises(UserError, match="holds other folds"):
        make_fold_table(shapes, workspace, FoldOptions(source=team))


@pytest.mark.parametrize("option", ["--n", "--seed", "--how"])
def test_options_of_a_new_split_are_refused(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = "random" if option == "--how" else "3"
    monkeypatch.setattr(sys, "argv", ["kit", "folds", "--from", "team.csv", option, value])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    message = f"kit: --from takes the folds as they are: drop {option}.\n"
    assert capsys.readouterr().err == message


def test_a_parquet_file_that_declares_too_many_rows_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_table, "MOST_VALUES", 1000)
    path = tmp_path / "team.parquet"
    pd.DataFrame({"Id": ["im0"] * 1_000_000}).to_parquet(path, index=False)
    with pytest.raises(UserError, match="declares 1,000,000 rows of 1 columns"):
        take_folds(path, LABELS, TRAIN, None)
