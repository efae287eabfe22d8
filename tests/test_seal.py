"""Digests in markers: every change of a file is found, and large files are read once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.core import seal as sealing
from kit.core.disk import digest_file
from kit.core.seal import Damaged, Seal, find_damage, require, seal

BIG = sealing.SMALL + 1


@pytest.fixture
def seals(tmp_path: Path) -> dict[str, Seal]:
    """A small and a large file, sealed."""
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "small.csv").write_text("a,b\n")
    (tmp_path / "big.npy").write_bytes(bytes(BIG))
    return seal(tmp_path, [tmp_path / "fold0" / "small.csv", tmp_path / "big.npy"])


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        byte = file.read(1)[0]
        file.seek(0)
        file.write(bytes([byte ^ 1]))


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


WAYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (Path.unlink, "is missing"),
    "emptied": (lambda path: path.write_bytes(b""), "has changed: 0 bytes instead of "),
    "cut": (lambda path: os.truncate(path, 1), "has changed: 1 bytes instead of "),
    "one bit": (flip, "has changed: its contents do not match their digest"),
    "a folder": (replace_by_folder, "is a folder instead of a file; remove it: rm -r "),
}


@pytest.mark.parametrize("name", ["fold0/small.csv", "big.npy"])
@pytest.mark.parametrize("way", WAYS)
def test_every_change_is_found(tmp_path: Path, seals: dict[str, Seal], name: str, way: str) -> None:
    assert find_damage(tmp_path, seals) == ()
    change, reason = WAYS[way]
    change(tmp_path / name)
    (found,) = find_damage(tmp_path, seals)
    assert found.path == tmp_path / name
    assert found.reason.startswith(reason)
    with pytest.raises(Damaged, match=r"Make it again\.$") as raised:
        require(tmp_path, seals, "Make it again.")
    assert raised.value.damage == found


def test_large_files_are_read_once_per_version(
    tmp_path: Path, seals: dict[str, Seal], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return digest_file(path)

    monkeypatch.setattr(sealing, "digest_file", counted)
    for _ in range(2):
        assert find_damage(tmp_path, seals) == ()
    assert read == ["small.csv", "small.csv"]
    assert find_damage(tmp_path, seals, thorough=True) == ()
    assert read[2:] == ["small.csv", "big.npy"]
    content = (tmp_path / "big.npy").read_bytes()
    (tmp_path / "big.npy").write_bytes(content)
    for _ in range(2):
        assert find_damage(tmp_path, seals) == ()
    assert read[4:] == ["small.csv", "big.npy", "small.csv"]


@pytest.mark.parametrize("text", ["", "[]", '{"big.npy": 1}', "\x00"])
def test_a_damaged_memory_only_costs_time(
    tmp_path: Path, seals: dict[str, Seal], text: str
) -> None:
    (tmp_path / ".checked.json").write_text(text)
    assert find_damage(tmp_path, seals) == ()
    flip(tmp_path / "big.npy")
    assert len(find_damage(tmp_path, seals)) == 1


def test_in_a_folder_that_cannot_be_written_files_are_read_each_time(
    tmp_path: Path, seals: dict[str, Seal], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".checked.json").unlink()
    monkeypatch.setattr(sealing, "write_text", _refuse)
    assert find_damage(tmp_path, seals) == ()


def _refuse(path: Path, text: str) -> None:
    from kit.core.faults import unwritten

    error = OSError(30, "Read-only file system")
    raise unwritten(path, error) from error
