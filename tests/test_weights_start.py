"""Weights to start from: what a file gives to a network, and what it does not."""

import errno
import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conformance import RGBY, small

from kit.core.errors import UserError
from kit.core.paths import FoldRunFiles
from kit.core.seal import find_damage
from kit.data.run_files import EpochLog, Progress, load_progress
from kit.models.build import build_model
from kit.models.weights import (
    find_weights_file,
    is_weights_file,
    load_weights_bytes,
    start_from,
    weights_to_bytes,
)
from kit.training.checkpoint import save_checkpoint


def network(*settings: str, classes: int = 5, seed: int = 0) -> keras.Model:
    """A small convnet of four channels."""
    return build_model(small("convnet", *settings), RGBY, classes, seed)


def inflating_network() -> keras.Model:
    """The same with the stem that widens what was made for three channels."""
    recipe = small("convnet").model_copy(update={"stem": "inflate"})
    return build_model(recipe, RGBY, 5, seed=0)


def same(one: keras.Model, other: keras.Model) -> list[bool]:
    """Of each array whether it is the same in both."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return [a.shape == b.shape and np.array_equal(a, b) for a, b in pairs]


def marked(model: keras.Model) -> keras.Model:
    """The model with every array unlike the one of any fresh network."""
    model.set_weights([array + 0.5 for array in model.get_weights()])
    return model


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_a_file_of_the_same_network_is_taken_whole(ending: str, tmp_path: Path) -> None:
    donor, path = marked(network(seed=1)), tmp_path / f"donor{ending}"
    donor.save(path) if ending == ".keras" else donor.save_weights(path)
    model = network()
    started = start_from(model, path)
    assert all(same(model, donor))
    assert (len(started.taken), started.left, started.share) == (22, (), 1.0)
    assert started.told == f"Weights from {path}: 22 of 22 arrays, 100.0% of all parameters."


def test_a_file_for_three_channels_is_inflated_where_that_is_asked(tmp_path: Path) -> None:
    settings = ("stem=drop_yellow", "normalize=scale")
    donor, path = marked(network(*settings, seed=1)), tmp_path / "donor.weights.h5"
    donor.save_weights(path)
    model = inflating_network()
    assert start_from(model, path, inflating=True).share == 1
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1)), 4, axis=-1)
    one, other = (
        keras.ops.convert_to_numpy(each(grey.astype(np.float32), training=False))
        for each in (donor, model)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4)
    left = start_from(inflating_network(), path).left
    assert left == ("layers/functional/layers/conv2d/vars/0",)


def test_a_head_for_other_classes_begins_anew(tmp_path: Path) -> None:
    donor, path = marked(network(classes=3, seed=1)), tmp_path / "donor.weights.h5"
    donor.save_weights(path)
    model, fresh = network(), network()
    started = start_from(model, path)
    assert same(model, donor) == [True] * 20 + [False] * 2
    assert same(model, fresh) == [False] * 20 + [True] * 2
    assert started.left == ("layers/dense/vars/0", "layers/dense/vars/1")
    # 512 features to 5 classes are 2,565 of 392,709 parameters.
    np.testing.assert_allclose(started.share, 1 - 2565 / 392_709)
    assert started.told == (
        f"Weights from {path}: 20 of 22 arrays, 99.3% of all parameters. "
        "Not loaded: layers/dense/vars/0, layers/dense/vars/1."
    )


def test_a_head_that_depends_on_the_size_begins_anew_at_another_size(tmp_path: Path) -> None:
    donor, path = marked(network("head=conv_dense", seed=1)), tmp_path / "donor.weights.h5"
    donor.save_weights(path)
    model = network("head=conv_dense", "size=32")
    started = start_from(model, path)
    # Four positions of the feature map instead of one, before the first dense layer.
    assert started.left == ("layers/dense/vars/0",)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_a_file_of_a_backbone_goes_into_the_backbone(ending: str, tmp_path: Path) -> None:
    donor, path = marked(network(seed=1).get_layer("backbone")), tmp_path / f"donor{ending}"
    donor.save(path) if ending == ".keras" else donor.save_weights(path)
    model = network("normalize=batch")
    started = start_from(model, path)
    assert all(same(model.get_layer("backbone"), donor))
    assert len(started.taken) == 20
    assert all(place.startswith("layers/functional/") for place in started.taken)


def test_states_of_random_numbers_and_of_the_optimizer_stay(tmp_path: Path) -> None:
    donor, path = network("dropout=0.5", seed=1), tmp_path / "donor.weights.h5"
    donor.compile("adam", "mse")
    donor.optimizer.build(donor.trainable_variables)
    donor.save_weights(path)
    model, fresh = network("dropout=0.5"), network("dropout=0.5")
    assert start_from(model, path).share == 1
    ours, untouched = (
        [keras.ops.convert_to_numpy(v) for v in m.variables if "seed" in v.path]
        for m in (model, fresh)
    )
    assert len(ours) == 1
    np.testing.assert_array_equal(ours[0], untouched[0])


def test_nothing_of_a_file_but_its_arrays_is_read(tmp_path: Path) -> None:
    donor, path = marked(network(seed=1)), tmp_path / "donor.keras"
    donor.save(path)
    with zipfile.ZipFile(path) as archive:
        weights = archive.read("model.weights.h5")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", '{"class_name": "__lambda__", "config": "not a model"}')
        archive.writestr("model.weights.h5", weights)
    model = network()
    start_from(model, path)
    assert all(same(model, donor))


def test_an_inner_normalization_computes_with_what_was_taken(tmp_path: Path) -> None:
    settings = ("normalize=backbone",)
    donor = build_model(small("efficientnetb0", *settings), RGBY, 5, seed=1)
    inner = donor.get_layer("backbone").layers[2]
    assert isinstance(inner, keras.layers.Normalization)
    inner.adapt_mean.assign([0.5, 0.5, 0.5, 0.5])
    donor.save_weights(tmp_path / "donor.weights.h5")
    model = build_model(small("efficientnetb0", *settings), RGBY, 5, seed=0)
    assert start_from(model, tmp_path / "donor.weights.h5").share == 1
    taken = model.get_layer("backbone").layers[2]
    np.testing.assert_allclose(np.asarray(taken(np.full((1, 1, 1, 4), 0.5))), 0, atol=1e-6)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.keras"
    with pytest.raises(UserError) as raised:
        start_from(network(), path)
    assert str(raised.value) == (
        f"Weights file {path} not found. Name another, or train from scratch: --set weights=none."
    )


@pytest.mark.parametrize("name", ["cut.keras", "cut.weights.h5", "zip.keras", "text.weights.h5"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.startswith("cut"):
        donor = network()
        donor.save(path) if name == "cut.keras" else donor.save_weights(path)
        path.write_bytes(path.read_bytes()[:1000])
    elif name == "zip.keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    else:
        path.write_text("not a network")
    with pytest.raises(UserError, match=f"{path} is not a readable Keras weights file") as raised:
        start_from(network(), path)
    assert "\n" not in str(raised.value)


def test_a_file_of_which_nothing_fits_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 7, 7), np.float32)
    model, fresh = network(), network()
    with pytest.raises(UserError, match=f"None of the 1 arrays in {path} fits small"):
        start_from(model, path)
    assert all(same(model, fresh))


def test_files_are_known_by_their_endings() -> None:
    assert is_weights_file("a/b.keras")
    assert is_weights_file("a/b.weights.h5")
    for other in ("imagenet", "none", "convnet-64-148587de", "model.h5", "weights.pkl"):
        assert not is_weights_file(other)
    with pytest.raises(UserError, match=r"end in .keras or .weights.h5, got 'weights.pkl'"):
        find_weights_file("weights.pkl")


def test_weights_made_in_memory_are_a_file_of_keras(tmp_path: Path) -> None:
    donor, path = marked(network(seed=1)), tmp_path / "made.weights.h5"
    content = weights_to_bytes(donor)
    assert weights_to_bytes(donor) == content
    path.write_bytes(content)
    for load in (lambda model: model.load_weights(path), lambda m: load_weights_bytes(m, content)):
        model = network()
        load(model)
        assert all(same(model, donor))


def test_a_full_disk_is_one_line_and_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, files = network(), FoldRunFiles(tmp_path / "fold0")
    one, two = EpochLog(0, 0.5), EpochLog(1, 0.4)
    arrays = {"iteration": np.zeros(())}
    first = save_checkpoint(files, model, arrays, Progress(), Progress((one,), 0, 1))
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "epoch001" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(
            UserError, match=r"^Disk full: .*/epoch001\.weights\.h5 was not written"
        ):
            save_checkpoint(files, model, arrays, first, Progress((one, two), 1, 1))
    assert load_progress(files) == first
    assert find_damage(files.folder, first.files, thorough=True) == ()
    assert not list(files.folder.glob(".partial-*"))
    second = save_checkpoint(files, model, arrays, first, Progress((one, two), 1, 1))
    assert sorted(second.files) == sorted(path.name for path in files.all_checkpoints())
    assert len(second.files) == 4
