"""The whole line through the command line, for a competition that is one file of its own."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import kit
from flowers import FILE, flowers
from sklearn.metrics import f1_score


@pytest.fixture(scope="module")
def meadow(flower_line: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two small models have been trained and blended."""
    folder = tmp_path_factory.mktemp("whole-line") / "meadow"
    shutil.copytree(flower_line, folder)
    return folder


def test_the_submission_has_the_competition_s_own_header_order_and_cells(meadow: Path) -> None:
    lines = (meadow / "submissions" / "flowers-both.csv").read_text().splitlines()
    sample = (meadow / "data" / "flowers" / "sample.csv").read_text().splitlines()
    assert lines[0] == "image_name,aster,bellflower,clover,daisy,edelweiss"
    assert [line.split(",")[0] for line in lines] == [line.split(",")[0] for line in sample]
    assert {cell for line in lines[1:] for cell in line.split(",")[1:]} <= {"0", "1"}


def test_score_prints_what_scikit_learn_computes_from_the_same_files(
    meadow: Path, tmp_path: Path
) -> None:
    csv = meadow / "submissions" / "flowers-both.csv"
    answer = flowers.answer_format.read(csv, flowers.class_keys)
    rng = np.random.Generator(np.random.PCG64(1))
    truth = (rng.random(answer.labels.shape) < 0.4).astype(np.uint8)
    truth[:, 2] = 0
    truth_file = tmp_path / "truth.csv"
    truth_file.write_text(flowers.answer(answer.ids, truth))
    printed = kit(
        meadow,
        "score",
        "--competition",
        FILE,
        "--predictions",
        str(csv),
        "--labels",
        str(truth_file),
    )
    expected = f1_score(truth, answer.labels, average="macro", zero_division=0)
    assert f"macro-F1 {expected:.6f}" in printed


def test_the_ancestry_of_a_submission_names_runs_recipes_folds_and_thresholds(
    meadow: Path,
) -> None:
    from kit.core.disk import digest_file, read_json

    ancestry = read_json(meadow / "submissions" / "flowers-both.json")
    assert ancestry["csv_digest"] == digest_file(meadow / "submissions" / "flowers-both.csv")
    assert len(ancestry["runs"]) == 2
    for run in ancestry["runs"].values():
        assert run["recipe"]["name"] == "convnet"
        assert run["inputs"]["folds"] == 2
    decision = ancestry["decision"]
    assert set(decision["thresholds"]) == set(flowers.class_keys)
    assert decision["members"] == list(ancestry["runs"])
    low, high = decision["worth"]["score"]["interval"]
    assert low <= decision["worth"]["score"]["expected"] <= high


def test_blending_again_changes_no_byte(meadow: Path) -> None:
    made = [meadow / "submissions", meadow / "runs"]
    # Hidden files remember which versions of files were checked: this workspace is a copy.
    files = [path for folder in made for path in folder.rglob("[!.]*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    kit(meadow, "blend", "--competition", FILE, "--name", "both")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before


def test_the_report_is_one_file_with_its_pictures_inside(meadow: Path) -> None:
    printed = kit(meadow, "report", "--competition", FILE)
    page = (meadow / "runs" / "flowers" / "blends" / "both" / "report.html").read_text()
    assert "report.html" in printed
    embedded = re.findall(r'<img alt="(.*?)" src="data:image/png;base64,i', page)
    assert page.count("<img") == len(embedded)
    runs = sorted(path.name for path in (meadow / "runs" / "flowers").glob("convnet-*"))
    curves = [f"Learning curves: {name}" for name in ("All in one", *runs)]
    others = ["F1 of runs and blend", "Images with predicted and true labels", "F1 per class"]
    assert {*others, *curves} <= set(embedded)
    assert "<h2>Two models beside the truth</h2>" in page
    assert 'src="http' not in page


@pytest.mark.parametrize("words", [(), ("--as-trained", "--at", "0.2", "--rare")])
def test_two_runs_are_shown_beside_the_truth(meadow: Path, words: tuple[str, ...]) -> None:
    runs = ["convnet-16", "convnet-24"]
    printed = kit(meadow, "look", *runs, "--competition", FILE, *words, "--out", "two.png")
    assert printed.count("  truth: ") == 10
    assert all(printed.count(f"  {run}-") == 10 for run in runs)
    assert "10 training images, 5 classes; TP: true positives, FN: false negatives" in printed
    assert ("As trained: " in printed) == bool(words)
    assert printed.endswith("Wrote two.png\n")
    assert (meadow / "two.png").read_bytes().startswith(b"\x89PNG")


def test_a_dry_run_checks_and_sends_nothing(meadow: Path) -> None:
    assert "nothing sent" in kit(meadow, "submit", "--competition", FILE, "--dry-run")


def test_status_lists_what_there_is(meadow: Path) -> None:
    printed = kit(meadow, "status", "--competition", FILE)
    assert printed.count("2 of 2") == 2
    assert "both" in printed
