"""The journal of Optuna's studies: cut lines, foreign files, databases, and who works on it."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from kit.core.errors import UserError
from kit.core.journal import Journal
from kit.core.owner import own

if TYPE_CHECKING:
    import optuna


def add_trial(column: int, study: "optuna.Study") -> None:
    """One more finished trial."""
    trial = study.ask()
    study.tell(trial, float(column))


def trials(journal: Journal) -> list[int]:
    """How many finished trials the studies of classes 0 and 1 have."""
    found = []
    journal.share("class", [0, 1], lambda column, study: found.append(len(study.trials)))
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal with one trial in each of two studies."""
    made = Journal(tmp_path / "tune.journal")
    made.share("class", [0, 1], add_trial)
    return made


def test_a_line_that_a_full_disk_cut_is_removed_and_the_work_goes_on(journal: Journal) -> None:
    whole = journal.file.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for kept in range(1, len(last)):
        journal.file.write_bytes(whole[: len(whole) - len(last) + kept])
        Journal(journal.file).share("another", [], add_trial)
        assert journal.file.read_bytes() == whole[: -len(last)]
    assert trials(journal) == [1, 1]
    journal.share("class", [0, 1], add_trial)
    assert trials(journal) == [2, 2]


def test_a_line_cut_by_another_process_meanwhile_is_not_glued_to_the_next(
    journal: Journal,
) -> None:
    def be_cut(column: int, study: "optuna.Study") -> None:
        with journal.file.open("ab") as file:
            file.write(b'{"op_code":4,"worker')
        add_trial(column, study)

    journal.share("class", [0, 1], be_cut)
    assert [json.loads(line)["op_code"] for line in journal.file.read_bytes().splitlines()]
    assert trials(journal) == [2, 2]


def test_a_damaged_line_in_the_middle_comes_with_the_command_that_fixes_it(
    journal: Journal, capfd: pytest.CaptureFixture[str]
) -> None:
    import subprocess

    lines = journal.file.read_bytes().splitlines(keepends=True)
    journal.file.write_bytes(b"".join([*lines[:3], lines[3][:9], *lines[4:]]))
    with pytest.raises(UserError, match=r"line 4 of \d+ is damaged\. To keep the lines") as raised:
        journal.share("class", [0, 1], add_trial)
    subprocess.run(str(raised.value).partition("before it: ")[2], shell=True, check=True)
    assert journal.file.read_bytes() == b"".join(lines[:3])
    journal.share("class", [0, 1], add_trial)
    assert trials(journal)[1] == 1


@pytest.mark.parametrize("content", [b"Id,fold\n1,2\n", b"{}", b"\x00\xff", b"\n"])
def test_a_file_of_something_else_is_refused_and_not_touched(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    before = file.stat().st_mtime_ns
    for work in (Journal(file).require, lambda: Journal(file).share("class", [0], add_trial)):
        with pytest.raises(UserError, match=r"is not a journal of Optuna, and was not touched\."):
            work()
    assert file.read_bytes() == content
    assert file.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: b"\xef\xbb\xbf" + whole,
        lambda whole: whole.decode().encode("utf-16"),
        lambda whole: whole.replace(b"\n", b"\r"),
        lambda whole: whole + b"\n",
        lambda whole: whole.replace(b"\n", b"\n\n", 1),
        lambda whole: b'{"op_code":0}\n' + whole,
        lambda whole: b'{"op_code":0,"worker_id":"a"}\n' + whole,
        lambda whole: b'{"op_code":true,"worker_id":"a"}\n' + whole,
        lambda whole: b'{"op_code":99,"worker_id":"a"}\n' + whole,
        lambda whole: b'{"op_code":' + b"[" * 100_000 + b"\n" + whole,
    ],
)
def test_a_journal_spoilt_by_an_editor_or_another_program_is_refused_and_kept(
    journal: Journal, change: Callable[[bytes], bytes]
) -> None:
    spoilt = change(journal.file.read_bytes())
    journal.file.write_bytes(spoilt)
    with pytest.raises(UserError, match=r"^--journal [^\n]*$"):
        journal.share("class", [0, 1], add_trial)
    assert journal.file.read_bytes() == spoilt


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole.replace(b"\n", b"\r\n"),
        lambda whole: whole[:-1],
        lambda whole: whole + b"\0" * 100,  # as a power failure leaves it
        lambda whole: whole + whole,
    ],
)
def test_a_journal_that_is_whole_but_for_its_line_ends_goes_on(
    journal: Journal, change: Callable[[bytes], bytes]
) -> None:
    journal.file.write_bytes(change(journal.file.read_bytes()))
    journal.share("class", [0, 1], add_trial)
    assert trials(journal)[0] >= 2


def test_a_database_is_refused_as_a_file_and_taken_as_a_url(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    with sqlite3.connect(file) as database:
        database.execute("create table mine(value)")
    database.close()
    before = file.read_bytes()
    with pytest.raises(UserError, match=f"give its URL: --journal sqlite:///{file}"):
        Journal(file).require()
    assert file.read_bytes() == before
    url = Journal(f"sqlite:///{file}")
    for _ in range(2):
        url.share("class", [0, 1], add_trial)
    assert trials(url) == [2, 2]


def test_classes_of_a_database_have_one_owner_beside_it(tmp_path: Path) -> None:
    url, order = Journal(f"sqlite:///{tmp_path}/study.db"), []
    with own(tmp_path / "study.db.0", "class 0"):
        found = url._try(url._open(), "class", 0, lambda column, study: order.append(column))
    assert (found, order) == (False, [])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nothing://here", "is not a URL that Optuna takes"),
        ("sqlite:x.db", "is not a URL that Optuna takes, such as sqlite:///x.db"),
        ("mysql+nodriver://me:secret@here/x", "is not a URL that Optuna takes"),
        ("postgresql+pg8000://me:secret@here/x", "Install it: pip install pg8000"),
        ("sqlite:///{folder}", "could not be used: unable to open database file"),
        ("sqlite:///{folder}/text", "could not be used: file is not a database"),
        ("postgresql://me:secret@here/x", "Install it: pip install psycopg"),
        ("{folder}", "is a folder. Name a file."),
        ("/dev/null", "is a device. Name a file."),
    ],
)
def test_what_cannot_be_opened_is_named_in_one_line_without_its_password(
    tmp_path: Path, place: str, said: str
) -> None:
    (tmp_path / "text").write_text("hello, this is a text and not a database\n" * 30)
    with pytest.raises(UserError) as raised:
        Journal(place.format(folder=tmp_path)).require()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_server_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, **settings: object) -> None:
        raise OperationalError("select 1", {}, Exception("connection refused\nIs it running?"))

    monkeypatch.setattr("optuna.storages.RDBStorage", refuse)
    with pytest.raises(UserError, match=r"x could not be used: connection refused Is it running"):
        Journal("postgresql://me@here/x").require()


def test_a_folder_that_does_not_exist_is_made_and_one_in_the_way_is_named(tmp_path: Path) -> None:
    Journal(tmp_path / "a" / "b" / "j").share("class", [0], add_trial)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Not a folder: .*Remove the file that is in the way"):
        Journal(tmp_path / "file" / "j").share("class", [0], add_trial)
