"""Bars off a terminal: a line now and then when asked for, nothing otherwise."""

import os
from io import StringIO

import pytest
from rich.console import Console

from kit.core import machine, progress, terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that bars see, in seconds; it stands still unless moved."""
    now = [100.0]
    monkeypatch.setattr(terminal, "monotonic", lambda: now[0])
    return now


def advance(clock: list[float], lines: bool) -> None:
    with terminal.bar("packing", total=40, done=10, lines=lines) as bar:
        for _ in range(10):
            clock[0] += 4
            bar.advance()


def test_a_bar_with_lines_says_every_15_seconds_how_far_it_is(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    advance(clock, lines=True)
    assert capsys.readouterr().out.splitlines() == [
        "packing: 14 of 40, about 2 min left",
        "packing: 18 of 40, about 88 s left",
    ]


def test_a_bar_that_begins_anew_goes_on_counting(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.bar("sending", total=40, lines=True) as bar:
        for done in (10, 0, 20):
            clock[0] += 16
            bar.move_to(done)
    assert capsys.readouterr().out.splitlines() == [
        "sending: 10 of 40, about 48 s left",
        "sending: 20 of 40, about 48 s left",
    ]


def test_a_bar_without_lines_says_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    advance(clock, lines=False)
    assert capsys.readouterr().out.strip() == ""


def test_notes_come_every_15_seconds_where_no_bar_is_drawn(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.bar("training", total=40) as bar:
        for epoch in range(5):
            clock[0] += 8
            bar.note(f"epoch {epoch}")
    assert capsys.readouterr().out.splitlines() == ["epoch 1", "epoch 3"]


def test_a_terminal_draws_the_bar_and_no_notes(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Console(file=StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(terminal, "console", screen)
    with terminal.bar("training", total=40, lines=True) as bar:
        clock[0] += 16
        bar.advance(10)
        bar.note("epoch 0")
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "10/40" in shown
    assert "epoch 0" not in shown
    assert "10 of 40" not in shown


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (3072, "3.1 kB"),
        (31_072 * 512 * 512 * 4, "32.6 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_volumes_come_in_the_unit_a_person_would_use(count: int, text: str) -> None:
    assert progress.volume(count) == text


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert machine.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cores() == 1


def test_names_that_look_like_markup_or_emoji_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("[red]a[/red] :star:")
    terminal.table("t [b]", ["", "[h]"], [["[x]y[/x]", ":star:"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["[red]a[/red] :star:", "t [b]"]
    assert [line.split() for line in lines[2:]] == [["[h]"], ["[x]y[/x]", ":star:"]]
