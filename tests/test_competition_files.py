"""A competition in a file of its own: copies of the kit's, dataclasses, names that are taken."""

import subprocess
import sys
from pathlib import Path

import pytest

from kit.competitions import hpa
from kit.competitions.registry import competitions, find_competition
from kit.core.errors import UserError

COPY = Path(hpa.__file__).read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _only_the_kits_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets what a test registers."""
    competitions.names()
    monkeypatch.setattr(competitions, "_entries", dict(vars(competitions)["_entries"]))


def renamed(name: str) -> str:
    return COPY.replace('register("hpa")', f'register("{name}")').replace(
        'name="hpa"', f'name="{name}"'
    )


def test_a_copy_that_registers_itself_is_found_however_often(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(renamed("mine"))
    found = find_competition(str(file))
    assert found.name == "mine"
    assert find_competition(str(file)) is found
    assert competitions.get("mine") is found


def test_a_copy_that_registers_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COPY)
    with pytest.raises(UserError, match=r"mine\.py .*two entries named 'hpa'"):
        find_competition(str(tmp_path / "mine.py"))


def test_facts_that_contradict_each_other_are_the_users_mistake(tmp_path: Path) -> None:
    text = renamed("mine").replace("images=FilePerChannel(", "display=(), images=FilePerChannel(")
    (tmp_path / "mine.py").write_text(text.replace("        display=DISPLAY,\n", ""))
    with pytest.raises(UserError, match="display needs one row per channel"):
        find_competition(str(tmp_path / "mine.py"))


def test_a_file_may_define_dataclasses_and_be_called_like_a_module(tmp_path: Path) -> None:
    text = renamed("mine").replace(
        "from kit.competitions.base",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from kit.competitions.base",
        1,
    )
    text += "\n\n@dataclass(frozen=True)\nclass Note:\n    text: str\n"
    (tmp_path / "json.py").write_text(text)
    assert find_competition(str(tmp_path / "json.py")).name == "mine"
    assert not hasattr(sys.modules["json"], "Note")


def test_cells_are_drawn_in_processes_that_are_not_forked(tmp_path: Path) -> None:
    """A fork would copy the locks of threads that it does not copy, TensorFlow's for example."""
    script = """
from pathlib import Path
from kit.competitions import cells

class NoFork(cells.ProcessPoolExecutor):
    def __init__(self, workers, mp_context):
        assert mp_context.get_start_method() == "spawn"
        super().__init__(workers, mp_context=mp_context)

cells.ProcessPoolExecutor = NoFork
cells.generate_cells(Path("drawn"), seed=2, n_train=6, n_test=3, size=32)
print(len(list(Path("drawn").rglob("*.png"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "36", done.stderr
