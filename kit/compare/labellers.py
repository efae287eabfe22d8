"""How a run or blend labels images: at its own thresholds or one probability, held out or not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kit.blends.opened import open_blend
from kit.compare.sides import Side, TrainSet, open_side
from kit.core.errors import UserError
from kit.core.ids import positions
from kit.core.progress import Reporter
from kit.data.predictions import Predictions
from kit.data.runs import Run
from kit.ensemble import make_unseen


@dataclass(frozen=True)
class Asked:
    """What is to be labelled: training images of some folds, by all of some runs and blends.

    `folds` is empty if only test images are asked for, and None if the images can be chosen.
    """

    names: tuple[str, ...]
    folds: frozenset[int] | None


class Labeller(Protocol):
    """A run or blend that labels images in one way."""

    @property
    def name(self) -> str:
        """Its full name."""

    @property
    def folds(self) -> frozenset[int]:
        """The folds whose images it can label."""

    def label_train(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        """Labels of training images of these folds, uint8 (images, classes)."""

    def label_test(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        """Labels of test images, uint8 (images, classes)."""

    def why_not(self, fold: int, asked: Asked) -> str:
        """Why it cannot label an image of this fold, and what makes what is asked possible."""


@dataclass(frozen=True)
class OwnThresholds:
    """At its own thresholds: cross-fitted on training images, as decided on test images."""

    on: TrainSet
    side: Side

    @classmethod
    def open(cls, on: TrainSet, name: str, asked: Asked, reporter: Reporter) -> "OwnThresholds":
        """Open a blend as made, or fit a run's thresholds; UserError if a run has missing folds."""
        if not on.is_blend(name):
            run = on.open_run(name)
            missing = ",".join(map(str, run.missing_folds()))
            if missing and not run.is_imported:
                raise UserError(
                    f"{name}: untrained folds: {missing}. Its own thresholds need all folds: "
                    f"{_instead(on, asked)}train them. {run.how_to_train(missing)}"
                )
        return cls(on, open_side(on, name, reporter))

    @property
    def name(self) -> str:
        return self.side.name

    @property
    def folds(self) -> frozenset[int]:
        return frozenset(range(self.on.folds.n))

    def label_train(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        return self.side.labels[positions(self.on.folds.ids, ids, "Ids without a fold")]

    def label_test(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        decision = self.side.decision
        if self.on.is_blend(self.name):
            found = open_blend(self.on.workspace, self.name).read_test(self.on.competition)
            test_ids, probs = found.ids, found.probs
        else:
            unseen = make_unseen([self.on.open_run(self.name).read_tests(self.on.competition)])
            test_ids, probs = tuple(unseen.ids), decision.combine(unseen)
        rows = positions(test_ids, ids, f"{self.name} has no test prediction for")
        return decision.label(probs, test_ids)[rows]

    def why_not(self, fold: int, asked: Asked) -> str:
        raise ValueError(f"{self.name} labels all folds, asked for fold {fold}")


@dataclass(frozen=True)
class AtThreshold:
    """At one probability for every class, from out-of-fold and test predictions.

    `oof` is None for a run with no other model than the one trained on all rows.
    """

    on: TrainSet
    name: str
    at: float
    oof: Predictions | None

    @classmethod
    def open(cls, on: TrainSet, name: str, at: float) -> "AtThreshold":
        """Read a blend's out-of-fold predictions, or those of a run's finished folds."""
        if on.is_blend(name):
            # Refuses a blend made on other folds.
            open_side(on, name)
            oof = open_blend(on.workspace, name).read_oof(on.competition)
            return cls(on, name, at, oof)
        run = on.open_run(name)
        is_held_out = not run.is_on_all_rows_only
        return cls(on, name, at, run.read_finished_oof(on.competition) if is_held_out else None)

    @property
    def folds(self) -> frozenset[int]:
        return frozenset(self.on.folds.of(self.oof.ids).tolist() if self.oof else ())

    def label_train(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        if self.oof is None:
            raise ValueError(f"{self.name} has no held-out predictions")
        return _labels(self.oof, ids, self.at, f"{self.name} has no held-out prediction for")

    def label_test(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        found = _read_test(self.on, self.name)
        return _labels(found, ids, self.at, f"{self.name} has no test prediction for")

    def why_not(self, fold: int, asked: Asked) -> str:
        ways = ""
        if _all_can(self.on, asked, _trained_on):
            ways = (
                "Train that fold, or add --as-trained to predict with models that were trained on "
                "it. "
            )
        how = self.on.open_run(self.name).how_to_train(str(fold))
        return f"{self.name} has no held-out prediction of fold {fold}. {ways}{how}"


@dataclass(frozen=True)
class AsTrained:
    """At one probability for every class, by the models that were trained on the image."""

    on: TrainSet
    run: Run
    at: float
    reporter: Reporter

    @classmethod
    def open(cls, on: TrainSet, name: str, at: float, reporter: Reporter) -> "AsTrained":
        """Open a run that was trained here; UserError for a blend and for an imported run."""
        if on.is_blend(name):
            raise UserError(
                f"--as-trained predicts with a run's models, and {name} is a blend. Name its runs, "
                "or omit --as-trained."
            )
        run = on.open_run(name)
        if run.is_imported:
            raise UserError(
                f"--as-trained predicts with a run's models, and {name} was imported and has none. "
                "Omit --as-trained."
            )
        return cls(on, run, at, reporter)

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def folds(self) -> frozenset[int]:
        return _trained_on(self.on, self.name)

    def label_train(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        from kit.training.as_trained import predict_as_trained

        found = predict_as_trained(
            self.on.competition, self.on.workspace, self.run, self.on.folds, ids, self.reporter
        )
        return _labels(found, ids, self.at, "not predicted")

    def label_test(self, ids: Sequence[str]) -> NDArray[np.uint8]:
        found = _read_test(self.on, self.name)
        return _labels(found, ids, self.at, f"{self.name} has no test prediction for")

    def why_not(self, fold: int, asked: Asked) -> str:
        other = next(one for one in range(self.on.folds.n) if one != fold)
        ways = "Train another fold"
        if _all_can(self.on, asked, _held_out):
            ways += f", or replace --as-trained by --at {self.at:g}"
        return (
            f"No finished model of {self.name} was trained on fold {fold}. {ways}. "
            f"{self.run.how_to_train(str(other))}"
        )


def _held_out(on: TrainSet, name: str) -> frozenset[int]:
    """The folds whose images a run or blend predicts held out."""
    if on.is_blend(name):
        return frozenset(range(on.folds.n))
    return frozenset(on.open_run(name).finished_folds())


def _trained_on(on: TrainSet, name: str) -> frozenset[int]:
    """The folds whose images a finished model of a run was trained on; none for a blend."""
    from kit.training.as_trained import trained_models

    if on.is_blend(name):
        return frozenset()
    run = on.open_run(name)
    models = set(trained_models(run))
    return frozenset(fold for fold in range(run.folds) if models - {fold})


def _all_can(
    on: TrainSet, asked: Asked, folds_of: Callable[[TrainSet, str], frozenset[int]]
) -> bool:
    """Whether all can label the training images asked for, given the folds that each can label."""
    common = frozenset.intersection(*(folds_of(on, name) for name in asked.names))
    return bool(common) if asked.folds is None else asked.folds <= common


def _instead(on: TrainSet, asked: Asked) -> str:
    """An option with which all can label what is asked, followed by an or; empty without one."""
    runs = [on.open_run(name) for name in asked.names if not on.is_blend(name)]
    if not all(run.finished_folds() or run.is_on_all_rows_only for run in runs):
        return ""
    if _all_can(on, asked, _held_out):
        return "add --at 0.5 to label at that probability, or "
    if _all_can(on, asked, _trained_on):
        return "add --as-trained to label at 0.5 with models trained on the images, or "
    return ""


def _read_test(on: TrainSet, name: str) -> Predictions:
    """A blend's test predictions, or a run's: of its folds or, without one, trained on all rows."""
    if on.is_blend(name):
        return open_blend(on.workspace, name).read_test(on.competition)
    return on.open_run(name).read_finished_test(on.competition)


def _labels(found: Predictions, ids: Sequence[str], at: float, complaint: str) -> NDArray[np.uint8]:
    """Labels at `at` or above, compared in the precision of the predictions."""
    rows = positions(found.ids, ids, complaint)
    return (found.probs[rows] >= np.float32(at)).astype(np.uint8)
