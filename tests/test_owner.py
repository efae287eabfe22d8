"""One owner per artifact: who holds it is said, and what a dead process held is free."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from kit.core import owner
from kit.core.errors import UserError
from kit.core.owner import Busy, Owner, own, own_all, owner_of

HOLD = """
import sys, pathlib
from kit.core import owner
owner.LEASE = 1.0
if sys.argv[2] == "lease":
    import filelock, errno
    def refuse(self): raise OSError(errno.ENOLCK, "no locks")
    filelock.FileLock.acquire = refuse
with owner.own(pathlib.Path(sys.argv[1]), "the store"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(target: Path, how: str = "lock") -> "subprocess.Popen[str]":
    """A process that holds the artifact until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no locks."""
    import filelock

    def refuse(self: filelock.FileLock) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    monkeypatch.setattr(owner, "LEASE", 1.0)
    monkeypatch.setattr(owner, "POLL", 0.05)


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    target = tmp_path / "store" / "train.npy"
    process = hold(target)
    with pytest.raises(Busy) as raised, own(target, "the store"):
        pass
    said = str(raised.value)
    assert said.startswith(f"the store is in use by process {process.pid} on ")
    assert " UTC (command: " in said
    assert said.endswith("Add --wait to wait for it, or stop it.")
    known = owner_of(target)
    assert known is not None
    assert known.process == process.pid
    process.communicate("")
    with own(target, "the store"):
        assert owner_of(target) is not None
    assert list(target.parent.iterdir()) == []
    assert owner_of(target) is None


def test_waiting_ends_when_the_owner_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "POLL", 0.01)
    process = hold(tmp_path / "fold0")
    lines: list[str] = []

    class Told:
        def say(self, line: str) -> None:
            lines.append(line)
            assert process.stdin is not None
            process.stdin.close()

    with own(tmp_path / "fold0", "fold 0", wait=True, reporter=Told()):  # type: ignore[arg-type]
        pass
    process.wait()
    (line,) = lines
    assert line.startswith(f"Waiting: fold 0 is in use by process {process.pid} on ")


@pytest.mark.parametrize("how", ["lock", "lease"])
def test_what_a_killed_process_held_is_free(
    tmp_path: Path, how: str, request: pytest.FixtureRequest
) -> None:
    if how == "lease":
        request.getfixturevalue("without_locks")
    process = hold(tmp_path / "fold0", how)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with own(tmp_path / "fold0", "fold 0"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_locks")
def test_a_lease_of_a_living_process_is_respected(tmp_path: Path) -> None:
    process = hold(tmp_path / "fold0", "lease")
    with (
        pytest.raises(Busy, match=f"in use by process {process.pid} on "),
        own(tmp_path / "fold0", "fold 0"),
    ):
        pass
    process.communicate("")


@pytest.mark.usefixtures("without_locks")
def test_a_lease_of_another_host_is_taken_once_its_heart_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process number means nothing here, so only the heartbeat tells."""
    process = hold(tmp_path / "fold0", "lease")
    process.send_signal(signal.SIGKILL)
    process.wait()
    lease = tmp_path / ".fold0.lease"
    here = lease.read_bytes()
    name = os.uname().nodename.encode()
    assert name in here
    lease.write_bytes(here.replace(name, b"elsewhere"))
    with own(tmp_path / "fold0", "fold 0"):
        pass


@pytest.mark.usefixtures("without_locks")
def test_an_owner_that_lost_its_lease_stops(tmp_path: Path) -> None:
    with own(tmp_path / "fold0", "fold 0") as held:
        held.require()
        lost = threading.Event()
        held.lock._on_compromise = lambda _: lost.set()  # type: ignore[attr-defined]
        (tmp_path / ".fold0.lease").unlink()
        assert lost.wait(10)
        with pytest.raises(Busy, match="fold 0 was taken over by another process"):
            held.require()


def test_several_are_held_together_or_not_at_all(tmp_path: Path) -> None:
    process = hold(tmp_path / "fold1")
    folds = {tmp_path / f"fold{number}": f"fold {number}" for number in range(3)}
    with pytest.raises(Busy, match=r"^fold 1 is in use"), own_all(folds):
        pass
    process.communicate("")
    assert list(tmp_path.iterdir()) == []
    with own_all(folds) as held:
        assert [one.what for one in held] == ["fold 0", "fold 1", "fold 2"]
        with pytest.raises(Busy), own(tmp_path / "fold2", "fold 2"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"Not a folder: .* was not written"),
        own(tmp_path / "file" / "fold0", "fold 0"),
    ):
        pass


def test_a_folder_in_which_no_file_can_be_made_is_not_taken_for_an_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /proc, where filelock tries again without end."""

    def time_out(*_: object) -> None:
        raise filelock.Timeout(str(tmp_path))

    def refuse(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(tmp_path))

    monkeypatch.setattr(filelock.FileLock, "acquire", time_out)
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(FileNotFoundError, match=str(tmp_path)), own(tmp_path / "fold0", "fold 0"):
        pass


def test_the_owner_is_the_command_that_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/kit/__main__.py", "train", "a b"])
    assert Owner.current().command == "kit train 'a b'"
    monkeypatch.setattr(sys, "argv", [""])
    assert Owner.current().command == "python"


@pytest.mark.parametrize(
    "word",
    [
        "postgresql://me:hidden@host/studies",
        "postgresql://me@server:hidden@host/studies",
        "mysql://:hidden@host",
        "mysql://me:hid@den/ hidden:x@host/x",
        "postgresql://host/x?user=me&password=hidden&x=1",
        "sqlite:///x.db?sslpassword=hidden",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BUID%3Dme%3Bpwd%3Dhidden%3BX%3D1",
        "mssql+pyodbc:///?odbc_connect=UID=me;PWD=hidden;X=1",
    ],
)
def test_passwords_of_urls_are_in_no_owner_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["kit", "tune", "--journal", word, f"--journal={word}"])
    with own(tmp_path / "a", "the store"):
        texts = [path.read_text() for path in tmp_path.iterdir()]
        with pytest.raises(Busy) as raised, own(tmp_path / "a", "the store"):
            pass
    for text in (*texts, str(raised.value)):
        assert "hid" not in text
    assert "***" in str(raised.value)
