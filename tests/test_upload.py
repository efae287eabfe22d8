"""Submitting to Kaggle, with the real client: what is sent, what comes back, what is remembered."""

import os
import re
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from damage import edit_unsealed
from kaggle_place import FILE, ROOT, Place
from kaggle_server import Cut

from kit.competitions.cells import grade_cells
from kit.core.disk import digest_file, read_json
from kit.core.errors import UserError

BEST = Path("submissions/cells-best.csv")
RECORD = BEST.with_suffix(".uploads.json")


def only(path: Path) -> dict[str, object]:
    """The one upload in a record."""
    (upload,) = read_json(path)["uploads"]
    assert isinstance(upload, dict)
    return upload


def test_the_scores_come_back_equal_to_the_local_graders(place: Place) -> None:
    status, out, err = place.kit("submit")
    assert (status, err) == (0, "")
    expected = grade_cells(Path("data/cells"), BEST)
    upload, grades = only(RECORD), read_json(BEST.with_suffix(".grades.json"))
    for scores in (upload, grades):
        assert (scores["public"], scores["private"]) == (expected.public, expected.private)
    assert upload["step"] == "complete"
    assert f"public {expected.public:.4f}, private {expected.private:.4f}" in out
    assert len(place.server.submissions) == 1


def test_what_is_sent_is_the_file_and_a_description_that_begins_with_its_mark(
    place: Place,
) -> None:
    place.kit("submit", "other", "--message", "the first net alone")
    (sent,) = place.server.submissions
    digest = digest_file(Path("submissions/cells-other.csv"))
    assert sent["fileName"] == "cells-other.csv"
    assert sent["description"] == f"[kit {digest[:12]}] the first net alone"


def test_what_is_worth_knowing_is_said_before_anything_is_sent(place: Place) -> None:
    place.kit("submit", "other")
    status, out, _ = place.kit("submit", "--dry-run")
    assert status == 0
    scores = read_json(Path("runs/cells/blends/best/decision.json"))["worth"]["score"]
    assert f"expected score {scores['expected']:.3f}, 95% CI " in out
    assert re.search(r"80 rows, \d\.\d\d labels per row \(out of fold \d", out)
    assert "differs from cells-other (2018-11-21, public 0." in out
    assert "submissions left today: 4; the limit resets at midnight UTC, in 3.5 h" in out
    assert out.endswith("Dry run, nothing sent.\n")
    assert len(place.server.submissions) == 1


def test_a_dry_run_needs_no_account(place: Place) -> None:
    place.take_all()
    status, out, _ = place.kit("submit", "--dry-run")
    assert status == 0
    assert "warning: No Kaggle credentials." in out
    assert place.server.calls.total() == 0


def test_the_same_file_goes_twice_only_when_it_is_asked_for(place: Place) -> None:
    place.kit("submit")
    status, _, err = place.kit("submit")
    assert status == 2
    assert "is identical to cells-best, submitted 2018-11-21, public 0." in err
    assert "To send it anyway: --again." in err
    assert len(place.server.submissions) == 1

    assert place.kit("submit", "--again")[0] == 0
    first, second = (sent["description"].split("]")[0] for sent in place.server.submissions)
    assert second == f"{first}/2"
    assert [upload["ref"] for upload in read_json(RECORD)["uploads"]] == [1000, 1001]


def test_the_same_file_sent_from_another_folder_is_found_in_the_list(place: Place) -> None:
    place.kit("submit")
    RECORD.unlink()
    status, _, err = place.kit("submit")
    assert status == 2
    assert "submitted from elsewhere: it is number 1000" in err
    assert place.kit("submit", "--again")[0] == 0
    assert place.server.submissions[1]["description"].startswith(
        place.server.submissions[0]["description"].split("]")[0] + "/2]"
    )


