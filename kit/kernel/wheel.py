"""Builds a wheel of the kit from its source folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
from kit.core.disk import digest, digest_file
from kit.core.errors import UserError

# What the build reads besides the package: see pyproject.toml.
BESIDE = ("pyproject.toml", "README.md", "LICENSE")


def source_root() -> Path:
    """The folder that the kit runs from; UserError if it is not a source checkout."""
    root = Path(kit.__file__).parents[1]
    if missing := [name for name in BESIDE if not (root / name).is_file()]:
        raise UserError(
            f"The kit runs from {root}, which is not a source checkout: {', '.join(missing)} "
            "not found. The notebook needs a wheel of the kit: run this in a checkout, after make "
            "setup."
        )
    return root


def digest_sources(root: Path) -> str:
    """SHA-256 in hex over the names and bytes of all files that go into the wheel."""
    return digest([[str(path.relative_to(root)), digest_file(path)] for path in _sources(root)])


def build_wheel(root: Path, folder: Path) -> None:
    """Build the kit's wheel in `folder`; equal sources give an equal wheel.

    Downloads nothing if the build backend of pyproject.toml is installed, as after `make setup`.
    Raises UserError with pip's last line when the build fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        # Setuptools builds inside the source folder and would pack leftovers of earlier builds.
        copy = Path(temporary) / "kit"
        for path in _sources(root):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        words += ["--no-deps", "--wheel-dir", str(folder), str(copy)]
        here = ["--no-build-isolation", "--check-build-dependencies"]
        # A fixed timestamp gives the same bytes every time; zip cannot store any before 1980.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
        for options in (here, []):
            done = subprocess.run(
                [*words, *options], env=environment, capture_output=True, text=True
            )
            if done.returncode == 0:
                return
    said = done.stderr.strip().splitlines() or ["pip printed no error"]
    raise UserError(f"Could not build the kit's wheel: {said[-1]} Rerun make setup.")


def _sources(root: Path) -> list[Path]:
    package = (path for path in (root / "kit").rglob("*") if "__pycache__" not in path.parts)
    return sorted(
        [*(root / name for name in BESIDE), *(path for path in package if path.is_file())]
    )
