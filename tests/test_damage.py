"""Each file of a finished workspace, damaged alone: named, never used, and fixed as told."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from damages import DAMAGES, follow, run
from flowers import FILE

OF = ("-c", FILE)
# Each with another file of its kind.
FILES = {
    "folds/flowers.csv": "data/flowers/labels.csv",
    "folds/flowers.json": "runs/flowers/blends/latest.json",
    "runs/flowers/blends/latest.json": "folds/flowers.json",
    "runs/flowers/blends/both/command.json": "folds/flowers.json",
    "runs/flowers/blends/both/decision.json": "folds/flowers.json",
    "runs/flowers/blends/both/oof.parquet": "runs/flowers/blends/both/oof_labels.parquet",
    "runs/flowers/blends/both/test.parquet": "runs/flowers/blends/both/oof.parquet",
    "runs/flowers/blends/both/oof_labels.parquet": "runs/flowers/blends/both/oof.parquet",
    "runs/flowers/blends/both/oof_labels_averaged.parquet": "runs/flowers/blends/both/oof.parquet",
    "submissions/flowers-both.csv": "data/flowers/sample.csv",
    "submissions/flowers-both.json": "folds/flowers.json",
}
# What may be lost without harm: a hint for messages, and what only repeats the table.
LESS = ("command.json", "latest.json", "flowers.json")


@pytest.fixture(scope="module")
def line(flower_line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished workspace, in which the tests of this file restore what they damage."""
    folder = tmp_path_factory.mktemp("damage") / "line"
    shutil.copytree(flower_line, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("KIT_DATA", raising=False)
        patch.delenv("KIT_RUNS", raising=False)
        yield folder


@pytest.fixture
def restored(line: Path) -> Iterator[None]:
    """All files as they were, afterwards."""
    before = {name: Path(name).read_bytes() for name in FILES}
    yield
    for name, content in before.items():
        if Path(name).is_dir():
            shutil.rmtree(name)
        Path(name).write_bytes(content)


def require_named(name: str, damage: str) -> str:
    """Damage a file and verify: the message, which names the file unless it is one of LESS."""
    DAMAGES[damage](Path(name), Path(FILES[name]))
    found, said = run("verify", *OF)
    assert found == 1 or (found == 0 and Path(name).name in LESS), said
    assert found == 0 or name in said, said
    return said


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(one, marks=() if one in ("one bit flipped", "deleted") else pytest.mark.slow)
        for one in DAMAGES
    ],
)
def test_a_damaged_file_is_named(restored: None, name: str, damage: str) -> None:
    require_named(name, damage)


EACH = [(name, damage) for name in FILES for damage in DAMAGES]


@pytest.mark.parametrize(
    ("name", "damage"),
    # In turn, each damage for some of the files; all of them when there is more time.
    [
        pytest.param(*one, marks=() if number % 13 == 0 else pytest.mark.slow)
        for number, one in enumerate(EACH)
    ],
)
def test_a_damaged_file_is_fixed_as_told(restored: None, name: str, damage: str) -> None:
    before = Path(name).read_bytes()
    said = require_named(name, damage)
    for words in (("status",), ("ledger",), ("submit", "both", "--dry-run"), ("report", "both")):
        status, text = run(*words, *OF)
        assert status in (0, 2), text
    follow(said)
    found, said = run("verify", *OF)
    assert found == 0, said
    if Path(name).name not in LESS:
        assert Path(name).read_bytes() == before
