"""File names of pictures, which commands write beside the runs; see `paths.py` for all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.core.disk import digest


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of one competition, in the folder of its runs."""

    folder: Path

    def look(self, model: str, size: int) -> Path:
        """A recipe's augmented training images."""
        return self.folder / f"look-{model}-{size}.png"

    def look_grid(self, model: str, size: int, grid: str, raw: bool) -> Path:
        """A grid such as 10x5 of training images as a network sees them, or before that."""
        return self.folder / f"look-{model}-{size}-{grid}{'-raw' if raw else ''}.png"

    @property
    def channels(self) -> Path:
        """Images with each channel in its colour."""
        return self.folder / "channels.png"

    def beside(self, models: Sequence[str], parts: Sequence[str] = ()) -> Path:
        """A picture of the labels of runs or blends, by full name, beside the truth.

        `parts` tell pictures of the same models apart, such as at0.2.
        """
        named = "+".join(models)
        # File names have at most 255 bytes: of many models, the first and a digest of all.
        if len(named.encode()) > 200:
            named = f"{models[0][:60]}+{len(models) - 1}-{digest(list(models))[:8]}"
        return self.folder / f"look-{'-'.join([named, *parts])}.png"

    def curves(self, run: str) -> Path:
        """A picture of a run's learning curves."""
        return self.folder / f"curves-{run}.png"

    @property
    def all_curves(self) -> Path:
        """A picture of the learning curves of several runs."""
        return self.folder / "curves.png"

    @property
    def comparison(self) -> Path:
        """A bar chart of the F1 of the blends and runs last compared."""
        return self.folder / "compare.png"
