"""Digests of the files that a marker stands for, and the check that they are still the same.

A marker records a `Seal` per file. `require` compares sizes each time, and contents once per
version of a file: what was read before is remembered, by size, times and inode, in a hidden file
beside the files.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.core.disk import digest_file, in_the_way, write_text
from kit.core.errors import UserError
from kit.core.faults import fault_of

# Smaller files are read each time.
SMALL = 1 << 20
_REMEMBERED = ".checked.json"


@dataclass(frozen=True)
class Seal:
    """What a file must be: its size in bytes, and the SHA-256 of its contents in hex."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Damage:
    """A file that is not what its marker says, and in what way: `is missing`, `has changed`."""

    path: Path
    reason: str

    def __str__(self) -> str:
        # The path of a file beside the folder goes through it.
        return f"{os.path.normpath(self.path)} {self.reason}"


class Damaged(UserError):
    """A file of a finished artifact is missing or has changed; making it again fixes it."""

    def __init__(self, damage: Damage, advice: str = "") -> None:
        super().__init__(f"{damage}. {advice}".strip())
        self.damage = damage


def seal(folder: Path, paths: Iterable[Path]) -> dict[str, Seal]:
    """The seals of files in or below a folder, by their paths in it; they count as checked."""
    seals = {}
    memory = Memory(folder)
    for path in paths:
        name = path.relative_to(folder).as_posix()
        seals[name] = Seal(path.stat().st_size, digest_file(path))
        memory.add(path, name, seals[name])
    memory.save()
    return seals


def seal_of(content: bytes) -> Seal:
    """The seal of a file with this content."""
    return Seal(len(content), hashlib.sha256(content).hexdigest())


def find_damage(
    folder: Path, seals: Mapping[str, Seal], thorough: bool = False, remember: bool = True
) -> tuple[Damage, ...]:
    """Every file of these seals that is missing or has changed.

    With `thorough`, all contents are read; otherwise those of small files, and of larger ones in a
    version that has not been read yet. Without `remember`, nothing is written to the folder.
    """
    memory = Memory(folder)
    found = []
    for name, expected in seals.items():
        path = folder / name
        reason = _damage(path, name, expected, memory, thorough)
        if reason is not None:
            found.append(Damage(path, reason))
    if remember:
        memory.save()
    return tuple(found)


def require(
    folder: Path, seals: Mapping[str, Seal], advice: str = "", thorough: bool = False
) -> None:
    """Raise Damaged for the first file that `find_damage` finds; `advice` ends the message."""
    for damage in find_damage(folder, seals, thorough):
        raise Damaged(damage, advice)


def _damage(path: Path, name: str, expected: Seal, memory: "Memory", thorough: bool) -> str | None:
    """What is wrong with a file; None if nothing is."""
    if path.is_dir():
        return in_the_way(path)
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != expected.size:
        return f"has changed: {size} bytes instead of {expected.size}"
    known = None if thorough else memory.digest(path, name)
    if known is None:
        known = digest_file(path)
        memory.add(path, name, Seal(size, known))
    if known != expected.sha256:
        return "has changed: its contents do not match their digest"
    return None


class Memory:
    """Which version of each file in a folder was read, and its digest then."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _REMEMBERED
        self._known = _read(self._path)
        self._changed = False

    def digest(self, path: Path, name: str) -> str | None:
        """The digest of this version of a file; None if it was not read yet."""
        entry = self._known.get(name)
        if not isinstance(entry, list) or entry[:-1] != _version(path):
            return None
        return str(entry[-1])

    def add(self, path: Path, name: str, seal: Seal) -> None:
        """Remember what was read, unless the file is so small that it is read each time."""
        entry = [*_version(path), seal.sha256]
        if seal.size > SMALL and self._known.get(name) != entry:
            self._known[name] = entry
            self._changed = True

    def save(self) -> None:
        """Write what was added; where the folder cannot be written, files are read again."""
        if not self._changed:
            return
        try:
            write_text(self._path, json.dumps(self._known))
        except UserError as error:
            # In a folder that cannot be written, files are read again each time.
            if fault_of(error.__cause__ or error) is None:
                raise


def _version(path: Path) -> list[int]:
    """Changes whenever a file is replaced, or written in place."""
    stat: os.stat_result = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read(path: Path) -> dict[str, object]:
    """What is remembered; nothing if the file is missing or damaged, since it only saves time."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
