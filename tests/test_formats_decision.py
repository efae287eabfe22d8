"""Decisions and submissions on disk: those of release 0.1 and of format 1 open, others are refused.

`tests/formats/0.1/cells` is what release 0.1 wrote for the blend "best" of `kaggle_place`, and
`tests/formats/1` what the first versioned formats look like. Nothing there is edited.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import edit_unsealed
from kaggle_place import FILE, Place

import kit
from kit.core.disk import read_json, write_json
from kit.core.errors import UserError
from kit.core.formats import Unreadable
from kit.core.paths import SubmissionFiles, Workspace
from kit.data.predictions import to_logits
from kit.ensemble import Decision
from kit.ensemble.combine import Stack
from kit.ensemble.postprocess import Copied, Rule
from kit.submission.ancestry import promise_of, read_ancestry
from kit.submission.grade import read_grades
from kit.submission.record import read_uploads

FORMATS = Path(__file__).parent / "formats"
SAVED = FORMATS / "1" / "decision.json"
OLD_BLEND = FORMATS / "0.1" / "cells" / "blends" / "best"
RUNS = ("run1-16-300445cc", "run2-16-925c533c")


# A decision


def test_a_decision_of_format_1_opens() -> None:
    decision = Decision.load(SAVED)
    assert decision.members == ("one", "two")
    assert decision.class_keys == ("circle", "square", "star")
    assert (decision.chosen.method, decision.chosen.policy) == ("cross-stack", "calibrated")
    assert isinstance(decision.combination, Stack)
    assert decision.combination.own.shape == (3, 2)
    assert decision.combination.across is not None
    assert decision.postprocess.rules == (Rule(2, 0, given=0.125, otherwise=0.75),)
    assert decision.postprocess.copies == {"test03": Copied("train07", (0, 2))}
    assert decision.origin.inputs == {"one": "a" * 64, "two": "b" * 64}
    assert decision.expected == read_json(SAVED)["worth"]["score"]["expected"]
    assert [one.name for one in decision.weighed.steps] == ["rules", "fill"]


def test_a_decision_of_format_1_is_written_as_it_was_read(tmp_path: Path) -> None:
    Decision.load(SAVED).save(tmp_path / "again.json")
    again = read_json(tmp_path / "again.json")
    del again["sha256"], again["kind"]
    assert again == {**read_json(SAVED), "kit": kit.__version__}


def test_a_decision_of_format_1_sets_the_labels_it_did() -> None:
    """By hand: the thresholds are 0.404, 0.367 and 0.332 before the rule, the fill, the copy."""
    probs = {
        "star needs 0.125 beside circle": ([0.9, 0.1, 0.2], [1, 0, 1]),
        "and 0.75 without it": ([0.1, 0.5, 0.5], [0, 1, 0]),
        "which this has": ([0.1, 0.1, 0.8], [0, 0, 1]),
        "empty: circle is nearest": ([0.39, 0.1, 0.1], [1, 0, 0]),
        "test03": ([0.1, 0.9, 0.1], [1, 0, 1]),
    }
    given = np.array([one for one, _ in probs.values()], np.float32)
    found = Decision.load(SAVED).label(given, list(probs))
    assert found.tolist() == [labels for _, labels in probs.values()]


def test_a_decision_of_format_1_combines_as_its_numbers_say() -> None:
    made = read_json(SAVED)["combination"]
    tests = np.random.default_rng(0).uniform(0.05, 0.95, (2, 3, 4, 3)).astype(np.float32)
    by_fold = []
    for fold in range(3):
        logits = to_logits(tests[:, fold])
        across = logits.mean(axis=0) @ np.array(made["across"]).T
        own = sum(logits[model] * np.array(made["own"])[:, model] for model in range(2))
        by_fold.append(own + across + np.array(made["intercept"]))
    expected = np.mean(by_fold, axis=0) >= np.log(0.4038271257169267 / (1 - 0.4038271257169267))
    decision = Decision.load(SAVED)
    found = decision.decide([list(of_member) for of_member in tests])
    np.testing.assert_array_equal(found[:, 0], expected[:, 0])


def spoil(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the saved decision after a change to its content."""
    content = read_json(SAVED)
    change(content)
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "key",
    ["members", "class_keys", "chosen", "combination", "thresholds", "oof_thresholds", "worth"],
)
def test_a_decision_without_a_part_is_damaged(tmp_path: Path, key: str) -> None:
    path = spoil(tmp_path, lambda content: content.pop(key))
    with pytest.raises(Unreadable) as raised:
        Decision.load(path)
    message = str(raised.value)
    assert message.startswith(f"{path} is not valid: {key}: Field required. ")
    assert message.endswith(" Blend or tune again.")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content["thresholds"].update(star="high"), "thresholds"),
        (lambda content: content["thresholds"].update(moon=0.5), "thresholds"),
        (lambda content: content["worth"]["score"].pop("expected"), r"worth\.score\.expected"),
        (lambda content: content["postprocess"].update(rules=3), r"postprocess\.rules"),
    ],
)
def test_a_damaged_decision_names_the_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], place: str
) -> None:
    path = spoil(tmp_path, change)
    with pytest.raises(Unreadable, match=rf"not valid: {place}: ") as raised:
        Decision.load(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["[]", "3", "null"])
