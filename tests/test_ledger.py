"""The ledger: every submission, how the estimates matched, and which two to select."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kaggle_place import FILE, Place

from kit.core.disk import read_json
from kit.submission.entries import LedgerEntry
from kit.submission.final import choose_final, match_of_estimates
from kit.submission.record import Promise

BEST = Path("submissions/cells-best.csv")


def rows(out: str) -> dict[str, list[str]]:
    """The lines of the table by their first cell; cells are separated by two spaces."""
    lines = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    return {cells[0]: cells[1:] for cells in lines if len(cells) > 1}


def test_every_submission_is_listed_with_its_scores_and_ranks(place: Place) -> None:
    place.kit("submit", "other")
    place.kit("submit", "best")
    place.take_all()
    place.patch.setenv("http_proxy", "http://127.0.0.1:1")  # neither account nor network
    status, out, _ = place.kit("ledger")
    assert status == 0
    best, other = rows(out)["cells-best"], rows(out)["cells-other"]
    grades = read_json(BEST.with_suffix(".grades.json"))
    assert best[2:] == [f"{grades['public']:.4f} #1", f"{grades['private']:.4f} #1"]
    assert [cell[-2:] for cell in other[2:]] == ["#2", "#2"]
    scores = read_json(Path("runs/cells/blends/best/decision.json"))["worth"]["score"]
    assert best[0] == f"{scores['expected']:.4f}"
    made_of = r"made of run1-16-\w+, run2-16-\w+\n"
    assert re.search(rf"cells-best: scored, 2018-11-21 20:30 UTC, {made_of}", out)
    assert "of 2 inside the 95% CI; public minus expected:" in out
    assert "Too few to judge the expected scores" in out
    assert "Select as final, first: cells-best, highest expected score" in out


def test_what_was_not_sent_stands_last_and_without_a_score(place: Place) -> None:
    _, out, _ = place.kit("ledger")
    assert len(rows(out)["cells-best"]) == 2  # the expected score and its interval
    assert "cells-best: not sent, made of run1" in out
    assert "no choice yet" in out


def test_an_empty_folder_says_what_to_do(place: Place) -> None:
    place.patch.chdir(place.home)
    status, out, _ = place.kit("ledger")
    assert (status, out) == (
        0,
        f"No submission to list in submissions. Make one: kit blend -c {FILE}; "
        f"then: kit submit -c {FILE}\n",
    )


def test_sync_fetches_scores_and_what_was_made_elsewhere(place: Place) -> None:
    place.server.polls_until_scored = None
    place.kit("submit", "--wait", "0")
    place.server.submissions.append(
        {
            "ref": 77,
            "fileName": "by_hand.csv",
            "date": "2018-11-20T08:15:00.0000000Z",
            "polls": 0,
            "publicScore": "0.5",
        }
    )
    place.server.polls_until_scored = 0
    status, out, err = place.kit("ledger", "--sync")
    assert (status, err) == (0, "")
    assert "Kaggle lists 2 submissions, 1 of them made elsewhere." in out
    assert rows(out)["by_hand.csv (77)"] == ["0.5000 #2"]
    listed = "by_hand.csv (77): scored, 2018-11-20 08:15 UTC, provenance unknown\n"
    assert listed in out
    (upload,) = read_json(BEST.with_suffix(".uploads.json"))["uploads"]
    assert upload["step"] == "complete"
    assert read_json(BEST.with_suffix(".grades.json"))["public"] == upload["public"]
    # What was fetched is there without the network.
    place.take_all()
    assert listed in place.kit("ledger")[1]


@pytest.mark.parametrize("score", ["", "NaN"])
def test_a_score_that_is_none_is_left_out(place: Place, score: str) -> None:
    place.kit("submit", "--wait", "0")
    place.server.submissions[0]["privateScore"] = score
    assert place.kit("ledger", "--sync")[0] == 0
    (upload,) = read_json(BEST.with_suffix(".uploads.json"))["uploads"]
    assert upload["public"] > 0
    assert upload["private"] is None


def test_sync_submits_nothing(place: Place) -> None:
    place.kit("ledger", "--sync")
    assert set(place.server.calls) <= {"IntrospectToken", "ListSubmissions"}


def test_sync_without_an_account_or_a_place_on_kaggle_says_so(place: Place) -> None:
    status, _, err = place.kit("ledger", "--sync", competition="cells")
    assert (status, err) == (
        2,
        "kit: Synthetic cells is not on Kaggle: there are no scores to sync.\n",
    )
    place.take_all()
    status, _, err = place.kit("ledger", "--sync")
    assert status == 2
    assert err.startswith("kit: No Kaggle credentials.")


def test_locally_graded_submissions_are_in_it(place: Place) -> None:
    place.kit("submit", competition="cells")
    _, out, _ = place.kit("ledger", competition="cells")
    assert "cells-best: graded here, made of run1" in out


def test_a_record_that_is_not_one_is_named(place: Place) -> None:
    place.kit("submit")
    record = BEST.with_suffix(".uploads.json")
    record.write_text(record.read_text().replace('"step"', '"stop"'))
    status, out, err = place.kit("ledger")
    assert (status, err) == (0, "")
    assert "cells-best is not listed: submissions/cells-best.uploads.json has changed since" in out
    assert f"Move it aside: mv {record} {record}.damaged" in out
    status, _, err = place.kit("submit")
    assert status == 2
    assert f"Move it aside: mv {record} {record}.damaged" in err


# Without an account: what the scores say


def entry(name: str, told: float | None, public: float | None) -> LedgerEntry:
    """A scored submission; its interval is 0.05 to both sides of what was told."""
    estimate = None
    if told is not None:
        estimate = Promise(expected=told, interval=(told - 0.05, told + 0.05))
    return LedgerEntry(
        name, datetime(2018, 11, 1, tzinfo=UTC), "scored", name, (), estimate, public, None
    )


def test_the_match_is_counted_averaged_and_called_too_small() -> None:
    (line,) = match_of_estimates([entry("a", 0.50, 0.52), entry("b", 0.40, 0.46)])
    assert line == (
        "public: 1 of 2 inside the 95% CI; public minus expected: +0.0400 on "
        "average, SD 0.0283. Too few to judge the expected scores: 5 or more are needed."
    )


def test_many_differences_of_one_sign_are_more_than_chance() -> None:
    same = [entry(str(n), 0.5, 0.53 + n / 1000) for n in range(5)]
    assert match_of_estimates(same)[0].endswith("Scores are higher than expected by that much.")
    mixed = [entry(str(n), 0.5, 0.48 + n / 100) for n in range(5)]
    assert match_of_estimates(mixed)[0].endswith(
        "No more than random variation: the expected scores can be trusted."
    )


def test_without_scores_there_is_nothing_to_match() -> None:
    assert match_of_estimates([entry("a", 0.5, None), entry("b", None, 0.5)]) == []


def names(lines: list[str]) -> list[str]:
    return [re.findall(r"(?:first|second): (\w+)", line)[0] for line in lines]


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [
        # The best estimate, and the best public score among the rest.
        ([("a", 0.60, 0.50), ("b", 0.58, 0.55), ("c", 0.57, 0.53)], ["a", "b"]),
        # A public score that the estimate does not bear out is luck.
        ([("a", 0.60, 0.50), ("lucky", 0.40, 0.70), ("c", 0.57, 0.45)], ["a", "c"]),
        # ... but with nothing else it is the only other one there is.
        ([("a", 0.60, 0.50), ("lucky", 0.40, 0.70)], ["a", "lucky"]),
        # Without a score, or without an estimate, it is not chosen over those that have them.
        ([("a", 0.60, 0.50), ("b", 0.99, None), ("c", None, 0.90), ("d", 0.58, 0.4)], ["a", "d"]),
    ],
)
def test_two_are_chosen_one_by_estimate_and_one_by_public_score(
    entries: list[tuple[str, float | None, float | None]], chosen: list[str]
) -> None:
    assert names(choose_final([entry(*one) for one in entries])) == chosen


def test_one_file_sent_twice_is_chosen_once() -> None:
    a, b = entry("a", 0.6, 0.5), entry("b", 0.5, 0.4)
    assert names(choose_final([a, replace(a, name="a2"), b])) == ["a2", "b"]


def test_without_estimates_the_public_scores_decide_and_it_says_so() -> None:
    (line,) = choose_final([entry("a", None, 0.5), entry("b", None, 0.6), entry("c", None, 0.4)])
    assert line == "Select as final: b, a, by public score only: no expected score is known."
