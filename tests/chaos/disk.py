"""A disk that is full: a file system in memory, which only root can mount."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.child import run
from chaos.line import Golden
from chaos.verdict import Session, check

_PLENTY = 200_000_000


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={_PLENTY}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _resize(folder: Path, size: int) -> None:
    options = f"remount,size={size}"
    subprocess.run(["mount", "-o", options, str(folder)], check=True)


def on_full_disk(golden: Golden, stage: int, free: int) -> Callable[[Path], str]:
    """A stage on a disk with so many bytes free; then the same command on a larger one."""

    def work(folder: Path) -> str:
        with _mounted(folder):
            place = folder / "work"
            shutil.copytree(golden.before(stage), place)
            _resize(folder, shutil.disk_usage(folder).used + free)
            done = run(place, golden.stages[stage].words)
            check(done)
            session = Session(place)
            if done.status == 0:
                session.require(golden.before(stage + 1))
            _resize(folder, _PLENTY)
            session.settle(golden.stages[stage].words)
            return session.require(golden.before(stage + 1))

    return work
