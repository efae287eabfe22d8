"""The submission: the same bytes each time, checked as a grader would, with its ancestry."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kit.competitions.base import Competition, Grades
from kit.competitions.exact import decide
from kit.competitions.registry import find_competition
from kit.core.disk import digest_file, read_json, write_json, write_text
from kit.core.errors import UserError
from kit.core.paths import BlendFiles, Workspace
from kit.data.blends import find_blend, remember_blend
from kit.data.predictions import read_predictions
from kit.data.runs import Run
from kit.ensemble import Decision, Options
from kit.stages.blend import blend
from kit.stages.submit import submit_stage
from kit.submission.check import check_submission, find_problems
from kit.submission.grade import grade
from kit.submission.submit import SubmitOptions
from kit.submission.write import write_submission


@pytest.fixture
def blended(shapes: Competition, workspace: Workspace, make_run: Callable[..., Run]) -> BlendFiles:
    """A finished blend of two runs."""
    make_run("one", seed=1)
    make_run("two", seed=2)
    return blend(shapes, workspace, name="best", options=Options("logit-mean", "exact"))


# Writing


def test_a_submission_holds_the_decisions_in_the_samples_order(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    written = write_submission(shapes, workspace, blended)
    answer = shapes.answer_format.read(written.files.csv, shapes.class_keys)
    assert answer.ids == shapes.read_test_ids(workspace.source)
    test = read_predictions(blended.test, shapes.class_keys).take(answer.ids)
    expected = decide(test.probs, Decision.load(blended.decision).thresholds)
    assert answer.labels.tolist() == expected.tolist()
    assert (written.name, written.rows) == ("shapes-best", 8)
    assert written.labels_per_row == expected.sum() / 8
    assert written.empty_rows == (expected.sum(axis=1) == 0).sum()


def test_writing_again_changes_no_byte_and_no_file(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    files = write_submission(shapes, workspace, blended).files
    before = [
        (path.read_bytes(), path.stat().st_mtime_ns) for path in (files.csv, files.provenance)
    ]
    write_submission(shapes, workspace, blended)
    after = [(path.read_bytes(), path.stat().st_mtime_ns) for path in (files.csv, files.provenance)]
    assert after == before


def test_a_submission_that_was_tampered_with_is_written_anew(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    files = write_submission(shapes, workspace, blended).files
    before = files.csv.read_bytes(), files.provenance.read_bytes()
    files.csv.write_text("image\n")
    files.provenance.write_text("{}")
    write_submission(shapes, workspace, blended)
    assert (files.csv.read_bytes(), files.provenance.read_bytes()) == before


def test_a_submission_names_all_its_ancestors(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    files = write_submission(shapes, workspace, blended).files
    said = read_json(files.provenance)
    assert said["csv_digest"] == digest_file(files.csv)
    assert said["blend"] == "best"
    assert [run["recipe"]["name"] for run in said["runs"].values()] == ["one", "two"]
    decided = said["decision"]
    assert decided["chosen"]["method"] == "logit-mean"
    assert list(said["runs"]) == decided["members"] == list(workspace.run_names())
    assert decided["combination"]["weights"] == [0.5, 0.5]
    saved = read_json(blended.decision)
    assert saved.pop("format") == said["format"] == 1
    assert saved.pop("kit") == said["kit"]
    assert (saved.pop("kind"), said["kind"]) == ("a decision", "a submission's provenance")
    assert saved.pop("sha256") != said["sha256"]
    assert decided == saved
    answer = shapes.answer_format.read(files.csv, shapes.class_keys).labels
    assert said["test"] == {
        "rows": 8,
        "empty_rows": (answer.sum(axis=1) == 0).sum(),
        "positives": dict(zip(shapes.class_keys, answer.sum(axis=0), strict=True)),
    }
    out_of_fold = decided["worth"]["out_of_fold"]
    assert out_of_fold["rows"] == 40
    assert list(out_of_fold["positives"]) == list(shapes.class_keys)


# Checking

SAMPLE = ("b", "a")
GOOD = "image,circle,square,star\nb,0,1,0\na,0,0,0\n"


def test_a_good_submission_is_read_back(shapes: Competition, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(GOOD)
    answer = check_submission(shapes, tmp_path / "s.csv", SAMPLE)
    assert answer.ids == SAMPLE
    assert answer.labels.tolist() == [[0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("a,0,0,0\n", ""), r"is missing ids of sample\.csv: a\."),
        (GOOD + "c,0,0,0\n", r"has ids that are not in sample\.csv: c\."),
        (GOOD + "a,0,0,0\n", "line 4: duplicate id 'a', first on line 3"),
        (
            "image,circle,square,star\na,0,0,0\nb,0,1,0\n",
            r"has the ids of sample\.csv in another order",
        ),
        (GOOD.replace("1", "0.9"), "line 2: '0.9' is neither 0 nor 1"),
        (GOOD.replace("image", "Id"), "header is 'Id,circle,square,star', expected 'image,"),
        (GOOD.replace(",0\n", "\n"), "line 2: expected 4 cells"),
        (None, "does not exist"),
    ],
)
def test_what_a_grader_would_refuse_is_found(
    shapes: Competition, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "s.csv").write_text(content)
    with pytest.raises(UserError, match=message) as raised:
        check_submission(shapes, tmp_path / "s.csv", SAMPLE)
    assert str(raised.value).startswith(str(tmp_path / "s.csv"))


def test_everything_a_grader_would_refuse_is_named_at_once(
    shapes: Competition, tmp_path: Path
) -> None:
    spoilt = "\ufeff" + GOOD.replace("b,0,1,0", "b,0,7,0").replace("a,0", "c,0")
    (tmp_path / "s.csv").write_text(spoilt, encoding="utf-8")
    found = find_problems(shapes, tmp_path / "s.csv", SAMPLE)
    says = ("byte order mark", "line 2: '7' is neither", "missing ids of", "has ids that")
    assert [words in line for words, line in zip(says, found, strict=True)] == [True] * 4


def test_the_first_competition_takes_empty_rows_and_refuses_a_28th_class(tmp_path: Path) -> None:
    hpa = find_competition("hpa")
    (tmp_path / "s.csv").write_text("Id,Predicted\na,\nb,27 0\n")
    assert check_submission(hpa, tmp_path / "s.csv", ("a", "b")).labels.sum() == 2
    (tmp_path / "s.csv").write_text("Id,Predicted\na,\nb,28\n")
    with pytest.raises(
        UserError, match=r"line 3: '28' is not a label\. Allowed: the numbers 0 to 27"
    ):
        check_submission(hpa, tmp_path / "s.csv", ("a", "b"))


# Grading


def test_a_local_grader_is_asked_once_for_the_same_file(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    asked: list[Path] = []

    def grader(source: Path, csv: Path) -> Grades:
        assert source == workspace.source
        asked.append(csv)
        return Grades(public=0.25, private=0.5)

    graded = replace(shapes, grade=grader)
    files = write_submission(graded, workspace, blended).files
    for _ in range(2):
        assert grade(graded, workspace, files) == Grades(0.25, 0.5)
    assert asked == [files.csv]
    files.csv.write_text(files.csv.read_text().replace(",1", ",0"))
    grade(graded, workspace, files)
    assert asked == [files.csv] * 2
    assert read_json(files.grades)["csv_digest"] == digest_file(files.csv)


def test_a_bad_file_is_never_sent(
    shapes: Competition, workspace: Workspace, blended: BlendFiles
) -> None:
    files = write_submission(shapes, workspace, blended).files
    lines = files.csv.read_text().splitlines(keepends=True)
    files.csv.write_text("".join(lines[:-1]))
    with pytest.raises(UserError, match=r"is missing ids of sample\.csv"):
        grade(replace(shapes, grade=lambda source, csv: Grades(1, 1)), workspace, files)
    assert not files.grades.exists()


def test_a_competition_that_no_one_grades_has_its_file_checked(
    shapes: Competition,
    workspace: Workspace,
    blended: BlendFiles,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_submission(shapes, workspace, blended)
    assert submit_stage(shapes, workspace, "best") is None
    message = "shapes-best.csv is valid: upload it on the competition's page."
    assert capsys.readouterr().out.strip().endswith(message)


def test_without_a_name_the_blend_made_last_is_meant_whatever_the_times_say(
    workspace: Workspace, blended: BlendFiles
) -> None:
    other = workspace.blend("another")
    write_json(other.decision, {})
    assert find_blend(workspace, "another") == other
    remember_blend(workspace, blended)
    assert find_blend(workspace, None) == blended
    remember_blend(workspace, other)
    assert find_blend(workspace, None) == other


@pytest.mark.parametrize("name", [None, "old"])
def test_a_blend_of_the_first_release_is_named_also_when_it_is_the_one_made_last(
    workspace: Workspace, name: str | None
) -> None:
    old = workspace.blend("old")
    write_json(old.folder / "thresholds.json", {})
    remember_blend(workspace, old)
    with pytest.raises(UserError, match=r"^old was written by hpa-kit 0\.1, .* kit blend --name"):
        find_blend(workspace, name)


def test_a_blend_that_is_not_there_gets_a_list_of_those_that_are(
    workspace: Workspace, blended: BlendFiles
) -> None:
    with pytest.raises(UserError, match=r"No blend 'x'\. Known: best\."):
        find_blend(workspace, "x")


@pytest.mark.parametrize("damage", [None, "", "{}", '{"blend": 3}'])
def test_without_the_name_of_the_latest_blend_the_only_one_is_meant_or_one_must_be_named(
    workspace: Workspace, blended: BlendFiles, damage: str | None
) -> None:
    if damage is not None:
        write_text(workspace.latest_blend, damage)
    assert find_blend(workspace, None) == blended
    write_json(workspace.blend("other").decision, {})
    with pytest.raises(UserError, match=r"latest\.json .* Name the blend.* best, other\."):
        find_blend(workspace, None)
    remember_blend(workspace, blended)
    assert find_blend(workspace, None) == blended


def test_nothing_to_submit_comes_with_the_next_step(
    shapes: Competition, workspace: Workspace
) -> None:
    with pytest.raises(UserError, match="Make one: kit blend"):
        submit_stage(shapes, workspace, None)


def test_a_dry_run_checks_and_sends_nothing(
    shapes: Competition,
    workspace: Workspace,
    blended: BlendFiles,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = write_submission(shapes, workspace, blended).files
    submit_stage(shapes, workspace, "best", SubmitOptions(dry_run=True))
    assert "Dry run, nothing sent." in capsys.readouterr().out
    assert not files.grades.exists()
