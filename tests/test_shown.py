"""What models say about images beside the truth: who predicts them, and what is counted."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from constant_run import ALL_ROWS, BIASES, add_all_rows_model
from numpy.typing import NDArray
from prepared import error_of, oof_of, save_folds

from kit.compare.read_shown import Wanted, read_shown
from kit.compare.shown import Counted, Marked, Shown, verdict
from kit.compare.sides import TrainSet, open_side
from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.store_paths import StoreKind
from kit.data.folds import Folds, digest_labels, write_folds
from kit.data.imported import import_predictions
from kit.data.predictions import Predictions, read_predictions, write_predictions
from kit.data.runs import Run, open_run
from kit.data.sampling import rare_rows
from kit.ensemble import Decision, Options
from kit.stages.blend import blend
from kit.training.as_trained import predict_as_trained

MakeRun = Callable[..., Run]
Labels = NDArray[np.uint8]

PLAIN = Options("logit-mean", "exact")
ODD = ("$a_1$ & <b>", "W" * 60, "Très long nom de la troisième classe, à couper en deux")


@pytest.fixture
def folds(labels: LabelTable, workspace: Workspace) -> Folds:
    """Three folds."""
    return save_folds(workspace, labels, 3)


def first_of(labels: LabelTable, folds: Folds, fold: int, count: int) -> tuple[str, ...]:
    """The first ids of a fold in the order of the label table."""
    inside = folds.of(labels.ids) == fold
    return tuple(one for one, here in zip(labels.ids, inside, strict=True) if here)[:count]


# Counting


def test_entries_are_counted_by_hand() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 1]], np.uint8)
    labels = np.array([[1, 1, 0], [0, 0, 1]], np.uint8)
    counted = Counted.of("net", truth, labels)
    assert counted == Counted("net", 2, 1, 1, 2)
    assert (counted.precision, counted.recall) == (2 / 3, 2 / 3)
    silent = Counted.of("net", truth, np.zeros_like(labels))
    assert silent == Counted("net", 0, 0, 3, 3)
    assert (silent.precision, silent.recall) == (None, 0.0)
    assert Counted.of("net", np.zeros_like(truth), labels).recall is None


def test_labels_are_right_wrong_or_missed_and_test_images_are_not_counted() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 0]], np.uint8)
    labels = np.array([[1, 1, 0], [1, 1, 1]], np.uint8)
    is_train = np.array([True, False])
    shown = Shown(("a", "b"), is_train, truth, {"net": labels}, ("A", "B", "C"), "")
    assert shown.marked("net", 0) == Marked(right=("A",), wrong=("B",), missed=("C",))
    assert shown.true(0) == ("A", "C")
    assert shown.predicted("net", 1) == ("A", "B", "C")
    assert shown.counted() == (Counted("net", 1, 1, 1, 0),)
    assert replace(shown, is_train=np.array([False, False])).counted() == ()


def counts(**models: tuple[int, int]) -> list[Counted]:
    return [Counted(name, true, false, 0, 0) for name, (true, false) in models.items()]


@pytest.mark.parametrize(
    ("counted", "sentence"),
    [
        (counts(a=(3, 1)), ""),
        (
            counts(a=(3, 1), b=(2, 0)),
            "a has more true positives (3 vs 2); b has fewer false positives (0 vs 1).",
        ),
        (
            counts(a=(2, 4), b=(3, 1)),
            "b has more true positives (3 vs 2) and fewer false positives (1 vs 4).",
        ),
        (
            counts(a=(2, 4), b=(2, 1)),
            "Both have 2 true positives; b has fewer false positives (1 vs 4).",
        ),
        (
            counts(a=(5, 4), b=(2, 4)),
            "a has more true positives (5 vs 2); both have 4 false positives.",
        ),
        (
            counts(a=(2, 4), b=(2, 4)),
            "Both have 2 true positives and 4 false positives.",
        ),
        (
            counts(a=(5, 4), b=(2, 1), c=(3, 1)),
            "a has the most true positives (5 vs 2, 3); b and c have the fewest false positives "
            "(1 each).",
        ),
        (
            counts(a=(5, 4), b=(5, 1), c=(5, 6)),
            "All 3 have 5 true positives; b has the fewest false positives (1 vs 4, 6).",
        ),
    ],
)
def test_one_sentence_names_the_better_model_and_ties(
    counted: list[Counted], sentence: str
) -> None:
    assert verdict(counted) == sentence


# Held out


def test_each_image_is_predicted_by_the_fold_that_held_it_out(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, net: Run
) -> None:
    shown = read_shown(shapes, workspace, ["net"], Wanted(count=100, at=0.2))
    assert shown.ids == labels.ids
    np.testing.assert_array_equal(shown.truth, labels.labels)
    for fold in range(3):
        oof = oof_of(net, shapes, fold)
        rows = [shown.ids.index(one) for one in oof.ids]
        assert len(rows) == (folds.fold == fold).sum()
        np.testing.assert_array_equal(shown.labels[net.name][rows], oof.probs >= 0.2)
    assert shown.caption == (
        "Held out: each training image is predicted by models that did not train on it. A label is "
        "set at probability 0.2 or more."
    )


def test_a_label_is_set_at_exactly_the_probability(
    shapes: Competition, workspace: Workspace, net: Run
) -> None:
    """In the precision of the file: 0.7 as float32 is below 0.7."""
    files = net.files.fold(0)
    oof = oof_of(net, shapes, 0)
    probs = np.full_like(oof.probs, 0.7)
    write_predictions(files.oof, replace(oof, probs=probs), {})
    shown = read_shown(shapes, workspace, ["net"], Wanted(ids=oof.ids, at=0.7))
    assert shown.labels[net.name].all()


def test_without_a_probability_labels_are_those_that_compare_counts(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    folds: Folds,
    net: Run,
    wide: Run,
) -> None:
    made = blend(shapes, workspace, name="both", options=PLAIN)
    test_ids = shapes.read_test_ids(workspace.source)
    wanted = Wanted(ids=(*test_ids, *folds.ids))
    shown = read_shown(shapes, workspace, ["net", "both"], wanted)
    assert list(shown.labels) == [net.name, "both"]
    assert shown.is_train.tolist() == [False] * 8 + [True] * 40
    for name in (net.name, "both"):
        side = open_side(TrainSet.read(shapes, workspace), name)
        np.testing.assert_array_equal(shown.labels[name][8:], side.labels)
    decision = Decision.load(made.decision)
    test = read_predictions(made.test, shapes.class_keys).take(test_ids)
    np.testing.assert_array_equal(shown.labels["both"][:8], decision.label(test.probs, test_ids))
    alone = open_side(TrainSet.read(shapes, workspace), net.name).decision
    of_folds = [one.take(test_ids).probs for one in net.read_tests(shapes)]
    np.testing.assert_array_equal(shown.labels[net.name][:8], alone.decide(of_folds))
    assert shown.caption.endswith(
        "Labels are set at each model's own thresholds, cross-fitted on training images. Test "
        "images have the labels that each model would submit: its thresholds are fitted on all "
        "training images. The truth of test images is unknown: they are not counted. Their "
        "probabilities are averaged over the models of the folds."
    )
    alone_said = read_shown(shapes, workspace, ["net"], Wanted(ids=test_ids[:1])).caption
    assert alone_said.startswith("Test images have the labels that each model would submit: ")
    assert "cross-fitted" not in alone_said


def test_a_blend_is_labelled_at_a_probability_too(
    shapes: Competition, workspace: Workspace, net: Run, wide: Run
) -> None:
    made = blend(shapes, workspace, name="both", options=PLAIN)
    shown = read_shown(shapes, workspace, ["both"], Wanted(count=40, at=0.4))
    oof = read_predictions(made.oof, shapes.class_keys)
    np.testing.assert_array_equal(shown.labels["both"], oof.take(shown.ids).probs >= 0.4)
    assert shown.caption.endswith("The weights in both were fitted on all training images.")


def test_test_images_are_labelled_by_the_mean_of_the_folds(
    shapes: Competition, workspace: Workspace, net: Run
) -> None:
    ids = shapes.read_test_ids(workspace.source)[::-1]
    shown = read_shown(shapes, workspace, ["net"], Wanted(ids=ids, at=0.5))
    expected = net.read_test(shapes).take(ids).probs >= 0.5
    np.testing.assert_array_equal(shown.labels[net.name], expected)
    assert shown.counted() == ()
    assert "Held out" not in shown.caption


# Which images


def test_the_first_images_are_those_of_the_label_table(
    shapes: Competition, workspace: Workspace, labels: LabelTable, net: Run
) -> None:
    assert read_shown(shapes, workspace, ["net"], Wanted(at=0.5)).ids == labels.ids[:10]
    assert read_shown(shapes, workspace, ["net"], Wanted(3, at=0.5)).ids == labels.ids[:3]


def test_rare_images_show_the_rarest_classes(
    shapes: Competition, workspace: Workspace, labels: LabelTable, net: Run
) -> None:
    shown = read_shown(shapes, workspace, ["net"], Wanted(3, rare=True, at=0.5))
    assert shown.ids == tuple(labels.ids[row] for row in rare_rows(labels.labels, 3))
    assert shown.truth.any(axis=0).all()


def test_named_images_keep_their_order(
    shapes: Competition, workspace: Workspace, labels: LabelTable, net: Run
) -> None:
    ids = (labels.ids[7], "test3", labels.ids[1])
    shown = read_shown(shapes, workspace, ["net"], Wanted(ids=ids, at=0.5))
    assert shown.ids == ids
    assert shown.is_train.tolist() == [True, False, True]
    np.testing.assert_array_equal(shown.truth[[0, 2]], labels.labels[[7, 1]])
    assert not shown.truth[1].any()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(0), "0 images: a picture holds 1 to 100."),
        (Wanted(101), "101 images: a picture holds 1 to 100."),
        (Wanted(at=1.5), "--at 1.5: expected a probability from 0 to 1."),
        (Wanted(at=float("nan")), "--at nan: expected a probability from 0 to 1."),
        (Wanted(ids=("test1", "test2", "test1")), "--ids test1: given more than once."),
        (
            Wanted(ids=("train0",)),
            "No image 'train0' in labels.csv and sample.csv. Similar: train0",
        ),
        (
            Wanted(ids=("tset3",)),
            "No image 'tset3' in labels.csv and sample.csv. Similar: test3",
        ),
        (Wanted(ids=("",)), "No image '' in labels.csv and sample.csv. They list train"),
    ],
)
def test_a_wrong_request_is_one_line(
    shapes: Competition, workspace: Workspace, net: Run, wanted: Wanted, message: str
) -> None:
    assert error_of(read_shown, shapes, workspace, ["net"], wanted).startswith(message)


def test_a_model_is_named_once_and_must_be_known(
    shapes: Competition, workspace: Workspace, net: Run
) -> None:
    words = ["net", net.name]
    said = error_of(read_shown, shapes, workspace, words, Wanted())
    assert said == f"{net.name} is named more than once."
    said = error_of(read_shown, shapes, workspace, ["other"], Wanted())
    assert said == f"No blend or run 'other'. There are: {net.name}."


# Folds that are not trained


def test_images_are_chosen_from_the_folds_that_every_run_has_trained(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, make_run: MakeRun
) -> None:
    one, two = make_run("one", 1, done=(0, 1)), make_run("two", 2, done=(1, 2))
    shown = read_shown(shapes, workspace, ["one", "two"], Wanted(4, at=0.3))
    assert shown.ids == first_of(labels, folds, 1, 4)
    assert shown.caption.endswith("Chosen from fold 1: other images have no such prediction.")
    for run in (one, two):
        oof = oof_of(run, shapes, 1)
        rows = [oof.ids.index(one) for one in shown.ids]
        np.testing.assert_array_equal(shown.labels[run.name], oof.probs[rows] >= 0.3)
    test = read_shown(shapes, workspace, ["one"], Wanted(ids=("test0",), at=0.5))
    probs = np.stack(
        [read_predictions(one.files.fold(fold).test, shapes.class_keys).probs for fold in (0, 1)]
    )
    row = shapes.read_test_ids(workspace.source).index("test0")
    logits = np.log(probs[:, row] / (1 - probs[:, row])).mean(axis=0)
    np.testing.assert_array_equal(test.labels[one.name][0], logits >= 0)


def test_the_caption_says_which_models_predict_test_images(
    shapes: Competition, workspace: Workspace, trained: Run, net: Run, make_run: MakeRun
) -> None:
    def said(*names: str) -> str:
        wanted = Wanted(ids=("test0",), at=0.5)
        caption = read_shown(shapes, workspace, names, wanted).caption
        return caption.split("they are not counted. ")[1]

    one = make_run("one", 3, done=(2,))
    make_run("two", 4, done=(0, 2))
    assert said("one") == "Their probabilities are from the model of fold 2."
    assert said("two") == "Their probabilities are averaged over the models of folds 0 and 2."
    assert said("net") == "Their probabilities are averaged over the models of the folds."
    add_all_rows_model(shapes, workspace, trained)
    unfinish(trained, 0, 1, 2)
    assert said("net", "one", "convnet") == (
        f"Of their probabilities, those of {net.name} are averaged over the models of the folds; "
        f"those of {one.name} are from the model of fold 2; those of {trained.name} are from the "
        "model trained on all rows."
    )


def test_an_image_without_a_prediction_is_refused(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, make_run: MakeRun
) -> None:
    run = make_run("one", 1, done=(0,))
    (image,) = first_of(labels, folds, 2, 1)
    said = error_of(read_shown, shapes, workspace, ["one"], Wanted(ids=(image,), at=0.5))
    # This run has no weights, so --as-trained would be refused too.
    assert said.startswith(f"--ids {image}: {run.name} has no held-out prediction of fold 2. Train")
    assert "--as-trained" not in said
    assert said.endswith(f"kit train {run.name} --folds 2")


def test_own_thresholds_need_all_folds(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    run = make_run("one", 1, done=(0,))
    said = error_of(read_shown, shapes, workspace, ["one"], Wanted())
    assert said.startswith(f"{run.name}: untrained folds: 1,2. Its own thresholds need all folds: ")
    assert "--at 0.5" in said
    assert said.endswith(f"kit train {run.name} --folds 1,2")


def test_runs_without_a_common_fold_are_refused(
    shapes: Competition, workspace: Workspace, make_run: MakeRun
) -> None:
    make_run("one", 1, done=(0,))
    two = make_run("two", 2, done=(1,))
    said = error_of(read_shown, shapes, workspace, ["one", "two"], Wanted(at=0.5))
    assert said.startswith(
        f"No image is predicted by every model. {two.name} has no held-out prediction of fold 0."
    )
    none = make_run("none", 3, done=())
    said = error_of(read_shown, shapes, workspace, ["none"], Wanted(at=0.5))
    assert said.startswith(f"{none.name}: untrained folds: 0,1,2.")


def test_a_run_on_other_folds_is_refused(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, net: Run
) -> None:
    moved = replace(folds, fold=2 - folds.fold)
    write_folds(workspace.folds, moved, {"labels_digest": digest_labels(labels)})
    for wanted in (Wanted(), Wanted(at=0.5), Wanted(as_trained=True)):
        said = error_of(read_shown, shapes, workspace, ["net"], wanted)
        assert said.startswith(f"{net.name}: it was trained on other folds")


# As trained


def unfinish(run: Run, *folds: int) -> None:
    for fold in folds:
        run.files.fold(fold).done.unlink()


def test_as_trained_averages_the_other_folds_and_held_out_takes_the_own(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, trained: Run
) -> None:
    ids = tuple(one for fold in range(3) for one in first_of(labels, folds, fold, 2))
    found = predict_as_trained(shapes, workspace, trained, folds, ids)
    assert found.ids == ids
    assert found.fold is not None
    assert found.fold.tolist() == [0, 0, 1, 1, 2, 2]
    others = np.stack([(BIASES.sum(axis=0) - one) / 2 for one in BIASES])
    expected = np.repeat(1 / (1 + np.exp(-others)), 2, axis=0)
    np.testing.assert_allclose(found.probs, expected, rtol=1e-5)

    wanted = Wanted(ids=(*ids, "test0"), as_trained=True)
    shown = read_shown(shapes, workspace, ["convnet"], wanted)
    np.testing.assert_array_equal(shown.labels[trained.name][:-1], expected >= 0.5)
    np.testing.assert_array_equal(shown.labels[trained.name][-1], BIASES.mean(axis=0) >= 0)
    assert "the labels are optimistic. A label is set at probability 0.5 or more, because" in (
        shown.caption
    )
    held_out = read_shown(shapes, workspace, ["convnet"], Wanted(ids=ids, at=0.5))
    own = np.repeat(BIASES >= 0, 2, axis=0)
    np.testing.assert_array_equal(held_out.labels[trained.name], own)
    assert (own != (expected >= 0.5)).any()


def test_as_trained_with_one_trained_fold_shows_the_images_of_the_others(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, trained: Run
) -> None:
    unfinish(trained, 1, 2)
    wanted = Wanted(count=4, at=0.2, as_trained=True)
    shown = read_shown(shapes, workspace, ["convnet"], wanted)
    inside = folds.of(labels.ids) != 0
    assert shown.ids == tuple(np.array(labels.ids, object)[inside][:4])
    np.testing.assert_array_equal(shown.labels[trained.name], [[0, 1, 1]] * 4)
    assert shown.caption.endswith(
        "so the labels are optimistic. A label is set at probability 0.2 or more. Chosen from "
        "folds 1 and 2: other images have no such prediction."
    )
    (image,) = first_of(labels, folds, 0, 1)
    wanted = Wanted(ids=(image,), as_trained=True)
    said = error_of(read_shown, shapes, workspace, ["convnet"], wanted)
    assert said.startswith(
        f"--ids {image}: No finished model of {trained.name} was trained on fold 0. "
    )
    assert said.endswith(" --folds 1")
    with pytest.raises(UserError, match=f"no finished model trained on: {image}"):
        predict_as_trained(shapes, workspace, trained, folds, [image])
    unfinish(trained, 0)
    said = error_of(read_shown, shapes, workspace, ["convnet"], Wanted(as_trained=True))
    assert said.startswith("No image is predicted by every model. No finished model of")


def test_as_trained_uses_the_model_of_all_rows_too(
    shapes: Competition, workspace: Workspace, labels: LabelTable, folds: Folds, trained: Run
) -> None:
    add_all_rows_model(shapes, workspace, trained)
    ids = tuple(one for fold in range(3) for one in first_of(labels, folds, fold, 2))
    found = predict_as_trained(shapes, workspace, trained, folds, ids)
    logits = np.stack([(BIASES.sum(axis=0) - one + ALL_ROWS) / 3 for one in BIASES])
    expected = np.repeat(1 / (1 + np.exp(-logits)), 2, axis=0)
    np.testing.assert_allclose(found.probs, expected, rtol=1e-5)
    unfinish(trained, 1, 2)
    wanted = Wanted(ids=first_of(labels, folds, 0, 1), at=0.2, as_trained=True)
    shown = read_shown(shapes, workspace, ["convnet"], wanted)
    np.testing.assert_array_equal(shown.labels[trained.name], [ALL_ROWS > 0])
    assert shown.caption.startswith(
        "As trained: each training image is predicted by all finished models that were trained on "
        "it, so the labels are optimistic."
    )


def test_a_run_with_nothing_but_the_model_of_all_rows_is_shown(
    shapes: Competition, workspace: Workspace, labels: LabelTable, trained: Run
) -> None:
    add_all_rows_model(shapes, workspace, trained)
    of_folds = read_shown(shapes, workspace, ["convnet"], Wanted(ids=("test0",), at=0.2))
    np.testing.assert_array_equal(of_folds.labels[trained.name], [BIASES.mean(axis=0) > -1.386])
    unfinish(trained, 0, 1, 2)
    for as_trained in (False, True):
        wanted = Wanted(ids=("test0",), at=0.2, as_trained=as_trained)
        shown = read_shown(shapes, workspace, ["convnet"], wanted)
        np.testing.assert_array_equal(shown.labels[trained.name], [ALL_ROWS > 0])
    assert shown.caption.endswith("Their probabilities are from the model trained on all rows.")
    shown = read_shown(shapes, workspace, ["convnet"], Wanted(as_trained=True))
    assert shown.ids == labels.ids[:10]
    np.testing.assert_array_equal(shown.labels[trained.name], [ALL_ROWS > 0] * 10)


@pytest.mark.parametrize("done", [(), (0,), (0, 1)])
@pytest.mark.parametrize("has_all_rows", [False, True])
def test_the_option_that_a_refusal_suggests_is_not_refused(
    shapes: Competition,
    workspace: Workspace,
    labels: LabelTable,
    folds: Folds,
    trained: Run,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    done: tuple[int, ...],
    has_all_rows: bool,
) -> None:
    if has_all_rows:
        add_all_rows_model(shapes, workspace, trained)
    make_run("other", 1, done=(1, 2))  # a run without weights
    unfinish(trained, *({0, 1, 2} - set(done)))

    def predict(*asked: object) -> Predictions:
        ids = asked[4]
        assert isinstance(ids, tuple)
        return Predictions(ids, np.zeros((len(ids), 3), np.float32), shapes.class_keys)

    monkeypatch.setattr("kit.training.as_trained.predict_as_trained", predict)
    of_fold = [first_of(labels, folds, fold, 1) for fold in range(3)]
    all_ids = ((), of_fold[0], of_fold[1], (*of_fold[0], *of_fold[2]), ("test0",))
    for names in (["convnet"], ["convnet", "other"]):
        for ids, at, as_trained in product(all_ids, (None, 0.2), (False, True)):
            wanted = Wanted(ids=ids, at=at, as_trained=as_trained)
            suggested = suggestion(partial(read_shown, shapes, workspace, names), wanted)
            if suggested is not None:
                read_shown(shapes, workspace, names, suggested)


def suggestion(read: Callable[[Wanted], object], wanted: Wanted) -> Wanted | None:
    """What a refusal suggests to ask for instead of training; None without either."""
    try:
        read(wanted)
    except UserError as error:
        if found := re.search(r"replace --as-trained by --at (\S+)\. ", str(error)):
            return replace(wanted, as_trained=False, at=float(found[1]))
        if "add --at 0.5" in str(error):
            return replace(wanted, at=0.5)
        if "add --as-trained" in str(error):
            return replace(wanted, as_trained=True)
    return None


def test_as_trained_needs_the_images_of_the_training(
    shapes: Competition, workspace: Workspace, trained: Run
) -> None:
    workspace.store(StoreKind(16), "train").images.unlink()
    first, second, *_ = sorted((workspace.source / "train").glob("train*"))
    first.write_bytes(second.read_bytes())
    said = error_of(read_shown, shapes, workspace, ["convnet"], Wanted(as_trained=True))
    assert said.startswith(f"The train images have changed since {trained.name} was trained.")


def test_only_runs_that_were_trained_here_have_models(
    shapes: Competition, workspace: Workspace, tmp_path: Path, folds: Folds, net: Run, wide: Run
) -> None:
    blend(shapes, workspace, name="both", options=PLAIN)
    write_predictions(tmp_path / "oof.parquet", net.read_oof(shapes), {})
    import_predictions(shapes, workspace, "other", tmp_path / "oof.parquet", [])
    for name, words in (("both", "both is a blend"), ("other", "was imported and has none")):
        said = error_of(read_shown, shapes, workspace, [name], Wanted(as_trained=True))
        assert words in said
    imported = open_run(workspace, "other")
    with pytest.raises(UserError, match="was imported and has no models"):
        predict_as_trained(shapes, workspace, imported, folds, [folds.ids[0]])


def test_an_imported_run_is_shown_held_out(
    shapes: Competition, workspace: Workspace, tmp_path: Path, labels: LabelTable, net: Run
) -> None:
    write_predictions(tmp_path / "oof.parquet", net.read_oof(shapes), {})
    other = import_predictions(shapes, workspace, "other", tmp_path / "oof.parquet", []).run
    for wanted in (Wanted(at=0.4), Wanted(ids=labels.ids[:2])):
        shown = read_shown(shapes, workspace, ["other", "net"], wanted)
        assert list(shown.labels) == [other.name, net.name]
    labels_of = read_shown(shapes, workspace, ["other", "net"], Wanted(at=0.4)).labels
    np.testing.assert_array_equal(labels_of[other.name], labels_of[net.name])
    said = error_of(read_shown, shapes, workspace, ["other"], Wanted(ids=("test0",), at=0.4))
    again = f"import-predictions other --oof {tmp_path / 'oof.parquet'} --test FILE"
    assert said.startswith(f"{other.name} has no test predictions. Import it again with them: kit ")
    assert again in said
    said = error_of(read_shown, shapes, workspace, ["other", "net"], Wanted(ids=("test0",)))
    assert said.startswith(f"{other.name} has no test predictions. Import it again with them: kit ")
