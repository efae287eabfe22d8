"""Recipes: found without Keras, complete, fitting together, and changed only by known settings."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kit
from kit.core.errors import UserError
from kit.models.build import check_architecture
from kit.models.registry import backbones
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.recipes.hints import ALIASES
from kit.training.schedule import Phase, phases

RGBY = ("red", "green", "blue", "yellow")


def test_the_systems_of_the_competition_are_all_there() -> None:
    wanted = {"convnet_rgb", "convnet_rgby", "gapnet", "inceptionresnetv2", "vgg16", "xception"}
    winners = {"densenet121", "inceptionv3", "resnet34"}
    assert wanted | winners | {"convnet", "efficientnetv2b0"} <= set(recipes.names())


def test_recipes_and_backbones_are_listed_without_importing_keras() -> None:
    code = (
        "import sys\n"
        "from kit.models.registry import backbones\n"
        "from kit.recipes import recipes\n"
        "assert recipes.names() and backbones.names()\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_fits_together(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    check_architecture(recipe, RGBY)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_where_it_comes_from_and_what_it_costs(name: str) -> None:
    text = importlib.import_module(f"kit.recipes.{name}").__doc__ or ""
    for heading in ("- Source: ", "- Score: ", "- Cost: "):
        assert heading in text
    assert f"- Command: `make train MODEL={name}`" in text


@pytest.mark.parametrize("name", recipes.names())
def test_a_cost_is_a_figure_with_its_origin_or_not_measured(name: str) -> None:
    text = importlib.import_module(f"kit.recipes.{name}").__doc__ or ""
    cost = " ".join(text.split("- Cost: ")[1].split("- Command: ")[0].split())
    if name == "inceptionresnetv2":
        assert cost.startswith("as published, ")
        assert "for the training images alone" in cost
        assert "The kit's own figure: " in cost
        return
    assert cost == ("not measured; on a CPU, `make train` prints an estimate before it starts.")


def test_the_published_inputs_are_reproduced() -> None:
    seen = {
        name: (recipes.get(name).size, recipes.get(name).stem)
        for name in ("convnet_rgb", "convnet_rgby", "gapnet", "xception", "inceptionresnetv2")
    }
    assert seen == {
        "convnet_rgb": (299, "mix_third_yellow"),
        "convnet_rgby": (1024, "as_is"),
        "gapnet": (700, "as_is"),
        "xception": (299, "mix_third_yellow"),
        "inceptionresnetv2": (299, "mix_half_yellow"),
    }


@pytest.mark.parametrize("name", ["inceptionresnetv2", "vgg16"])
def test_the_students_systems_are_as_they_were_published(name: str) -> None:
    recipe = recipes.get(name)
    assert (recipe.stem, recipe.resize, recipe.size) == ("mix_half_yellow", "linear", 299)
    assert (str(recipe.augment), str(recipe.loss)) == ("flip_or_turn", "bce")
    assert (recipe.optimizer, recipe.schedule, recipe.weights) == ("adam", "constant", "imagenet")
    assert (str(recipe.sampling), recipe.batch, recipe.steps) == ("replacement", 10, 100)
    assert (str(recipe.validate), recipe.keep) == ("batch(256)", "val_loss")


def test_inceptionresnetv2_has_two_phases_and_keeps_the_best_of_the_second() -> None:
    recipe = recipes.get("inceptionresnetv2")
    assert phases(recipe) == (Phase(0, 20, True, 1e-3), Phase(20, 170, False, 1e-4))
    assert recipe.keep_from == "phase"


def test_vgg16_has_one_phase_in_which_all_layers_learn() -> None:
    assert phases(recipes.get("vgg16")) == (Phase(0, 150, frozen=False, learning_rate=1e-4),)


@pytest.mark.parametrize(
    "name", ["inceptionresnetv2", "vgg16", "xception", "gapnet", "convnet_rgb", "convnet_rgby"]
)
def test_a_students_recipe_says_what_is_published_what_is_open_and_what_differs(name: str) -> None:
    text = importlib.import_module(f"kit.recipes.{name}").__doc__ or ""
    heads = [text.index(head) for head in ("As published:", "Left open, and the kit", "Different")]
    assert heads == sorted(heads)


def test_gapnet_learns_as_its_authors_had_it() -> None:
    recipe = recipes.get("gapnet")
    assert (recipe.optimizer, recipe.learning_rate, recipe.batch) == ("sgd", 1e-2, 40)
    assert (recipe.schedule, recipe.plateau_factor) == ("plateau", 0.5)


def test_the_winners_kinds_of_models_see_all_channels_at_512_pixels() -> None:
    for name in ("densenet121", "inceptionv3", "resnet34"):
        recipe = recipes.get(name)
        assert (recipe.backbone, recipe.size, recipe.tta) == (name, 512, 8)
        assert recipe.stem == ("as_is" if recipe.weights == "none" else "inflate")
    assert str(recipes.get("densenet121").loss) == "14*focal+0.5*lovasz"
    assert recipes.get("inceptionv3").repeat_cap == 19
    assert str(recipes.get("resnet34").loss) == "focal(gamma=2)"


def test_vgg16_and_inceptionresnetv2_differ_in_the_backbone_and_the_frozen_phase() -> None:
    changed = {"name": "vgg16", "backbone": "vgg16", "frozen_epochs": 0, "keep_from": "start"}
    assert recipes.get("inceptionresnetv2").model_copy(update=changed) == recipes.get("vgg16")


def test_frozen_epochs_only_where_there_are_weights_to_keep() -> None:
    for recipe in map(recipes.get, recipes.names()):
        assert recipe.frozen_epochs == 0 or recipe.weights != "none"
        assert recipe.weights in backbones.get(recipe.backbone).weights


def test_settings_are_read_as_the_type_of_their_key() -> None:
    changed = with_settings(
        recipes.get("vgg16"), ["epochs=3", "learning_rate=1e-5", "steps=none", "weights=none"]
    )
    assert (changed.epochs, changed.learning_rate) == (3, 1e-5)
    assert (changed.steps, changed.weights) == (None, "none")
    assert recipes.get("vgg16").epochs == 150


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "--set expects key=value, got 'epochs'"),
        ("epoch=3", "No recipe setting 'epoch'. Known: .* Did you mean 'epochs'"),
        ("name=mine", "No recipe setting 'name'"),
        ("epochs=many", "--set epochs=many: input should be a valid integer"),
        ("seed=2000001", "--set seed=2000001: input should be less than or equal to 2000000"),
        ("dropout=1", "--set dropout=1: input should be less than 1"),
        (
            "schedule=cosin",
            "--set schedule=cosin: input should be 'constant', 'cosine', 'onecycle'",
        ),
    ],
)
def test_wrong_settings_are_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        with_settings(recipes.get("convnet"), [setting])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lr", "learning_rate"),
        ("LR", "learning_rate"),
        ("bs", "batch"),
        ("batch_size", "batch"),
        ("batch-size", "batch"),
        ("wd", "weight_decay"),
        ("epoch", "epochs"),
        ("n_epochs", "epochs"),
        ("optim", "optimizer"),
        ("aug", "augment"),
        ("mixup", "mix"),
        ("scheduler", "schedule"),
        ("learning_rat", "learning_rate"),
        ("replacement", "sampling"),
        ("interpolation", "resize"),
        ("validation_steps", "validate"),
    ],
)
def test_a_setting_by_its_name_elsewhere_is_hinted_at(typed: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"No recipe setting '{typed}'. ") as raised:
        with_settings(recipes.get("convnet"), [f"{typed}=1e-4"])
    assert str(raised.value).endswith(f" Did you mean '{meant}'?")


def test_every_alias_is_of_a_setting_and_is_none_itself() -> None:
    settings = set(Recipe.model_fields) - {"name"}
    assert set(ALIASES.values()) <= settings
    assert not set(ALIASES) & settings
    assert all(alias == alias.lower() for alias in ALIASES)


TEXTS = {
    "loss": "0.5*focal(gamma=2) + .5*lovasz",
    "augment": "gain(.3) + symmetries",
    "mix": "mixup(alpha=0.4)",
    "sampling": "table",
    "repeats": "27:10, 15:8",
    "validate": "batch( 64)",
}


def test_texts_are_parsed_when_a_recipe_is_made_and_dumped_as_they_were() -> None:
    recipe = with_settings(recipes.get("convnet"), [f"{k}={v}" for k, v in TEXTS.items()])
    assert [term.name for term in recipe.loss.terms] == ["focal", "lovasz"]
    assert recipe.augment.turns == "symmetries"
    assert (recipe.mix.name, recipe.mix.alpha) == ("mixup", 0.4)
    assert recipe.sampling.name == "table"
    assert recipe.repeats.times == {"27": 10, "15": 8}
    assert (recipe.validate.name, recipe.validate.numbers) == ("batch", {"images": 64})
    dumped = recipe.model_dump()
    assert {key: dumped[key] for key in TEXTS} == TEXTS
    assert json.loads(json.dumps(dumped)) == dumped
    assert Recipe.model_validate(dumped) == recipe
    assert hash(Recipe.model_validate(dumped)) == hash(recipe)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("loss=focl", "No loss 'focl'. Known: .* Did you mean 'focal'"),
        ("augment=crop(9)", "augmentation 'crop\\(9\\)': crop\\(9\\) is out of range"),
        ("mix=mixup+cutmix", "mix 'mixup\\+cutmix': name one of"),
        ("sampling=balance", "No sampling 'balance'. Known: .* Did you mean 'balanced'"),
        ("sampling=replacment", "No sampling 'replacment'. Known: .* Did you mean 'replacement'"),
        ("repeats=27", "repeats '27': '27' is not class:times"),
    ],
)
def test_a_text_that_does_not_parse_is_refused_as_it_is_set(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        with_settings(recipes.get("convnet"), [setting])
    assert "\n" not in str(raised.value)


def test_texts_are_parsed_where_they_come_in_and_nowhere_else() -> None:
    """In a recipe; the repeats also in the table of samplings, which takes them as an option."""
    root = Path(kit.__file__).parent
    calls = re.compile(r"(?<!def )parse_(?:loss|augmentation|mix|sampling|repeats|validation)\(")
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if calls.search(path.read_text())
    }
    assert found == {"recipes/base.py", "stages/folds.py"}


def test_a_setting_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="input should be a text"):
        Recipe.model_validate({**recipes.get("convnet").model_dump(), "loss": 3})


@pytest.mark.parametrize("key", ["learning_rate", "frozen_learning_rate", "weight_decay"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_numbers_are_finite(key: str, value: str) -> None:
    with pytest.raises(UserError, match=f"--set {key}={value}: input should be a finite number"):
        with_settings(recipes.get("convnet"), ["frozen_epochs=1", f"{key}={value}"])


@pytest.mark.parametrize(
    ("setting", "beside", "cure"),
    [
        ("weight_decay=0.1", "optimizer=adam", "optimizer=adamw"),
        ("weight_decay=0.1", "optimizer=sgd", "optimizer=adamw"),
        ("repeat_threshold=0.5", "sampling=none", "sampling=repeat"),
        ("repeat_cap=4", "sampling=none", "sampling=repeat"),
        ("frozen_learning_rate=0.1", "frozen_epochs=0", "frozen_epochs=1"),
        ("plateau_epochs=3", "schedule=cosine", "schedule=plateau"),
        ("warmup=0.2", "schedule=plateau", "schedule=cosine"),
        ("patience=3", "keep=last", "keep=val_loss"),
    ],
)
def test_a_setting_that_changes_nothing_is_refused(setting: str, beside: str, cure: str) -> None:
    with pytest.raises(UserError) as raised:
        with_settings(recipes.get("convnet"), [setting, beside])
    assert str(raised.value) == (
        f"--set {setting} has no effect with {beside}. Omit it, or add --set {cure}."
    )
    key, _, value = setting.partition("=")
    changed = with_settings(recipes.get("convnet"), [setting, cure])
    assert getattr(changed, key) == float(value)


@pytest.mark.parametrize(
    ("beside", "cure"),
    [
        (("frozen_epochs=0",), "frozen_epochs=1"),
        (("frozen_epochs=1", "keep=last"), "keep=val_loss"),
    ],
)
def test_keeping_the_last_phases_best_where_that_changes_nothing_is_refused(
    beside: tuple[str, ...], cure: str
) -> None:
    with pytest.raises(UserError) as raised:
        with_settings(recipes.get("convnet"), ["keep_from=phase", *beside])
    assert str(raised.value) == (
        f"--set keep_from=phase has no effect with {beside[-1]}. Omit it, or add --set {cure}."
    )
    changed = with_settings(recipes.get("convnet"), ["keep_from=phase", *beside, cure])
    assert changed.keep_from == "phase"
    # The command of an older run may name the default.
    assert with_settings(recipes.get("convnet"), ["keep_from=start", *beside]).keep_from == "start"


def test_inflate_without_weights_to_carry_over_is_refused() -> None:
    with pytest.raises(UserError, match="stem=inflate has no effect with weights=none"):
        with_settings(recipes.get("convnet"), ["stem=inflate"])
    assert with_settings(recipes.get("vgg16"), ["stem=inflate"]).stem == "inflate"
    assert with_settings(recipes.get("densenet121"), ["weights=none"]).stem == "inflate"


def test_values_of_the_recipe_itself_may_be_idle() -> None:
    changed = with_settings(recipes.get("convnet"), ["optimizer=sgd", "sampling=none"])
    assert (changed.weight_decay, changed.repeat_cap) == (1e-4, 8.0)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Recipe.model_validate({**recipes.get("convnet").model_dump(), "epoch": 3})
