"""Pictures as PNG: where one is written, and how."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from kit.core.disk import atomic
from kit.core.errors import UserError

# Dots per inch.
DPI = 110


def png_path(out: Path | None, usual: Path) -> Path:
    """The path of a picture: `out` if given, else the usual one.

    Raises UserError if `out` is not the name of a .png file, or lies below a file.
    """
    if out is None:
        return usual
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: pictures are PNG files. Name one that ends in .png.")
    if out.is_dir():
        raise UserError(f"--out {out} is a folder. Name a file in it, such as {out / 'one.png'}.")
    if blocking := next((one for one in out.parents if one.exists() and not one.is_dir()), None):
        raise UserError(f"--out {out}: {blocking} is not a folder.")
    return out


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def write_png(path: Path, figure: Figure, dpi: int = DPI) -> None:
    """Write a figure as a PNG file, complete or not at all."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
