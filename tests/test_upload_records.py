"""Damaged records of uploads: named with the step that mends them, and nothing is sent twice."""

import re
import subprocess
from pathlib import Path

import pytest
from damage import edit_unsealed
from kaggle_place import Place

BEST = Path("submissions/cells-best.csv")
RECORD = BEST.with_suffix(".uploads.json")
# None deletes the record.
CONTENTS = (
    *("", "[]", "{", "null", "5", '"x"', '[{"mark": 1}]', '{"uploads": []}'),
    *('{"format": 1, "uploads": []}', '{"format": 1, "uploads": {}}', '{"format": 1}', None),
)


@pytest.fixture
def sent(place: Place) -> Place:
    """A submission that is sent and scored, of which only the local record can be lost."""
    assert place.kit("submit", "best")[0] == 0
    return place


def put(path: Path, content: str | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_text(content)


def test_nothing_is_sent_while_a_record_is_damaged_nor_again_after_it_was_moved(
    sent: Place,
) -> None:
    whole = RECORD.read_text()
    for content in CONTENTS:
        put(RECORD, content)
        if content is not None:
            aside = f"mv {RECORD} {RECORD}.damaged"
            # What is not damaged is listed, so the command succeeds.
            status, out, err = sent.kit("ledger")
            assert (status, err) == (0, "")
            assert f"cells-best is not listed: {RECORD} " in out
            assert aside in out
            assert "cells-other: not sent" in out
            assert sent.kit("status")[0] == 0
            for words in (("submit", "best"), ("submit", "other"), ("ledger", "--sync")):
                status, _, err = sent.kit(*words)
                assert status == 2
                assert err.startswith(f"kit: {RECORD} ")
                assert err.count("\n") == 1
                assert aside in err
            subprocess.run(aside, shell=True, check=True)
        status, _, err = sent.kit("submit", "best")
        assert status == 2
        assert "The same file was submitted from elsewhere: it is number" in err
        assert len(sent.server.submissions) == 1
        RECORD.write_text(whole)
    assert sent.kit("ledger", "--sync")[0] == 0


def test_a_record_with_a_value_of_another_type_is_named(sent: Place) -> None:
    whole = RECORD.read_text()
    for key, value in (("ref", "x"), ("step", "sent"), ("begun", "soon"), ("made_of", 5)):
        edit_unsealed(RECORD, lambda it, new={key: value}: it["uploads"][0].update(new))  # type: ignore[misc]
        status, _, err = sent.kit("submit", "best")
        assert (status, err.count("\n")) == (2, 1)
        assert re.match(rf"kit: {RECORD} is not valid: uploads\.0\.{key}: ", err)
        RECORD.write_text(whole)
    assert len(sent.server.submissions) == 1


@pytest.mark.parametrize("content", ["", "[]x", "{", "null", '{"format": 1, "submissions": 5}'])
def test_a_damaged_list_of_other_submissions_is_read_again(sent: Place, content: str) -> None:
    sent.kit("ledger", "--sync")
    (listed,) = Path("submissions").glob("*.elsewhere.json")
    whole = listed.read_text()
    listed.write_text(content)
    status, out, err = sent.kit("ledger")
    assert (status, err) == (0, "")
    assert f"Submissions made elsewhere are not listed: {listed} " in out
    assert re.search(r"kit ledger .*--sync", out)
    assert "cells-best: scored" in out
    assert sent.kit("ledger", "--sync")[0] == 0
    assert listed.read_text() == whole
