"""Choose images, and read what several models say about them beside the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.blends.opened import open_blend
from kit.compare.labellers import Asked, AsTrained, AtThreshold, Labeller, OwnThresholds
from kit.compare.shown import Shown
from kit.compare.sides import TrainSet, full_name
from kit.competitions.base import Competition
from kit.competitions.splits import splits_of
from kit.core.disk import digest
from kit.core.errors import UserError, listed, some
from kit.core.ids import twice
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.runs import Run
from kit.data.sampling import rare_rows
from kit.ensemble import Decision

DEFAULT_IMAGES = 10
# As many as a picture holds.
MOST_IMAGES = 100
# What --as-trained labels at unless told otherwise.
HALF = 0.5
AVERAGED = "averaged over the models of the folds"


@dataclass(frozen=True)
class Wanted:
    """Which images to show, and how to predict and label them.

    The images are those of `ids`, of train or test; without ids the first `count` of the label
    table or, with `rare`, one per rarest class. `at` is a probability, or None for each model's own
    thresholds. With `as_trained`, models predict images that they were trained on.
    """

    count: int = DEFAULT_IMAGES
    rare: bool = False
    ids: tuple[str, ...] = ()
    at: float | None = None
    as_trained: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Short parts of a file name for what differs from the defaults."""
        parts = {
            f"ids{digest(list(self.ids))[:8]}": bool(self.ids),
            "rare": self.rare,
            f"first{self.count}": self.count != DEFAULT_IMAGES,
            "as-trained": self.as_trained,
            f"at{self.at}": self.at is not None,
        }
        return tuple(part for part, is_in in parts.items() if is_in)

    def check(self) -> None:
        """Raise UserError for numbers out of range and for an id that is given twice."""
        if not 1 <= self.count <= MOST_IMAGES or len(self.ids) > MOST_IMAGES:
            asked = max(self.count, len(self.ids)) if self.count >= 1 else self.count
            raise UserError(f"{asked} images: a picture holds 1 to {MOST_IMAGES}.")
        if self.at is not None and not 0 <= self.at <= 1:
            raise UserError(f"--at {self.at:g}: expected a probability from 0 to 1.")
        if doubled := twice(self.ids):
            raise UserError(f"--ids {some(doubled)}: given more than once.")


def read_shown(
    competition: Competition,
    workspace: Workspace,
    names: Sequence[str],
    wanted: Wanted,
    reporter: Reporter = SILENT,
) -> Shown:
    """What blends and runs say about some images, beside the truth.

    A name may be shortened after a dash. By default each training image is predicted by the model
    that did not train on it, and chosen among those that every model can label. Raises UserError
    for unknown names and ids, and for a named image that a model cannot label.
    """
    wanted.check()
    full = [full_name(workspace, name) for name in names]
    if doubled := twice(full):
        raise UserError(f"{some(doubled)} is named more than once.")
    on = TrainSet.read(competition, workspace)
    split_of = splits_of(competition, workspace.source, on.table, wanted.ids)
    named = tuple(one for one in wanted.ids if split_of.get(one) != "test")
    folds = frozenset(on.folds.of(named).tolist()) if wanted.ids else None
    asked = Asked(tuple(full), folds)
    models = [_open(on, name, wanted, asked, reporter) for name in full]
    ids = wanted.ids or _choose(on, models, wanted, asked)
    is_train = np.array([split_of.get(one) != "test" for one in ids])
    train = tuple(one for one in ids if split_of.get(one) != "test")
    test = tuple(one for one in ids if split_of.get(one) == "test")
    _check_predicted(on, models, train, asked)
    shape = (len(ids), len(competition.class_keys))
    truth = np.zeros(shape, np.uint8)
    truth[is_train] = on.table.of(train)
    labels = {}
    for model in models:
        labels[model.name] = np.zeros(shape, np.uint8)
        if train:
            labels[model.name][is_train] = model.label_train(train)
        if test:
            labels[model.name][~is_train] = model.label_test(test)
    said = [
        *(_predicted(wanted) if train else ()),
        *_thresholds(wanted, is_train),
        *(_fitted_weights(on, models, wanted) if train else ()),
        *_chosen(on, models, wanted),
        *(_tested(on, models) if test else ()),
    ]
    return Shown(ids, is_train, truth, labels, competition.class_names, " ".join(said))


def _open(on: TrainSet, name: str, wanted: Wanted, asked: Asked, reporter: Reporter) -> Labeller:
    if wanted.as_trained:
        return AsTrained.open(on, name, HALF if wanted.at is None else wanted.at, reporter)
    if wanted.at is None:
        return OwnThresholds.open(on, name, asked, reporter)
    return AtThreshold.open(on, name, wanted.at)


