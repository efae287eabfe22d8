"""File names of pictures, which commands write beside the runs; see `paths.py` for all others."""

from dataclasses import dataclass
from pathlib import Path


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
