"""Damages of a finished workspace, and the commands that messages suggest, run as typed."""

import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from kit.cli import main


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchange(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


def make_folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


def delete(path: Path, other: Path) -> None:
    path.unlink()


# What can happen to a file; the second path is another file of its kind.
DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    "emptied": empty,
    "cut in half": cut,
    "one bit flipped": flip,
    "exchanged": exchange,
    "a folder": make_folder,
    "deleted": delete,
}


def run(*words: str) -> tuple[int, str]:
    """Run a command in the current folder: its exit status and what it printed."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(shown), redirect_stderr(shown):
        patch.setattr(sys, "argv", ["kit", *words])
        with pytest.raises(SystemExit) as left:
            main()
    return int(left.value.code or 0), shown.getvalue()


def suggested(text: str) -> list[str]:
    """The commands in a message, in order: those of the kit, and `rm` and `mv`."""
    return re.findall(r"(?<=: )(?:kit|rm|mv) .*?(?=\. |;|\.?$)", text, re.MULTILINE)


def follow(text: str) -> None:
    """Run the commands that a message suggests, as a user types them."""
    for command in suggested(text):
        words = shlex.split(command)
        if words[0] == "kit":
            status, said = run(*words[1:])
            assert status == 0, f"{command}\n{said}"
        else:
            subprocess.run(words, check=True)
