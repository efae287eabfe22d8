"""The shape of the kit: imports point one way, facts of a competition stay in its file."""

import ast
import dataclasses
import importlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulation import simulate_members

from kit.ensemble import Options, fit_decision
from kit.ensemble.postprocess import Copied, Postprocess, Rule

ROOT = Path(__file__).parent.parent
KIT = ROOT / "kit"

MAY_IMPORT = {
    "core": set(),
    "competitions": {"core"},
    "data": {"core", "competitions"},
    "models": {"core"},
    "recipes": {"core", "data", "models"},
    "training": {"core", "competitions", "data", "models", "recipes"},
    "scores": {"core", "competitions", "data"},
    "ensemble": {"core", "competitions", "data", "scores"},
    "blends": {"core", "competitions", "data", "ensemble"},
    "kaggle": {"core"},
    "submission": {"core", "competitions", "data", "ensemble", "blends", "kaggle"},
    "kernel": {
        "core",
        "competitions",
        "data",
        "models",
        "recipes",
        "training",
        "ensemble",
        "blends",
        "submission",
        "kaggle",
    },
    "compare": {
        "core",
        "competitions",
        "data",
        "models",
        "recipes",
        "training",
        "ensemble",
        "blends",
    },
    "report": {
        "core",
        "competitions",
        "data",
        "models",
        "recipes",
        "training",
        "ensemble",
        "blends",
        "kaggle",
        "submission",
        "kernel",
        "compare",
    },
    "stages": {
        "core",
        "competitions",
        "data",
        "models",
        "recipes",
        "training",
        "ensemble",
        "blends",
        "kaggle",
        "submission",
        "kernel",
        "compare",
        "report",
    },
}
# Work in these rooms returns values and takes a `Reporter`; printing is for the stages.
SILENT_ROOMS = (
    "competitions",
    "data",
    "models",
    "recipes",
    "training",
    "kaggle",
    "kernel",
    "compare",
    "report",
    "scores",
    "ensemble",
    "blends",
    "submission",
)
MODULES = sorted(KIT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules of the kit that a file imports, anywhere in it.

    Of `from kit.a import b` it gives both `kit.a` and `kit.a.b`, which may be a module.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return {name for name in found if name.startswith("kit.")}


@pytest.mark.parametrize(
    ("line", "modules"),
    [
        ("import kit.core.disk", {"kit.core.disk"}),
        ("from kit import cli", {"kit.cli"}),
        ("from kit.core import disk", {"kit.core", "kit.core.disk"}),
        ("def late(): from kit.data import store as s", {"kit.data", "kit.data.store"}),
        ("import numpy", set()),
    ],
)
def test_every_form_of_import_is_seen(tmp_path: Path, line: str, modules: set[str]) -> None:
    (tmp_path / "one.py").write_text(line)
    assert imported(tmp_path / "one.py") == modules


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_no_import_points_back(path: Path) -> None:
    room = path.relative_to(KIT).parts[0]
    if room not in MAY_IMPORT:
        return  # commands, cli and demo see everything, __init__ and __main__ at most the cli
    rooms = {name.split(".")[1] for name in imported(path)} - {room}
    assert rooms <= MAY_IMPORT[room]


def prints(path: Path) -> bool:
    """Whether a file prints: by the kit's terminal, or by Python's own means."""
    code = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))}
    if any(line.startswith("print(") for line in code) or {"sys.stdout", "sys.stderr"} & code:
        return True
    return "kit.core.terminal" in imported(path)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("print('done')", True),
        ("import sys; sys.stdout.write('done')", True),
        ("def late(): from kit.core.terminal import say", True),
        ("from kit.core import terminal", True),
        ("from kit.core.progress import SILENT", False),
        ("text = 'print(1)'", False),
    ],
)
def test_every_way_to_print_is_seen(tmp_path: Path, line: str, found: bool) -> None:
    (tmp_path / "one.py").write_text(line)
    assert prints(tmp_path / "one.py") == found


@pytest.mark.parametrize("room", SILENT_ROOMS)
def test_work_prints_nothing(room: str) -> None:
    assert [str(path) for path in (KIT / room).rglob("*.py") if prints(path)] == []


def test_no_two_modules_import_each_other() -> None:
    arrows = {module_name(path): imported(path) for path in MODULES}

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        for step in arrows.get(start, set()) - seen:
            if step == goal or reaches(step, goal, seen | {step}):
                return True
        return False

    assert [name for name in arrows if reaches(name, name, set())] == []


def test_the_client_is_imported_in_its_room_only_and_when_it_is_needed() -> None:
    """Importing it authenticates, which no other command is to do."""
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = tree.body if path.parent.name == "kaggle" else list(ast.walk(tree))
        for node in nodes:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not any(name.split(".")[0] in ("kaggle", "kagglesdk") for name in names), path


def test_contributing_shows_the_same_arrows() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for room, allowed in MAY_IMPORT.items():
        row = re.search(rf"\| `kit/{room}/` \|[^|]*\|([^|]*)\|", text)
        assert row, f"CONTRIBUTING.md has no row for kit/{room}/"
        named = row[1].strip()
        if named == "everything above":
            continue
        assert set(re.findall(r"[a-z]+", named)) - {"nothing", "of", "the", "kit"} == allowed


def test_only_the_competitions_know_their_classes_channels_and_formats() -> None:
    fact = re.compile(r"""_green|Nucleoplasm|Centrosome|["']Target["']|["']Predicted["']|\b28\b""")
    outside = [path for path in MODULES if "competitions" not in path.parts]
    code = {path: _without_docstrings_and_comments(path) for path in outside}
    assert {str(path): found for path, text in code.items() if (found := fact.findall(text))} == {}


