"""Training progress: one bar over all folds, and a line per epoch."""

import time

from kit.core.progress import Bar, Reporter, duration
from kit.data.run_files import EpochLog


class FoldDisplay:
    """Reports one fold's training; all folds share one bar, which counts steps."""

    def __init__(
        self, name: str, fold: int | None, epochs: int, reporter: Reporter, bar: Bar
    ) -> None:
        self.reporter = reporter
        self._fold = "all" if fold is None else str(fold)
        self._name = f"{name} fold {self._fold}"
        self._epochs = epochs
        self._bar = bar
        self._begun = time.monotonic()
        self._first_epoch: int | None = None
        self._unsaved = 0  # steps since the last epoch that was saved

    def step(self) -> None:
        """One training step is done."""
        self._unsaved += 1
        self._bar.advance()

    def stop_early(self, epochs: int, steps: int) -> None:
        """The fold stopped after `epochs` epochs; its remaining `steps` are skipped."""
        self.reporter.say(
            f"{self._name} stops after {epochs} of {self._epochs} epochs: it plateaued."
        )
        self._bar.advance(steps)

    def again(self) -> None:
        """The steps since the last saved epoch will be trained again."""
        self._bar.advance(-self._unsaved)
        self._unsaved = 0

    def epoch(self, line: EpochLog) -> None:
        """One epoch is done, validated and saved."""
        self._unsaved = 0
        if self._first_epoch is None:
            self._first_epoch = line.epoch
        done = line.epoch + 1
        each = (time.monotonic() - self._begun) / (done - self._first_epoch)
        best = line.val_macro_f1_best_cut
        shown = f"loss {line.loss:.4f}" if best is None else f"macro-F1 {best:.3f}"
        self._bar.describe(f"fold {self._fold} {done}/{self._epochs} {shown}")
        text = f"{self._name} {done}/{self._epochs}: {_scores(line)}"
        if done == self._epochs:
            self.reporter.say(f"{text}, {line.samples_per_second:.0f} images/s")
        else:
            self._bar.note(f"{text}, {duration(each * (self._epochs - done))} left")


def _scores(line: EpochLog) -> str:
    """An epoch's scores in training and, in brackets, on the held-out rows.

    Short: even after the longest name of a run, the line takes two rows of 80 columns.
    """
    if line.val_macro_f1_best_cut is None:
        return (
            f"loss {line.loss:.4f}, acc {line.accuracy:.3f}, exact {line.exact_match:.2f}, "
            f"F1 {line.batch_f1:.3f}"
        )
    return (
        f"loss {line.loss:.4f} (val {line.val_loss:.4f}), "
        f"acc {line.accuracy:.3f} ({line.val_accuracy:.3f}), "
        f"exact {line.exact_match:.2f} ({line.val_exact_match:.2f}), "
        f"F1 {line.batch_f1:.3f} ({line.val_batch_f1:.3f}), "
        f"max macro-F1 {line.val_macro_f1_best_cut:.3f}"
    )
