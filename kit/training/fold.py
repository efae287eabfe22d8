"""One fold of one run: its training data, initial network and files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.owner import Held
from kit.core.paths import FoldRunFiles
from kit.core.progress import SILENT, Reporter
from kit.data.sampling import Sampling
from kit.data.stacked import Images
from kit.data.store import Store
from kit.data.validation import scored_rows
from kit.models.build import build_model
from kit.models.losses import build_loss
from kit.models.stems import INFLATED
from kit.models.weights import start_from
from kit.recipes.base import Recipe
from kit.training.plan import recipe_sampling

# The seed of a training on all rows. There are never that many folds.
SEED_OF_ALL = 999


def training_seed(recipe: Recipe, fold: int | None) -> int:
    """The seed of a fold's training, different for each fold and recipe seed; None means all."""
    return 1000 * recipe.seed + (SEED_OF_ALL if fold is None else fold)


@dataclass(frozen=True)
class FoldData:
    """What one fold is trained on and predicts.

    `images` are those of the train store, then any extra ones; `labels` is uint8 (images,
    classes); `ids` name the train store's rows. `train_rows` are trained on; `val_rows` are the
    held-out fold, or none.
    """

    images: Images
    ids: Sequence[str]
    labels: NDArray[np.uint8]
    train_rows: NDArray[np.int64]
    val_rows: NDArray[np.int64]
    test: Store

    @property
    def train_labels(self) -> NDArray[np.uint8]:
        """The labels of the training rows, (rows, classes)."""
        return self.labels[self.train_rows]


@dataclass(frozen=True)
class FoldTask:
    """One fold to train: recipe, fold, data and files.

    `fold` is None for training on all rows. `start` is a file of initial weights, if the recipe
    names a file or another run. `held` is the lock on the fold's folder.
    """

    run: str
    fold: int | None
    recipe: Recipe
    competition: Competition
    data: FoldData
    files: FoldRunFiles
    start: Path | None = None
    held: Held | None = None

    @property
    def label(self) -> str:
        """How lines call it: fold 0, or the training on all rows."""
        return "The training on all rows" if self.fold is None else f"Fold {self.fold}"

    def require_owned(self) -> None:
        """Raise Busy if another process has taken the fold over; call it before a file is saved."""
        if self.held is not None:
            self.held.require()

    @property
    def seed(self) -> int:
        """A seed for this fold, different for each fold and recipe seed."""
        return training_seed(self.recipe, self.fold)

    def sampling(self) -> Sampling:
        """Which training rows an epoch shows, and how often."""
        return recipe_sampling(self.recipe, self.data.train_labels, self.competition.class_keys)

    def scored_rows(self) -> NDArray[np.int64]:
        """The held-out rows that score every epoch, the same ones each time; none without any."""
        return scored_rows(self.recipe.validate, self.data.val_rows, self.seed)

    @property
    def predicted(self) -> int:
        """The number of rows that the fold predicts: those held out, and the test set."""
        return len(self.data.val_rows) + len(self.data.test.ids)

    def loss(self) -> keras.losses.Loss:
        """The recipe's loss, given the shares of positives among the training rows."""
        shares = self.data.train_labels.mean(axis=0)
        return build_loss(self.recipe.loss, self.recipe.label_smoothing, shares)

    def model(self, begun: bool, reporter: Reporter = SILENT) -> keras.Model:
        """The recipe's network with its initial weights, or only its architecture if `begun`.

        A fold that has begun loads its own checkpoint, so it needs no download.
        """
        own = begun or self.start is not None
        recipe = self.recipe.model_copy(update={"weights": "none"}) if own else self.recipe
        competition = self.competition
        model = build_model(recipe, competition.channels, len(competition.class_keys), self.seed)
        if self.start is not None and not begun:
            started = start_from(model, self.start, inflating=recipe.stem == INFLATED)
            reporter.say(started.told)
        return model