def _without_docstrings_and_comments(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    return ast.unparse(tree)


def test_long_files_have_a_reason() -> None:
    long = [path.name for path in MODULES if len(path.read_text().splitlines()) > 300]
    assert long == []


# The room of decisions

ENSEMBLE = sorted((KIT / "ensemble").glob("*.py"))

# Other JSON that happens to spell a key as decision.json does.
COINCIDENCES = {
    "kit/core/terms.py": {"name"},  # of a class or channel
    "kit/data/run_files.py": {"name", "files"},  # recipe.json, done.json
    "kit/data/run_records.py": {"name"},  # recipe.json
    "kit/kaggle/push.py": {"name"},  # Kaggle's answers
    "kit/kernel/folder.py": {"inputs"},  # kernel.json
    "kit/kernel/image.py": {"inputs"},
    "kit/kernel/notebook.py": {"source"},  # a notebook's cells
    "kit/kernel/push.py": {"inputs"},
    "kit/kernel/rules.py": {"name"},
    "kit/training/start.py": {"name", "weights"},  # the file of weights to start from
}


def keys_of_decisions() -> set[str]:
    """Every key in decision.json: of its fields, and not the names of classes, members or rows."""
    members = simulate_members(60, [[[2.0]], [[1.0]]])
    steps = Postprocess((Rule(0, 1, 0.5, 0.5),), True, {"row3": Copied("row1", (0,))})
    fits = (fit_decision(members, None, Options(one, "exact")) for one in ("mean", "stack"))
    found: set[str] = set()
    for fitted in fits:
        found |= _keys(replace(fitted.decision, postprocess=steps).as_json())
    weighed = fit_decision(members, None, Options("mean", "auto", steps=("fill",))).decision
    found |= _keys(weighed.as_json())
    return found - {*members.class_keys, *members.names, "row3"}


def _keys(value: Any) -> set[str]:
    """The keys of nested mappings and lists."""
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def keys_spelled(path: Path) -> set[str]:
    """The string constants that a file looks up: between brackets, or by get, pop, setdefault."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript):
            key = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            key = node.args[0] if node.func.attr in ("get", "pop", "setdefault") else None
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            found.add(key.value)
    return found


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("content['thresholds']['0']", {"thresholds", "0"}),
        ("content.get('worth', {})['score']", {"worth", "score"}),
        ("content.pop('copies')", {"copies"}),
        ("decision.thresholds", set()),
        ("say('thresholds')", set()),
    ],
)
def test_every_way_to_look_up_a_key_is_seen(tmp_path: Path, line: str, keys: set[str]) -> None:
    (tmp_path / "one.py").write_text(line)
    assert keys_spelled(tmp_path / "one.py") == keys


def test_no_key_of_a_decision_is_spelled_outside_its_module() -> None:
    keys = keys_of_decisions()
    assert {"combination", "thresholds", "worth", "cross_fitted", "rules", "columns"} <= keys
    assert {"weights", "own", "across", "policies", "gain", "interval", "chosen"} <= keys
    outside = {}
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        found = (keys & keys_spelled(path)) - COINCIDENCES.get(name, set())
        if found and name not in ("kit/ensemble/decision.py", "kit/ensemble/worth.py"):
            outside[name] = found
    assert outside == {}


def test_the_ensemble_is_thirteen_files_at_most() -> None:
    assert 0 < len(ENSEMBLE) <= 13
    assert not [path for path in (KIT / "ensemble").rglob("*.py") if path not in ENSEMBLE]


def test_no_function_of_the_ensemble_takes_more_than_six_values() -> None:
    long = []
    for path in ENSEMBLE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            one = node.args
            names = [arg.arg for arg in (*one.posonlyargs, *one.args, *one.kwonlyargs)]
            rest = [arg for arg in (one.vararg, one.kwarg) if arg is not None]
            if len(set(names) - {"self", "cls"}) + len(rest) > 6:
                long.append(f"{path.name}: {node.name}")
    assert long == []


def test_no_dataclass_of_the_ensemble_has_more_than_ten_fields() -> None:
    sizes = {}
    for path in ENSEMBLE:
        for name, value in vars(importlib.import_module(module_name(path))).items():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                sizes[name] = len(dataclasses.fields(value))
    assert len(sizes) > 20
    assert {name: size for name, size in sizes.items() if size > 10} == {}


def test_the_lock_names_no_index_and_pins_every_dependency() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    assert "://" not in lock
    assert "--" not in lock.replace("--hash=sha256:", "")
    pinned = {line.split("==")[0].lower() for line in lock.splitlines() if "==" in line}
    declared = re.findall(r'^\s+"([a-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.M)
    assert len(declared) > 15
    assert set(declared) <= pinned


def test_the_lock_of_the_other_backends_is_the_first_one_without_tensorflow() -> None:
    first, other = (
        dict(re.findall(r"^([\w.-]+)==([\w.+]+)", (ROOT / name).read_text(), re.M))
        for name in ("requirements.txt", "requirements-backends.txt")
    )
    assert not {"tensorflow", "keras-cv"} & set(other)
    assert {"keras", "numpy", "pytest", "jax", "jaxlib", "torch"} <= set(other)
    assert other["torch"] == "2.13.0"
    assert {name for name in set(first) & set(other) if first[name] != other[name]} == set()
    lock = (ROOT / "requirements-backends.txt").read_text()
    assert "://" not in lock
    assert "--" not in lock
    assert "nvidia" not in lock