def _choose(
    on: TrainSet, models: Sequence[Labeller], wanted: Wanted, asked: Asked
) -> tuple[str, ...]:
    """The first or rarest training images among those that every model can label."""
    allowed = sorted(_common_folds(models))
    if not allowed:
        raise UserError(_no_common_fold(models, asked))
    inside = np.isin(on.folds.of(on.table.ids), allowed)
    ids = [on.table.ids[row] for row in np.flatnonzero(inside)]
    if not wanted.rare:
        return tuple(ids[: wanted.count])
    return tuple(ids[row] for row in rare_rows(on.table.of(ids), wanted.count))


def _common_folds(models: Sequence[Labeller]) -> frozenset[int]:
    return frozenset.intersection(*(model.folds for model in models))


def _no_common_fold(models: Sequence[Labeller], asked: Asked) -> str:
    """The message when no image can be labelled by every model."""
    fold = min(models[0].folds, default=0)
    lacking = next(model for model in models if fold not in model.folds)
    return f"No image is predicted by every model. {lacking.why_not(fold, asked)}"


def _check_predicted(
    on: TrainSet, models: Sequence[Labeller], ids: tuple[str, ...], asked: Asked
) -> None:
    """Raise UserError for a training image that a model cannot label."""
    for one, fold in zip(ids, on.folds.of(ids).tolist(), strict=True):
        for model in models:
            if fold not in model.folds:
                raise UserError(f"--ids {one}: {model.why_not(fold, asked)}")


# The sentences of the caption


def _predicted(wanted: Wanted) -> tuple[str, ...]:
    if wanted.as_trained:
        return (
            "As trained: each training image is predicted by all finished models that were trained "
            "on it, so the labels are optimistic.",
        )
    return ("Held out: each training image is predicted by models that did not train on it.",)


def _thresholds(wanted: Wanted, is_train: NDArray[np.bool_]) -> tuple[str, ...]:
    if wanted.at is not None:
        return (f"A label is set at probability {wanted.at:g} or more.",)
    if wanted.as_trained:
        return (
            f"A label is set at probability {HALF:g} or more, because a model's own thresholds fit "
            "only held-out predictions.",
        )
    of_train = "Labels are set at each model's own thresholds, cross-fitted on training images."
    of_test = (
        "Test images have the labels that each model would submit: its thresholds are fitted on "
        "all training images."
    )
    return (*((of_train,) if is_train.any() else ()), *(() if is_train.all() else (of_test,)))


def _fitted_weights(on: TrainSet, models: Sequence[Labeller], wanted: Wanted) -> tuple[str, ...]:
    """Of blends at one probability: their weights, unlike their labels, are not cross-fitted."""
    if wanted.at is None:
        return ()
    mixed = [name for name, made in _blends(on, models).items() if len(made.members) > 1]
    if not mixed:
        return ()
    return (f"The weights in {listed(mixed)} were fitted on all training images.",)


def _chosen(on: TrainSet, models: Sequence[Labeller], wanted: Wanted) -> tuple[str, ...]:
    """Where images could be chosen from, unless from all folds."""
    allowed = sorted(_common_folds(models))
    if wanted.ids or len(allowed) == on.folds.n:
        return ()
    folds = f"fold{'s' * (len(allowed) > 1)} {listed(allowed)}"
    return (f"Chosen from {folds}: other images have no such prediction.",)


def _tested(on: TrainSet, models: Sequence[Labeller]) -> tuple[str, ...]:
    """What is known of test images, and where their probabilities come from."""
    blends = _blends(on, models)
    sources: dict[str, list[str]] = {}
    for name in (model.name for model in models):
        made = blends.get(name)
        source = _run_source(on.open_run(name)) if made is None else _blend_source(made)
        sources.setdefault(source, []).append(name)
    said = "The truth of test images is unknown: they are not counted."
    if len(sources) == 1:
        return (said, f"Their probabilities are {next(iter(sources))}.")
    each = (f"those of {listed(names)} are {source}" for source, names in sources.items())
    return (said, f"Of their probabilities, {'; '.join(each)}.")


def _blend_source(made: Decision) -> str:
    return "from models trained on all rows" if made.origin.all_rows else AVERAGED


def _run_source(run: Run) -> str:
    folds = run.finished_folds()
    if run.is_on_all_rows_only:
        return "from the model trained on all rows"
    if len(folds) == 1:
        return f"from the model of fold {folds[0]}"
    if len(folds) < run.folds:
        return f"averaged over the models of folds {listed(folds)}"
    return AVERAGED


def _blends(on: TrainSet, models: Sequence[Labeller]) -> dict[str, Decision]:
    """The decisions of the blends among the models."""
    names = [model.name for model in models if on.is_blend(model.name)]
    return {name: open_blend(on.workspace, name).decision for name in names}
