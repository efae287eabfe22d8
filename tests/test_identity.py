"""Which runs are the same: settings that are added, renamed or removed orphan none."""

from pathlib import Path

import pytest

from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data import identity as table
from kit.data.identity import NEUTRAL, REQUIRED, current, identity
from kit.data.runs import Run, begin_run, open_run
from kit.recipes import recipes
from kit.recipes.base import Recipe, recipe_of, with_settings

# Settings whose default in a new recipe is no longer the neutral value, with that default.
CHANGED_DEFAULTS: dict[str, object] = {}

FILE = Path("runs/x/recipe.json")


def begin(workspace: Workspace, *settings: str) -> Run:
    recipe = with_settings(recipes.get("convnet"), settings)
    return begin_run(workspace, recipe.model_dump(), 2, "folds", "labels", {"train": "t"})


def test_every_setting_has_a_neutral_value_or_is_required() -> None:
    assert [*REQUIRED, *NEUTRAL] == sorted(Recipe.model_fields, key=[*REQUIRED, *NEUTRAL].index)


def test_neutral_values_are_the_defaults_unless_a_default_was_changed_on_purpose() -> None:
    plain = Recipe(name="r", backbone="convnet", size=64, epochs=1).model_dump()
    defaults = {key: plain[key] for key in NEUTRAL}
    assert defaults == {**NEUTRAL, **CHANGED_DEFAULTS}


def test_a_line_of_the_table_never_changes() -> None:
    """Runs are found by these values: a new setting adds a line, and no line is edited."""
    first = {
        "stem": "as_is",
        "normalize": "scale",
        "head": "average",
        "dropout": 0.0,
        "weights": "none",
        "sampling": "none",
        "repeat_threshold": 0.1,
        "repeat_cap": 8.0,
        "repeats": "",
        "augment": "symmetries",
        "mix": "none",
        "batch": 32,
        "accumulate": 1,
        "steps": None,
        "loss": "bce",
        "label_smoothing": 0.0,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "weight_decay": 0.0,
        "clip": 0.0,
        "ema": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "plateau_epochs": 5,
        "plateau_factor": 0.5,
        "precision": "float32",
        "frozen_epochs": 0,
        "frozen_learning_rate": 0.001,
        "keep": "val_loss",
        "patience": None,
        "tta": 1,
        "seed": 0,
    }
    assert {key: NEUTRAL[key] for key in first} == first


def test_the_identity_is_what_is_not_neutral() -> None:
    recipe = Recipe(name="r", backbone="convnet", size=64, epochs=3, seed=1, loss="focal")
    assert identity(recipe.model_dump()) == {
        "name": "r",
        "backbone": "convnet",
        "size": 64,
        "epochs": 3,
        "loss": "focal",
        "seed": 1,
    }


def test_a_run_is_found_whatever_its_folder_is_called(workspace: Workspace) -> None:
    first = begin(workspace)
    first.files.folder.rename(workspace.runs / "my favourite")
    assert begin(workspace).name == "my favourite"
    assert begin(workspace, "seed=1").name not in ("my favourite", first.name)
    assert len(workspace.run_names()) == 2


def test_of_two_copies_the_one_with_its_own_name_is_found(workspace: Workspace) -> None:
    first = begin(workspace)
    copy = workspace.run("a copy")
    copy.folder.mkdir()
    for path in (first.files.recipe, first.files.inputs):
        (copy.folder / path.name).write_bytes(path.read_bytes())
    assert begin(workspace).name == first.name


def test_a_run_does_not_take_another_ones_folder(workspace: Workspace) -> None:
    first, other = begin(workspace), begin(workspace, "seed=1")
    first.files.folder.rename(workspace.runs / "aside")
    other.files.folder.rename(first.files.folder)
    (workspace.runs / "aside" / "inputs.json").unlink()
    with pytest.raises(UserError, match="holds a different run than its name says"):
        begin(workspace)


def test_a_new_setting_orphans_no_run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(workspace)
    monkeypatch.setitem(NEUTRAL, "colour_jitter", 0.0)
    settings = recipes.get("convnet").model_dump()
    newer = {**settings, "colour_jitter": 0.0}
    inputs = (2, "folds", "labels", {"train": "t"})
    assert begin_run(workspace, newer, *inputs).name == first.name
    assert open_run(workspace, first.name).recipe["colour_jitter"] == 0.0
    jittered = begin_run(workspace, {**settings, "colour_jitter": 0.1}, *inputs)
    assert jittered.name != first.name


def test_a_renamed_setting_orphans_no_run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(workspace, "dropout=0.5")
    monkeypatch.setitem(table.RENAMED, "dropout", "drop")
    # A copy: a key that is deleted and put back would come last in every file written afterwards.
    renamed = {table.RENAMED.get(key, key): value for key, value in NEUTRAL.items()}
    monkeypatch.setattr(table, "NEUTRAL", renamed)
    settings = with_settings(recipes.get("convnet"), ["dropout=0.5"]).model_dump()
    settings["drop"] = settings.pop("dropout")
    found = begin_run(workspace, settings, 2, "folds", "labels", {"train": "t"})
    assert found.name == first.name
    assert open_run(workspace, first.name).recipe["drop"] == 0.5


def test_a_removed_setting_may_only_have_been_neutral(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.REMOVED, "sharpness", 0)
    kept = {"name": "r", "backbone": "convnet", "size": 64, "epochs": 1}
    assert current({**kept, "sharpness": 0}, FILE) == {**NEUTRAL, **kept}
    with pytest.raises(UserError) as raised:
        current({**kept, "sharpness": 2}, FILE)
    assert str(raised.value) == (
        "runs/x/recipe.json: sharpness=2: this version of the kit no longer has that setting. "
        "Use the version that trained the run, or move its folder away."
    )


def test_an_unknown_setting_is_refused_in_one_line() -> None:
    with pytest.raises(UserError) as raised:
        current({"name": "r", "lookahead": 5}, FILE)
    assert str(raised.value) == (
        "runs/x/recipe.json has settings unknown to this version of the kit: lookahead. "
        "Use the version that trained the run, or move its folder away."
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": "many"}, "runs/x/recipe.json: epochs=many: input should be a valid integer"),
        ({"loss": "focl"}, "No loss 'focl'"),
        ({"loss": 3}, "runs/x/recipe.json: loss=3: "),
    ],
)
def test_a_recipe_file_with_a_wrong_value_is_refused_in_one_line(
    wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        recipe_of({**recipes.get("convnet").model_dump(), **wrong}, FILE)
    assert "\n" not in str(raised.value)
