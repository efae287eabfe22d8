"""The Makefile: what its targets pass on and refuse, and the README's commands on real files."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from kit.commands.app import app
from kit.competitions.cells import generate_cells

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = tuple(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
USAGE = dict(re.findall(r"^usage\.([a-z-]+) = (.*)$", MAKEFILE, re.M))
# Typed in one word, an example value is `NAME=value` or `NAME="a b"`.
VARIABLE = r'([A-Z_]+)=((?:"[^"]*"|[^\]| ])+)'
KNOWN = sorted({name for usage in USAGE.values() for name, _ in re.findall(VARIABLE, usage)})
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
KIT = f"{sys.executable} -m kit"
# Values of several words: each word becomes an argument or an option.
LISTS = ("RUNS", "SET", "TEST", "POSTPROCESS", "IDS", "NAMES")
FLAGS = ("RARE", "SUMMARY", "WAIT")


def taken(target: str) -> list[str]:
    """The names of the variables that a target takes, sorted."""
    usage = USAGE.get(target, "").replace("$(PLACE)", "[COMPETITION=cells] [DATA=folder]")
    return sorted(name for name, _ in re.findall(VARIABLE, usage))


def run_make(
    folder: Path, *words: str, command: str = KIT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `make` with the kit's Makefile in another folder, by the Python that runs the tests."""
    clean = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    for name in ("KIT_DATA", "KIT_RUNS", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        clean.pop(name, None)
    # Of the `make test` that may run this.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"):
        clean.pop(name, None)
    own = [f"KIT={command}", f"CHAOS={command}"]
    typed = ["make", "-f", str(ROOT / "Makefile"), "-o", "setup", *own, *words]
    return subprocess.run(
        typed, cwd=folder, env={**clean, **(environment or {})}, capture_output=True, text=True
    )


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A program that takes the kit's place: it writes down its arguments, a line each."""
    program = tmp_path / "kit"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > arguments\n')
    program.chmod(0o755)
    return program


def arguments(recorded: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """What a target calls the kit with, words separated by ` / `."""
    done = run_make(recorded.parent, *words, command="./kit", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return " / ".join((recorded.parent / "arguments").read_text().splitlines())


def refusal(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """The one line that `make` says when it refuses, without its frame."""
    done = run_make(folder, *words, command="./kit", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    found = re.fullmatch(r"\S*Makefile:\d+: \*\*\* (.*)\.  Stop\.\n", done.stderr)
    assert found, done.stderr
    return found[1]


def needed(usage: str) -> list[tuple[str, str]]:
    """The variables that a target needs with their examples, the first of alternatives."""
    outside = re.sub(r"\[[^]]*\]|\$\(PLACE\)", "", usage)
    found: list[tuple[str, str]] = re.findall(VARIABLE, re.sub(r"\|\S+=\S+", "", outside))
    return [(name, value.strip('"')) for name, value in found]


# What the targets are


def test_every_target_is_listed_as_phony_and_by_make_help(tmp_path: Path) -> None:
    (listed,) = re.findall(r"^TARGETS = ((?:.*\\\n)*.*)$", MAKEFILE, re.M)
    assert sorted(listed.replace("\\\n", " ").split()) == sorted(TARGETS)
    assert ".PHONY: $(TARGETS)\n" in MAKEFILE
    assert set(USAGE) <= set(TARGETS)
    done = run_make(tmp_path, "help")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    first = [line.split()[0] for line in lines[: lines.index("")] if line[0] != " "]
    assert sorted(first) == sorted(TARGETS)
    for usage in USAGE.values():
        for word in usage.removesuffix("$(PLACE)").replace("[COMPETITION=cells]", "").split():
            assert word in done.stdout
    assert run_make(tmp_path).stdout == done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_passes_only_options_that_its_command_has(target: str) -> None:
    for name, words in re.findall(rf"^{target}:.*\n\t\$\(KIT\) ([a-z-]+)(.*)$", MAKEFILE, re.M):
        assert name == target
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", words)) <= known


# With their variables

EXPECTED = {
    "demo": "demo",
    "data": "data / --competition / hpa",
    "data COMPETITION=cells": "data / --competition / cells",
    "folds": "folds / --competition / hpa",
    "folds HOW=random SEED=101": "folds / --competition / hpa / --seed / 101 / --how / random",
    "folds N=3 GROUPS=g.csv": "folds / --competition / hpa / --n / 3 / --groups / g.csv",
    "pack SIZE=299": "pack / --competition / hpa / --size / 299",
    "pack SIZE=299 RESIZE=linear": (
        "pack / --competition / hpa / --size / 299 / --resize / linear"
    ),
    "train MODEL=gapnet": "train / gapnet / --competition / hpa",
    "train MODEL=gapnet SIZE=64 FOLDS=0,1 SEEDS=2": (
        "train / gapnet / --competition / hpa / --size / 64 / --folds / 0,1 / --seeds / 2"
    ),
    "train MODEL=gapnet 'EXTRA=my hpa.csv:hpa'": (
        "train / gapnet / --competition / hpa / --extra / my hpa.csv:hpa"
    ),
    "train MODEL=gapnet 'SET=epochs=3 augment=crop+rotate(15)'": (
        "train / gapnet / --competition / hpa / --set / epochs=3 / --set / augment=crop+rotate(15)"
    ),
    "predict RUN=gapnet-64": "predict / gapnet-64 / --competition / hpa",
    "predict RUN=gapnet TTA=16": "predict / gapnet / --competition / hpa / --tta / 16",
    "look MODEL=gapnet": "look / gapnet / --competition / hpa",
    "look MODEL=gapnet GRID=10x5": "look / gapnet / --competition / hpa / --grid / 10x5",
    "look MODEL=gapnet SIZE=64 'SET=mix=mixup(0.2)'": (
        "look / gapnet / --competition / hpa / --size / 64 / --set / mix=mixup(0.2)"
    ),
    "look 'RUNS=gapnet vgg16' AT=0.2": "look / gapnet / vgg16 / --competition / hpa / --at / 0.2",
    "look RUNS=a 'IDS=x y'": "look / a / --competition / hpa / --ids / x / --ids / y",
    "look RUNS=a FIRST=3 RARE=1": "look / a / --competition / hpa / --first / 3 / --rare",
    "import-predictions NAME=theirs OOF=o.csv": (
        "import-predictions / theirs / --competition / hpa / --oof / o.csv"
    ),
    "import-predictions NAME=theirs OOF=o.csv 'TEST=a.csv b.csv'": (
        "import-predictions / theirs / --competition / hpa / --oof / o.csv / --test / a.csv / "
        "--test / b.csv"
    ),
    "blend": "blend / --competition / hpa",
    "blend 'RUNS=a b' NAME=both": "blend / a / b / --competition / hpa / --name / both",
    "blend METHOD=stack POLICY=fixed=0.2 'POSTPROCESS=rules fill'": (
        "blend / --competition / hpa / --method / stack / --policy / fixed=0.2 / --postprocess / "
        "rules / --postprocess / fill"
    ),
    "tune OOF=o LABELS=l OUT=d": (
        "tune / --competition / hpa / --oof / o / --labels / l / --out / d"
    ),
    "tune OOF=o LABELS=l OUT=d FOLDS=f 'TEST=t u' POLICY=all COMPETITION=cells": (
        "tune / --competition / cells / --oof / o / --labels / l / --out / d / --folds / f / "
        "--test / t / --test / u / --policy / all"
    ),
    "score PREDICTIONS=p LABELS=l": (
        "score / --competition / hpa / --predictions / p / --labels / l"
    ),
    "score PREDICTIONS=p LABELS=l DECISION=d": (
        "score / --competition / hpa / --predictions / p / --labels / l / --decision / d"
    ),
    "compare 'RUNS=a b c'": "compare / a / b / c / --competition / hpa",
    "curves RUNS=a": "curves / a / --competition / hpa",
    "report": "report / --competition / hpa",
    "report NAME=first": "report / first / --competition / hpa",
    "submit": "submit / --competition / hpa",
    "submit NAME=first 'MESSAGE=my \"best\"  one'": (
        'submit / first / --competition / hpa / --message / my "best"  one'
    ),
    "ledger": "ledger / --competition / hpa",
    "kernel": "kernel / --competition / hpa / --check",
    "kernel NAME=first": "kernel / first / --competition / hpa / --check",
    "status": "status / --competition / hpa",
    "status COMPETITION='my flowers.py' DATA='other place'": (
        "status / --competition / my flowers.py / --data / other place"
    ),
    "verify": "verify / --competition / hpa",
    "verify NAMES='gapnet best'": "verify / gapnet / best / --competition / hpa",
    "models": "models / --competition / hpa",
    "models MODEL=gapnet": "models / gapnet / --competition / hpa",
    "models MODEL=gapnet SUMMARY=1": "models / gapnet / --competition / hpa / --summary",
    "models MODEL=gapnet SUMMARY=": "models / gapnet / --competition / hpa",
}


@pytest.mark.parametrize("words", EXPECTED)
def test_a_target_calls_the_command_with_the_variables_as_options(
    recorded: Path, words: str
) -> None:
    assert arguments(recorded, *shlex.split(words)) == EXPECTED[words]


def test_every_target_of_the_kit_is_among_these() -> None:
    calling = set(re.findall(r"^([a-z-]+):.*\n\t\$\(KIT\)", MAKEFILE, re.M))
    assert calling == {words.split()[0] for words in EXPECTED}


@pytest.mark.parametrize("target", USAGE)
def test_every_variable_of_a_usage_reaches_the_command_unchanged(
    recorded: Path, target: str
) -> None:
    given = {name: f"{name}={value}" for name, value in needed(USAGE[target])}
    for name in set(taken(target)) - set(FLAGS):
        value = """it's "1"; $HOME `x` (*) \\ #""" if name not in LISTS else """it's("$x")"""
        assert value in arguments(recorded, target, *{**given, name: f"{name}={value}"}.values())


@pytest.mark.parametrize("target", USAGE)
def test_the_environment_changes_nothing(recorded: Path, target: str) -> None:
    """WSL exports NAME, and shells, build systems and users all kinds of names."""
    exported = dict.fromkeys(KNOWN, "exported")
    given = [f"{name}={value}" for name, value in needed(USAGE[target])]
    plain = arguments(recorded, target, *given)
    assert arguments(recorded, target, *given, environment=exported) == plain
    assert arguments(recorded, "-e", target, *given, environment=exported) == plain


def test_variables_reach_a_make_inside_a_make(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "outer").write_text(f"all:\n\t$(MAKE) -f {ROOT / 'Makefile'} -o setup pack\n")
    done = subprocess.run(
        ["make", "-f", "outer", "SIZE=64", "KIT=./kit", "NOTE=of another makefile"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "arguments").read_text().split()
    assert said == ["pack", "--competition", "hpa", "--size", "64"]


def test_several_targets_share_their_variables(recorded: Path) -> None:
    assert arguments(recorded, "folds", "train", "N=3", "MODEL=gapnet") == (
        "train / gapnet / --competition / hpa"
    )


@pytest.mark.parametrize(
    "name",
    [
        "CUDA_VISIBLE_DEVICES",
        "JAX_PLATFORMS",
        "KAGGLE_USERNAME",
        "KERAS_BACKEND",
        "KIT_DATA",
        "KIT_RUNS",
        "OMP_NUM_THREADS",
        "PYTHONWARNINGS",
        "TF_CPP_MIN_LOG_LEVEL",
        "XLA_FLAGS",
    ],
)
def test_variables_of_libraries_reach_the_command_as_its_environment(
    recorded: Path, name: str
) -> None:
    recorded.write_text(f'#!/bin/sh\necho "${name}" > arguments\n')
    assert arguments(recorded, "status", f"{name}=some value") == "some value"
    prefix = re.match(r"[A-Z]+_|PYTHON", name)
    assert prefix
    assert f"{prefix[0]}*" in run_make(recorded.parent, "help").stdout


def test_variables_of_make_and_of_the_makefile_can_be_typed(recorded: Path) -> None:
    own = ("SHELL=/bin/sh", "MAKEFLAGS=--silent", "PYTHON=python3", "PYTEST=pytest")
    assert arguments(recorded, "status", *own) == "status / --competition / hpa"


# Without their variables

MISSING = {
    "pack": "make pack needs SIZE, for example: make pack SIZE=512",
    "pack SIZE=": "make pack needs SIZE, for example: make pack SIZE=512",
    "pack 'SIZE= '": "make pack needs SIZE, for example: make pack SIZE=512",
    "train": "make train needs MODEL, for example: make train MODEL=gapnet",
    "folds train N=3": "make train needs MODEL, for example: make train MODEL=gapnet",
    "predict TTA=8": "make predict needs RUN, for example: make predict RUN=gapnet",
    "look AT=0.2": (
        "make look needs MODEL or RUNS, for example: make look MODEL=gapnet or make look "
        'RUNS="gapnet vgg16"'
    ),
    "import-predictions": (
        "make import-predictions needs NAME and OOF, for example: make import-predictions "
        "NAME=other OOF=oof.parquet"
    ),
    "import-predictions OOF=o.csv": (
        "make import-predictions needs NAME, for example: make import-predictions NAME=other "
        "OOF=oof.parquet"
    ),
    "tune": (
        "make tune needs OOF, LABELS and OUT, for example: make tune OOF=oof.parquet "
        "LABELS=train.csv OUT=decision.json"
    ),
    "tune LABELS=l": (
        "make tune needs OOF and OUT, for example: make tune OOF=oof.parquet LABELS=train.csv "
        "OUT=decision.json"
    ),
    "tune OOF=o LABELS=l": (
        "make tune needs OUT, for example: make tune OOF=oof.parquet LABELS=train.csv "
        "OUT=decision.json"
    ),
    "score LABELS=l": (
        "make score needs PREDICTIONS, for example: make score PREDICTIONS=oof.parquet "
        "LABELS=train.csv"
    ),
    "compare": 'make compare needs RUNS, for example: make compare RUNS="gapnet vgg16"',
    "curves": 'make curves needs RUNS, for example: make curves RUNS="gapnet vgg16"',
}


@pytest.mark.parametrize("words", MISSING)
def test_a_missing_variable_is_one_line_with_an_example(tmp_path: Path, words: str) -> None:
    assert refusal(tmp_path, *shlex.split(words)) == MISSING[words]


def test_every_target_that_needs_a_variable_is_among_these() -> None:
    needing = {target for target, usage in USAGE.items() if needed(usage)}
    assert needing == {target for words in MISSING for target in words.split() if target in needing}


@pytest.mark.parametrize("target", [target for target, usage in USAGE.items() if needed(usage)])
def test_the_example_can_be_typed(recorded: Path, target: str) -> None:
    _, example = refusal(recorded.parent, target).split(", for example: ")
    for typed in example.split(" or "):
        program, *words = shlex.split(typed)
        assert program == "make"
        assert arguments(recorded, *words).startswith(f"{target} / ")


@pytest.mark.parametrize("target", [target for target, usage in USAGE.items() if needed(usage)])
def test_what_is_missing_is_said_before_anything_is_installed(tmp_path: Path, target: str) -> None:
    exported = {**os.environ, **dict.fromkeys(KNOWN, "exported")}
    exported.pop("MAKEFLAGS", None)
    exported.pop("MAKELEVEL", None)  # below `make test`, make would name the folders it enters
    done = subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), target],
        cwd=tmp_path,
        env=exported,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"make {target} needs " in done.stderr
    assert list(tmp_path.iterdir()) == []


def effect(target: str) -> str:
    """What the refusal of a variable that a target does not take ends with."""
    *most, last = taken(target) or ["no variables"]
    listed = f"{', '.join(most)} and {last}" if most else last
    return f" has no effect on make {target}; it takes {listed}"


@pytest.mark.parametrize("target", TARGETS)
def test_a_variable_without_effect_is_refused(tmp_path: Path, target: str) -> None:
    given = [f"{name}={value}" for name, value in needed(USAGE.get(target, ""))]
    other = next(name for name in KNOWN if name not in taken(target))
    for name in (other, "SIEZ", "size", "PYTHN"):
        for value in ("1", "a 'b", ""):
            assert refusal(tmp_path, target, *given, f"{name}={value}") == name + effect(target)


def test_several_targets_are_refused_what_none_of_them_takes(tmp_path: Path) -> None:
    assert refusal(tmp_path, "predict", "models", "RUN=a", "MODEL=b", "SIEZ=3") == (
        "SIEZ has no effect on make predict models; it takes COMPETITION, DATA, MODEL, RUN, "
        "SUMMARY, TTA and WAIT"
    )
    assert refusal(tmp_path, "SIEZ=3") == "SIEZ" + effect("help")


def test_a_target_that_does_not_exist_is_refused_as_such(tmp_path: Path) -> None:
    done = run_make(tmp_path, "trian", "MODEL=gapnet", "SIEZ=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "make: *** No rule to make target 'trian'.  Stop.\n"


@pytest.mark.parametrize("words", ["look RUNS=a RARE=0", "models MODEL=a SUMMARY=yes"])
def test_a_flag_has_one_value(tmp_path: Path, words: str) -> None:
    told = words.split()[-1]
    assert refusal(tmp_path, *words.split()) == f"{told}: the only value is 1; omit it for no"


# On real files


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/hpa` as it is after the download: two tables and two archives."""
    folder = tmp_path_factory.mktemp("competition")
    source = folder / "data" / "hpa"
    generate_cells(source, seed=3, n_train=60, n_test=10, size=32)
    for split in ("train", "test"):
        with zipfile.ZipFile(source / f"{split}.zip", "w") as archive:
            for png in sorted((source / split).iterdir()):
                archive.write(png, png.name)
                png.unlink()
        (source / split).rmdir()
    return folder


def test_test_all_and_the_checks_before_a_change_lands_run_every_test_once() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--old-file=setup", "test", "test-all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r" -m pytest .* -m (.+)", done.stdout) == ['"not slow"', "slow"]
    assert "\nmake test test-all " in (ROOT / ".ci" / "run").read_text()


def test_folds_train_blend_submit(competition: Path) -> None:
    folds = run_make(competition, "folds")
    assert folds.returncode == 0, folds.stderr
    assert (competition / "folds" / "hpa.csv").exists()

    train = run_make(competition, "train", "MODEL=convnet", "SIZE=32", "SET=epochs=1 batch=8")
    assert train.returncode == 0, train.stderr
    assert train.stdout.count(" 1/1: loss ") == 5

    blend = run_make(competition, "blend")
    assert blend.returncode == 0, blend.stderr
    (csv,) = (competition / "submissions").glob("hpa-*.csv")
    assert csv.read_text().startswith("Id,Predicted\n")

    # Without an account all is checked and nothing is sent.
    name = csv.stem.removeprefix("hpa-")
    submit = run_make(competition, "submit", f"NAME={name}", "MESSAGE=a b")
    assert "kit: No Kaggle credentials." in submit.stderr
    assert re.search(rf"{csv.name}, \d+ bytes, for Human Protein Atlas", submit.stdout)

    for word in ("ledger", "status", "report"):
        assert run_make(competition, word).returncode == 0
