"""Signals end a command in one line, and let work that asks for it finish its step."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

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
