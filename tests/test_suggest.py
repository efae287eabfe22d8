"""Suggested commands: each can be typed as it stands, and means the competition that was meant."""

import ast
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from recording import Recording
from typer.testing import CliRunner

import kit.cli  # noqa: F401  adds the commands to the application
from kit.commands import blending, checking, look, submitting, training, viewing
from kit.commands.app import app, place
from kit.compare.shown import Shown
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import csv_text, write_json, write_text
from kit.core.errors import UserError
from kit.core.kernel_paths import KernelFiles
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.core.suggest import DEFAULT_COMPETITION, WITHOUT_DATA, Typed
from kit.data.blends import remember_command
from kit.data.folds import digest_labels, make_folds, read_folds, write_folds
from kit.data.predictions import Predictions, write_predictions
from kit.data.runs import Run, begin_run, open_run
from kit.data.store import Store, open_store
from kit.kaggle.clock import system_clock
from kit.kernel.check import Agreement, check_kernel, require_agreement
from kit.kernel.folder import Plan, push_command
from kit.kernel.image import compare_versions
from kit.kernel.marker import Marker
from kit.kernel.weights import require_weights
from kit.recipes import recipes
from kit.recipes.base import with_settings
from kit.recipes.changed import changed_settings
from kit.stages.beside import BesideOptions, beside_stage
from kit.stages.blend import find_copies
from kit.stages.data import data_stage
from kit.stages.models import ModelsOptions, models_stage
from kit.stages.train import TrainOptions
from kit.submission import submit
from kit.submission.examine import Draft
from kit.submission.record import Upload
from kit.submission.submit import SubmitOptions, submit_to_kaggle
from kit.training.command import train_words
from kit.training.estimate import advice
from kit.training.start import Start

KIT = Path(__file__).parent.parent / "kit"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# A space in both, because what is suggested goes through a shell.
OWN_FILE = "my flowers.py"
ELSEWHERE = "other place"
STORES = {"train": "digest of train", "test": "digest of test"}
TEST_IDS = tuple(f"test{number}" for number in range(8))


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
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def printed(self, work: Callable[[], object]) -> str:
        """What the work prints."""
        self.capsys.readouterr()
        work()
        return self.capsys.readouterr().out


@pytest.fixture(params=[DEFAULT_COMPETITION, "cells", OWN_FILE])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[None, ELSEWHERE], ids=["usual", "elsewhere"])
def data(request: pytest.FixtureRequest) -> Path | None:
    return None if request.param is None else Path(request.param)


