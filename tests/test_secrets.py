"""Credentials are in nothing that any command prints or writes, whatever goes wrong.

Every one of them is given in every way at once, with the client's VERBOSE on, and each command runs
in a folder with runs, blends and submissions. `Place.kit` looks for them after each command, in
what was printed, tracebacks included, and in all files.
"""

import signal
from pathlib import Path

import pytest
import typer
from kaggle_place import Place
from kaggle_server import TOKEN, USERNAME, Answer, Cut, Fault, Garbage, Hold

from kit.commands.app import app
from kit.core.disk import write_text

# Words of every command, in a folder that has no images and no weights.
COMMANDS = {
    "data": (),
    "folds": ("--n", "2"),
    "pack": ("--size", "16"),
    "train": ("convnet", "--size", "16"),
    "predict": ("run1",),
    "models": ("convnet",),
    "import-predictions": ("theirs", "--oof", "runs/cells/blends/best/oof.parquet"),
    "blend": ("--name", "again", "--method", "mean", "--policy", "fold-mean"),
    "tune": ("--oof", "runs/cells/blends/best/oof.parquet", "--labels", "data/cells/train.csv")
    + ("--out", "tuned.json"),
    "score": ("--predictions", "submissions/cells-best.csv", "--labels", "data/cells/solution.csv"),
    "look": ("run1",),
    "curves": ("run1",),
    "compare": ("best", "other"),
    "report": (),
    "submit": ("--dry-run",),
    "ledger": ("--sync",),
    "kernel": (),
    "status": (),
    "verify": (),
}
# Commands that ask Kaggle, and the request that each makes first.
REQUESTS = {
    "submit": "GetSubmissionLimits",
    "submit --again": "StartSubmissionUpload",
    "submit --message x": "CreateSubmission",
    "ledger --sync": "ListSubmissions",
    "data": "DownloadDataFile",
}
FAULTS: dict[str, Fault] = {
    **{str(status): Answer(status, f"no, {TOKEN}") for status in (401, 403, 404)},
    **{str(status): Answer(status, f"no, {TOKEN}") for status in (400, 429, 500, 503)},
    "dropped": Cut(),
    "garbage": Garbage(f'{{"token": "{TOKEN}"'),
}


@pytest.fixture
def all_given(place: Place) -> Place:
    """Every kind of credentials in every place, and a client that is asked to print all."""
    place.give_token()
    place.give_key()
    place.give_file()
    token = place.home / ".kaggle" / "access_token"
    write_text(token, TOKEN)
    token.chmod(0o600)
    place.patch.setenv("VERBOSE", "1")
    return place


def test_every_command_is_tried_but_the_demo_which_asks_nobody() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(known) == {*COMMANDS, "demo"}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_or_writes_credentials(all_given: Place, command: str) -> None:
    status, out, err = all_given.kit("--verbose", command, *COMMANDS[command])
    assert status in (0, 2), out + err
    assert USERNAME not in out + err


@pytest.mark.parametrize("command", COMMANDS)
def test_neither_does_its_traceback(all_given: Place, command: str) -> None:
    def break_down(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("on purpose")

    all_given.patch.setattr("kit.core.paths.Workspace.of", break_down)
    status, _, err = all_given.kit("--verbose", command, *COMMANDS[command])
    assert (status, "on purpose" in err) == (1, True)
    assert USERNAME not in err


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", REQUESTS)
def test_no_request_that_fails_shows_credentials(
    all_given: Place, command: str, fault: str
) -> None:
    if command == "data":
        Path("data/cells/train.csv").unlink()
    all_given.server.fail(REQUESTS[command], FAULTS[fault], 99)
    status, out, err = all_given.kit(*command.split())
    assert status in (0, 2), out + err


def test_an_error_inside_the_client_shows_none(all_given: Place) -> None:
    import requests

    def break_down(self: object, request: requests.PreparedRequest, **options: object) -> None:
        raise ZeroDivisionError(f"with {request.headers}")

    all_given.patch.setattr(requests.Session, "send", break_down)
    for command in REQUESTS:
        status, out, err = all_given.kit(*command.split())
        assert status in (1, 2), out + err


def test_a_process_that_dies_shows_none_and_leaves_none_in_its_files(all_given: Place) -> None:
    """While it waits for Kaggle its locks and records are there, too."""
    all_given.patch.setenv("PYTHONFAULTHANDLER", "1")
    hold = Hold()
    all_given.server.fail("CreateSubmission", hold)
    process = all_given.start("submit")
    assert hold.reached.wait(60), process.communicate()
    all_given.check_secrets("")
    process.send_signal(signal.SIGSEGV)
    out, err = process.communicate()
    hold.let_go.set()
    all_given.server.wait_for_idle()
    assert "Fatal Python error: Segmentation fault" in err
    all_given.check_secrets(out + err)
