"""Which held-out rows score an epoch, and which epochs may be kept by those scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from prepared import place_in, write_sixty_cells

from kit.competitions.cells import cells
from kit.competitions.exact import exact_thresholds
from kit.competitions.metrics import accuracy, batch_f1, exact_match, macro_f1
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.data.predictions import read_predictions, to_logits
from kit.data.run_files import EpochLog, Progress, load_progress, read_done
from kit.data.runs import Run
from kit.data.stacked import Images
from kit.data.validation import parse_validation, scored_rows
from kit.models.losses import build_loss
from kit.recipes import recipes
from kit.recipes.base import Recipe, with_settings
from kit.training.estimate import forward_images
from kit.training.events import append_events
from kit.training.predictor import Predictor
from kit.training.train import train

TINY = ("size=16", "batch=8", "steps=3", "schedule=constant", "sampling=replacement")
HELD_OUT = np.arange(100, 130)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sixty cells in two folds."""
    folder = tmp_path_factory.mktemp("validation")
    write_sixty_cells(folder)
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path) -> Workspace:
    """The cells, and an empty folder for runs."""
    return place_in(prepared, tmp_path / "runs")


def trained(here: Workspace, *settings: str) -> Run:
    """A tiny training of one fold."""
    return train(cells, here, with_settings(recipes.get("convnet"), [*TINY, *settings]), [0])


def broken_off(
    monkeypatch: pytest.MonkeyPatch, here: Workspace, epochs: int, *settings: str
) -> None:
    """The same, interrupted after so many epochs."""

    def break_off(path: Path, log: Sequence[EpochLog]) -> None:
        append_events(path, log)
        if len(log) == epochs:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("kit.training.fit.append_events", break_off)
        with pytest.raises(KeyboardInterrupt):
            trained(here, *settings)


def losses_of(run: Run) -> tuple[Progress, list[float]]:
    state = load_progress(run.files.fold(0))
    return state, [line.val_loss or 0.0 for line in state.log]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.int64]]:
    """The rows of each prediction, in the order of the calls."""
    rows_of_calls: list[NDArray[np.int64]] = []
    real = Predictor.logits

    def recording(
        self: Predictor, images: Images, rows: NDArray[np.int64], views: int = 1
    ) -> NDArray[np.float32]:
        rows_of_calls.append(rows)
        return real(self, images, rows, views)

    monkeypatch.setattr(Predictor, "logits", recording)
    return rows_of_calls


# The rows


def test_the_whole_fold_scores_unless_a_batch_is_asked_for() -> None:
    np.testing.assert_array_equal(scored_rows(parse_validation("fold"), HELD_OUT, 0), HELD_OUT)


def test_a_batch_is_drawn_from_the_fold_once_without_replacement() -> None:
    batch = parse_validation("batch(7)")
    drawn = scored_rows(batch, HELD_OUT, 3)
    assert len(set(drawn.tolist()) & set(HELD_OUT.tolist())) == len(drawn) == 7
    np.testing.assert_array_equal(scored_rows(batch, HELD_OUT, 3), drawn)
    assert (scored_rows(batch, HELD_OUT, 4) != drawn).any()


def test_every_row_is_in_the_batch_equally_often() -> None:
    batch = parse_validation("batch(6)")
    drawn = np.concatenate([scored_rows(batch, HELD_OUT, seed) for seed in range(1000)])
    # A fifth of the rows each time; four standard errors.
    counts = np.bincount(drawn)[HELD_OUT]
    np.testing.assert_allclose(counts, 200, atol=4 * (1000 * 0.2 * 0.8) ** 0.5)


@pytest.mark.parametrize("text", ["batch(30)", "batch(31)", "batch"])
def test_a_fold_no_larger_than_the_batch_scores_as_a_whole(text: str) -> None:
    np.testing.assert_array_equal(scored_rows(parse_validation(text), HELD_OUT, 0), HELD_OUT)


def test_a_batch_has_256_rows_unless_its_number_is_given() -> None:
    assert parse_validation("batch").numbers == {"images": 256}
    assert parse_validation("batch(images=10)").numbers == {"images": 10}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch(0)", r"validate 'batch\(0\)': expected a whole number of images from 1 up"),
        ("batch(2.5)", "expected a whole number of images from 1 up"),
        ("batches(3)", "No validate 'batches'. Known: batch, fold. Did you mean 'batch'"),
        ("fold(3)", "has too many parameters; it takes none"),
    ],
)
def test_another_validation_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        with_settings(recipes.get("convnet"), [f"validate={text}"])
    assert "\n" not in str(raised.value)


def test_the_estimate_counts_the_images_that_are_scored() -> None:
    recipe = Recipe(name="r", backbone="convnet", size=64, epochs=9, batch=10, tta=8)
    # Three times ten images in each of five steps, and 256 to score; then all rows in eight views.
    assert forward_images(recipe, 5, 2, scored=256, predicted=700) == 2 * (150 + 256) + 5600


