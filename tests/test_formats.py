"""Files of every version of the kit open; what a later one wrote is refused in one line.

`tests/formats/0.1/` is what release 0.1 wrote, without versions, and `tests/formats/1/` what the
first versioned formats look like. `tests/make_formats.py` writes the next; nothing there is edited.
"""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_formats import HERE, TRAINED

import kit
from kit.cli import main
from kit.competitions.base import Competition, Grades
from kit.competitions.registry import find_competition
from kit.core.disk import read_json, write_json
from kit.core.errors import UserError
from kit.core.formats import Format, Unreadable
from kit.core.paths import Workspace, provenance_of
from kit.core.store_paths import StoreKind
from kit.data.blends import find_blend
from kit.data.folds import digest_labels, read_folds
from kit.data.run_files import load_progress, read_command, read_done
from kit.data.runs import open_run
from kit.data.store import open_store, pack
from kit.recipes.base import recipe_of
from kit.submission.entries import read_entries
from kit.submission.grade import read_grades
from kit.submission.record import read_elsewhere, read_uploads

FORMATS = HERE / "formats"
VERSIONS = ("0.1", "1")


@dataclass(frozen=True)
class Opened:
    """A copy of the files of one version, in the current folder."""

    competition: Competition
    workspace: Workspace

    @property
    def trained(self) -> str:
        """The run that was trained."""
        return next(name for name in self.workspace.run_names() if "imported" not in name)

    @property
    def submission(self) -> str:
        return self.workspace.submission_names()[0]


@pytest.fixture(params=VERSIONS)
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    folder = tmp_path / "work"
    shutil.copytree(FORMATS / request.param, folder)
    shutil.copy(HERE / "shapes.py", folder)
    monkeypatch.chdir(folder)
    return Opened(find_competition("shapes.py"), Workspace.of("shapes"))


def run_kit(*words: str) -> int:
    """Run a command of the kit and return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kit", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


# They open


def test_runs_open_with_all_their_settings(opened: Opened) -> None:
    run = open_run(opened.workspace, opened.trained)
    recipe = recipe_of(run.recipe, run.files.recipe)
    assert recipe.model_dump() == run.recipe
    assert (recipe.name, recipe.size, recipe.epochs) == ("convnet", 16, 1)
    assert [term.name for term in recipe.loss.terms] == ["focal", "lovasz"]
    assert (run.folds, run.missing_folds(), run.is_imported) == (2, (), False)
    assert set(run.inputs.stores or {}) == {"train", "test"}
    assert run.seconds() > 0
    assert run.read_oof(opened.competition).probs.shape == (24, 3)
    assert len(run.read_tests(opened.competition)) == 2
    assert read_done(run.files.fold(0)).best == 0
    assert [line.epoch for line in load_progress(run.files.fold(0)).log] == [0]


def test_imported_runs_open_and_are_found_again(opened: Opened) -> None:
    run = open_run(opened.workspace, "other")
    assert run.is_imported
    assert run.has_tests()
    assert run.missing_folds() == ()
    before = opened.workspace.run_names()
    words = ("--competition", "shapes.py", "--oof", "oof.csv", "--test", "test.csv")
    assert run_kit("import-predictions", "other", *words) == 0
    assert opened.workspace.run_names() == before


@pytest.mark.parametrize("name", [None, "my run"])
def test_kit_train_finds_the_run_and_does_not_train_it_anew(
    opened: Opened, name: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its weights are not there: training would begin with an empty folder."""
    if name is not None:
        opened.workspace.run(opened.trained).folder.rename(opened.workspace.runs / name)
    before = opened.workspace.run_names()
    assert run_kit(*TRAINED) == 0
    assert f"{opened.trained}: all requested folds are done." in capsys.readouterr().out
    assert opened.workspace.run_names() == before


def test_a_fold_table_opens_with_its_provenance(opened: Opened) -> None:
    table = opened.competition.read_labels(opened.workspace.source)
    folds = read_folds(opened.workspace.folds, table)
    said = read_json(provenance_of(opened.workspace.folds))
    assert (said["folds_digest"], said["labels_digest"]) == (folds.digest, digest_labels(table))