def test_another_json_file_is_no_decision(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(Unreadable, match=r"d\.json is not a decision\. Blend or tune again\."):
        Decision.load(tmp_path / "d.json")


def test_thresholds_of_the_first_release_are_no_longer_read() -> None:
    message = (
        r"is a decision of format 0, written by hpa-kit 0\.1, which .* no longer reads\. Blend"
    )
    with pytest.raises(Unreadable, match=message):
        Decision.load(OLD_BLEND / "thresholds.json")


def test_a_decision_of_a_later_version_names_the_kit_that_wrote_it(tmp_path: Path) -> None:
    path = spoil(tmp_path, lambda content: content.update(format=2, kit="3.1.0", more=1))
    message = r"of format 2, written by hpa-kit 3\.1\.0\. This is .* up to 1: update it\.$"
    with pytest.raises(UserError, match=message) as raised:
        Decision.load(path)
    assert not isinstance(raised.value, Unreadable)  # it is whole, and is not made again


# Blends that are damaged or of other versions, on the command line

BLEND = Path("runs/cells/blends/best")
READERS = [("report",), ("report", "best"), ("kernel",)]


@pytest.fixture
def old(place: Place) -> Place:
    """The blend made last is as release 0.1 left it."""
    for path in BLEND.glob("*.json"):
        path.unlink()
    shutil.copytree(OLD_BLEND, BLEND, dirs_exist_ok=True)
    for path in BLEND.glob("oof_labels*"):
        path.unlink()
    return place


@pytest.mark.parametrize(
    "words", [*READERS, ("submit",), ("submit", "best"), ("compare", "other", "best")]
)
def test_a_blend_of_the_first_release_is_to_be_made_again(
    old: Place, words: tuple[str, ...]
) -> None:
    assert old.kit(*words) == (
        2,
        "",
        "kit: best was written by hpa-kit 0.1, whose blends this version cannot read. Make it "
        f"again: kit blend --name best -c {FILE}\n",
    )


def test_status_leaves_out_a_blend_of_the_first_release(old: Place) -> None:
    status, out, err = old.kit("status")
    assert (status, err) == (0, "")
    assert "other " in out
    assert not any(line.startswith("best ") for line in out.splitlines())


def test_a_blend_of_the_first_release_made_again_sets_nearly_the_same_labels(old: Place) -> None:
    csv = Path("submissions/cells-best.csv")
    csv.unlink()
    assert old.kit("blend", "--name", "best")[0] == 0
    labels = [
        {(row[0], label) for row in csv_rows(path)[1:] for label in row[1].split()}
        for path in (csv, FORMATS / "0.1/cells/submissions/cells-best.csv")
    ]
    assert len(labels[0] & labels[1]) > 0.9 * len(labels[0] | labels[1])
    assert old.kit("submit", "--dry-run")[0] == 0
    assert "best " in old.kit("status")[1]


def csv_rows(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


def test_the_numbers_are_near_those_of_the_first_release(place: Place) -> None:
    """Since then, averaging K models removes no more than all but 1/K of the variance."""
    old, thresholds = (read_json(OLD_BLEND / f"{name}.json") for name in ("blend", "thresholds"))
    made = Decision.load(BLEND / "decision.json")
    assert (made.chosen.method, made.chosen.transfer) == (old["method"], thresholds["transfer"])
    for score, saved in (
        (made.worth.score, old["score"]),
        *zip([one.score for one in made.worth.alone.values()], old["alone"].values(), strict=True),
    ):
        assert score.fitted == pytest.approx(saved["fitted"], abs=0.05)
        assert score.cross_fitted == pytest.approx(saved["cross_fitted"], abs=0.05)
        assert score.expected == pytest.approx(saved["expected"], abs=0.05)
        assert score.test_rows == saved["test_rows"]
    for key, one in made.worth.classes.items():
        assert one.positives == old["classes"][key]["positives"]
    for found, weighed in ((made.weighed.methods, "methods"), (made.weighed.policies, "policies")):
        assert [one.name for one in found] == [one["name"] for one in old[weighed]]


@pytest.mark.parametrize("spoiled", ['{"format": 1}', "[]", '{"thresholds": {}}'])
def test_a_damaged_blend_is_one_line_until_it_is_made_again(place: Place, spoiled: str) -> None:
    decision = BLEND / "decision.json"
    before = {path: path.read_bytes() for path in BLEND.iterdir()}
    decision.write_text(spoiled)
    for words in (*READERS, ("compare", "best", "other")):
        status, _, err = place.kit(*words)
        assert (status, err.count("\n")) == (2, 1), words
        assert "Make the blend again: kit blend run1-16-" in err
    status, out, _ = place.kit("status")
    assert status == 0
    assert f"Broken blend best: {decision} " in out
    assert place.kit("blend", "--name", "best")[0] == 0
    for path, content in before.items():
        assert path.read_bytes() == content, path


def test_a_blend_of_a_later_version_is_left_as_it_is(place: Place) -> None:
    decision = BLEND / "decision.json"
    edit_unsealed(decision, lambda content: content.update(format=2, kit="3.1.0"))
    before = decision.read_bytes()
    for words in (*READERS, ("blend", "--name", "best")):
        status, _, err = place.kit(*words)
        assert (status, err.count("\n")) == (2, 1), words
        assert "written by hpa-kit 3.1.0" in err
    assert "written by hpa-kit 3.1.0" in place.kit("status")[1]
    assert decision.read_bytes() == before


# A submission


def submission(version: str) -> SubmissionFiles:
    root = FORMATS / version / "cells"
    return Workspace(root, root, root, root, root / "submissions").submission("cells-best")


@pytest.mark.parametrize("version", ["0.1", "1"])
def test_the_ancestry_of_a_submission_opens(version: str) -> None:
    files = submission(version)
    ancestry = read_ancestry(files)
    assert ancestry.competition == "cells"
    assert ancestry.runs == RUNS
    assert ancestry.score is not None
    assert ancestry.score.expected == pytest.approx(0.7870702538997802)
    assert ancestry.score.interval == pytest.approx((0.703041795715683, 0.8684161655599137))
    assert ancestry.score.cross_fitted == pytest.approx(0.7316839986575171)
    assert ancestry.score.test_rows == 56
    assert (ancestry.out_of_fold.rows, len(ancestry.out_of_fold.positives)) == (120, 28)
    runs, promise = promise_of(files, ancestry.csv_digest)
    assert runs == RUNS
    assert promise is not None
    assert promise.expected == ancestry.score.expected
    assert promise_of(files, "of another file") == ((), None)


def test_both_versions_say_the_same_of_the_same_submission() -> None:
    first, second = (read_ancestry(submission(version)) for version in ("0.1", "1"))
    assert first.csv_digest == second.csv_digest
    assert first.out_of_fold == second.out_of_fold


def test_uploads_and_grades_of_the_first_release_open() -> None:
    files = submission("0.1")
    (upload,) = read_uploads(files)
    assert (upload.step, upload.ref, upload.made_of) == ("complete", 1000, RUNS)
    assert upload.estimate is not None
    assert upload.estimate.expected == pytest.approx(0.7870702538997802)
    grades = read_grades(files)
    assert grades is not None
    assert (grades.public, grades.private) == (upload.public, upload.private)


@pytest.mark.parametrize("version", ["0.1", "1"])
def test_the_ledger_and_submit_read_the_ancestry(place: Place, version: str) -> None:
    there = submission(version)
    for name in ("copy", "best"):
        files = Workspace.of("cells").submission(f"cells-{name}")
        shutil.copy(there.csv, files.csv)
        shutil.copy(there.provenance, files.provenance)
    status, out, err = place.kit("ledger")
    assert (status, err) == (0, "")
    (row,) = [line for line in out.splitlines() if line.startswith("cells-copy ")]
    assert row.split()[1:] == ["0.7871", "0.703", "to", "0.868"]
    assert f"cells-copy: not sent, made of {', '.join(RUNS)}" in out
    status, out, err = place.kit("submit", "best")
    assert (status, err) == (0, "")
    assert "expected score 0.787" in out
    assert "80 rows, 4.41 labels per row (out of fold " in out
    (upload,) = read_uploads(Workspace.of("cells").submission("cells-best"))
    assert upload.made_of == RUNS
    assert upload.estimate is not None
    assert upload.estimate.expected == pytest.approx(0.7870702538997802)


def test_models_trained_on_all_rows_promised_nothing_in_the_first_release(tmp_path: Path) -> None:
    files = Workspace(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path).submission("cells-best")
    content = read_json(submission("0.1").provenance)
    content["blend"]["all_rows"] = True
    write_json(files.provenance, content)
    assert read_ancestry(files).score is None
    assert promise_of(files, content["csv_digest"]) == (RUNS, None)


@pytest.mark.parametrize("key", ["competition", "csv_digest", "runs", "thresholds", "oof"])
def test_a_damaged_ancestry_of_the_first_release_is_one_line(tmp_path: Path, key: str) -> None:
    files = Workspace(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path).submission("cells-best")
    content = read_json(submission("0.1").provenance)
    del content[key]
    write_json(files.provenance, content)
    with pytest.raises(UserError, match=rf"is not valid: {key}: Field required\. Blend again\."):
        read_ancestry(files)


def test_an_ancestry_of_a_later_version_is_refused(place: Place) -> None:
    path = Path("submissions/cells-best.json")
    edit_unsealed(path, lambda content: content.update(format=2, kit="3.1.0"))
    refused = "is a submission's provenance of format 2, written by hpa-kit 3.1.0."
    status, _, err = place.kit("submit", "--dry-run")
    assert (status, err.count("\n")) == (2, 1)
    assert refused in err
    assert f"best is not listed: {path} {refused}" in place.kit("ledger")[1]
    status, out, _ = place.kit("verify")
    assert status == 1
    assert f"{path} {refused}" in out
