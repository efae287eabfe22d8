"""`kit models`: the table of the recipes, and a recipe's settings as the help for --set."""

import pytest

from kit.core.errors import UserError
from kit.models.heads import HEADS
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.recipes.catalogue import print_models

RGB = ("red", "green", "blue")
RGBY = (*RGB, "yellow")


def test_a_recipe_that_does_not_fit_the_channels_says_why_and_the_others_follow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_models(["convnet_rgb", "convnet"], RGB, 5)
    lines = capsys.readouterr().out.splitlines()
    refused, built = (line.split() for line in lines[2:4])
    assert (refused[0], refused[-3:]) == ("convnet_rgb", ["does", "not", "fit"])
    assert (built[0], built[-2:]) == ("convnet", ["392,421", "391,461"])
    assert any(
        line.startswith("convnet_rgb does not fit: Stem 'mix_third_yellow' needs") for line in lines
    )


def test_a_name_that_is_not_known_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean 'convnet'"):
        print_models(["convnet", "convnt"], RGBY, 5)


def test_every_field_of_a_recipe_is_described() -> None:
    assert [key for key, field in Recipe.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("name", ["convnet", "inceptionresnetv2"])
def test_a_named_recipe_shows_every_setting_as_set_takes_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Channels that do not fit save the seconds in which a big network is built.
    print_models([name], ("grey",) if name == "inceptionresnetv2" else RGBY, 28)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 100
    shown = [line.split()[0] for line in lines if line.startswith("  ") and "=" in line[:30]]
    assert [setting.partition("=")[0] for setting in shown] == list(Recipe.model_fields)[1:]
    # One at a time, beside what keeps any of them from being idle.
    awake = ["optimizer=adamw", "sampling=repeat", "frozen_epochs=1"]
    for setting in shown:
        key = setting.partition("=")[0]
        changed = with_settings(recipes.get(name), [*awake, setting])
        assert getattr(changed, key) == getattr(recipes.get(name), key)


def test_settings_list_the_values_that_are_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    print_models(["inceptionresnetv2"], ("grey",), 28)
    text = " ".join(capsys.readouterr().out.split())
    for allowed in (
        "(none, imagenet)",
        f"({', '.join(HEADS)})",
        "(adam, adamw, sgd)",
        "(whole number from 75)",
        "(whole number from 1, or none)",
        "(number from 0 below 1)",
        "(number above 0 to 1)",
        "(whole number from 0 to 4000000)",
    ):
        assert allowed in text
