"""Signals end a command in one line, and let work that asks for it finish its step."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import kit.cli
from kit.core.interrupts import SIGNALS, Interrupted, finishing_first, interruptible

WAIT = """
import sys, time
import kit.cli
from kit.commands.app import app

@app.command()
def hang():
    print("ready", flush=True)
    time.sleep(60)

sys.argv = ["kit", "hang"]
kit.cli.main()
"""
# Before the command line is imported, and after its work is over.
EARLY = """
import os, sys
from kit.core.interrupts import end_at_once, end_in_silence
(end_at_once if sys.argv[1] == "early" else end_in_silence)()
os.kill(os.getpid(), int(sys.argv[2]))
"""
KEPT = "Finished work is kept; rerun the command to resume."


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """SIGHUP ends a process, even if the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible(), finishing_first() as request:
        os.kill(os.getpid(), signal.SIGHUP)
        assert request.number is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_and_the_former_handler_returns(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as raised, interruptible():
        os.kill(os.getpid(), number)
    assert raised.value.status == 128 + number
    assert signal.getsignal(number) is before


def test_the_first_signal_is_noted_and_the_second_stops() -> None:
    with interruptible():
        with finishing_first() as request:
            assert request.number is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert request.number == signal.SIGTERM
            with pytest.raises(Interrupted, match=r"^$") as raised:
                os.kill(os.getpid(), signal.SIGINT)
        assert raised.value.name == "SIGINT"
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_command_that_is_stopped_prints_one_line(name: str, status: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert err == f"kit: Stopped by {name}. Finished work is kept; rerun the command to resume.\n"
    assert process.returncode == status


@pytest.mark.parametrize("number", SIGNALS)
def test_while_the_command_line_is_imported_a_signal_ends_in_one_line(
    number: signal.Signals,
) -> None:
    words = [sys.executable, "-c", EARLY, "early", str(int(number))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + number, f"kit: Stopped by {number.name}.\n")


def test_while_python_ends_a_signal_prints_nothing() -> None:
    words = [sys.executable, "-c", EARLY, "late", str(int(signal.SIGINT))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def stopped(
    patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], work: Callable[..., object]
) -> str:
    """What the command line prints if this is its work, and SIGTERM comes."""
    patch.setattr(kit.cli, "app", work)
    patch.setattr(sys, "argv", ["kit", "status"])
    with pytest.raises(SystemExit) as left:
        kit.cli.main()
    assert left.value.code == 143
    return capsys.readouterr().err


def test_a_signal_waits_for_the_line_about_the_one_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell = kit.cli._stop

    def tell_later(stop: Interrupted) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        tell(stop)

    monkeypatch.setattr(kit.cli, "_stop", tell_later)
    said = stopped(monkeypatch, capsys, lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    assert said == f"kit: Stopped by SIGTERM. {KEPT}\n"


def test_an_error_that_a_library_makes_of_a_signal_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def imports(**_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Interrupted as stop:
            raise ImportError("initialization failed") from stop

    assert stopped(monkeypatch, capsys, imports) == f"kit: Stopped by SIGTERM. {KEPT}\n"


def test_so_it_is_of_a_second_signal_while_a_step_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(**_: object) -> None:
        with finishing_first():
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except Interrupted as stop:
                raise SystemError("bad argument to internal function") from stop

    assert stopped(monkeypatch, capsys, train) == f"kit: Stopped by SIGTERM. {KEPT}\n"
