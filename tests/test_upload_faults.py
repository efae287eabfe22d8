"""What can go wrong between here and Kaggle: what is said, how it ends, how much was submitted.

Each fault is met by a first `kit submit`, and followed by a second one without it: together they
submit once, whatever happened in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from kaggle_place import FILE, Place
from kaggle_server import KEY, TOKEN, Answer, Cut, Garbage

from kit.core.disk import read_json

RECORD = Path("submissions/cells-best.uploads.json")
AGAIN = "Rerun the command to resume."
ALWAYS = 99

DOWN = Answer(503, "Service Unavailable")
SLOW = Answer(429, "Too Many Requests")


@dataclass(frozen=True)
class Case:
    """A fault: what is done to the stand-in or to this side, what the first run says and submits.

    `then` is how the second run ends, after `mend`, and what it says.
    """

    name: str
    spoil: Callable[[Place], None]
    status: int
    says: str
    submitted: int
    then: int = 0
    then_says: str = "public 0."
    mend: Callable[[Place], None] = lambda place: None


def fail(request: str, fault: Answer | Cut | Garbage, times: int = 1) -> Callable[[Place], None]:
    return lambda place: place.server.fail(request, fault, times)


def both(*spoil: Callable[[Place], None]) -> Callable[[Place], None]:
    def all_of_them(place: Place) -> None:
        for one in spoil:
            one(place)

    return all_of_them


def set_to(name: str, value: object) -> Callable[[Place], None]:
    return lambda place: setattr(place.server, name, value)


def give_wrong_token(place: Place) -> None:
    place.patch.setenv("KAGGLE_API_TOKEN", "marker0unknown")


def give_wrong_key(place: Place) -> None:
    place.take_all()
    place.patch.setenv("KAGGLE_USERNAME", "marie")
    place.patch.setenv("KAGGLE_KEY", "marker0unknown")


def give_half_a_key(place: Place) -> None:
    place.take_all()
    place.patch.setenv("KAGGLE_KEY", KEY)


def give_open_file(place: Place) -> None:
    place.take_all()
    place.give_file(0o640)


def give_open_token(place: Place) -> None:
    place.take_all()
    path = place.home / ".kaggle" / "access_token"
    path.parent.mkdir()
    path.write_text(TOKEN)
    path.chmod(0o604)


def give_no_json(place: Place) -> None:
    place.take_all()
    place.give_file()
    (place.home / ".kaggle" / "kaggle.json").write_text(f'{{"username": "marie", "key": "{KEY}')


def give_the_token_back(place: Place) -> None:
    for name in ("kaggle.json", "access_token"):
        (place.home / ".kaggle" / name).unlink(missing_ok=True)
    place.take_all()
    place.give_token()


def no_network(place: Place) -> None:
    place.patch.setenv("http_proxy", "http://127.0.0.1:1")


def network_again(place: Place) -> None:
    place.patch.setenv("http_proxy", f"http://127.0.0.1:{place.server.port}")


def all_scored(place: Place) -> None:
    place.server.polls_until_scored = 0


def use_up_the_day(place: Place) -> None:
    """Between the checks and the submission, while a request waits to be asked again."""
    place.server.fail("StartSubmissionUpload", DOWN)

    def use_up() -> None:
        place.server.used_before = 5

    place.clock.then = use_up


def use_up_the_day_at_the_door(place: Place) -> None:
    """As before, and Kaggle takes not even the file."""
    use_up_the_day(place)
    place.server.fail("StartSubmissionUpload", Answer(400, "Too many submissions"))


def begin_a_day(place: Place) -> None:
    place.clock.then = lambda: None
    place.server.used_before = 0


def grader_refuses(place: Place) -> None:
    lines = Path("data/cells/solution.csv").read_text().splitlines()
    Path("data/cells/solution.csv").write_text("\n".join(lines[:-1]) + "\n")


CASES = (
    Case(
        "no credentials",
        Place.take_all,
        2,
        "No Kaggle credentials. Create a token at https://www.kaggle.com/settings/api",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "kaggle.json readable by others",
        give_open_file,
        2,
        "others on this machine can read it. Run: chmod 600",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "access_token readable by others",
        give_open_token,
        2,
        "access_token holds a secret and others on this machine can read it. Run: chmod 600",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "kaggle.json cut short",
        give_no_json,
        2,
        "kaggle.json is not a Kaggle key file: expected JSON with username and key",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "a key without a name",
        give_half_a_key,
        2,
        "KAGGLE_KEY is set but KAGGLE_USERNAME is not",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "token refused",
        give_wrong_token,
        2,
        "Kaggle rejected the credentials in KAGGLE_API_TOKEN. Create a new token",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "key refused",
        give_wrong_key,
        2,
        "Kaggle rejected the credentials in KAGGLE_USERNAME and KAGGLE_KEY",
        0,
        mend=give_the_token_back,
    ),
    Case(
        "credentials refused in the middle",
        fail("CreateSubmission", Answer(401, "Unauthenticated")),
        2,
        "Kaggle rejected the credentials",
        0,
    ),
    Case(
        "rules not accepted",
        set_to("rules_accepted", False),
        2,
        "Accept the rules with your account at "
        "https://www.kaggle.com/competitions/synthetic-cells/rules",
        0,
        mend=set_to("rules_accepted", True),
    ),
    Case(
        "misspelt competition",
        set_to("slug", "another-name"),
        2,
        "'synthetic-cells' (Permission 'competitions.get' was denied)",
        0,
        mend=set_to("slug", "synthetic-cells"),
    ),
    Case(
        "no such competition",
        fail("GetSubmissionLimits", Answer(404, "Not found")),
        2,
        "Is 'synthetic-cells' the last part of the competition page's URL?",
        0,
    ),
    Case(
        "daily limit reached",
        set_to("used_before", 5),
        2,
        "No submissions left today; the limit resets at midnight UTC, in 3.5 h.",
        0,
        mend=set_to("used_before", 0),
    ),
    Case(
        "daily limit reached meanwhile by the team",
        use_up_the_day,
        2,
        "No submissions left today; the limit resets at midnight UTC",
        0,
        mend=begin_a_day,
    ),
    Case(
        "daily limit told before the file is sent",
        use_up_the_day_at_the_door,
        2,
        "No submissions left today; the limit resets at midnight UTC",
        0,
        mend=begin_a_day,
    ),
    Case(
        "refused in the body of a 200",
        fail("StartSubmissionUpload", Garbage('{"code": 403, "message": "Not yours"}')),
        2,
        "Kaggle denied access to 'synthetic-cells' (Not yours)",
        0,
    ),
    Case(
        "the request refused",
        fail("StartSubmissionUpload", Answer(400, "File name is not allowed")),
        2,
        "Kaggle refused (400, sending the file): File name is not allowed",
        0,
    ),
    Case("slow down, twice", fail("GetSubmissionLimits", SLOW, 2), 0, "public 0.", 1, 2, "--again"),
    Case(
        "slow down, for a time",
        fail("StartSubmissionUpload", Answer(429, "Slow", (("Retry-After", "17"),))),
        0,
        "retrying in 17 s",
        1,
        2,
        "--again",
    ),
    Case(
        "slow down, until a date",
        fail(
            "CreateSubmission",
            Answer(429, "Slow", (("Retry-After", "Wed, 21 Nov 2018 20:31:00 GMT"),)),
        ),
        0,
        "retrying in 60 s",
        1,
        2,
        "--again",
    ),
    Case(
        "slow down, for an hour",
        fail("GetSubmissionLimits", Answer(429, "Slow", (("Retry-After", "3600"),))),
        2,
        "Kaggle asks to wait 60 min before the next request.",
        0,
    ),
    Case(
        "slow down, always",
        fail("CreateSubmission", SLOW, 6),
        2,
        "rate-limited the request (429, submit",
        0,
    ),
    Case("server down once", fail("ListSubmissions", DOWN), 0, "public 0.", 1, 2, "--again"),
    Case("server down", fail("StartSubmissionUpload", DOWN, 6), 2, "unavailable (503, send", 0),
    Case(
        "sign-in down",
        fail("IntrospectToken", DOWN, ALWAYS),
        2,
        "(503, authenticating)",
        0,
        mend=lambda place: place.server.heal(),
    ),
    Case(
        "no network",
        no_network,
        2,
        "No connection to Kaggle, or it broke (authenticating: ProxyError).",
        0,
        mend=network_again,
    ),
    Case("upload cut once", fail("PUT", Cut()), 0, "retrying in 2 s", 1, 2, "--again"),
    Case(
        "upload cut always",
        fail("PUT", Cut(), 6),
        2,
        f"(sending the file: ConnectionError). {AGAIN}",
        0,
    ),
    Case("storage half there", fail("PUT", DOWN), 0, "retrying in 2 s", 1, 2, "--again"),
    Case("storage refuses", fail("PUT", Answer(403), 6), 2, "storage refused the file (403, s", 0),
    Case(
        "submission lost on its way there",
        fail("CreateSubmission", Cut()),
        0,
        "Checking Kaggle's list for the submission.",
        1,
        2,
        "--again",
    ),
    Case(
        "submission's answer lost",
        fail("CreateSubmission", Cut(obeyed=True)),
        0,
        "Checking Kaggle's list for the submission.",
        1,
        2,
        "--again",
    ),
    Case(
        "submission's answer cut short",
        fail("CreateSubmission", Garbage()),
        0,
        "Kaggle's answer is unreadable (submitting)",
        1,
        2,
        "--again",
    ),
    Case(
        "submission's answer without a number",
        fail("CreateSubmission", Garbage('{"message": "Could not submit to competition"}')),
        0,
        "returned no submission number; it said: 'Could not submit to competition'",
        1,
        2,
        "--again",
    ),
    Case("submission 503", fail("CreateSubmission", DOWN), 0, "(503, submitting)", 1, 2, "--again"),
    Case(
        "submission never taken",
        fail("CreateSubmission", DOWN, 3),
        2,
        "did not accept submissions/cells-best.csv in 3 tries and does not list it. Submit again",
        0,
    ),
    Case(
        "submission's answer lost, then everything",
        both(
            fail("CreateSubmission", Cut(obeyed=True)),
            lambda place: place.server.fail_after("ListSubmissions", 1, DOWN, 6),
        ),
        2,
        "(503, listing submissions)",
        1,
    ),
    Case(
        "submission lost, then everything",
        both(
            fail("CreateSubmission", Cut()),
            lambda place: place.server.fail_after("ListSubmissions", 1, DOWN, 6),
        ),
        2,
        "(503, listing submissions)",
        0,
    ),
    Case(
        "score never comes",
        set_to("polls_until_scored", None),
        0,
        f"No score after 15 min. To keep waiting: kit submit best -c {FILE}; to check "
        f"later: kit ledger --sync -c {FILE}",
        1,
        mend=all_scored,
    ),
    Case(
        "score comes late",
        set_to("polls_until_scored", 9),
        0,
        "public 0.",
        1,
        2,
        "--again",
    ),
    Case(
        "grader rejects the file",
        grader_refuses,
        2,
        "Kaggle's grader rejected submissions/cells-best.csv:",
        1,
        2,
        "submitted 2018-11-21, rejected. To send it anyway: --again",
    ),
    Case(
        "list unreadable once",
        fail("ListSubmissions", Garbage("<html>")),
        0,
        "public 0.",
        1,
        2,
        "--again",
    ),
    Case(
        "limits unreadable",
        fail("GetSubmissionLimits", Garbage("[1"), 6),
        2,
        "is unreadable (checking the sub",
        0,
    ),
    Case(
        "limits of another shape",
        fail("GetSubmissionLimits", Garbage('"code"'), 6),
        2,
        "is unreadable (checking",
        0,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_explained_and_nothing_is_submitted_twice(place: Place, case: Case) -> None:
    case.spoil(place)
    status, out, err = place.kit("submit")
    assert status == case.status, out + err
    assert case.says in out + err
    assert "Authentication required" not in out  # the client's page of help
    assert err == "" if status == 0 else err.startswith("kit: ") and err.count("\n") == 1
    assert len(place.server.submissions) == case.submitted

    case.mend(place)
    status, out, err = place.kit("submit")
    assert status == case.then, out + err
    assert case.then_says in out + err
    assert len(place.server.submissions) == 1
    assert read_json(RECORD)["uploads"][-1]["ref"] == 1000


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 20


def test_the_waits_between_tries_grow(place: Place) -> None:
    place.server.fail("GetSubmissionLimits", DOWN, 6)
    place.kit("submit")
    assert place.clock.slept == [2, 5, 10, 20, 40]


def test_a_submission_that_arrives_late_is_waited_for(place: Place) -> None:
    """The answer is lost, and the list shows the submission a while later only."""
    place.server.fail("CreateSubmission", Cut(obeyed=True))
    late: list[dict[str, object]] = []
    place.server.arrives_late = late

    def show() -> None:
        place.server.submissions += late
        late.clear()

    place.clock.then = show
    assert place.kit("submit")[0] == 0
    assert place.server.calls["CreateSubmission"] == len(place.server.submissions) == 1


def test_a_submission_that_arrives_after_it_was_given_up_is_found_by_the_next_run(
    place: Place,
) -> None:
    late: list[dict[str, object]] = []
    place.server.arrives_late = late
    place.server.fail("CreateSubmission", Cut(), 2)
    place.server.fail("CreateSubmission", Cut(obeyed=True))
    assert place.kit("submit")[0] == 2
    place.server.submissions += late
    status, out, _ = place.kit("submit")
    assert (status, place.server.calls["CreateSubmission"]) == (0, 3), out
    assert read_json(RECORD)["uploads"][0]["public"] is not None


def test_a_description_that_kaggle_cuts_short_still_holds_its_mark(place: Place) -> None:
    place.server.description_size = 24
    place.server.fail("CreateSubmission", Cut(obeyed=True))
    assert place.kit("submit", "--message", "long " * 99)[0] == 0
    assert place.server.calls["CreateSubmission"] == len(place.server.submissions) == 1


def test_an_error_that_nothing_expects_ends_with_status_1_and_without_its_secrets(
    place: Place,
) -> None:
    from kagglesdk.competitions.services.competition_api_service import CompetitionApiClient

    def break_down(self: object, request: object) -> None:
        raise RuntimeError(f"Authorization: Bearer {TOKEN}")

    place.patch.setattr(CompetitionApiClient, "list_submissions", break_down)
    status, _, err = place.kit("submit")
    assert status == 1
    assert "RuntimeError, listing submissions: Authorization: Bearer ***" in err


def test_what_stopped_before_it_submitted_leaves_no_trace_in_the_ledger(place: Place) -> None:
    place.server.fail("PUT", Cut(), 6)
    place.kit("submit")
    assert read_json(RECORD)["uploads"][0]["step"] == "bytes"
    _, out, _ = place.kit("ledger")
    assert "not sent" in out
    assert "bytes" not in out
