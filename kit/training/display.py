"""How training shows itself: a bar over all folds, and a line an epoch now and then."""

import time

from kit.core.progress import SECONDS_BETWEEN_LINES, Bar, console, duration, say
from kit.training.checkpoint import EpochLog


class FoldDisplay:
    """Follows one fold's training; several share one bar that counts steps over all folds."""

    def __init__(self, name: str, fold: int, epochs: int, bar: Bar) -> None:
        self._fold = fold
        self._name = f"{name} fold {fold}"
        self._epochs = epochs
        self._bar = bar
        self._last_line = time.monotonic()
        self._begun = time.monotonic()
        self._first_epoch: int | None = None

    def step(self) -> None:
        """One training step is done."""
        self._bar.advance()

    def epoch(self, line: EpochLog) -> None:
        """One epoch is done, validated and saved."""
        if self._first_epoch is None:
            self._first_epoch = line.epoch
        done = line.epoch + 1
        each = (time.monotonic() - self._begun) / (done - self._first_epoch)
        best = line.val_macro_f1_best_cut
        self._bar.describe(f"fold {self._fold} {done}/{self._epochs} F1 {best:.3f}")
        text = (
            f"{self._name} epoch {done}/{self._epochs}: loss {line.loss:.4f}, "
            f"val loss {line.val_loss:.4f}, macro-F1 {line.val_macro_f1_at_half:.3f} at 0.5, "
            f"{best:.3f} at the best cuts"
        )
        now = time.monotonic()
        due = now - self._last_line > SECONDS_BETWEEN_LINES and not console.is_terminal
        if done == self._epochs or due:
            left = each * (self._epochs - done)
            rest = f", {duration(left)} left in this fold" if left else ""
            say(f"{text}, {line.samples_per_second:.0f} images/s{rest}")
            self._last_line = now