# Training with one batch


def test_one_batch_scores_every_epoch_and_the_whole_fold_is_predicted(
    here: Workspace, asked: list[NDArray[np.int64]]
) -> None:
    run = trained(here, "epochs=2", "keep=last", "validate=batch(9)")
    first, second, fold, test = asked
    assert (len(first), len(fold), len(test)) == (9, 30, 12)
    np.testing.assert_array_equal(first, second)
    assert set(first.tolist()) < set(fold.tolist())

    files = run.files.fold(0)
    oof = read_predictions(files.oof, cells.class_keys)
    assert len(oof.ids) == 30
    places = np.searchsorted(fold, first)
    probs = oof.probs[places]
    table = cells.read_labels(here.source)
    labels = table.of([oof.ids[place] for place in places])
    line = load_progress(files).log[-1]
    loss = build_loss(Recipe.model_validate(run.recipe).loss, 0.0, np.zeros(28))
    expected_loss = float(loss(labels.astype(np.float32), to_logits(probs).astype(np.float32)))
    assert line.val_loss == pytest.approx(expected_loss, rel=1e-4)
    assert line.val_accuracy == pytest.approx(accuracy(labels, probs > 0.5))
    assert line.val_exact_match == pytest.approx(exact_match(labels, probs > 0.5))
    # Of the batch as a whole, not in batches of eight.
    assert line.val_batch_f1 == pytest.approx(batch_f1(labels, probs >= 0.5, 9))
    assert line.val_macro_f1_at_half == pytest.approx(macro_f1(labels, probs >= 0.5))
    assert line.val_macro_f1_best_cut == pytest.approx(exact_thresholds(labels, probs).f1.mean())


def test_the_batch_is_the_same_after_a_break(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, asked: list[NDArray[np.int64]]
) -> None:
    settings = ("epochs=3", "validate=batch(9)")
    broken_off(monkeypatch, here, 1, *settings)
    assert len(asked) == 1
    trained(here, *settings)
    before, second, third, fold, _ = asked
    np.testing.assert_array_equal(before, second)
    np.testing.assert_array_equal(before, third)
    assert len(fold) == 30


def test_what_is_kept_and_the_plateau_go_by_the_batch(here: Workspace) -> None:
    settings = ("epochs=4", "validate=batch(2)", "schedule=plateau", "plateau_epochs=1")
    run = trained(here, *settings, "learning_rate=1", "optimizer=sgd")
    state, losses = losses_of(run)
    assert state.best == int(np.argmin(losses))
    rate, best = 1.0, float("inf")
    for line, loss in zip(state.log, losses, strict=True):
        assert line.learning_rate == pytest.approx(rate)
        rate, best = (rate, loss) if loss < best else (rate / 2, best)
    assert losses != sorted(losses, reverse=True)


# Which epochs may be kept

# Steps this long spoil what the frozen epochs have learned.
SPOILT = ("frozen_epochs=2", "frozen_learning_rate=0.01", "learning_rate=0.03", "epochs=3")


def test_the_best_epoch_may_be_a_frozen_one_unless_only_the_last_phase_counts(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, losses = losses_of(trained(here, *SPOILT))
    assert state.best == int(np.argmin(losses)) < 2

    # Broken off exactly between the phases, where the best so far is a frozen epoch.
    phase = (*SPOILT, "keep_from=phase")
    broken_off(monkeypatch, here, 2, *phase)
    resumed = trained(here, *phase)
    of_phase, same_losses = losses_of(resumed)
    assert same_losses == losses
    assert of_phase.best == 2 + int(np.argmin(losses[2:]))
    assert read_done(resumed.files.fold(0)).best == of_phase.best
    kept = [path.name for path in resumed.files.fold(0).all_checkpoints()]
    assert kept == [f"epoch{of_phase.best:03d}.weights.h5"]


def test_patience_counts_from_the_best_of_the_last_phase(here: Workspace) -> None:
    state, losses = losses_of(trained(here, *SPOILT, "keep_from=phase", "patience=1"))
    assert int(np.argmin(losses)) < 2
    assert state.best == 2 + int(np.argmin(losses[2:]))
    # One epoch after the best of its phase; the best of all was over before.
    assert len(losses) == state.best + 2 == 4


def test_the_best_macro_f1_of_the_last_phase_is_kept(here: Workspace) -> None:
    settings = ("frozen_epochs=1", "epochs=3", "learning_rate=0.3", "keep=val_macro_f1")
    state = load_progress(trained(here, *settings, "keep_from=phase").files.fold(0))
    macro = [line.val_macro_f1_best_cut or 0.0 for line in state.log]
    assert state.best == 1 + int(np.argmax(macro[1:]))
    assert int(np.argmax(macro)) == 0
