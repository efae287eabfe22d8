"""Models beside the truth, drawn and printed: by `kit look RUN RUN` and in the report."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from prepared import error_of, oof_of, save_folds

from kit.cli import main
from kit.compare.read_shown import Wanted, read_shown
from kit.compare.shown import Counted, Shown, verdict
from kit.competitions.base import Competition
from kit.competitions.metrics import macro_f1
from kit.competitions.tables import LabelTable
from kit.core.paths import BlendFiles, Workspace
from kit.core.store_paths import StoreKind
from kit.data.folds import Folds, digest_labels, write_folds
from kit.data.imported import import_predictions
from kit.data.predictions import write_predictions
from kit.data.runs import Run
from kit.data.sampling import rare_rows
from kit.data.store import pack
from kit.ensemble import Decision, Options
from kit.report.beside_picture import draw_beside
from kit.report.best_members import read_best_members
from kit.report.html import write_report
from kit.report.view import held_out_pictures, view_blend
from kit.stages.beside import BesideOptions, beside_stage
from kit.stages.blend import blend

MakeRun = Callable[..., Run]
Labels = NDArray[np.uint8]

PLAIN = Options("logit-mean", "exact")
ODD = ("$a_1$ & <b>", "W" * 60, "Très long nom de la troisième classe, à couper en deux")


@pytest.fixture
def folds(labels: LabelTable, workspace: Workspace) -> Folds:
    """Three folds."""
    return save_folds(workspace, labels, 3)


# The picture


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def some_images(images: int, models: int) -> Shown:
    rng = np.random.default_rng(images)
    drawn = (rng.random((1 + models, images, 3)) < 0.5).astype(np.uint8)
    return Shown(
        tuple(f"$id_{number}<i>" for number in range(images)),
        np.arange(images) % 4 != 1,
        drawn[0],
        {f"model_{number}$": drawn[1 + number] for number in range(models)},
        ODD,
        "A caption with $x_1$ and <b>.",
    )


def test_a_picture_has_the_truth_and_each_models_labels_as_text() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 0]], np.uint8)
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], np.uint8)
    is_train = np.array([True, False, True])
    shown = Shown(("a$", "b$", "c$"), is_train, truth, {"net_$": labels}, ("$A_1$", "B", "C"), "")
    figure = draw_beside(shown, [np.zeros((4, 4, 3), np.uint8)] * 3)
    assert texts(figure)[3:] == [
        *("a$", "truth", "$A_1$", "C", "net_$", "✓ $A_1$", "✗ B", "– C"),
        *("b$", "net_$", "$A_1$", "test image: truth unknown"),
        *("c$", "truth", "no label", "net_$", "✓ no label"),
    ]
    assert not any(text.get_parse_math() for text in figure.texts)


@pytest.mark.parametrize(("images", "models"), [(1, 1), (3, 5), (30, 2)])
def test_nothing_in_a_picture_overlaps_or_is_cut(images: int, models: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown = some_images(images, models)
    figure = draw_beside(shown, [np.zeros((4, 4, 3), np.uint8)] * images)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    boxes = [one.get_window_extent() for one in (*figure.texts, *figure.axes)]
    assert len(figure.axes) == images
    for box in boxes:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0
    # Letters of neighbouring lines may touch: boxes are tried without their edges.
    inner = np.array([[b.x0 + 2, b.y0 + 3, b.x1 - 2, b.y1 - 3] for b in boxes])
    for number, (left, low, right, high) in enumerate(inner[:-1]):
        others = inner[number + 1 :]
        apart = (others[:, 0] >= right) | (others[:, 2] <= left)
        apart |= (others[:, 1] >= high) | (others[:, 3] <= low)
        assert apart.all()


@pytest.fixture
def shown_by(
    shapes: Competition, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs the stage; what it prints."""

    def run(names: list[str], wanted: Wanted, **options: object) -> str:
        capsys.readouterr()
        beside_stage(shapes, workspace, names, BesideOptions(wanted, **options))  # type: ignore[arg-type]
        return capsys.readouterr().out

    return run


