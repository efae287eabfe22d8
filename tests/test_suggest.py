"""Suggested commands: each can be typed as it stands, and means the competition that was meant."""

import ast
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import kit.cli  # noqa: F401  adds the commands to the application
from kit.commands import blending, submitting, training
from kit.commands.app import app, place
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import csv_text, write_text
from kit.core.errors import UserError
from kit.core.paths import Workspace, provenance_of
from kit.core.suggest import DEFAULT_COMPETITION, WITHOUT_DATA, Typed
from kit.data.folds import digest_labels, make_folds, write_folds
from kit.data.runs import Run, begin_run
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.training.command import keep_command

KIT = Path(__file__).parent.parent / "kit"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# A space in both, because what is suggested goes through a shell.
OWN_FILE = "my flowers.py"
ELSEWHERE = "other place"


# The function


def test_what_is_the_default_is_left_out() -> None:
    assert Typed().command("train", "MODEL") == "kit train MODEL"
    assert Typed("cells").command("pack", "--size", 64) == "kit pack --size 64 -c cells"


def test_a_file_and_a_folder_are_repeated_as_they_were_typed() -> None:
    typed = Typed("../my flowers.py", Path("other place"))
    assert typed.command("folds") == "kit folds -c '../my flowers.py' --data 'other place'"
    assert typed.command("data") == "kit data -c '../my flowers.py'"


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def test_every_command_takes_what_is_added_to_it() -> None:
    without = {name for name, command in COMMANDS.items() if "--data" not in options(command)}
    assert without == WITHOUT_DATA | {"demo"}
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if "--competition" in parameter.opts:
                assert (name, parameter.default) == (name, DEFAULT_COMPETITION)


def literals(path: Path) -> list[str]:
    """The texts in a file, docstrings only where they are help; parts of f-strings are joined."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings, inside = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(node.value)
        if isinstance(node, ast.JoinedStr):
            inside |= {part for part in node.values if isinstance(part, ast.Constant)}
    is_help = path.parent.name == "commands"
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node not in inside and (is_help or node not in docstrings):
                found.append(node.value)
    return found


def test_no_other_function_writes_a_command() -> None:
    named = re.compile(rf"\bkit ({'|'.join(COMMANDS)})\b|(^|[ `]|: )kit {{}}")
    spelled = {
        str(path.relative_to(KIT)): found
        for path in sorted(KIT.rglob("*.py"))
        if (found := [text for text in literals(path) if named.search(text)])
    }
    assert spelled == {}


# Every suggestion


@dataclass(frozen=True)
class Here:
    """A competition with its tables, folds and a run of which fold 1 is not trained."""

    competition: Competition
    workspace: Workspace
    run: Run
    kit: Callable[..., str]


@pytest.fixture(params=[DEFAULT_COMPETITION, "cells", OWN_FILE])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[None, ELSEWHERE], ids=["usual", "elsewhere"])
def data(request: pytest.FixtureRequest) -> Path | None:
    return None if request.param is None else Path(request.param)


@pytest.fixture
def here(name: str, data: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(Path(__file__).parent / "flowers.py", OWN_FILE)
    Path(ELSEWHERE).mkdir()
    competition, workspace = place(name, data)
    table = write_tables(competition, workspace.source)
    folds = make_folds(table, 2, seed=0)
    write_folds(workspace.folds, folds, {"labels_digest": digest_labels(table)})
    recipe = with_settings(recipes.get("convnet"), ["size=32", "epochs=2", "loss=0.5*bce+lovasz"])
    run = begin_run(workspace, recipe.model_dump(), 2, folds.digest, digest_labels(table), {})
    keep_command(run, recipe, extra=None)

    def kit(command: str, *words: str) -> str:
        """What a command says, the end of a failed one too."""
        named = [] if name == DEFAULT_COMPETITION else ["-c", name]
        there = [] if data is None or command in WITHOUT_DATA else ["--data", str(data)]
        result = CliRunner().invoke(app, [command, *words, *named, *there])
        assert result.exception is None or isinstance(result.exception, UserError | SystemExit)
        return f"{result.output}\n{result.exception}"

    return Here(competition, workspace, run, kit)


def write_tables(competition: Competition, source: Path) -> LabelTable:
    """Write labels of 40 rows, a sample submission of 8, and groups where there are some."""
    rng = np.random.default_rng(0)
    classes = len(competition.class_keys)
    ids = tuple(f"train{number:02d}" for number in range(40))
    table = LabelTable(ids, (rng.random((40, classes)) < 0.4).astype(np.uint8))
    keys = competition.class_keys
    write_text(source / competition.label_table, competition.label_format.text(table, keys))
    tests = tuple(f"test{number}" for number in range(8))
    write_text(
        source / competition.sample_table,
        competition.answer(tests, np.zeros((8, classes), np.uint8)),
    )
    if competition.group_table is not None:
        rows = [("Id", "group"), *((image_id, image_id) for image_id in ids)]
        write_text(source / competition.group_table, csv_text(rows))
    return table


def error_of(work: Callable[[], object]) -> str:
    with pytest.raises(UserError) as raised:
        work()
    return str(raised.value)


def without(*paths: Path) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def no_folds(here: Here) -> str:
    without(here.workspace.folds, provenance_of(here.workspace.folds))
    return here.kit("train", "convnet")


SUGGESTIONS: dict[str, Callable[[Here], str]] = {
    "no folds": no_folds,
}


@pytest.fixture(params=SUGGESTIONS.values(), ids=SUGGESTIONS.keys())
def suggest(request: pytest.FixtureRequest) -> Callable[[Here], str]:
    found: Callable[[Here], str] = request.param
    return found


def commands_in(text: str) -> list[list[str]]:
    """The commands in a message, as words: up to a parenthesis, comma, semicolon or line's end."""
    word = r"(?:'[^']*'|[^\s'();,])+"
    found = re.findall(rf"\bkit (?:{'|'.join(COMMANDS)})\b(?: {word})*", text)
    return [shlex.split(command) for command in found]


class Arrived(Exception):
    """A typed command's arguments were taken; nothing need be done."""


FILLED = {"MODEL": "convnet", "NAME": "convnet", "RUN": "convnet", "FILE": "some.csv"}


def test_every_suggested_command_can_be_typed(
    here: Here, suggest: Callable[[Here], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = suggest(here)
    commands = commands_in(text)
    assert commands, text
    meant: list[tuple[Competition, Workspace]] = []

    def arrive(name: str, data: Path | None) -> None:
        meant.append(place(name, data))
        raise Arrived

    for module in (training, blending, submitting):
        monkeypatch.setattr(module, "place", arrive)
    for _, *words in commands:
        filled = [FILLED.get(word, word) for word in words]
        result = CliRunner().invoke(app, filled)
        assert isinstance(result.exception, Arrived), (text, result.output)
        competition, workspace = meant[-1]
        assert competition.name == here.competition.name
        assert words[0] in WITHOUT_DATA or workspace.source == here.workspace.source
