"""Facts of a competition that are wrong: one line with the file, the line, and what is expected."""

import re
from pathlib import Path

import pytest
from bad_input import COMPETITION, Place

from kit.competitions.base import Competition, OnKaggle
from kit.competitions.images import FilePerChannel, OneFile
from kit.competitions.registry import find_competition
from kit.competitions.tables import OneHot, SpaceSeparated
from kit.core.errors import UserError

# A fact of the competition in `bad_input.py`, what it is changed to, and what the message says.
CHANGES: tuple[tuple[str, str, str], ...] = (
    ("{id}.png", "{image_id}.png", "no placeholder {image_id}. Allowed: {id}."),
    ("{id}.png", "{0}.png", "no placeholder {0}. Allowed: {id}."),
    ("{id}.png", "{}.png", "no placeholder {}. Allowed: {id}."),
    ("{id}.png", "{id.x}.png", "no placeholder {id.x}. Allowed: {id}."),
    ("{id}.png", "{id[0]}.png", "no placeholder {id[0]}. Allowed: {id}."),
    ("{id}.png", "{id}_{channel}.png", "no placeholder {channel}. Allowed: {id}."),
    ("{id}.png", "image.png", "has no {id}: the image of every id would be the same file."),
    ("{id}.png", "{{id}}.png", "has no {id}: the image of every id would be the same file."),
    ("{id}.png", "{id.png", "braces do not match."),
    ("{id}.png", "id}.png", "braces do not match."),
    ("{id}.png", "{id!r}.png", "write {id} without a format or conversion."),
    ("{id}.png", "{id:>8}.png", "write {id} without a format or conversion."),
    ("{id}.png", "/images/{id}.png", "expected a file below the folder of images"),
    ("{id}.png", "C:/images/{id}.png", "expected a file below the folder of images"),
    ("{id}.png", "../{id}.png", "expected a file below the folder of images, without '..'."),
    ("{id}.png", "", "pattern is empty"),
    ('"{id}.png"', "5", "pattern=5: expected text, such as '{id}.png'."),
    (
        'OneFile("{id}.png")',
        "OneFile",
        'images is the class OneFile. Make a value of it: OneFile("',
    ),
    ('OneFile("{id}.png")', '"{id}.png"', "images='{id}.png': expected a value such as OneFile("),
    ('OneFile("{id}.png")', "None", "images=None: expected a value such as OneFile("),
    ('OneFile("{id}.png")', "OneFile()", "OneFile is missing 'pattern'."),
    (
        "OneFile(",
        "OneFile(patern=",
        "No argument of OneFile 'patern'. Known: pattern. Did you mean",
    ),
    ('OneFile("{id}', 'OneFile("{id}", "{id}', "TypeError: "),
    ('("a", "b", "c")', '("abc")', "class_keys='abc' is one text. For one entry write ('abc',)."),
    ('("a", "b", "c")', '("a", "b" "c")', "as many class names as class keys, has 3 names and 2"),
    ('("a", "b", "c")', '("a", "b")', "needs as many class names as class keys, has 3 names and 2"),
    ('("a", "b", "c")', "(0, 1, 2)", "class_keys[0]=0: expected text, such as 'a'."),
    ('("a", "b", "c")', "range(3)", "class_keys[0]=0: expected text, such as 'a'."),
    ('("a", "b", "c")', '("a", "b", "")', "class_keys[2] is empty"),
    ('("a", "b", "c")', '("a", "b", "a")', "class keys must be unique: 'a' appears twice."),
    ('("a", "b", "c")', '("a x", "b", "c")', "class key 'a x' has a space, which separates keys"),
    ('("a", "b", "c")', '(" a", "b", "c")', "class_keys[0]=' a': remove the spaces at its ends."),
    ('("a", "b", "c")', '("a\\n", "b", "c")', "remove the character '\\n'."),
    ('("a", "b", "c")', '("a\\x1b[31m", "b", "c")', "remove the character '\\x1b'."),
    ('("a", "b", "c")', '{"a", "b", "c"}', "expected texts in order, such as ('a', 'b')."),
    ('("a", "b", "c")', '{"a": 1, "b": 2, "c": 3}', "expected texts in order"),
    ('("a", "b", "c")', "()", "class_keys is empty: expected at least one."),
    ('("a", "b", "c")', "None", "class_keys=None: expected texts in order"),
    ('("a", "b", "c")', '("a", "Id", "c")', "Id cannot be a class key: predictions have a column"),
    ('("a", "b", "c")', '("a", "fold", "c")', "fold cannot be a class key"),
    ('("Alpha", "Beta", "Gamma")', '("Alpha")', "class_names='Alpha' is one text."),
    ('"Beta"', "2", "class_names[1]=2: expected text"),
    ('"Beta"', '"Alpha"', "class names must be unique: 'Alpha' appears twice."),
    ('("red", "green", "blue")', '"rgb"', "channels='rgb' is one text."),
    ('("red", "green", "blue")', "3", "channels=3: expected texts in order"),
    ('"green"', '"red"', "channels must be unique: 'red' appears twice."),
    ("class_keys=", "clas_keys=", "Did you mean 'class_keys'?"),
    ("id_column=", "id_colum=", "Did you mean 'id_column'?"),
    ('title="Own",', "", "Competition is missing 'title'."),
    ('how_to_get_data="Make them.",', "", "Competition is missing 'how_to_get_data'."),
    ('"Own"', "5", "title=5: expected text"),
    ('"Own"', '""', "title is empty"),
    ('"Own"', '"a\\nb"', "remove the character '\\n'."),
    (
        '"train.csv",\n    label',
        '("train.csv",),\n    label',
        "label_table=('train.csv',): expected text",
    ),
    ('"sample.csv"', "None", "sample_table=None: expected text"),
    ('id_column="image"', "id_column=0", "id_column=0: expected text"),
    ('SpaceSeparated("image", "labels")', "SpaceSeparated", "is the class SpaceSeparated. Make a"),
    ('SpaceSeparated("image", "labels")', '"one-hot"', "label_format='one-hot': expected a value"),
    ('SpaceSeparated("image", "labels")', 'SpaceSeparated("image")', "is missing 'label_column'."),
    ('SpaceSeparated("image", "labels")', 'SpaceSeparated("image", 1)', "column=1: expected text"),
    ('"image", "labels")', '"image", "image")', "columns must be unique: 'image' appears twice."),
    (
        'SpaceSeparated("image", "labels")',
        "OneHot('b')",
        "class key 'b' is also the column of ids.",
    ),
    ("kaggle=", "display=(1, 2, 3), kaggle=", "display=(1, 2, 3): expected three numbers per"),
    ("kaggle=", "display=((1, 0, 0),), kaggle=", "display needs one row per channel, has 1 for 3"),
    ("kaggle=", "display='rgb', kaggle=", "display of red is ('r',): expected three numbers"),
    ("kaggle=", "display=((1, 0, -1),) * 3, kaggle=", "display of red is (1, 0, -1): expected"),
    ("kaggle=", "display=((1, 0, float('nan')),) * 3, kaggle=", "display of red is (1, 0, nan)"),
    (
        "kaggle=",
        "private_share=0, kaggle=",
        "private_share=0: expected a number above 0, at most 1",
    ),
    ("kaggle=", "private_share=70, kaggle=", "private_share=70: expected a number above 0"),
    ("kaggle=", "private_share=True, kaggle=", "private_share=True: expected a number above 0"),
    ("kaggle=", "private_share=float('nan'), kaggle=", "private_share=nan: expected a number"),
    ("kaggle=", "private_share='half', kaggle=", "private_share='half': expected a number above 0"),
    ("kaggle=", "prepare='x', kaggle=", "prepare='x': expected a function, or None."),
    ("kaggle=", "grade=5, kaggle=", "grade=5: expected a function, or None."),
    ("kaggle=", "group_table=5, kaggle=", "group_table=5: expected text"),
    ('OnKaggle("own", ("train.csv",))', '"own"', "kaggle='own': expected OnKaggle(slug, files)"),
    ('OnKaggle("own", ', 'OnKaggle("https://www.kaggle.com/c/own", ', "the last part of the"),
    ('OnKaggle("own", ', 'OnKaggle("", ', "slug='': expected the last part of the competition's"),
    ('("train.csv",))', '"train.csv")', "files='train.csv' is one text. For one entry write"),
    ("{id}.png", "{id}/", "expected a file below the folder of images, without '..'."),
    (
        '("train.csv",))',
        '("../x.csv",))',
        "files[0]='../x.csv': expected a path in the data folder",
    ),
    ('"sample.csv"', '"/etc/passwd"', "sample_table='/etc/passwd': expected a path in the data"),
    ("kaggle=", "train_images='../x', kaggle=", "train_images='../x': expected a path in the data"),
    ("own = Comp", "raise BaseException('x')\nown = Comp", "(line 5): BaseException: x"),
    ("own = Comp", "raise GeneratorExit\nown = Comp", "(line 5): GeneratorExit."),
    ('name="own"', 'name="../../x"', "name='../../x': use only letters, digits, '.', '-' and '_'."),
    ('name="own"', 'name="a/b"', "name='a/b': use only letters"),
    ('name="own"', 'name=""', "name='': use only letters"),
    ('name="own"', 'name="."', "name='.': use only letters"),
    ('name="own"', 'name=".."', "name='..': use only letters"),
    ('name="own"', 'name="-c"', "name='-c': use only letters"),
    ('name="own"', 'name="[/red]"', "name='[/red]': use only letters"),
    ('name="own"', 'name="a\\0b"', "use only letters"),
    ('name="own"', 'name="a" * 65', "is too long: at most 64 bytes."),
    ('name="own"', "name=None", "name=None: use only letters"),
    ("own = Comp", "other = 1/0\nown = Comp", "(line 5): ZeroDivisionError: division by zero"),
    (
        "own = Comp",
        "import sys; sys.exit('bye')\nown = Comp",
        "(line 5): the file ends the program",
    ),
    ("own = Comp", "raise KeyError('x')\nown = Comp", "(line 5): KeyError: 'x'"),
    ("own = Comp", "raise RuntimeError('a\\nb')\nown = Comp", "(line 5): RuntimeError: a b"),
    ("own = Comp", "assert False\nown = Comp", "(line 5): AssertionError."),
    ("own = Comp", "import no_such_module\nown = Comp", "No module named 'no_such_module'"),
    ("own = Comp", "  own = Comp", "(line 5): IndentationError: unexpected indent: own = Comp"),
    ("own = Comp", "print(1\nown = Comp", "SyntaxError: "),
    ("own = Comp", "def f(): f()\nf()\nown = Comp", "RecursionError"),
    ("own = Comp", "other = own = Comp", "must define one Competition, but defines 2."),
    ("own = Comp", "lambda: Comp", "must define one Competition, but defines 0."),
)