def test_the_picture_is_written_from_the_store_of_a_run(
    workspace: Workspace, trained: Run, shown_by: Callable[..., str]
) -> None:
    for folder in ("train", "test"):
        for path in (workspace.source / folder).iterdir():
            path.unlink()
    printed = shown_by(["convnet"], Wanted(6, at=0.5))
    path = workspace.runs / f"look-{trained.name}-first6-at0.5.png"
    assert printed.rstrip().endswith(f"Wrote {path}")
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] == round(110 * (5 * 2.8 + 0.2))
    assert picture.shape[0] > 2 * 2.6 * 110


def test_the_picture_of_a_run_without_a_store_is_decoded_from_the_files(
    workspace: Workspace, images: None, net: Run, wide: Run, shown_by: Callable[..., str]
) -> None:
    target = workspace.runs / "mine" / "picture.png"
    printed = shown_by(["net", "wide"], Wanted(ids=("test1", "train03")), out=target)
    assert printed.rstrip().endswith(f"Wrote {target}")
    assert target.read_bytes().startswith(b"\x89PNG")
    assert not (workspace.stores).exists()


def test_without_images_there_is_no_picture(
    shapes: Competition, workspace: Workspace, net: Run, shown_by: Callable[..., str]
) -> None:
    printed = shown_by(["net"], Wanted(at=0.5))
    assert "No picture: no images in " in printed
    assert "Wrote" not in printed
    options = BesideOptions(Wanted(at=0.5), out=workspace.runs / "picture.png")
    said = error_of(beside_stage, shapes, workspace, ["net"], options)
    assert said == "No picture: no images. Draw them."


def test_only_a_png_is_written(shapes: Competition, workspace: Workspace, net: Run) -> None:
    options = BesideOptions(Wanted(), out=Path("picture.jpg"))
    said = error_of(beside_stage, shapes, workspace, ["net"], options)
    assert said.startswith("--out picture.jpg: pictures are PNG files.")


def test_pictures_of_many_models_have_short_file_names(workspace: Workspace) -> None:
    many = [f"inceptionresnetv2-299-{number:08d}" for number in range(12)]
    assert len(workspace.pictures.beside(many).name) < 120
    assert workspace.pictures.beside(many) != workspace.pictures.beside(many[::-1])
    assert workspace.pictures.beside(many[:2]).name == f"look-{many[0]}+{many[1]}.png"


def test_pictures_of_the_same_models_have_a_file_for_each_request(workspace: Workspace) -> None:
    def name(wanted: Wanted) -> str:
        return workspace.pictures.beside(["a", "b"], wanted.parts).name

    assert name(Wanted()) == "look-a+b.png"
    assert name(Wanted(rare=True, as_trained=True, at=0.2)) == "look-a+b-rare-as-trained-at0.2.png"
    assert name(Wanted(count=3, at=1e-7)) == "look-a+b-first3-at1e-07.png"
    one, other = name(Wanted(ids=("x/1", "y"))), name(Wanted(ids=("x/1", "z")))
    assert re.fullmatch(r"look-a\+b-ids[0-9a-f]{8}\.png", one)
    assert one != other


# What is printed


def test_the_table_has_a_block_per_image_in_eighty_columns(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    shown_by: Callable[..., str],
    make_run: MakeRun,
) -> None:
    long = make_run("a-network-with-a-name-that-fills-half-of-a-line", 1, done=range(3))
    short = make_run("b", 2, done=range(3))
    ids = (*labels.ids[:3], "test0")
    printed = shown_by([long.name, short.name], Wanted(ids=ids, at=0.4))
    lines = printed.splitlines()
    assert max(len(line) for line in lines if not line.startswith("No picture")) <= 80
    shown = read_shown(shapes, workspace, [long.name, short.name], Wanted(ids=ids, at=0.4))
    for image, one in enumerate(ids[:3]):
        block = printed[printed.index(one) :].splitlines()
        assert block[1].split(": ")[1] == (", ".join(shown.true(image)) or "no label")
    assert "test0 (test image)" in lines
    title = lines.index("3 training images, 3 classes; TP: true positives, FN: false negatives")
    assert lines[title + 1].split() == ["TP", "FP", "FN", "TN", "precision", "recall"]
    told = [re.findall(r"(?<= )\d+(?= )", line) for line in lines[title + 2 : title + 6]]
    assert [list(map(int, found)) for found in told if found] == [
        [one.true_positives, one.false_positives, one.false_negatives, one.true_negatives]
        for one in shown.counted()
    ]
    assert long.name[-8:] in "".join(lines[title:])


