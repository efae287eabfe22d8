"""`kit verify`: each kind of artifact, named or not, and what is remembered is not believed."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input import Place

from kit.cli import main
from kit.core import seal
from kit.core.kernel_paths import KernelFiles
from kit.core.owner import own
from kit.core.paths import Workspace

SUBMISSION = "submissions/own-best.csv"
X = "runs/own/x-imported-*"
# The file, what its artifact is called, and the command that makes it again, as far as it is told.
FILES = (
    ("folds/own.json", "own.csv", "rm folds/own.json"),
    ("data/own/store/16/train.npy", "16/train", "kit pack --size 16"),
    ("data/own/store/16/test.ids.csv", "16/test", "kit pack --size 16"),
    (f"{X}/fold1/oof.parquet", "x-imported-46586c1f", "kit import-predictions x"),
    (f"{X}/test.parquet", "x-imported-46586c1f", "kit import-predictions x"),
    ("runs/own/blends/best/test.parquet", "best", "kit blend"),
    (SUBMISSION, "own-best", "kit blend"),
)


def verify(place: Place, *names: str) -> tuple[int, str]:
    """The exit status of `kit verify`, and what it printed."""
    place.capsys.readouterr()
    place.patch.setattr(sys, "argv", ["kit", "verify", *names, "-c", "own.py", "--data", "d"])
    with pytest.raises(SystemExit) as left:
        main()
    shown = place.capsys.readouterr()
    assert shown.err == ""
    return int(left.value.code or 0), shown.out


def follow(place: Place, words: str) -> None:
    place.patch.setattr(sys, "argv", shlex.split(words))
    with pytest.raises(SystemExit, match=r"^0?$|None"):
        main()


@pytest.fixture
def packed(finished: Place) -> Place:
    follow(finished, "kit pack -c own.py --data d --size 16")
    return finished


def test_each_kind_of_artifact_is_named_with_its_command(packed: Place) -> None:
    assert verify(packed)[0] == 0
    for pattern, name, command in FILES:
        (path,) = Path().glob(pattern)
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        status, said = verify(packed)
        assert status == 1, pattern
        problems = [line for line in said.splitlines() if str(path) in line]
        assert len(problems) == 1, said
        assert command in problems[0], said
        assert verify(packed, name)[0] == 1
        others = {one[1] for one in FILES} - {name, "best", "own-best"}
        assert verify(packed, *others)[0] == 0
        path.write_bytes(whole)


def test_an_unknown_name_is_refused(finished: Place) -> None:
    said = finished.refusal("verify bets DATA")
    assert "No artifact 'bets'" in said
    assert "Did you mean 'best'?" in said


def test_what_was_remembered_is_not_believed(packed: Place) -> None:
    """Bit rot leaves size and times: a memory edited to match stands for it."""
    packed.patch.setattr(seal, "SMALL", 0)
    assert verify(packed)[0] == 0
    path = Path("data/own/store/16/train.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    memories = list(path.parent.glob(".checked.json"))
    assert memories
    for memory in memories:
        known = json.loads(memory.read_text())
        for name, entry in known.items():
            stat = (memory.parent / name).stat()
            now = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known[name] = [*now, entry[-1]]
        memory.write_text(json.dumps(known))
    assert verify(packed)[0] == 1


def test_a_notebook_is_verified(
    light_kernel: Callable[..., KernelFiles], workspace: Workspace, shapes: object
) -> None:
    from kit.stages.verify import _kernel

    files = light_kernel()
    weight = min(files.dataset.folder.rglob("*.weights.h5"))
    assert _kernel(workspace, "both").problems == ()
    weight.write_bytes(b"x" * weight.stat().st_size)
    (problem,) = _kernel(workspace, "both").problems
    assert str(weight) in problem
    assert "Write it again: kit kernel both" in problem


@pytest.mark.parametrize(
    ("target", "gone", "command"),
    [
        (X, "fold0/done.json", "import-predictions x DATA --oof x-oof.csv --test x-test.csv"),
        ("folds/own.csv", "", "folds DATA --n 2"),
        ("runs/own/blends/best", "decision.json", "blend DATA --name best --method mean"),
        ("decision.json", "", "tune -c own.py --oof oof.parquet --labels d/train.csv --folds "
            "folds/own.csv --policy exact --out decision.json"),
        ("data/own/store/16/train.npy", "", "pack DATA --size 16"),
    ],
)  # fmt: skip
def test_a_second_process_is_told_who_is_at_work(
    packed: Place, target: str, gone: str, command: str
) -> None:
    (path,) = Path().glob(target)
    (path / gone).unlink()
    with own(path, "the test"):
        said = packed.refusal(command)
    assert "is in use by process" in said
    assert "Add --wait to wait for it" in said
