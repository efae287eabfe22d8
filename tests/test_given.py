"""Files of predictions: every command reads the same ones, and refuses the same ones."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data import prediction_table
from kit.data.folds import Folds
from kit.data.given import read_oof, read_tests
from kit.data.predictions import Predictions
from kit.ensemble import Options
from kit.stages.imported import import_stage
from kit.stages.score import score_stage
from kit.stages.tune import TuneInputs, tune_stage

KEYS = ("circle", "square", "star")
NAMES = ("Circle", "Square", "Star")
Save = Callable[[pd.DataFrame, Path], object]


def parquet(made: pd.DataFrame, path: Path) -> None:
    made.to_parquet(path, index=False)


def csv(made: pd.DataFrame, path: Path) -> None:
    made.to_csv(path, index=False)


def text(change: Callable[[str], bytes]) -> Save:
    """Saves CSV whose text is changed first."""
    return lambda made, path: path.write_bytes(change(made.to_csv(index=False)))


def by(change: Callable[[pd.DataFrame], pd.DataFrame], save: Save = parquet) -> Save:
    return lambda made, path: save(change(made), path)


def indexed(*names: str) -> Save:
    """Saves Parquet with these columns as the index."""
    return lambda made, path: made.set_index(list(names)).to_parquet(path)


def unnamed(made: pd.DataFrame) -> pd.DataFrame:
    return made.set_index("Id").rename_axis(None)


def cells(column: str, row: int, value: object, save: Save = parquet) -> Save:
    """Saves with one cell changed."""

    def change(made: pd.DataFrame) -> pd.DataFrame:
        made = made.astype({column: object})
        made.iloc[row, made.columns.get_loc(column)] = value
        return made.infer_objects()

    return by(change, save)


def crlf(one: str) -> bytes:
    return one.replace("\n", "\r\n").encode()


READ: dict[str, Save] = {
    "Parquet": parquet,
    "CSV": csv,
    "gzip": text(lambda one: gzip.compress(one.encode())),
    "bzip2": text(lambda one: bz2.compress(one.encode())),
    "xz": text(lambda one: lzma.compress(one.encode())),
    "byte order mark": text(lambda one: ("\ufeff" + one).encode()),
    "Windows line ends": text(crlf),
    "quoted": lambda made, path: made.to_csv(path, index=False, quoting=1),
    "columns in another order": by(lambda made: made[made.columns[::-1]], csv),
    "named like the competition's ids": by(lambda made: made.rename(columns={"Id": "image"})),
    "class names": by(lambda made: made.rename(columns=dict(zip(KEYS, NAMES, strict=True))), csv),
    "ids as the index": indexed("Id"),
    "ids and folds as the index": indexed("Id", "fold"),
    "ids as an index of another name": by(
        lambda made: made.rename(columns={"Id": "file"}).set_index("file"),
        lambda made, path: made.to_parquet(path),
    ),
    "ids as an index without a name": by(unnamed, lambda made, path: made.to_parquet(path)),
    "ids as an index without a name, CSV": by(unnamed, lambda made, path: made.to_csv(path)),
    "an index of row numbers": lambda made, path: made.sample(frac=1).to_parquet(path),
    "an index of row numbers, CSV": lambda made, path: made.sample(frac=1).to_csv(path),
    "folds as floats": by(lambda made: made.astype({"fold": float}), csv),
    "categorical ids": by(lambda made: made.astype({"Id": "category"})),
    "numbers as text": by(lambda made: made.astype(dict.fromkeys(KEYS, str))),
    "single precision": by(lambda made: made.astype(dict.fromkeys(KEYS, np.float32))),
    "rounded above one": cells("star", 2, 1.0000002),
    "rounded below zero": cells("star", 2, -1e-9, csv),
}

REFUSED: dict[str, tuple[Save, str]] = {
    "logits": (cells("star", 0, -3.5), "-3.5 for id train00, class star, is not a probability; 1 "),
    "infinite": (cells("star", 0, float("inf"), csv), "inf for id train00, class star, is not a "),
    "NaN": (cells("star", 0, float("nan"), csv), "'star' has empty cells, the first for id train0"),
    "NaN, spelled": (cells("star", 0, "nan", csv), "NaN for id train00, class star; 1 of 120 "),
    "missing": (cells("star", 0, None), "'star' has empty cells, the first for id train00."),
    "no number": (cells("star", 0, "yes", csv), "cannot be read as float64: 'yes' for id train00."),
    "decimal comma": (cells("star", 0, "0,5", csv), "'0,5' for id train00. Write a decimal point."),
    "negative fold": (cells("fold", 0, -1), "read as integers from 0: -1 for id train00; 1 of 40"),
    "half a fold": (cells("fold", 0, 1.5, csv), "read as integers from 0: 1.5 for id train00"),
    "huge fold": (cells("fold", 0, 10**18), "read as integers from 0: 1e+18 for id train00"),
    "no fold": (cells("fold", 0, None, csv), "'fold' has empty cells, the first for id train00."),
    "named fold": (cells("fold", 0, "first", csv), "'fold' cannot be read as int64: 'first' for"),
    "id twice": (cells("Id", 1, "train00"), "Ids predicted more than once: train00."),
    "id twice, CSV": (cells("Id", 1, "train00", csv), "Ids predicted more than once: train00."),
    "empty id": (cells("Id", 1, "", csv), "the column 'Id' has empty cells."),
    "another id": (cells("Id", 0, "nobody"), "train00; it has ids that "),
    "surplus column": (by(lambda made: made.assign(sun=1), csv), "has unexpected columns: 'sun'."),
    "id column": (by(lambda m: m.rename(columns={"Id": "ID"})), "Is 'ID' the id column? Rename it"),
    "row numbers for ids": (
        by(lambda made: made.drop(columns="Id").sample(frac=1), lambda m, path: m.to_parquet(path)),
        "lacks an id column, named Id or image: its index holds only numbers.",
    ),
    "class": (by(lambda made: made.drop(columns="star"), csv), "lacks class columns: star."),
    "class twice": (
        lambda made, path: path.write_text("Id,star,star\na,1,1\n"),
        "has duplicate columns: star.",
    ),
    "no rows": (by(lambda made: made[:0]), "has a header but no rows."),
    "no rows, CSV": (by(lambda made: made[:0], csv), "has a header but no rows."),
    "semicolons": (text(lambda one: one.replace(",", ";").encode()), "by semicolons: save it with"),
    "tabs": (text(lambda one: one.replace(",", "\t").encode()), "separated by tabs: save it with"),
    "UTF-16": (text(lambda one: one.encode("utf-16")), "it is UTF-16. Save it as UTF-8."),
    "truncated gzip": (text(lambda one: gzip.compress(one.encode())[:-30]), "compressed but dam"),
    "empty": (lambda made, path: path.write_bytes(b""), "UTF-8 CSV (it is empty)."),
    "short row": (text(lambda one: (one + "x,1\n").encode()), "line 42: expected 5 cells, got 2."),
    "lists": (by(lambda made: made.assign(star=[[1.0]] * 40)), "read as float64: it holds list<"),
    "dates": (
        by(lambda made: made.assign(star=pd.Timestamp(0))),
        "cannot be read as float64: it holds timestamp",
    ),
    "spaces": (by(lambda made: made.assign(Id=made["Id"] + " "), csv), "differ by spaces: strip"),
    "endings": (by(lambda m: m.assign(Id=m["Id"] + ".png")), "leave folders and endings off. Found "
        "'train00.png', expected 'train00'."),
    "folders": (by(lambda m: m.assign(Id="train\\" + m["Id"])), "The ids have folders: leave them"),
    "capitals": (by(lambda m: m.assign(Id=m["Id"].str.upper())), "differ by capital letters"),
}  # fmt: skip


@pytest.fixture
def made(folds: Folds) -> pd.DataFrame:
    """Out-of-fold probabilities in the order of the ids."""
    frame = pd.DataFrame({"Id": folds.ids, "fold": folds.fold})
    frame[list(KEYS)] = np.random.default_rng(1).random((40, 3)).round(3)
    return frame.sort_values("Id")


@pytest.mark.parametrize("name", ["given.parquet", "GIVEN.CSV", "given.csv.gz"])
@pytest.mark.parametrize("what", READ)
def test_a_file_in_any_spelling_holds_the_same_predictions(
    shapes: Competition, made: pd.DataFrame, tmp_path: Path, what: str, name: str
) -> None:
    READ[what](made, tmp_path / name)
    read = read_oof(tmp_path / name, shapes, tuple(made["Id"]), "folds.csv")
    expected = made[list(KEYS)].to_numpy(np.float32)
    if what.startswith("rounded"):
        expected[2, 2] = np.round(read.probs[2, 2])
    np.testing.assert_array_equal(read.probs, expected)
    assert read.fold is not None
    np.testing.assert_array_equal(read.fold, made["fold"])


def outcome(do: Callable[[], object]) -> str:
    try:
        do()
    except UserError as error:
        return str(error)
    return "accepted"


@pytest.mark.parametrize("what", [*REFUSED, "Parquet", "CSV", "rounded above one"])
def test_all_commands_say_the_same(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    made: pd.DataFrame,
    tmp_path: Path,
    what: str,
) -> None:
    path, truth = tmp_path / "given", workspace.source / "labels.csv"
    save, message = REFUSED.get(what) or (READ[what], "accepted")
    save(made, path)
    inputs = TuneInputs(path, truth)
    said = [
        outcome(lambda: import_stage(shapes, workspace, "x", path)),
        outcome(lambda: tune_stage(shapes, inputs, tmp_path / "d.json", Options(policy="exact"))),
        outcome(lambda: score_stage(shapes, path, truth, None)),
    ]
    assert len({one.replace(str(workspace.folds), str(truth)) for one in said}) == 1
    assert message in said[0]
    if what in REFUSED:
        assert said[0].startswith(str(path))
        assert "\n" not in said[0]


@pytest.mark.parametrize("ids", [["000", "001", "010"], ["0", "1", "10"]])
def test_zeros_that_were_lost_are_explained(
    shapes: Competition, tmp_path: Path, ids: list[str]
) -> None:
    frame = pd.DataFrame({"Id": [0, 1, 10], **dict.fromkeys(KEYS, 0.5)})
    parquet(frame, tmp_path / "p")
    if ids[0] == "0":
        assert read_oof(tmp_path / "p", shapes, ids, "train.csv").ids == ("0", "1", "10")
        return
    with pytest.raises(UserError) as raised:
        read_oof(tmp_path / "p", shapes, ids, "train.csv")
    assert str(raised.value) == (
        f"{tmp_path / 'p'} lacks ids of train.csv, 3 in all: 000, 001, 010; it has ids that "
        "train.csv lacks, 3 in all: 0, 1, 10. Expected one row per id of train.csv. The ids were "
        "read as numbers, which lose leading zeros: read them as text, in pandas with dtype=str. "
        "Found '0', expected '000'."
    )


def test_test_predictions_have_no_folds_and_the_ids_of_the_first_file(
    shapes: Competition, made: pd.DataFrame, tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    csv(made.drop(columns="fold"), first)
    parquet(made.drop(columns="fold")[::-1], second)
    one, two = read_tests([first, second], shapes)
    assert one.ids == two.ids == tuple(made["Id"])
    np.testing.assert_array_equal(one.probs, two.probs)
    csv(made.drop(columns="fold")[1:], second)
    with pytest.raises(UserError, match=f"{second} lacks ids of {first}, 1 in all: train00"):
        read_tests([first, second], shapes)
    csv(made, second)
    with pytest.raises(UserError, match=f"{second} has unexpected columns: 'fold'"):
        read_tests([first, second], shapes)


def test_a_small_file_cannot_declare_endless_rows(
    shapes: Competition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_table, "MOST_VALUES", 1000)
    zeros = np.zeros(10**6, np.float32)
    columns: dict[str, Any] = {"Id": pa.array(["a"] * 10**6).dictionary_encode()}
    pq.write_table(pa.table({**columns, **dict.fromkeys(KEYS, zeros)}), tmp_path / "p")
    with pytest.raises(UserError, match=r"declares 1,000,000 rows of 4 columns in [\d,]+ bytes"):
        read_oof(tmp_path / "p", shapes, ["a"], "train.csv")


def test_a_parquet_file_of_a_blend_is_written_as_before(tmp_path: Path) -> None:
    from kit.data.predictions import write_predictions

    probs = np.random.default_rng(0).random((3, 2), np.float32)
    write_predictions(tmp_path / "p", Predictions(("a", "b", "c"), probs, ("x", "y")), {"run": "r"})
    expected = io.BytesIO()
    table = pa.table({"Id": ["a", "b", "c"], "x": probs[:, 0], "y": probs[:, 1]})
    pq.write_table(table.replace_schema_metadata({"kit": '{"run": "r"}'}), expected)
    assert (tmp_path / "p").read_bytes() == expected.getvalue()
