"""Pictures as files: where the user may ask for one, and how it is written."""

from pathlib import Path

from kit.core.disk import atomic
from kit.core.errors import UserError


def check_png(out: Path) -> Path:
    """The path, if a picture can be written to it; UserError unless it is a .png file."""
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: pictures are PNG files. Name one that ends in .png.")
    if out.is_dir():
        raise UserError(f"--out {out} is a folder. Name a file in it, such as {out / 'one.png'}.")
    return out


def write_png(path: Path, png: bytes) -> None:
    """Write a picture, complete or not at all."""
    with atomic(path) as temporary:
        temporary.write_bytes(png)