def test_json_is_all_that_is_printed(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    net: Run,
    wide: Run,
    shown_by: Callable[..., str],
) -> None:
    wanted = Wanted(ids=(labels.ids[0], "test0"))
    told = json.loads(shown_by(["net", "wide"], wanted, as_json=True))
    shown = read_shown(shapes, workspace, ["net", "wide"], wanted)
    first, test = told["images"]
    assert (first["id"], first["split"], test["split"]) == (labels.ids[0], "train", "test")
    assert first["truth"] == list(shown.true(0))
    assert test["truth"] is None
    marked = shown.marked(net.name, 0)
    assert first["models"][net.name]["wrong"] == list(marked.wrong)
    assert set(test["models"][wide.name]) == {"labels"}
    assert [one["model"] for one in told["counts"]] == [net.name, wide.name]
    assert told["counts"][0]["true_positives"] == len(marked.right)
    assert told["verdict"] == verdict(shown.counted())
    assert told["picture"] is None


# The command


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int | str | None, str]]:
    """Types `kit look` in an empty folder; the exit status, and the error."""
    monkeypatch.chdir(tmp_path)
    for name in ("KIT_DATA", "KIT_RUNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int | str | None, str]:
        monkeypatch.setattr(sys, "argv", ["kit", "look", *words, "-c", "cells"])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("a", "b", "--size", "64"),
            "--size has no effect with runs. It belongs to: kit look MODEL",
        ),
        (("a", "b", "--at", "0.2", "--set", "tta=2"), "--set has no effect with runs."),
        (
            ("convnet", "--grid", "2x2", "--at", "0.2"),
            "--grid is for a recipe and --at for runs. Give one.",
        ),
        (("convent", "--raw", "--rare"), "--raw is for a recipe and --rare for runs. Give one."),
        (
            ("vgg16", "gapnet", "--grid", "2x2"),
            "--grid takes one recipe, got 2 names. Name one: kit look MODEL -c cells",
        ),
        (("vgg16", "a", "b", "--size", "64", "--at", "0.2"), "--size takes one recipe, got 3"),
        (("a", "b", "--ids", "x", "--rare"), "--ids names the images. Omit --rare."),
        (("a", "b", "--ids", "x", "--first", "3"), "--ids names the images. Omit --first."),
        (("a", "b", "--held-out", "--as-trained"), "--held-out and --as-trained contradict"),
        (("a", "b", "--out", "x.jpg"), "--out x.jpg: pictures are PNG files."),
        (("a", "b", "--first", "0"), "0 images: a picture holds 1 to 100."),
        (("a", "b"), "No blend or run 'a'. There are: none."),
        (("convnet", "--rare"), "No blend or run 'convnet'. There are: none."),
        (("inceptionv9",), "No model 'inceptionv9'. Known: "),
    ],
)
def test_options_that_contradict_are_one_line(
    typed: Callable[..., tuple[int, str]], words: tuple[str, ...], message: str
) -> None:
    status, said = typed(*words)
    assert status == 2
    assert said.startswith(f"kit: {message}")
    assert said.count("\n") == 1


# In the report


@pytest.fixture
def both(shapes: Competition, workspace: Workspace, net: Run, wide: Run) -> BlendFiles:
    return blend(shapes, workspace, name="both", options=PLAIN)


def test_the_report_shows_the_two_best_members_beside_the_truth(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    folds: Folds,
    make_run: MakeRun,
    net: Run,
    images: None,
) -> None:
    good, poor = make_run("good", 4, done=range(3), noise=0.1), make_run("poor", 5, done=range(3))
    write_noise(poor, shapes)
    pack(shapes, workspace, "train", StoreKind(16), folds.ids)
    odd = replace(shapes, class_names=ODD)
    blend(odd, workspace, name="three", options=PLAIN)
    best = read_best_members(view_blend(odd, workspace, "three"))
    assert best is not None
    assert list(best.everywhere.labels) == [good.name, net.name]
    truth = labels.of(folds.ids)
    alone = Decision.load(workspace.blend("three").decision).worth.alone
    counted = best.everywhere.counted()
    for one in counted:
        found = best.everywhere.labels[one.model]
        assert one == Counted.of(one.model, truth, found)
        assert macro_f1(truth, found) == alone[one.model].score.cross_fitted
    assert best.pictured.ids == tuple(folds.ids[row] for row in rare_rows(truth, 10))
    assert [one.true_positives for one in best.pictured.counted()] == [
        int((found & best.pictured.truth).sum()) for found in best.pictured.labels.values()
    ]
    page = write_report(odd, workspace, "three").read_text()
    section = page[page.index("<h2>Two models beside the truth") : page.index("<h2>F1 per class")]
    assert f"<td>{good.name}</td><td>{counted[0].true_positives}</td>" in section
    assert "<th>all 40 images</th>" in section
    assert "<th>the 10 below</th>" in section
    assert best.verdict == verdict(counted, "Over all images, ")
    assert best.verdict in section
    assert 'src="data:image/png;base64,' in section


