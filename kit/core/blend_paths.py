"""File names of a blend and of a submission; see `paths.py` for all others."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BlendFiles:
    """The files of one blend; `decision` is written last."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def decision(self) -> Path:
        return self.folder / "decision.json"

    @property
    def oof(self) -> Path:
        """Out-of-fold probabilities."""
        return self.folder / "oof.parquet"

    @property
    def test(self) -> Path:
        """Test probabilities."""
        return self.folder / "test.parquet"

    @property
    def labels(self) -> Path:
        """Cross-fitted labels of the out-of-fold rows, from scores by single models."""
        return self.folder / "oof_labels.parquet"

    @property
    def averaged_labels(self) -> Path:
        """The same, from scores as averaged over the fold models, like the test set's."""
        return self.folder / "oof_labels_averaged.parquet"

    @property
    def predictions(self) -> tuple[Path, ...]:
        """The four files that the decision stands for."""
        return (self.oof, self.test, self.labels, self.averaged_labels)

    @property
    def command(self) -> Path:
        """The words of the command that made it, for messages that suggest it."""
        return self.folder / "command.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def is_of_first_release(self) -> bool:
        """Whether release 0.1 wrote the blend: its marker was another file."""
        return (self.folder / "thresholds.json").exists() and not self.decision.exists()


@dataclass(frozen=True)
class SubmissionFiles:
    """A submission's CSV, its provenance, its grades, and how it was uploaded."""

    csv: Path
    provenance: Path
    grades: Path
    uploads: Path
