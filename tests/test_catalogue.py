"""`kit models`: tables of recipes and backbones, and a recipe's settings as the help for --set."""

import subprocess
import sys
from dataclasses import replace

import pytest

from kit.competitions.base import Competition
from kit.core.errors import UserError
from kit.core.suggest import Typed
from kit.models.heads import HEADS
from kit.models.losses import LOSSES
from kit.models.registry import backbones
from kit.models.stems import STEMS
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.stages.models import ModelsOptions, models_stage

RGB = ("red", "green", "blue")
RGBY = (*RGB, "yellow")


def of_kind(shapes: Competition, channels: tuple[str, ...], classes: int) -> Competition:
    """A competition with these channels and so many classes."""
    keys = tuple(str(number) for number in range(classes))
    return replace(shapes, channels=channels, class_keys=keys, class_names=keys)


def test_without_names_every_recipe_and_every_backbone_is_listed(
    shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    models_stage(of_kind(shapes, RGBY, 28), [], Typed())
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(len(line) for line in lines) <= 80
    split = next(n for n, line in enumerate(lines) if line.startswith("Backbones"))
    first = [" ".join(line.split()) for line in lines[:split]]
    assert "densenet121 512 densenet121 inflate imagenet" in first
    assert [line.split()[0] for line in first[2:] if line] == list(recipes.names())
    second = [" ".join(line.split()) for line in lines[split:]]
    assert "xception 20,861,480 299 71 any, 3 * none, imagenet" in second
    assert "xception: Chollet 2017, arXiv:1610.02357; keras.applications" in second
    assert "gapnet 499,200 1024 16 any none" in second
    assert "gapnet: Rumetshofer et al., ICLR 2019; ml-jku/gapnet-pl" in second
    assert "vgg16: Simonyan and Zisserman 2015, arXiv:1409.1556; keras.applications" in second
    names = [line.split()[0] for line in second[2:] if line]
    assert names[: len(backbones.names())] == list(backbones.names())


def test_the_tables_need_no_keras() -> None:
    code = (
        "import sys\n"
        "from kit.competitions.hpa import hpa\n"
        "from kit.core.suggest import Typed\n"
        "from kit.stages.models import models_stage\n"
        "models_stage(hpa, [], Typed())\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'cv2'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_recipe_that_does_not_fit_the_channels_says_why_and_the_others_follow(
    shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    models_stage(of_kind(shapes, RGB, 5), ["convnet_rgb", "convnet"], Typed())
    lines = capsys.readouterr().out.splitlines()
    refused, built = (line.split() for line in lines[2:4])
    assert (refused[0], refused[-3:]) == ("convnet_rgb", ["does", "not", "fit"])
    assert (built[0], built[-2:]) == ("convnet", ["392,421", "391,461"])
    assert any(
        line.startswith("convnet_rgb does not fit: Stem 'mix_third_yellow' needs") for line in lines
    )


def test_a_name_that_is_not_known_is_refused(shapes: Competition) -> None:
    with pytest.raises(UserError, match="Did you mean 'convnet'"):
        models_stage(of_kind(shapes, RGBY, 5), ["convnet", "convnt"], Typed())


def test_every_field_of_a_recipe_is_described() -> None:
    assert [key for key, field in Recipe.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("name", ["convnet", "inceptionresnetv2"])
def test_a_named_recipe_shows_every_setting_as_set_takes_it(
    name: str, shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    # Channels that do not fit save the seconds in which a big network is built.
    channels = ("grey",) if name == "inceptionresnetv2" else RGBY
    models_stage(of_kind(shapes, channels, 28), [name], Typed())
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    settings = lines[lines.index(f"Settings of {name}, each changed with --set key=value:") :]
    shown = [line.split()[0] for line in settings if line.startswith("  ") and "=" in line[:30]]
    assert [setting.partition("=")[0] for setting in shown] == list(Recipe.model_fields)[1:]
    # One at a time, beside what keeps any of them from being idle.
    awake = ["optimizer=adamw", "sampling=repeat", "frozen_epochs=1"]
    needs = {"repeats": "sampling=table", "plateau_epochs": "schedule=plateau"}
    needs |= {"plateau_factor": "schedule=plateau", "warmup": "schedule=cosine"}
    for setting in shown:
        key = setting.partition("=")[0]
        awake = [*awake, needs[key]] if key in needs else awake
        changed = with_settings(recipes.get(name), [*awake, setting])
        assert getattr(changed, key) == getattr(recipes.get(name), key)


def test_settings_list_the_values_that_are_allowed(
    shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    models_stage(of_kind(shapes, ("grey",), 28), ["inceptionresnetv2"], Typed())
    text = " ".join(capsys.readouterr().out.split())
    for allowed in (
        "(none, imagenet, a .keras or .weights.h5 file, a run)",
        f"({', '.join(STEMS)})",
        f"({', '.join(HEADS)})",
        "focal(gamma=2, alpha=-1)",
        "(none, symmetries, flip_or_turn, crop(area=0.5), shift(share=0.1),",
        "(none, mixup(alpha=0.2), cutmix(alpha=1))",
        "replacement: drawn at random with replacement;",
        "validate=batch(256) which held-out rows score an epoch. fold: all; batch(256): the same",
        "(area, linear)",
        "(start, phase)",
        "(adam, adamw, sgd, lion)",
        "(whole number from 75)",
        "(whole number from 1, or none)",
        "(number from 0 below 1)",
        "(number above 0 to 1)",
        "(whole number from 1 to 48)",
    ):
        assert allowed in text
    assert all(name in text for name in LOSSES)
    assert "()" not in text


# Changed settings


def test_the_tables_are_those_of_the_changed_network(
    shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ModelsOptions(size=64, settings=("head=average", "epochs=3"))
    models_stage(of_kind(shapes, RGB, 5), ["convnet"], Typed(), options)
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[2].split()[:2] == ["convnet", "64"]
    assert lines[2].split()[-2:] == ["391,141", "390,181"]
    shown = {line.split()[0] for line in lines if line.startswith("  ")}
    assert {"size=64", "head=average", "epochs=3"} <= shown
    changed = "--size 64 --set head=average --set epochs=3"
    assert f"kit look convnet {changed}\n" in said
    assert f"kit models convnet --summary {changed}\n" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelsOptions(summary=True), "--summary needs .* recipe: kit models NAME --summary$"),
        (ModelsOptions(size=64), "--size needs .*: kit models NAME --size 64$"),
        (ModelsOptions(settings=("epochs=3",)), "--set needs .*: kit models NAME --set epochs=3$"),
    ],
)
def test_options_without_a_recipe_are_refused(
    options: ModelsOptions, message: str, shapes: Competition
) -> None:
    with pytest.raises(UserError, match=message):
        models_stage(shapes, [], Typed(), options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelsOptions(size=8), "--set size=8"),
        (ModelsOptions(settings=("stem=as",)), "No stem 'as'"),
        (ModelsOptions(settings=("patience=3",)), "has no effect with keep=last"),
        (ModelsOptions(summary=True, settings=("epoch=3",)), "No recipe setting 'epoch'"),
    ],
)
def test_settings_are_checked_as_training_checks_them(
    options: ModelsOptions, message: str, shapes: Competition
) -> None:
    names = ["convnet"]
    changed = (
        options
        if "last" not in message
        else replace(options, settings=("keep=last", *options.settings))
    )
    with pytest.raises(UserError, match=message):
        models_stage(shapes, names, Typed(), changed)


# A summary


def summary(
    competition: Competition, capsys: pytest.CaptureFixture[str], name: str, *settings: str
) -> list[str]:
    options = ModelsOptions(settings=settings, summary=True)
    models_stage(competition, [name], Typed(), options)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)
    return lines


