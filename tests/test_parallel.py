"""Processes that the kit starts end with it, even if it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.core import orphan, parallel
from kit.core.progress import SILENT

ROOT = Path(__file__).parent.parent

# Two workers that say so and then hang.
WORKERS = """
import kit.core.parallel as parallel
from kit.core.progress import SILENT

def hang(number):
    import os, threading
    os.write(1, b"ready\\n")  # in one piece, whatever the other one prints
    threading.Event().wait()

if __name__ == "__main__":
    parallel.cores = lambda: 2
    parallel.on_all_cores("hanging", hang, [0, 1], 10**7, SILENT)
"""
# The same as a command, which a closed terminal ends, even if the tests run under nohup.
COMMAND = (
    WORKERS.replace(
        "parallel.on_all_cores(",
        """import signal, sys, kit.cli
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = ["kit", "folds"]
    kit.cli.app = lambda **_: parallel.on_all_cores(""",
    )
    + """    kit.cli.main()
"""
)
# A process as the notebook's check starts it: with the watch in a file that Python imports first.
CHILD = """
import pathlib, subprocess, sys
from kit.core import orphan, parallel
from kit.core.progress import SILENT
guard = pathlib.Path(sys.argv[1]) / "sitecustomize.py"
text = pathlib.Path(orphan.__file__).read_text()
guard.write_text(text + "\\nend_with(os.getppid())\\n")
code = "import threading; print('ready', flush=True); threading.Event().wait()"
again = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
subprocess.run([sys.executable, "-c", again], env={"PYTHONPATH": sys.argv[1]})
"""


def start(code: str, ready: int, folder: Path) -> subprocess.Popen[str]:
    """Run code in a process group of its own until it has printed so often that it is ready."""
    script = folder / "script.py"
    script.write_text(code)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(ready)] == ["ready\n"] * ready
    return process


@pytest.mark.parametrize(("code", "ready"), [(WORKERS, 2), (CHILD, 1)], ids=["workers", "child"])
def test_what_a_killed_process_started_ends(code: str, ready: int, tmp_path: Path) -> None:
    process = start(code, ready, tmp_path)
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    # Its children hold the other end of the pipe: it closes when the last one has ended.
    assert process.stdout.read() == ""
    process.wait()


def test_a_closed_terminal_ends_workers_and_command_in_one_line(tmp_path: Path) -> None:
    process = start(COMMAND, 2, tmp_path)
    os.killpg(process.pid, signal.SIGHUP)
    _, err = process.communicate()
    kept = "Finished work is kept; rerun the command to resume."
    assert (process.returncode, err) == (129, f"kit: Stopped by SIGHUP. {kept}\n")


def test_a_process_whose_parent_has_gone_already_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    orphan._watch(os.getppid() + 1)
    assert ended == [1]


def test_a_worker_does_its_own_jobs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    jobs = [0, 1]
    outside = parallel.on_all_cores("", own_and_nested, jobs, 10**7, SILENT)
    assert os.getpid() not in {process for process, _ in outside}
    assert all(nested == [process, process] for process, nested in outside)


def own_and_nested(_: int) -> tuple[int, list[int]]:
    """The number of this process, and of those that do the jobs it gives out."""
    return os.getpid(), parallel.on_all_cores("", process_of, [0, 1], 10**7, SILENT)


def process_of(_: int) -> int:
    return os.getpid()