def test_a_blend_made_anew_leaves_the_record_of_what_was_sent(place: Place) -> None:
    place.kit("submit")
    before = RECORD.read_bytes()
    assert place.kit("blend", "--name", "best")[0] == 0
    assert RECORD.read_bytes() == before


def test_another_file_under_the_same_name_is_a_second_upload(place: Place) -> None:
    place.kit("submit")
    run = sorted(Path("runs/cells").glob("run1*"))[0].name
    assert place.kit("blend", run, "--name", "best")[0] == 0
    assert place.kit("submit")[0] == 0
    assert [upload["step"] for upload in read_json(RECORD)["uploads"]] == ["complete", "complete"]
    assert len(place.server.submissions) == 2


def test_a_file_whose_first_copy_was_overwritten_is_known_by_its_digest(place: Place) -> None:
    place.kit("submit", "other")
    run = sorted(Path("runs/cells").glob("run1*"))[0].name
    assert place.kit("blend", "--name", "other")[0] == 0
    assert place.kit("blend", run, "--name", "copy")[0] == 0
    status, _, err = place.kit("submit", "copy")
    assert status == 2
    assert "cells-copy.csv is identical to cells-other, submitted 2018-11-21, public 0." in err
    _, out, _ = place.kit("submit", "best", "--dry-run")
    assert "sent before but not compared, because overwritten since: 1" in out
    assert len(place.server.submissions) == 1


def test_everything_wrong_with_a_file_is_said_together(place: Place) -> None:
    lines = BEST.read_text().splitlines()
    lines[1] = lines[1].split(",")[0] + ",3 99"
    text = "\n".join([*lines[:-1], "stranger,0"]) + "\n"
    BEST.write_text(text, encoding="utf-8-sig")
    place.server.used_before = 5
    status, out, err = place.kit("submit")
    assert status == 2
    assert err.splitlines()[0].startswith(
        "kit: submissions/cells-best.csv starts with a byte order"
    )
    said = (
        "line 2: '99' is not a label",
        "is missing ids of sample_submission.csv: test079.",
        "has ids that are not in sample_submission.csv: stranger.",
        "No submissions left today",
    )
    assert [words for words in said if words not in err] == []
    assert err.count("\n") == 6
    assert "cells-best.csv was changed since the kit wrote it. To write it again: kit blend" in err
    assert err.rstrip().endswith("to use your version: --edited.") or "--edited.\n" in err
    status, out, err = place.kit("submit", "--edited")
    assert (status, err.count("\n")) == (2, 5)
    assert "it was changed since the kit wrote it" in out
    assert place.server.calls["StartSubmissionUpload"] == 0


def test_a_file_without_any_label_is_refused(place: Place) -> None:
    ids = [line.split(",")[0] for line in BEST.read_text().splitlines()[1:]]
    BEST.write_text("Id,Predicted\n" + "".join(f"{one},\n" for one in ids))
    status, out, err = place.kit("submit")
    assert status == 2
    assert "has no label in any row and would score 0" in err
    assert "warning: the share of rows without labels is not that out of fold: 100" in out


def test_a_file_that_changes_while_it_is_uploaded_is_not_submitted(place: Place) -> None:
    place.server.fail("PUT", Cut())

    def change() -> None:
        BEST.write_text(BEST.read_text().swapcase())

    place.clock.then = change
    status, _, err = place.kit("submit")
    assert status == 2
    assert "cells-best.csv was changed during the upload. Nothing was submitted." in err
    assert place.server.calls["CreateSubmission"] == 0


@pytest.mark.parametrize("name", ["cells-best.csv", "cells-best.json"])
def test_a_submission_that_is_half_there_is_to_be_written(place: Place, name: str) -> None:
    (BEST.parent / name).unlink()
    status, _, err = place.kit("submit")
    assert (status, err) == (
        2,
        f"kit: submissions/{name} does not exist. Write it: {again(place)}\n",
    )


