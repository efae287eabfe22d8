"""A sample of the chaos: each kind of fault, and each kind of file; `make chaos` runs everything.

The parts share one undisturbed line, whichever process makes it first.
"""

from pathlib import Path

import pytest
from filelock import FileLock

from chaos.line import Golden, make_golden
from chaos.parts import PARTS, sample
from chaos.verdict import suggested


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Golden:
    """The undisturbed line, in a folder that the processes of one test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "chaos"
    with FileLock(folder.with_suffix(".lock")):
        return make_golden(folder)


@pytest.mark.parametrize("part", [part for part in PARTS if part != "disk"])
def test_a_sample_of_each_part_ends_well(part: str, golden: Golden, tmp_path: Path) -> None:
    results = [trial.run(tmp_path / "work") for trial in sample(golden, part)]
    assert results
    bad = [f"{one.verdict}: {one.case}: {one.told}" for one in results if not one.good]
    assert bad == [], "\n".join(bad)


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("kit: x is missing. Make it again: kit folds --n 2", ["kit folds --n 2"]),
        ("kit: a. Run: kit blend --name a; or train: kit train MODEL", ["kit blend --name a"]),
        ("kit: b is a folder. Remove it: rm -r 'my b'.", ["rm -r 'my b'"]),
        ("kit: b: no kit. Delete it.", []),
    ],
)
def test_the_commands_in_a_message_are_found(line: str, commands: list[str]) -> None:
    assert suggested(line) == commands
