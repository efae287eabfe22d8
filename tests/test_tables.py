"""Label tables: what is written reads back, and what is wrong is named with its line."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.competitions.base import Competition
from kit.competitions.registry import find_competition
from kit.competitions.tables import LabelTable, OneHot, SpaceSeparated, TableFormat, read_ids
from kit.core.errors import UserError

KEYS = ("a", "b", "c")
SPACED = SpaceSeparated("Id", "Target")
ONE_HOT = OneHot("Id")

ROWS = st.dictionaries(
    st.text('aé",; \n', min_size=1, max_size=5),
    st.lists(st.integers(0, 1), min_size=3, max_size=3),
    min_size=1,
    max_size=5,
)


def wrong(path: Path, content: str, form: TableFormat, keys: tuple[str, ...] = KEYS) -> str:
    """The one line that refuses a table with this content."""
    path.write_bytes(content.encode())
    with pytest.raises(UserError) as raised:
        form.read(path, keys)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


@pytest.mark.parametrize("form", [SPACED, ONE_HOT])
@given(rows=ROWS)
def test_a_table_reads_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, form: TableFormat, rows: dict[str, list[int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    table = LabelTable(tuple(rows), np.array(list(rows.values()), np.uint8))
    path.write_bytes(form.text(table, KEYS).encode())
    back = form.read(path, KEYS)
    assert back.ids == table.ids
    np.testing.assert_array_equal(back.labels, table.labels)
    assert back.labels.dtype == np.uint8


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("Id,a,b,c\nx,1,0,1\ny,0,0,0\n", ONE_HOT),
        ("c,Id,b,a\n1,x,0,1\n0,y,0,0\n", ONE_HOT),
        ("Id,a,b,c\nx,1.0,0.0,1.0\ny,0.0,0.0,0.0\n", ONE_HOT),
        ("Id,a,b,c\nx,True,False,True\ny,False,0,0.0\n", ONE_HOT),
        ("Id,site,a,b,c\nx,?,1,0,1\ny,,0,0,0\n", OneHot("Id", ignore=("site", "well"))),
        ("Target,Id\na c,x\n,y\n", SPACED),
        ("site,Id,Target\n1,x,c a\n,y,\n", SpaceSeparated("Id", "Target", ignore=("site",))),
    ],
)
def test_one_table_in_many_spellings(
    tmp_path: Path, content: str, form: TableFormat, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "T.CSV").write_bytes(pack(content.encode()))
    table = form.read(tmp_path / "T.CSV", KEYS)
    assert table.ids == ("x", "y")
    assert table.labels.tolist() == [[1, 0, 1], [0, 0, 0]]


def test_a_wide_header_is_not_shown_in_full(tmp_path: Path) -> None:
    keys = tuple(f"class{number:02d}" for number in range(50))
    message = wrong(tmp_path / "t.csv", ",".join(["Id", *keys[:-1], "Class_49"]), ONE_HOT, keys)
    assert message == (
        ": the header has no column 'class49'; it is "
        "'Id,class00,class01,class02,class03,class04,class05,class06,…'. Is 'Class_49' the column "
        "'class49'? Rename it."
    )


def test_a_surplus_column_comes_with_the_way_to_ignore_it(tmp_path: Path) -> None:
    assert wrong(tmp_path / "t.csv", "Id,a,b,c,site\nx,0,0,1,2\n", ONE_HOT) == (
        ": columns that are not expected: 'site'. Delete them, or have the competition ignore "
        "them: OneHot('Id', ignore=('site',))."
    )


def test_the_text_of_both_formats() -> None:
    table = LabelTable(("x", "y"), np.array([[1, 0, 1], [0, 0, 0]], np.uint8))
    assert SPACED.text(table, KEYS) == "Id,Target\nx,a c\ny,\n"
    assert ONE_HOT.text(table, KEYS) == "Id,a,b,c\nx,1,0,1\ny,0,0,0\n"


def test_labels_may_come_in_any_order_and_with_any_spacing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Id,Target\nx, c  a\ny,\n")
    table = SPACED.read(tmp_path / "t.csv", KEYS)
    assert table.labels.tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("form", [SPACED, ONE_HOT])
def test_byte_order_marks_windows_newlines_and_blank_lines_change_nothing(
    tmp_path: Path, form: TableFormat
) -> None:
    table = LabelTable(("x", "y"), np.array([[1, 0, 1], [0, 0, 0]], np.uint8))
    text = "\ufeff" + form.text(table, KEYS).replace("\n", "\r\n") + "\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode())
    back = form.read(tmp_path / "t.csv", KEYS)
    assert back.ids == table.ids
    np.testing.assert_array_equal(back.labels, table.labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": header is '', expected 'Id,Target'."),
        (
            "id,Target\nx,a\n",
            ": header is 'id,Target', expected 'Id,Target'. Is 'id' the column 'Id'? Rename it.",
        ),
        (
            "Id;Target\nx;a\n",
            ": header is 'Id;Target', expected 'Id,Target'. Its cells are separated by semicolons: "
            "save it with commas.",
        ),
        (
            '"Id\n",Target\nx,a\n',
            r": header is 'Id\n,Target', expected 'Id,Target'. Is 'Id\n' the column 'Id'? "
            "Rename it.",
        ),
        (
            "Id,Target,site,site\nx,a,1,1\n",
            ": columns that are not expected: 'site'. Delete them, or have the competition "
            "ignore them: SpaceSeparated('Id', 'Target', ignore=('site',)).",
        ),
        ("Id,Target,Target\nx,a,a\n", ": the header has 'Target' more than once."),
        (
            "Id,Target\nx,a;b\n",
            ", line 2: 'a;b' is not a label. Allowed: a, b, c. Separate labels by spaces, not by "
            "';'.",
        ),
        ("Id,Target\n", " has a header but no rows."),
        ("Id,Target\nx,a\ny,a d\n", ", line 3: 'd' is not a label. Allowed: a, b, c."),
        ("Id,Target\nx,a a\n", ", line 2: label 'a' appears twice."),
        ("Id,Target\nx\n", ", line 2: expected 2 cells, got ['x']."),
        ("Id,Target\nx,a,b\n", ", line 2: expected 2 cells, got ['x', 'a', 'b']."),
        ("Id,Target\n,a\n", ", line 2: the id is empty."),
        (
            "Id,Target\nx,a\n\ny,b\nx,c\n",
            ", line 5: duplicate id 'x', first on line 2.",
        ),
    ],
)
def test_a_wrong_table_of_keys_is_refused(tmp_path: Path, content: str, message: str) -> None:
    assert wrong(tmp_path / "t.csv", content, SPACED) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": header is '', expected 'Id,a,b,c'."),
        ("Id,a,b,c\n", " has a header but no rows."),
        ("Id,a,b,c\nx,0,1,2\n", ", line 2: '2' is neither 0 nor 1, in column 'c'."),
        (
            "Id,a,b,c\nx,0,1,\n",
            ", line 2: '' is neither 0 nor 1, in column 'c'. A label must be known: write 0 or "
            "1, or delete the row.",
        ),
        (
            "Id,a,b,c\nx,0,-1.0,1\n",
            ", line 2: '-1.0' is neither 0 nor 1, in column 'b'. A label must be known: write 0 or "
            "1, or delete the row.",
        ),
        (
            "Id,a,b,c\nx,0,0.5,1\n",
            ", line 2: '0.5' is neither 0 nor 1, in column 'b'. It looks like a probability: "
            "labels are expected here.",
        ),
        ("Id,a,b,c\nx,0,yes,1\n", ", line 2: 'yes' is neither 0 nor 1, in column 'b'."),
        ('Id,a,b,c\nx,0,"1\n",1\n', r", line 3: '1\n' is neither 0 nor 1, in column 'b'."),
        ("Id,a,b,c\nx,0,1\n", ", line 2: expected 4 cells, got ['x', '0', '1']."),
        (
            "Id,a,b,c\nx,0,1,0\nx,0,1,0\n",
            ", line 3: duplicate id 'x', first on line 2.",
        ),
    ],
)
def test_a_wrong_one_hot_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    assert wrong(tmp_path / "t.csv", content, ONE_HOT) == message


@pytest.mark.parametrize("cell", ["28", "-1", "1.0", "01", "Nucleoli"])
def test_labels_that_are_not_among_the_28_are_refused(tmp_path: Path, cell: str) -> None:
    keys = find_competition("hpa").class_keys
    message = wrong(tmp_path / "t.csv", f"Id,Target\nx,{cell}\n", SPACED, keys)
    assert message == f", line 2: '{cell}' is not a label. Allowed: the numbers 0 to 27."


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(UserError, match=r"t\.csv is not UTF-8 CSV"):
        SPACED.read(tmp_path / "t.csv", KEYS)


def test_ids_are_read_from_the_first_column_whatever_follows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Id,Predicted\ny,0\nx,\n")
    assert read_ids(tmp_path / "t.csv", "Id") == ("y", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "header is '', expected 'Id,…'"),
        ("image,x\na,1\n", "header is 'image,x', expected 'Id,…'"),
        ("Id,x\n", "has a header but no rows"),
        ("Id,x\n,0\n", "line 2: the id is empty"),
        ("Id,x\na,0\na,0\n", "line 3: duplicate id 'a'"),
    ],
)
def test_a_wrong_table_of_ids_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        read_ids(tmp_path / "t.csv", "Id")


def test_data_that_are_not_there_come_with_the_way_to_get_them(
    shapes: Competition, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"labels\.csv does not exist\. Draw them\."):
        shapes.read_labels(tmp_path)
    with pytest.raises(UserError, match=r"sample\.csv does not exist\. Draw them\."):
        shapes.read_test_ids(tmp_path)


def test_the_answer_is_in_the_competitions_own_format(shapes: Competition) -> None:
    decisions = np.array([[0, 1, 1]], np.uint8)
    assert shapes.answer(["x"], decisions) == "image,circle,square,star\nx,0,1,1\n"


def test_a_competition_names_every_class_once() -> None:
    hpa = find_competition("hpa")
    fields = {**vars(hpa), "class_names": hpa.class_names[1:]}
    with pytest.raises(ValueError, match="as many class names as class keys"):
        Competition(**fields)
    with pytest.raises(ValueError, match="class keys must be unique"):
        Competition(**{**vars(hpa), "class_keys": ("0",) * 28})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"channels": ("red", "green")}, "files for .*yellow.* but channels "),
        ({"display": ((1.0, 0.0, 0.0),)}, "display needs one row per channel"),
    ],
)
def test_facts_that_contradict_each_other_are_refused(
    facts: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Competition(**{**vars(find_competition("hpa")), **facts})


def test_missing_data_come_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{tmp_path}/train.csv does not exist. .*run kit data "):
        find_competition("hpa").read_labels(tmp_path)