def totals(lines: list[str]) -> list[str]:
    """The numbers after `Total params`, `Trainable params` and `Non-trainable params`."""
    return [line.split(":")[1].split()[0] for line in lines if "params: " in line]


def test_a_summary_has_every_layer_and_the_exact_totals(
    shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = summary(of_kind(shapes, RGB, 5), capsys, "convnet", "size=64")
    assert lines[:2] == ["convnet at 64 px, 3 channels, 5 classes", 'Model: "convnet"']
    assert totals(lines) == ["392,421", "391,461", "960"]
    (backbone,) = (line for line in lines if "backbone" in line and "Functional" in line)
    assert "389,856" in backbone
    assert any("(None, 5)" in line and "2,565" in line for line in lines)
    assert not any("Settings of" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "total", "trainable", "fixed"),
    [
        ("inceptionresnetv2", "58,742,664", "58,682,114", "60,550"),
        ("vgg16", "20,103,656", "20,103,650", "6"),
    ],
)
def test_published_summaries(
    name: str,
    total: str,
    trainable: str,
    fixed: str,
    shapes: Competition,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The last lines of the summaries that a student report prints; nothing is downloaded."""
    lines = summary(of_kind(shapes, RGBY, 28), capsys, name)
    assert totals(lines) == [total, trainable, fixed]
    assert sum("(Functional)" in line for line in lines) == 1


def test_the_summary_of_a_recipe_that_does_not_fit_says_why(
    shapes: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = summary(of_kind(shapes, ("grey",), 5), capsys, "vgg16")
    assert lines[0].startswith("vgg16 does not fit: Stem 'mix_half_yellow' needs the channels red")
