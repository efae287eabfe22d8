"""The kit itself as a wheel, built from the folder of its sources."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
from kit.core.disk import digest, digest_file
from kit.core.errors import UserError

# What the build reads, beside the package: see pyproject.toml.
BESIDE = ("pyproject.toml", "README.md", "LICENSE")


def source_root() -> Path:
    """The folder that the kit runs from; UserError when that holds no sources to build from."""
    root = Path(kit.__file__).parents[1]
    if missing := [name for name in BESIDE if not (root / name).is_file()]:
        raise UserError(
            f"The kit runs from {root}, which is no folder of its sources: {', '.join(missing)} "
            "is missing. The notebook needs a wheel of it: run this in a checkout, after make "
            "setup."
        )
    return root


def digest_sources(root: Path) -> str:
    """SHA-256, in hex, over the name and the bytes of every file that goes into the wheel."""
    return digest([[str(path.relative_to(root)), digest_file(path)] for path in _sources(root)])


def build_wheel(root: Path, folder: Path) -> None:
    """Build the kit's wheel into `folder`; equal sources give an equal wheel.

    Nothing is downloaded where the build backend of pyproject.toml is installed, as `make setup`
    does. Raises UserError with pip's last line when the build fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        # Setuptools builds in the folder of the sources, and packs what an earlier build left.
        copy = Path(temporary) / "kit"
        for path in _sources(root):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        words += ["--no-deps", "--wheel-dir", str(folder), str(copy)]
        here = ["--no-build-isolation", "--check-build-dependencies"]
        # Zip archives keep times from 1980 on; the same one always makes the same bytes.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
        for options in (here, []):
            done = subprocess.run(
                [*words, *options], env=environment, capture_output=True, text=True
            )
            if done.returncode == 0:
                return
    said = done.stderr.strip().splitlines() or ["pip said nothing"]
    raise UserError(f"The kit's wheel could not be built: {said[-1]} Run make setup once more.")


def _sources(root: Path) -> list[Path]:
    package = (path for path in (root / "kit").rglob("*") if "__pycache__" not in path.parts)
    return sorted(
        [*(root / name for name in BESIDE), *(path for path in package if path.is_file())]
    )