@pytest.fixture
def here(
    name: str,
    data: Path | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Here:
    monkeypatch.chdir(tmp_path)
    flowers = (Path(__file__).parent / "flowers.py").read_text(encoding="utf-8")
    write_text(Path(OWN_FILE), flowers.replace('"Pick them."', '"Pick them: {command}"'))
    Path(ELSEWHERE).mkdir()
    competition, workspace = place(name, data)
    table = write_tables(competition, workspace.source)
    folds = make_folds(table, 2, seed=0)
    write_folds(workspace.folds, folds, {"labels_digest": digest_labels(table)})
    recipe = with_settings(recipes.get("convnet"), ["size=32", "epochs=2", "loss=0.5*bce+lovasz"])
    run = begin_run(workspace, recipe.model_dump(), 2, folds.digest, digest_labels(table), STORES)

    def kit(command: str, *words: str) -> str:
        """What a command says, the end of a failed one too."""
        named = [] if name == DEFAULT_COMPETITION else ["-c", name]
        there = [] if data is None or command in WITHOUT_DATA else ["--data", str(data)]
        result = CliRunner().invoke(app, [command, *words, *named, *there])
        assert result.exception is None or isinstance(result.exception, UserError | SystemExit)
        return f"{result.output}\n{result.exception}\n"

    return Here(competition, workspace, run, kit, monkeypatch, capsys)


def write_tables(competition: Competition, source: Path, seed: int = 0) -> LabelTable:
    """Write labels of 40 rows, a sample submission of 8, and groups where there are some."""
    rng = np.random.default_rng(seed)
    classes = len(competition.class_keys)
    ids = tuple(f"train{number:02d}" for number in range(40))
    table = LabelTable(ids, (rng.random((40, classes)) < 0.4).astype(np.uint8))
    keys = competition.class_keys
    write_text(source / competition.label_table, competition.label_format.text(table, keys))
    sample = competition.answer(TEST_IDS, np.zeros((len(TEST_IDS), classes), np.uint8))
    write_text(source / competition.sample_table, sample)
    if competition.group_table is not None:
        rows = [("Id", "group"), *((image_id, image_id) for image_id in ids)]
        write_text(source / competition.group_table, csv_text(rows))
    return table


def error_of(work: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(UserError) as raised:
        work(*arguments)
    return str(raised.value)


def finish(run: Run, *folds: int | None, best: int | None = None) -> None:
    """Leave the markers of these folds, with weights where an epoch is `best`."""
    for fold in folds:
        files = run.files.fold(fold)
        write_json(files.done, {"best": best})
        if best is not None:
            write_text(files.weights(best), "weights")


def import_run(here: Here, *options: str) -> str:
    """Import predictions called "other" by the command line; what it says."""
    competition, folds = here.competition, read_folds(here.workspace.folds)
    row = ",".join("0.5" for _ in competition.class_keys)
    header = ",".join(["Id", *competition.class_keys])
    for name, ids in (("oof.csv", folds.ids), ("test.csv", TEST_IDS)):
        write_text(Path(name), "\n".join([header, *(f"{image_id},{row}" for image_id in ids)]))
    return here.kit("import-predictions", "other", "--oof", "oof.csv", *options)


def plan_of(here: Here) -> tuple[Plan, KernelFiles]:
    """A notebook of the run as the blend "best", to be written to a folder of its own."""
    blend, file = here.workspace.blend("best"), here.competition.file
    plan = Plan(here.competition, here.workspace, blend, (here.run,), file, "title", None)
    return plan, KernelFiles(Path("my notebook"))


# What makes the kit suggest something, and what it says then.


def no_data(here: Here) -> str:
    (here.workspace.source / here.competition.label_table).unlink()
    return here.kit("folds") + here.kit("status")


def no_such_folder(here: Here) -> str:
    return error_of(place, here.workspace.typed.competition, Path("nowhere"))


def data_are_there(here: Here) -> str:
    prepared = replace(here.competition, prepare=lambda folder, reporter: None)
    return here.printed(lambda: data_stage(prepared, here.workspace, system_clock()))


def no_folds(here: Here) -> str:
    here.workspace.folds.unlink()
    return here.kit("train", "convnet") + here.kit("status")


def other_labels(here: Here) -> str:
    made = here.kit("folds", "--n", "3", "--seed", "7", "--how", "random", "--force")
    assert "Wrote" in made
    write_tables(here.competition, here.workspace.source, seed=1)
    said = here.kit("train", "convnet")
    assert "kit folds --n 3 --seed 7 --how random --force" in said
    return said


def folds_edited_by_hand(here: Here) -> str:
    folds = here.workspace.folds
    first, second = [f",{fold}," for fold in (0, 1)]
    swapped = folds.read_text().replace(first, ",x,").replace(second, first)
    write_text(folds, swapped.replace(",x,", second))
    return here.kit("train", "convnet")


def nothing_packed(here: Here) -> str:
    kinds = (StoreKind(64), StoreKind(64, "linear"))
    files = [here.workspace.store(kind, "train") for kind in kinds]
    said = "\n".join(error_of(open_store, each, here.workspace.typed) for each in files)
    assert "kit pack --size 64 --resize linear" in said
    return said


def no_run(here: Here) -> str:
    shutil.rmtree(here.run.files.folder)
    return here.kit("predict", "other")


def no_finished_run(here: Here) -> str:
    return here.kit("status") + here.kit("predict", "convnet")


def a_finished_run(here: Here) -> str:
    finish(here.run, 0, 1)
    for fold in (0, 1):
        here.run.files.fold(fold).oof.touch()
        here.run.files.fold(fold).test.touch()
    return here.kit("status")


def a_blend(here: Here) -> str:
    a_finished_run(here)
    here.patch.setattr(Workspace, "blend_names", lambda workspace: ("best",))
    here.patch.setattr("kit.stages.status._blend_row", lambda *known: ["", "", "", "", ""])
    return here.kit("status")


def nothing_to_blend(here: Here) -> str:
    return here.kit("blend") + here.kit("submit")


def a_blend_of_the_first_release(here: Here) -> str:
    write_text(here.workspace.blend("old").folder / "thresholds.json", "{}")
    return here.kit("report", "old")


def a_blend_without_its_decision(here: Here) -> str:
    files = here.workspace.blend("best")
    keys = here.competition.class_keys
    probs = np.zeros((1, len(keys)), np.float32)
    note = {"blend": "best", "runs": {here.run.name: "a digest"}}
    write_predictions(files.test, Predictions(("test0",), probs, keys), note)
    said = here.kit("report", "best") + here.kit("status")
    assert said.count(f"kit blend {here.run.name} --name best") == 2
    return said


def a_blend_with_a_damaged_decision(here: Here) -> str:
    files = here.workspace.blend("best")
    words = ("blend", here.run.name, "--name", "best", "--method", "mean")
    remember_command(files, words)
    write_text(files.decision, "{")
    said = here.kit("report", "best") + here.kit("status") + here.kit("verify")
    assert said.count("--name best --method mean") == 3
    return said


def folds_that_are_gone(here: Here) -> str:
    assert "Wrote" in here.kit("folds", "--n", "3", "--force")
    here.workspace.folds.unlink()
    said = here.kit("train", "convnet")
    assert "kit folds --n 3" in said
    return said


def no_folds_to_compare_on(here: Here) -> str:
    here.workspace.folds.unlink()
    return here.kit("compare", "one", "other")


def one_name_to_compare(here: Here) -> str:
    return here.kit("compare", here.run.name)


def a_comparison_with_folds_missing(here: Here) -> str:
    return here.kit("compare", here.run.name, here.run.name)


def curves_before_the_first_epoch(here: Here) -> str:
    return here.kit("curves", "convnet")


def curves_of_a_blend(here: Here) -> str:
    here.patch.setattr(Workspace, "blend_names", lambda workspace: ("best",))
    members = SimpleNamespace(members=[here.run.name, "of my own"])
    blend = SimpleNamespace(decision=members)
    here.patch.setattr("kit.stages.curves.open_blend", lambda workspace, name: blend)
    return here.kit("curves", "best")


def folds_missing(here: Here) -> str:
    return error_of(here.run.read_oof, here.competition)


def one_fold_of_two(here: Here) -> str:
    """Labels of a run of which fold 0 is trained, and what is missing for each way to get them."""
    folds = read_folds(here.workspace.folds)
    ids = {fold: folds.ids[folds.fold.tolist().index(fold)] for fold in (0, 1)}
    keys = here.competition.class_keys
    probs = np.zeros((1, len(keys)), np.float32)
    oof = Predictions((ids[0],), probs, keys, np.zeros(1, np.int64))
    write_predictions(here.run.files.fold(0).oof, oof, {})
    finish(here.run, 0, best=0)
    said = here.kit("look", "convnet", "--held-out")
    assert "--folds 1" in said
    said += here.kit("look", "convnet", "--at", "0.5", "--ids", ids[1])
    assert said.count("--folds 1") == 2
    said += here.kit("look", "convnet", "--as-trained", "--ids", ids[0])
    assert said.count("--folds 1") == 3
    return said


def no_images_to_draw(here: Here) -> str:
    options = BesideOptions(out=Path("picture.png"))
    shown = Shown(("train00",), np.ones(1, bool), np.zeros((1, 1), np.uint8), {}, ("A",), "")
    here.patch.setattr("kit.stages.beside.read_shown", lambda *asked: shown)
    facts = replace(here.competition, how_to_get_data="Get them: {command}")
    return error_of(beside_stage, facts, here.workspace, ["convnet"], options)


def no_model_of_all_rows(here: Here) -> str:
    return error_of(here.run.read_all_rows, here.competition)


def no_weights_to_begin_with(here: Here) -> str:
    return error_of(Start(run=here.run).of_fold, 0)


def other_images(here: Here) -> str:
    finish(here.run, 0, best=0)
    other = Store((), np.empty((0, 32, 32, 4), np.uint8), "another", StoreKind(32))
    here.patch.setattr("kit.training.predict_run.pack", lambda *asked: other)
    return here.kit("predict", "convnet")


def imported_predictions(here: Here) -> str:
    return import_run(here, "--test", "test.csv")


def imported_without_tests(here: Here) -> str:
    import_run(here)
    return error_of(open_run(here.workspace, "other").read_tests, here.competition)


def an_import_broken_off(here: Here) -> str:
    import_run(here, "--test", "test.csv")
    run = open_run(here.workspace, "other")
    run.files.fold(1).done.unlink()
    return error_of(run.read_oof, here.competition)


def copies_without_images(here: Here) -> str:
    import_run(here)
    return error_of(find_copies, here.workspace, [open_run(here.workspace, "other")], (), ())


def a_long_training(here: Here) -> str:
    return advice(recipes.get("inceptionresnetv2"), 1e6, 5, here.workspace.typed)


def recipes_listed(here: Here) -> str:
    listing = partial(models_stage, here.competition, typed=here.workspace.typed)
    return here.printed(lambda: [listing([]), listing(["convnet"])])


def a_summary_of_nothing(here: Here) -> str:
    options = ModelsOptions(64, ("epochs=3",), summary=True)
    return error_of(models_stage, here.competition, [], here.workspace.typed, options)


def nothing_to_look_at(here: Here) -> str:
    return here.kit("look") + here.kit("look", "--channels")


def options_of_another_picture(here: Here) -> str:
    said = here.kit("look", "--channels", "id", "--grid", "10x5")
    return said + here.kit("look", "vgg16", "gapnet", "--grid", "10x5")


def no_submission(here: Here) -> str:
    return here.kit("ledger") + error_of(
        submit_to_kaggle,
        here.competition,
        here.workspace,
        "x-best",
        SubmitOptions(),
        system_clock(),
    )


def no_score_yet(here: Here) -> str:
    draft = Draft(here.competition, here.workspace, f"{here.competition.name}-best", "digest")
    upload = Upload(
        competition=here.competition.name,
        mark="mark",
        csv_digest="digest",
        file_name="best.csv",
        description="",
        begun=datetime(2026, 1, 1, tzinfo=UTC),
        step="waiting",
        made_of=(),
        estimate=None,
    )
    here.patch.setattr(submit, "wait_for_score", lambda *asked: upload)
    here.patch.setattr(Draft, "slug", "slug")
    reporter = Recording()
    kaggle: Any = SimpleNamespace(reporter=reporter)
    submit._finish(kaggle, draft, upload, SubmitOptions(), system_clock())
    return "\n".join(reporter.lines)


def a_notebook_without_weights(here: Here) -> str:
    return error_of(require_weights, [here.run])


def a_notebook_without_a_submission(here: Here) -> str:
    return error_of(check_kernel, *plan_of(here))


def a_notebook_that_answers_otherwise(here: Here) -> str:
    plan, files = plan_of(here)
    return error_of(require_agreement, Agreement(0.0, 3, isolated=True), plan, files)


def a_dataset_of_another_notebook(here: Here) -> str:
    plan, files = plan_of(here)
    marker = Marker("title", "other", "best", (), {}, push_command(plan, files), "others")
    write_json(files.dataset.marker, asdict(marker))
    said = error_of(compare_versions, files.dataset.folder, "these")
    assert "--out 'my notebook'" in said
    return said


SUGGESTIONS = [
    no_data,
    no_such_folder,
    data_are_there,
    no_folds,
    other_labels,
    folds_edited_by_hand,
    nothing_packed,
    no_run,
    no_finished_run,
    a_finished_run,
    a_blend,
    nothing_to_blend,
    a_blend_of_the_first_release,
    a_blend_without_its_decision,
    a_blend_with_a_damaged_decision,
    folds_that_are_gone,
    no_folds_to_compare_on,
    one_name_to_compare,
    a_comparison_with_folds_missing,
    curves_before_the_first_epoch,
    curves_of_a_blend,
    folds_missing,
    one_fold_of_two,
    no_images_to_draw,
    no_model_of_all_rows,
    no_weights_to_begin_with,
    other_images,
    imported_predictions,
    imported_without_tests,
    an_import_broken_off,
    copies_without_images,
    a_long_training,
    recipes_listed,
    a_summary_of_nothing,
    nothing_to_look_at,
    options_of_another_picture,
    no_submission,
    no_score_yet,
    a_notebook_without_weights,
    a_notebook_without_a_submission,
    a_notebook_that_answers_otherwise,
    a_dataset_of_another_notebook,
]


def commands_in(text: str) -> list[list[str]]:
    """The commands in a message, as words: up to a parenthesis, comma, semicolon or line's end."""
    word = r"(?:'[^']*'|[^\s'();,]|,(?=\S))+"
    found = re.findall(rf"\bkit (?:{'|'.join(COMMANDS)})\b(?: {word})*", text)
    return [shlex.split(command) for command in found]


class Arrived(Exception):
    """A typed command's arguments were taken; nothing need be done."""


FILLED = {"MODEL": "convnet", "NAME": "convnet", "RUN": "convnet", "FILE": "some.csv", "ID": "id"}


@pytest.mark.parametrize("provoke", SUGGESTIONS, ids=lambda provoke: provoke.__name__)
def test_every_suggested_command_can_be_typed(
    here: Here, provoke: Callable[[Here], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = provoke(here)
    commands = commands_in(text)
    assert commands, text
    meant: list[tuple[Competition, Workspace]] = []

    def arrive(name: str, data: Path | None, wait: bool = False) -> None:
        meant.append(place(name, data))
        raise Arrived

    for module in (training, blending, look, submitting, viewing, checking):
        monkeypatch.setattr(module, "place", arrive)
    for _, *words in commands:
        filled = [FILLED.get(word, word) for word in words]
        result = CliRunner().invoke(app, filled)
        assert isinstance(result.exception, Arrived), (text, result.output)
        competition, workspace = meant[-1]
        assert competition.name == here.competition.name
        assert words[0] in WITHOUT_DATA or workspace.source == here.workspace.source


# The command that trains a run


def test_a_run_is_trained_by_its_name_whatever_its_recipe_is_today(here: Here) -> None:
    asked: list[tuple[str, TrainOptions]] = []

    def train_stage(facts: object, place: object, model: str, options: TrainOptions) -> None:
        asked.append((model, options))

    here.patch.setattr("kit.stages.train.train_stage", train_stage)
    (_, *words), *_ = commands_in(folds_missing(here))
    assert CliRunner().invoke(app, words).exit_code == 0
    assert asked == [(here.run.name, TrainOptions(folds="0,1"))]


def test_a_recipe_without_a_registered_name_has_no_command() -> None:
    recipe = recipes.get("convnet").model_copy(update={"name": "of my own"})
    assert changed_settings(recipe) is None
    assert train_words(recipe) is None


def test_the_words_of_a_recipe_make_it_again() -> None:
    settings = [
        "size=48",
        "loss=0.5*focal(gamma=2)+0.5*lovasz",
        "augment=symmetries+rotate",
        "learning_rate=3e-05",
        "steps=5",
        "mix=mixup(0.2)",
    ]
    recipe = with_settings(recipes.get("convnet"), settings)
    assert set(changed_settings(recipe) or ()) == set(settings)
    words = train_words(recipe)
    assert words is not None
    assert words[:4] == ["train", "convnet", "--size", "48"]
    assert [word for word in words[4:] if word != "--set"] == list(changed_settings(recipe) or ())[
        1:
    ]
