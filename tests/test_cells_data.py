"""`kit data` for synthetic cells: complete or absent, drawn again where damaged, by one process."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from recording import Recording

from kit.competitions.base import Competition
from kit.competitions.cells import cells, generate_cells
from kit.core.errors import UserError
from kit.core.owner import Busy, own
from kit.core.paths import Workspace
from kit.kaggle.clock import Clock, system_clock
from kit.stages.data import data_stage


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells") / "data"
    generate(folder)
    return folder


generate = partial(generate_cells, seed=3, n_train=4, n_test=3, size=32)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        ("train/*_red.png", Path.unlink),
        ("test/*_blue.png", empty),
        ("train.csv", Path.unlink),
        ("usage.csv", empty),
    ],
)
def test_what_is_missing_or_damaged_is_made_again(
    drawn: Path, tmp_path: Path, kind: str, harm: Callable[[Path], object]
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(drawn, folder)
    harm(next(iter(sorted(folder.glob(kind)))))
    reporter = Recording()
    generate(folder, reporter=reporter)
    assert contents(folder) == contents(drawn)
    told = [f"Drawing cells: 1 images, 4.1 kB at most, into {folder}"]
    assert reporter.lines == (told if kind.endswith("png") else [])


def test_complete_data_are_left_alone(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.competitions.cells.ProcessPoolExecutor", None)
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    generate(drawn)
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_the_space_is_said_and_required_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9000, 4000, 5000))
    reporter = Recording()
    with pytest.raises(UserError, match=r"^Drawing cells needs 28\.7 kB in .*5\.0 kB are free"):
        generate(tmp_path / "data", reporter=reporter)
    folder = tmp_path / "data"
    assert reporter.lines == [f"Drawing cells: 7 images, 28.7 kB at most, into {folder}"]
    assert not folder.exists()


def test_a_second_process_is_told_who_generates_them(workspace: Workspace) -> None:
    made: list[Path] = []
    clock: Clock = system_clock()
    competition: Competition = replace(cells, prepare=lambda folder, _: made.append(folder))
    with (
        own(workspace.source, "the data"),
        pytest.raises(Busy, match=r"the data of cells in .* is in use by process"),
    ):
        data_stage(competition, workspace, clock)
    data_stage(competition, workspace, clock)
    # Complete data need no lock.
    (workspace.source / cells.label_table).write_text("Id,Target\n")
    with own(workspace.source, "the data"):
        data_stage(competition, workspace, clock)
    assert made == [workspace.source] * 2
