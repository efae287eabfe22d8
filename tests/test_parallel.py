"""Processes that the kit starts end with it, even if it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.core import orphan

ROOT = Path(__file__).parent.parent

# Two workers that say so and then hang.
WORKERS = """
import kit.core.parallel as parallel
from kit.core.progress import SILENT

def hang(number):
    print("ready", flush=True)
    import threading
    threading.Event().wait()

if __name__ == "__main__":
    parallel.cores = lambda: 2
    parallel.on_all_cores("hanging", hang, [0, 1], 10**7, SILENT)
"""
# A process as the notebook's check starts it: with the watch in a file that Python imports first.
CHILD = """
import pathlib, subprocess, sys
from kit.core import orphan
guard = pathlib.Path(sys.argv[1]) / "sitecustomize.py"
text = pathlib.Path(orphan.__file__).read_text()
guard.write_text(text + "\\nend_with(os.getppid())\\n")
code = "import threading; print('ready', flush=True); threading.Event().wait()"
again = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
subprocess.run([sys.executable, "-c", again], env={"PYTHONPATH": sys.argv[1]})
"""


@pytest.mark.parametrize(("code", "ready"), [(WORKERS, 2), (CHILD, 1)], ids=["workers", "child"])
def test_what_a_killed_process_started_ends(code: str, ready: int, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(code)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(ready)] == ["ready\n"] * ready
    process.send_signal(signal.SIGKILL)
    # Its children hold the other end of the pipe: it closes when the last one has ended.
    assert process.stdout.read() == ""
    process.wait()


def test_a_process_whose_parent_has_gone_already_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    orphan._watch(os.getppid() + 1)
    assert ended == [1]