@pytest.mark.parametrize(("old", "new", "says"), CHANGES)
def test_a_wrong_fact_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in COMPETITION
    text = COMPETITION.replace("import SpaceSeparated", "import OneHot, SpaceSeparated")
    (tmp_path / "own.py").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as raised:
        find_competition(str(tmp_path / "own.py"))
    message = str(raised.value)
    assert says in message
    assert "\n" not in message
    assert message.startswith(f"{tmp_path}/own.py ")
    assert "must define" in message or re.search(r"\(line \d+\): ", message), message
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


def test_a_notebook_gets_the_same_messages() -> None:
    with pytest.raises(UserError, match=r"no placeholder \{image_id\}"):
        OneFile("{image_id}.png")
    with pytest.raises(UserError, match=r"has no \{channel\}: the image of every channel"):
        FilePerChannel("{id}.png", ("red", "green"))
    with pytest.raises(UserError, match="channels='red' is one text"):
        FilePerChannel("{id}_{channel}.png", "red")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="expected the last part of the competition's URL"):
        OnKaggle("Human Protein Atlas")
    with pytest.raises(UserError, match="column is empty"):
        OneHot("")
    with pytest.raises(UserError, match="columns must be unique"):
        SpaceSeparated("Id", "Id")


def test_lists_of_facts_become_tuples(shapes: Competition) -> None:
    facts = {**vars(shapes), "class_keys": list(shapes.class_keys), "channels": ["r", "g", "b"]}
    made = Competition(**facts)
    assert (made.class_keys, made.channels) == (shapes.class_keys, ("r", "g", "b"))