def again(place: Place) -> str:
    """The command that makes the blend and its submission again."""
    runs = sorted(path.parent.name for path in (place.folder / "runs").rglob("inputs.json"))
    return f"kit blend {' '.join(runs)} --name best -c {FILE}"


@pytest.mark.parametrize(
    "place_of_it", ["competition", "csv_digest", "decision", "decision.worth.out_of_fold"]
)
def test_a_damaged_ancestry_is_to_be_written_anew(place: Place, place_of_it: str) -> None:
    provenance = BEST.with_suffix(".json")
    *above, last = place_of_it.split(".")
    edit_unsealed(provenance, lambda content: reduce(getitem, above, content).pop(last))
    status, _, err = place.kit("submit", "--dry-run")
    assert (status, err.count("\n")) == (2, 1)
    said = f"cells-best.json is not valid: {place_of_it}: Field required. Write the submission"
    assert f"{said} again: {again(place)}" in err


def test_classes_at_another_rate_than_out_of_fold_are_named(place: Place) -> None:
    ids = [line.split(",")[0] for line in BEST.read_text().splitlines()[1:]]
    BEST.write_text("Id,Predicted\n" + "".join(f"{one},27\n" for one in ids))
    _, out, _ = place.kit("submit", "--dry-run")
    assert "Rods & rings (100.00%, out of fold" in out


def test_a_competition_with_its_own_grader_asks_no_one_else(place: Place) -> None:
    status, out, _ = place.kit("submit", competition="cells")
    assert status == 0
    assert out.startswith("cells-best: public 0.")
    assert place.server.calls.total() == 0


def test_only_one_submits_from_a_folder_at_a_time(place: Place) -> None:
    from kit.submission.upload import one_at_a_time

    with one_at_a_time(Path("submissions")):
        status, _, err = place.kit("submit")
    assert status == 2
    assert f"Another submission is under way in submissions, by process {os.getpid()} on " in err
    assert " UTC (command: " in err
    assert not list(Path("submissions").glob(".*"))
    assert place.server.submissions == []


def test_a_score_is_written_down_when_no_one_else_writes(place: Place) -> None:
    """Else the record of a file that is sent meanwhile, in the same JSON, could be lost."""
    from kit.submission import upload

    was_alone: list[bool] = []
    take_result = upload.take_result

    def take(*words: object) -> object:
        with pytest.raises(UserError, match="Another submission"):
            upload.one_at_a_time(Path("submissions")).__enter__()
        was_alone.append(True)
        return take_result(*words)  # type: ignore[arg-type]

    place.patch.setattr(upload, "take_result", take)
    assert place.kit("submit")[0] == 0
    assert was_alone == [True]


def test_another_file_can_be_sent_while_one_is_waited_for(place: Place) -> None:
    """The lock is for sending, which takes seconds, not for waiting."""
    place.server.polls_until_scored = 1
    ended: list[int] = []

    def send_another() -> None:
        place.clock.then = lambda: None
        ended.append(place.kit("submit", "other")[0])

    place.clock.then = send_another
    assert place.kit("submit", "best")[0] == 0
    assert ended == [0]
    assert len(place.server.submissions) == 2


@pytest.mark.parametrize("pages", [100, 1])
def test_a_submission_is_found_on_whatever_page_of_the_list(place: Place, pages: int) -> None:
    place.kit("submit", "other")
    place.server.page_size = pages
    place.kit("submit", "best", "--wait", "0")
    place.server.submissions.reverse()  # as if another one had come in meanwhile
    assert place.kit("ledger", "--sync")[0] == 0
    assert only(RECORD)["step"] == "complete"


def test_a_process_of_its_own_loads_no_tensorflow(place: Place) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['kit', 'submit', '--competition', {FILE!r}]\n"
        "from kit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'kaggle'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    place.check_secrets(done.stdout + done.stderr)
    assert done.stdout.strip().endswith("['kaggle']"), done.stdout + done.stderr
    assert len(place.server.submissions) == 1
