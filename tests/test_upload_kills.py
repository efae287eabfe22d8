"""A process that is killed at any step, and run again, has submitted once."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kaggle_place import Place
from kaggle_server import Hold

from kit.core.disk import read_json

RECORD = Path("submissions/cells-best.uploads.json")


def kill_at(place: Place, request: str, hold: Hold) -> None:
    """Start a submission and kill it while the stand-in has that request in its hands."""
    place.server.fail(request, hold)
    process = place.start("submit")
    assert hold.reached.wait(60), process.communicate()
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    place.check_secrets(out + err)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("request_name", "obey", "step", "arrived"),
    [
        ("GetSubmissionLimits", True, None, 0),
        ("StartSubmissionUpload", True, "address", 0),
        ("PUT", True, "bytes", 0),
        ("CreateSubmission", False, "create", 0),
        ("CreateSubmission", True, "create", 1),
    ],
)
def test_killed_at_a_step_and_run_again_it_has_submitted_once(
    place: Place, request_name: str, obey: bool, step: str | None, arrived: int
) -> None:
    hold = Hold(obey)
    kill_at(place, request_name, hold)
    assert RECORD.exists() == (step is not None)
    if step is not None:
        assert read_json(RECORD)["uploads"][-1]["step"] == step
    hold.let_go.set()
    place.server.wait_for_idle()
    assert len(place.server.submissions) == arrived

    status, out, err = place.kit("submit")
    assert (status, err) == (0, ""), out + err
    assert "public 0." in out
    assert len(place.server.submissions) == 1
    assert [upload["step"] for upload in read_json(RECORD)["uploads"]] == ["complete"]


def test_killed_while_it_waits_for_the_score_it_goes_on_waiting(place: Place) -> None:
    place.server.polls_until_scored = None
    hold = Hold()
    place.server.fail_after("ListSubmissions", 1, hold)
    process = place.start("submit")
    assert hold.reached.wait(60), process.communicate()
    process.kill()
    process.communicate()
    hold.let_go.set()
    assert read_json(RECORD)["uploads"][0]["step"] == "waiting"

    place.server.polls_until_scored = 0
    status, out, _ = place.kit("submit")
    assert (status, len(place.server.submissions)) == (0, 1), out


@pytest.mark.parametrize("set_meanwhile", [timedelta(-400), timedelta(0), timedelta(400)])
def test_a_request_that_outlives_its_process_is_found_when_it_is_obeyed_late(
    place: Place, set_meanwhile: timedelta
) -> None:
    """The process is killed, run again, and only then the first one's request is obeyed.

    Whatever the clock has been set to between the two.
    """
    hold = Hold()
    kill_at(place, "CreateSubmission", hold)

    def let_go() -> None:
        hold.let_go.set()
        place.server.wait_for_idle()

    place.clock.time = datetime.now(UTC) + set_meanwhile
    place.clock.then = let_go
    assert place.kit("submit")[0] == 0
    assert place.server.calls["CreateSubmission"] == len(place.server.submissions) == 1


def test_what_was_killed_while_sending_is_settled_before_another_file_is_sent(
    place: Place,
) -> None:
    hold = Hold()
    kill_at(place, "CreateSubmission", hold)
    hold.let_go.set()
    place.server.wait_for_idle()
    run = sorted(Path("runs/cells").glob("run1*"))[0].name
    assert place.kit("blend", run, "--name", "best")[0] == 0
    assert place.kit("submit")[0] == 0
    assert [upload["ref"] for upload in read_json(RECORD)["uploads"]] == [1000, 1001]
    assert len(place.server.submissions) == 2


def test_the_same_file_under_another_name_waits_until_the_first_is_settled(place: Place) -> None:
    hold = Hold()
    kill_at(place, "CreateSubmission", hold)
    assert place.kit("blend", "--name", "renamed")[0] == 0

    def let_go() -> None:
        hold.let_go.set()
        place.server.wait_for_idle()

    place.clock.then = let_go
    status, _, err = place.kit("submit", "renamed")
    assert status == 2
    assert "cells-renamed.csv is identical to cells-best, submitted 20" in err
    assert place.server.calls["CreateSubmission"] == len(place.server.submissions) == 1


def test_an_interrupt_while_waiting_says_how_to_go_on_and_loses_nothing(place: Place) -> None:
    place.server.polls_until_scored = None

    def interrupt() -> None:
        raise KeyboardInterrupt

    place.clock.then = interrupt
    status, out, _ = place.kit("submit")
    assert status != 0
    assert "Kaggle has the submission. To keep waiting: kit submit best -c " in out
    place.clock.then = lambda: None
    place.server.polls_until_scored = 0
    assert place.kit("submit")[0] == 0
    assert len(place.server.submissions) == 1
