"""Images with their true labels and those of several models, and each model's counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import listed


@dataclass(frozen=True)
class Marked:
    """One model's labels of one image, by class name, in the order of the classes."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """Images with their true labels and those of some models.

    `is_train`, bool (images,), is false for test images, whose `truth` is unknown and all zeros.
    `truth` and the labels of each model, by name, are uint8 (images, classes). `caption` says how
    the images were predicted and labelled.
    """

    ids: tuple[str, ...]
    is_train: NDArray[np.bool_]
    truth: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.uint8]]
    class_names: tuple[str, ...]
    caption: str

    def true(self, image: int) -> tuple[str, ...]:
        """The true labels of an image; none for a test image."""
        return self._named(self.truth[image] == 1)

    def predicted(self, model: str, image: int) -> tuple[str, ...]:
        """A model's labels of an image."""
        return self._named(self.labels[model][image] == 1)

    def marked(self, model: str, image: int) -> Marked:
        """A model's labels of a training image, compared with the truth."""
        true, set_ = self.truth[image] == 1, self.labels[model][image] == 1
        return Marked(
            self._named(set_ & true), self._named(set_ & ~true), self._named(~set_ & true)
        )

    def only(self, images: NDArray[np.int64]) -> "Shown":
        """These images, by their rows."""
        return replace(
            self,
            ids=tuple(self.ids[image] for image in images),
            is_train=self.is_train[images],
            truth=self.truth[images],
            labels={model: labels[images] for model, labels in self.labels.items()},
        )

    def counted(self) -> tuple["Counted", ...]:
        """Each model's counts over the training images; none if all are test images."""
        if not self.is_train.any():
            return ()
        truth = self.truth[self.is_train]
        return tuple(
            Counted.of(model, truth, labels[self.is_train]) for model, labels in self.labels.items()
        )

    def _named(self, on: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(self.class_names[column] for column in np.flatnonzero(on))


@dataclass(frozen=True)
class Counted:
    """A model's labels compared with the truth: each entry (image, class) counts once."""

    model: str
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, model: str, truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> "Counted":
        """Count labels against the truth, both (images, classes) of 0 or 1."""
        true, on = truth == 1, labels == 1
        pairs = ((true, on), (~true, on), (true, ~on), (~true, ~on))
        return cls(model, *(int((one & other).sum()) for one, other in pairs))

    @property
    def precision(self) -> float | None:
        """The share of the labels that are right; None without a label."""
        return _share(self.true_positives, self.false_positives)

    @property
    def recall(self) -> float | None:
        """The share of the true labels that are found; None without a true label."""
        return _share(self.true_positives, self.false_negatives)


def verdict(counted: Sequence[Counted], opening: str = "") -> str:
    """One sentence: which model has more true positives, and which fewer false positives.

    It starts with the opening, such as "Over all images, ". Ties are named as ties. Empty for fewer
    than two models.
    """
    if len(counted) < 2:
        return ""
    true = {one.model: one.true_positives for one in counted}
    false = {one.model: one.false_positives for one in counted}
    more, fewer = ("more", "fewer") if len(counted) == 2 else ("the most", "the fewest")
    first, has, found = _compared(true, max(true.values()), more, "true positives")
    second, have, said = _compared(false, min(false.values()), fewer, "false positives")
    same = f"{first} {has} {found} and {said}."
    sentence = same if first == second else f"{first} {has} {found}; {second} {have} {said}."
    if not opening and len(set(true.values())) == 1:
        return sentence[0].upper() + sentence[1:]
    return opening + sentence


def _compared(counts: Mapping[str, int], best: int, word: str, kind: str) -> tuple[str, str, str]:
    """Which models have the best count: subject, verb and object of a sentence."""
    winners = [model for model, count in counts.items() if count == best]
    if len(winners) == len(counts):
        everyone = "both" if len(counts) == 2 else f"all {len(counts)}"
        return everyone, "have", f"{best} {kind}"
    if len(winners) > 1:
        return listed(winners), "have", f"{word} {kind} ({best} each)"
    others = ", ".join(str(count) for model, count in counts.items() if model != winners[0])
    return winners[0], "has", f"{word} {kind} ({best} vs {others})"


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None
