"""Edits of a notebook's folder survive everything: repairs, kills, full disks, another blend."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.core.errors import UserError
from kit.core.kernel_paths import KernelFiles
from kit.core.paths import Workspace

Write = Callable[..., KernelFiles]


class Killed(BaseException):
    """Ends a command as a kill does: nothing is cleaned up on the way but what `finally` does."""


def edit(files: KernelFiles) -> dict[Path, bytes]:
    """Edit the notebook and the metadata; what they are now."""
    for path in files.editable:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    files.notebook.write_bytes(files.notebook.read_bytes().replace(b"It trains", b"This trains"))
    return {path: path.read_bytes() for path in files.editable}


def weight(files: KernelFiles) -> Path:
    return next(iter(sorted(files.dataset.folder.rglob("*.weights.h5"))))


def put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("which", "damage"), [("weight", b""), ("weight", None), ("marker", b"{}"), ("readme", None)]
)
def test_a_repair_keeps_what_was_edited(
    light_kernel: Write, which: str, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    files = light_kernel()
    broken = {"weight": weight(files), "marker": files.dataset.marker, "readme": files.readme}
    before, path = edit(files), broken[which]
    for _ in range(2):  # what was kept once is still an edit
        whole = path.read_bytes()
        put(path, damage)
        light_kernel()
        assert {path: path.read_bytes() for path in files.editable} == before
        assert path.read_bytes() == whole
        assert f"{files.notebook} was changed since the kit wrote it" in capsys.readouterr().out
    assert not files.replaced.exists()


def test_a_repair_that_is_killed_anywhere_keeps_what_was_edited(
    light_kernel: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = light_kernel()
    whole, before = weight(files).read_bytes(), edit(files)

    def stopped_at(last: int, error: BaseException) -> bool:
        """Repair a damaged weight; whether the call of this number was reached, and raised."""
        weight(files).write_bytes(b"")
        calls = 0

        def count(real: Callable[..., object], *words: object, **named: object) -> object:
            nonlocal calls
            calls += files.folder in Path(str(words[0])).parents  # not those of the lock
            if calls == last:
                raise error
            return real(*words, **named)

        with monkeypatch.context() as patch:
            for where, name in ((Path, "replace"), (Path, "unlink"), (shutil, "rmtree")):
                real = getattr(where, name)
                patch.setattr(where, name, lambda *w, real=real, **n: count(real, *w, **n))
            with contextlib.suppress(Killed, UserError):
                light_kernel()
        return calls >= last

    number = 1
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    while stopped_at(number, Killed() if number % 2 else full):
        light_kernel()
        assert {path: path.read_bytes() for path in files.editable} == before
        assert weight(files).read_bytes() == whole
        number += 9
    assert number > 30
    assert not files.replaced.exists()


def test_edits_that_no_longer_fit_are_kept_beside_the_notebook(
    light_kernel: Write, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    files = light_kernel()
    edited = files.notebook.read_bytes().replace(b"It trains", b"This trains")
    for number, name in enumerate(("predict.ipynb", "predict-2.ipynb")):
        files.notebook.write_bytes(edited)
        run = workspace.run(workspace.run_names()[0])
        run.fold(0).weights(3).write_text(f"better weights {number}")
        light_kernel()
        aside = files.replaced / name
        said = f"{files.notebook} is written again. Its former content is kept as {aside}."
        assert said in capsys.readouterr().out
        assert (files.replaced / name).read_bytes() == edited
        assert b"It trains" in files.notebook.read_bytes()
    assert len(list(files.replaced.iterdir())) == 2  # the metadata had no edits


def test_a_notebook_that_is_not_json_is_kept_aside(light_kernel: Write) -> None:
    files = light_kernel()
    whole = files.notebook.read_bytes()
    files.notebook.write_bytes(whole[:-9])
    light_kernel()
    assert files.notebook.read_bytes() == whole
    assert (files.replaced / files.notebook.name).read_bytes() == whole[:-9]
