"""What users read is true: every command in it exists, every path and number can be found."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from kit.commands.app import app

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/images.md",
    "docs/students.md",
    "docs/thresholds.md",
    "docs/training.md",
)
TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SUBCOMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def commands(pattern: str) -> list[tuple[str, str]]:
    """Each (page, command) that is shown as code, in a block or between backticks."""
    code = re.compile(rf"(?:^    +|`)({pattern}[^`\n]*)", re.M)
    return [(page, found) for page in PAGES for found in code.findall(TEXT[page])]


@pytest.mark.parametrize(("page", "command"), commands("make "))
def test_every_make_command_is_a_target_that_runs_the_kit(page: str, command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(command)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    target = shlex.split(command)[1]
    assert f"\n{target}:" in MAKEFILE
    # A sentence may name a target without the variables that it needs: `make train` resumes.
    if command != f"make {target}" or f"make {target} needs " not in done.stderr:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "command"), commands("kit [a-z]"))
def test_every_kit_command_is_one_with_these_options(page: str, command: str) -> None:
    _, name, *words = shlex.split(command)
    assert name in SUBCOMMANDS, f"{page}: no such command: {command}"
    known = {option for parameter in SUBCOMMANDS[name].params for option in parameter.opts}
    known.add("--help")
    assert {word for word in words if word.startswith("-")} <= known


def test_every_make_target_is_one_line_that_calls_a_subcommand() -> None:
    called = set(re.findall(r"\$\(KIT\) ([\w-]+)", MAKEFILE))
    assert called <= set(SUBCOMMANDS)


def test_every_file_and_folder_of_the_readme_exists() -> None:
    named = set(re.findall(r"`((?:kit|tests|bench)/[\w/.]*)`", TEXT["README.md"]))
    named |= set(re.findall(r"\]\(((?!http)[^)]+)\)", TEXT["README.md"]))
    assert len(named) > 8
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_readme_lists_every_recipe() -> None:
    from kit.recipes import recipes

    for name in recipes.names():
        assert f"`{name}`" in TEXT["README.md"]


def test_the_bench_that_the_readme_quotes_prints_its_lines() -> None:
    code = (ROOT / "bench" / "speed.py").read_text(encoding="utf-8")
    quoted = re.findall(r"^    (\S.*?)  +[\d,]+ \w+/s", TEXT["README.md"], re.M)
    assert len(quoted) >= 4
    for line in quoted:
        assert f'"{line}"' in code


def test_kit_is_what_python_m_kit_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kit", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Usage:" in done.stdout