def test_a_store_opens_and_is_not_packed_anew(opened: Opened) -> None:
    competition, workspace = opened.competition, opened.workspace
    files = workspace.store(StoreKind(16), "test")
    before = (files.images.stat().st_mtime_ns, files.meta.read_text())
    ids = competition.read_test_ids(workspace.source)
    store = pack(competition, workspace, "test", StoreKind(16), ids)
    assert store.ids == ids
    assert (files.images.stat().st_mtime_ns, files.meta.read_text()) == before


def test_the_records_of_a_submission_open(opened: Opened) -> None:
    files = opened.workspace.submission(opened.submission)
    (upload,) = read_uploads(files)
    assert (upload.step, upload.ref, upload.public) == ("complete", 1000, 0.5)
    assert read_grades(files) == Grades(0.5, 0.25)
    (by_hand,) = read_elsewhere(opened.workspace, "shapes")
    assert (by_hand.ref, by_hand.public) == (77, 0.75)
    listed = read_entries(opened.competition, opened.workspace)
    assert [one.name for one in listed] == ["by_hand.csv (77)", opened.submission]


def test_status_and_ledger_list_them(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_kit("status", "--competition", "shapes.py") == 0
    assert opened.trained in capsys.readouterr().out
    assert run_kit("ledger", "--competition", "shapes.py") == 0
    assert opened.submission in capsys.readouterr().out


# What a later version wrote


def _run_file(name: str) -> Callable[[Opened], Path]:
    return lambda opened: opened.workspace.run(opened.trained).folder / name


def _open_run(opened: Opened) -> object:
    return open_run(opened.workspace, opened.trained)


# Each kind of file: where it is, and what opens it. A blend's decision and the ancestry of a
# submission belong here too.
KINDS: dict[str, tuple[Callable[[Opened], Path], Callable[[Opened], object]]] = {
    "recipe": (_run_file("recipe.json"), _open_run),
    "inputs": (_run_file("inputs.json"), _open_run),
    "progress": (
        _run_file("fold0/progress.json"),
        lambda opened: open_run(opened.workspace, opened.trained).seconds(),
    ),
    "done": (
        _run_file("fold0/done.json"),
        lambda opened: read_done(opened.workspace.run(opened.trained).fold(0)),
    ),
    "command": (
        _run_file("command.json"),
        lambda opened: read_command(opened.workspace.run(opened.trained)),
    ),
    "latest": (
        lambda opened: opened.workspace.latest_blend,
        lambda opened: find_blend(opened.workspace, None),
    ),
    "folds": (
        lambda opened: provenance_of(opened.workspace.folds),
        lambda opened: read_folds(opened.workspace.folds),
    ),
    "store": (
        lambda opened: opened.workspace.store(StoreKind(16), "test").meta,
        lambda opened: open_store(opened.workspace.store(StoreKind(16), "test")),
    ),
    "uploads": (
        lambda opened: opened.workspace.submission(opened.submission).uploads,
        lambda opened: read_uploads(opened.workspace.submission(opened.submission)),
    ),
    "grades": (
        lambda opened: opened.workspace.submission(opened.submission).grades,
        lambda opened: read_grades(opened.workspace.submission(opened.submission)),
    ),
    "elsewhere": (
        lambda opened: opened.workspace.made_elsewhere("shapes"),
        lambda opened: read_elsewhere(opened.workspace, "shapes"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_a_later_version_is_refused_in_one_line(opened: Opened, kind: str) -> None:
    find, open_it = KINDS[kind]
    path = find(opened)
    content = read_json(path) if path.exists() else {}
    later = content if isinstance(content, dict) else {"items": content}
    path.parent.mkdir(exist_ok=True)
    write_json(path, {**later, "format": 99, "kit": "9.9"})
    with pytest.raises(UserError) as raised:
        open_it(opened)
    assert str(raised.value).startswith(f"{path} is ")
    assert "of format 99, written by hpa-kit 9.9. This is hpa-kit" in str(raised.value)
    assert str(raised.value).endswith("which reads formats up to 1: update it.")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_is_refused_in_one_line(opened: Opened, kind: str) -> None:
    find, open_it = KINDS[kind]
    path = find(opened)
    path.parent.mkdir(exist_ok=True)
    path.write_text('"a text"')
    with pytest.raises(UserError, match=f"{path.name} is not ") as raised:
        open_it(opened)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("damage", ["", "[]", "{}", "null", "3", "[" * 100_000, "1" * 5000, "\x00"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_opens_or_is_refused_in_one_line(
    opened: Opened, kind: str, damage: str
) -> None:
    find, open_it = KINDS[kind]
    path = find(opened)
    path.parent.mkdir(exist_ok=True)
    path.write_text(damage)
    said = ""
    try:
        open_it(opened)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    # Files whose every field has a default open without any; records were once a bare list.
    opens = damage == "{}" or (damage == "[]" and kind in ("uploads", "elsewhere"))
    assert str(path) in said or opens


def test_a_recipe_with_nan_is_passed_over_in_one_line(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    path = opened.workspace.run(opened.trained).recipe
    path.write_text(json.dumps({**read_json(path), "dropout": float("nan")}))
    run_kit("blend", "--competition", "shapes.py")
    assert f"{opened.trained} is not blended: {path} is not JSON (NaN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("recipe.json", "size", None),
        ("recipe.json", "size", "large"),
        ("recipe.json", "name", 3),
        ("inputs.json", "folds", -1),
        ("inputs.json", "stores", []),
    ],
)
def test_a_run_with_a_wrong_value_is_passed_over_in_one_line(
    opened: Opened, capsys: pytest.CaptureFixture[str], file: str, key: str, value: object
) -> None:
    path = opened.workspace.run(opened.trained).folder / file
    content = read_json(path)
    del content[key]
    path.write_text(json.dumps(content if value is None else {**content, key: value}))
    assert run_kit("status", "--competition", "shapes.py") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if str(path) in line]
    assert len(said) == 1
    assert said[0].startswith(f"Broken run {opened.trained}: {path} is not valid: {key}")


def test_a_run_with_an_unknown_setting_is_passed_over_in_one_line(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    path = opened.workspace.run(opened.trained).recipe
    write_json(path, {**read_json(path), "lookahead": 5})
    assert run_kit("status", "--competition", "shapes.py") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if str(path) in line]
    unknown = f"{path} has settings unknown to this version of the kit: lookahead."
    assert any(unknown in line for line in said)


def test_another_column_of_the_log_is_no_matter(opened: Opened) -> None:
    """A later kit may log more, an earlier one less."""
    path = opened.workspace.run(opened.trained).fold(0).progress
    saved = read_json(path)
    (line,) = saved["log"]
    del line["samples_per_second"], line["val_batch_f1"]
    write_json(path, {**saved, "log": [{**line, "watts": 30.0}]})
    (read,) = load_progress(opened.workspace.run(opened.trained).fold(0)).log
    assert (read.samples_per_second, read.val_batch_f1) == (0.0, None)
    assert read.loss == line["loss"]


# What this version writes


def test_every_file_says_which_version_wrote_it() -> None:
    written = [path for path in (FORMATS / "1").rglob("*.json") if path.name != "latest.json"]
    assert len(written) >= 15
    for path in written:
        content: dict[str, Any] = json.loads(path.read_text())
        assert list(content)[:2] == ["format", "kit"], path
        assert content["format"] == 1


EXAMPLE = Format("an example", 3, "Make it again: kit example.", oldest=2)


@pytest.mark.parametrize("value", [{"a": 1}, {}])
def test_what_is_written_reads_back(tmp_path: Path, value: dict[str, int]) -> None:
    path = tmp_path / "example.json"
    EXAMPLE.write(path, value)
    read = EXAMPLE.read(path)
    assert len(read.pop("sha256")) == 64
    assert read == {"format": 3, "kit": kit.__version__, "kind": "an example", **value}
    assert EXAMPLE.read_body(path) == value


def test_a_complete_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    EXAMPLE.write(path, {"a": 1})
    other = Format("another example", 3, "Make it again: kit other.", oldest=2)
    with pytest.raises(Unreadable) as raised:
        other.read(path)
    assert str(raised.value) == (
        f"{path} is an example, not another example. Make it again: kit other."
    )


def test_a_file_of_another_kind_is_not_replaced_but_a_damaged_one_is(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    EXAMPLE.spare(path, Optionally, "--out")  # missing
    EXAMPLE.write(path, {"value": 1})
    EXAMPLE.spare(path, Optionally, "--out")
    path.write_text(path.read_text().replace('"value": 1', '"value": 2'))
    EXAMPLE.spare(path, Optionally, "--out")
    others: list[object] = [{"name": "a package"}, []]
    for other in others:
        write_json(path, other)
        with pytest.raises(UserError, match=r"^--out: \S+ is .*an example\b.* Name another\.$"):
            EXAMPLE.spare(path, Optionally, "--out")


def test_json_without_any_field_of_the_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    write_json(path, {"weights.h5": [1, 2]})
    unversioned = replace(EXAMPLE, oldest=0)
    with pytest.raises(Unreadable, match=r"example\.json is not an example\. Make it again"):
        unversioned.read_as(path, Optionally)
    write_json(path, {})
    assert unversioned.read_as(path, Optionally) == Optionally()


@dataclass(frozen=True)
class Optionally:
    """A kind of file whose fields all have defaults."""

    value: int = 0


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    EXAMPLE.write(path, {"a": 0.25, "b": (1, 2), "c": "é"})
    EXAMPLE.read(path)
    path.write_text(path.read_text().replace("0.25", "0.75"))
    with pytest.raises(UserError, match=r"has changed since it was written\. Make it again"):
        EXAMPLE.read(path)


def test_a_changed_version_number_is_damage_and_not_another_release(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    EXAMPLE.write(path, {"a": 1})
    path.write_text(path.read_text().replace('"format": 3', '"format": 7'))
    with pytest.raises(UserError, match="has changed since it was written"):
        EXAMPLE.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_a_file_that_is_not_json_says_how_to_make_it_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(Unreadable, match=r"one\.json is not JSON \(.*\)\. Do it again\.$"):
        Format("a test", 1, "Do it again.").read(tmp_path / "one.json")


def test_a_folder_in_the_place_of_a_file_says_how_to_remove_it(tmp_path: Path) -> None:
    (tmp_path / "one.json").mkdir()
    with pytest.raises(Unreadable, match=r"is a folder.*; remove it: rm -r .*\. Do it again\.$"):
        Format("a test", 1, "Do it again.").read(tmp_path / "one.json")


def test_a_file_that_is_too_old_names_its_kit_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    for content, maker in (({"format": 1, "kit": "0.2.0"}, "0.2.0"), ({}, "0.1")):
        write_json(path, content)
        with pytest.raises(UserError, match=f"written by hpa-kit {maker}, which") as raised:
            EXAMPLE.read(path)
        assert str(raised.value).endswith("no longer reads. Make it again: kit example.")


def test_a_bare_list_of_before_versions_reads_as_its_items(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    write_json(path, [1, 2])
    listed = Format("an example", 1, "Make it again.", oldest=0, items="numbers")
    assert listed.read_body(path) == {"numbers": [1, 2]}
    with pytest.raises(UserError, match="is not an example"):
        EXAMPLE.read(path)


# A fold table in another order is the same table


def test_train_look_and_pack_agree_on_a_table_that_is_not_sorted(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = opened.workspace
    before = read_folds(workspace.folds).digest
    header, *rows = workspace.folds.read_text().splitlines()
    order = np.random.default_rng(0).permutation(len(rows))
    workspace.folds.write_text("\n".join([header, *(rows[row] for row in order), ""]))
    assert read_folds(workspace.folds).digest == before
    here = ("--competition", "shapes.py")
    for command in (
        TRAINED,
        ("look", "convnet", *here, "--size", "16"),
        ("pack", *here, "--size", "16"),
        ("folds", *here, "--n", "2"),
    ):
        assert run_kit(*command) == 0
    assert f"{opened.trained}: all requested folds are done." in capsys.readouterr().out