def test_a_file_is_run_only_when_it_is_named(finished: Place) -> None:
    bomb = "raise RuntimeError('run')\n"
    for name in ("cells.py", "hpa.py", "conftest.py", "sitecustomize.py", "kit.py"):
        (finished.folder / name).write_text(bomb)
    assert "No model 'nothing'" in finished.refusal("models nothing -c cells")
    assert "No competition 'own'. For the file of that name: -c own.py" in finished.refusal(
        "models -c own"
    )
    assert "RuntimeError: run" in finished.refusal("models -c cells.py")


def test_a_name_of_the_kits_own_is_refused(finished: Place) -> None:
    content = COMPETITION.replace('name="own"', 'name="hpa"')
    (finished.folder / "mine.py").write_text(content)
    said = finished.refusal("status -c mine.py")
    assert "name='hpa' is taken by a competition of the kit, whose data and runs" in said


@pytest.mark.parametrize("folder", ["runs", "submissions", "runs/own"])
def test_a_file_in_place_of_a_folder_is_named(finished: Place, folder: str) -> None:
    (finished.folder / folder).rename(finished.folder / "kept")
    (finished.folder / folder).write_text("x")
    said = finished.refusal("status DATA")
    assert (
        f"{folder} is a file, expected a folder. Move it away: mv {folder} {folder}.moved" in said
    )
