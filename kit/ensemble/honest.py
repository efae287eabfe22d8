"""What a blend or a run is worth: fitted, cross-fitted, and expected on the test set."""

from dataclasses import dataclass

# A class's F1 is mostly noise when its interval reaches further to either side than this share of
# the F1 itself.
NOISY = 0.5


@dataclass(frozen=True)
class HonestScore:
    """Three numbers and an interval, always together.

    `fitted`: thresholds chosen on all rows, scored on the same rows; too good. `cross_fitted`:
    everything chosen on the other folds, scored on the fold left out. `expected`: the same on
    average for `test_rows` new rows, and for scores averaged over the models of all folds where
    test predictions are. `interval`: where the score of such a set falls 95 times in 100, as far
    as resampling can tell.
    """

    fitted: float
    cross_fitted: float
    expected: float
    interval: tuple[float, float]
    test_rows: int

    @property
    def gap(self) -> float:
        """What the test set should score above out of fold: by averaging, and by its size."""
        return self.expected - self.cross_fitted


@dataclass(frozen=True)
class ClassScore:
    """One class: how many rows have it, its expected F1, and where the test set's may fall."""

    positives: int
    f1: float
    interval: tuple[float, float]

    @property
    def noisy(self) -> bool:
        """Whether the F1 is mostly noise: good for no decision."""
        low, high = self.interval
        return max(self.f1 - low, high - self.f1) >= NOISY * self.f1