def write_noise(run: Run, shapes: Competition) -> None:
    """Replace a run's out-of-fold predictions by ones that know nothing."""
    for fold in range(3):
        oof = oof_of(run, shapes, fold)
        probs = np.random.default_rng(fold).random(oof.probs.shape, np.float32)
        write_predictions(run.files.fold(fold).oof, replace(oof, probs=probs), {})


def test_without_images_the_report_has_the_counts(
    shapes: Competition, workspace: Workspace, tmp_path: Path, net: Run, wide: Run
) -> None:
    names = []
    for run in (net, wide):
        paths = [tmp_path / f"{run.name}-{part}.parquet" for part in ("oof", "test")]
        write_predictions(paths[0], run.read_oof(shapes), {})
        write_predictions(paths[1], run.read_test(shapes), {})
        name = f"other-{run.recipe['name']}"
        made = import_predictions(shapes, workspace, name, paths[0], [paths[1]])
        names.append(made.run.name)
    blend(shapes, workspace, names, "imported", PLAIN)
    page = write_report(shapes, workspace, "imported").read_text()
    section = page[page.index("<h2>Two models beside the truth") : page.index("<h2>F1 per class")]
    assert all(name in section for name in names)
    assert "<img" not in section
    assert "below" not in section


def test_a_single_member_is_shown_alone_and_without_a_verdict(
    shapes: Competition, workspace: Workspace, net: Run, images: None
) -> None:
    blend(shapes, workspace, name="alone", options=PLAIN)
    best = read_best_members(view_blend(shapes, workspace, "alone"))
    assert best is not None
    assert list(best.everywhere.labels) == [net.name]
    page = write_report(shapes, workspace, "alone").read_text()
    assert "Two models beside the truth" not in page
    section = page[page.index("<h2>The run beside the truth") : page.index("<h2>F1 per class")]
    assert section.count(f"<td>{net.name}</td>") == 2  # of all images, and of those below
    assert "Over all images" not in section
    assert f'<img alt="Images with the truth and the labels of {net.name}"' in section


def test_a_tie_has_no_capital_inside_the_sentence_of_the_report(
    shapes: Competition, workspace: Workspace, net: Run, wide: Run
) -> None:
    for fold in range(3):
        write_predictions(wide.files.fold(fold).oof, oof_of(net, shapes, fold), {})
    blend(shapes, workspace, name="both", options=PLAIN)
    page = write_report(shapes, workspace, "both").read_text()
    assert "<p>Over all images, both have " in page


def test_members_on_other_folds_are_not_shown_as_held_out(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    folds: Folds,
    both: BlendFiles,
) -> None:
    assert read_best_members(view_blend(shapes, workspace, "both")) is not None
    moved = replace(folds, fold=2 - folds.fold)
    write_folds(workspace.folds, moved, {"labels_digest": digest_labels(labels)})
    assert read_best_members(view_blend(shapes, workspace, "both")) is None


def test_held_out_images_are_decoded_if_no_run_has_a_store(
    shapes: Competition, workspace: Workspace, both: BlendFiles, images: None
) -> None:
    pictures = held_out_pictures(view_blend(shapes, workspace, "both"), 3)
    assert [one.pixels.shape for one in pictures] == [(256, 256, 3)] * 3


def test_without_image_files_no_held_out_image_is_shown(
    shapes: Competition, workspace: Workspace, both: BlendFiles
) -> None:
    assert held_out_pictures(view_blend(shapes, workspace, "both"), 3) == []
