"""The command line in this process: seconds faster than a process that imports TensorFlow anew."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.cli import main


@contextlib.contextmanager
def inside(folder: Path, runs: str = "runs") -> Iterator[io.StringIO]:
    """Work in a folder, whatever the kit's own variables say outside; what is printed there."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("KIT_DATA", raising=False)
        patch.setenv("KIT_RUNS", runs)
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            yield shown


def kit(folder: Path, *words: str, runs: str = "runs") -> str:
    """Run a command in a folder; what it printed. It must succeed."""
    with inside(folder, runs) as shown, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kit", *words])
        with pytest.raises(SystemExit) as left:
            main()
    assert left.value.code in (0, None), shown.getvalue()
    return shown.getvalue()
