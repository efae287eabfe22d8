"""Where image files are: a folder or a zip archive, of which only the declared folder counts."""

import os
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from kit.core.disk import is_web_page, removal
from kit.core.errors import Advised, UserError, brief, listed
from kit.core.progress import volume
from kit.core.unpack import MOST_TIMES, MOST_UNPACKED, UNREADABLE

_ENCRYPTED = 0x1


class Source(Protocol):
    """A folder or archive that holds a split's files by name: `a.png`, or `p1/a.png` below it."""

    @property
    def place(self) -> str:
        """The folder or archive, for messages."""

    @property
    def again(self) -> str:
        """What to do about a damaged file, for messages."""

    def names(self) -> Iterable[str]:
        """All files, for messages that name the nearest; may be slow."""

    def sizes(self, names: Iterable[str]) -> Mapping[str, int]:
        """The unpacked size in bytes of those of these files that exist."""

    def checksums(self, names: Iterable[str]) -> Mapping[str, int] | None:
        """A checksum of those of these files that exist; None if the source stores none."""

    def open(self, name: str) -> BinaryIO:
        """Open a file to read its header; UserError when it cannot be read."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; safe to call from several threads. UserError as `open`."""

    def where(self, name: str) -> str:
        """The file's name for messages."""


class Folder:
    """Files in and below a folder."""

    again = "Download it again."

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return f"{self._path}{os.sep}"

    def names(self) -> Iterable[str]:
        for folder, _, files in os.walk(self._path):
            below = Path(folder).relative_to(self._path)
            yield from ((below / name).as_posix() for name in files)

    def sizes(self, names: Iterable[str]) -> Mapping[str, int]:
        found = {}
        for name in names:
            try:
                found[name] = os.stat(self._path / _inside(name)).st_size
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:  # `read` says what is wrong with this one
                found[name] = -1
        return found

    def checksums(self, names: Iterable[str]) -> None:
        return None

    def open(self, name: str) -> BinaryIO:
        try:
            return (self._path / _inside(name)).open("rb")
        except OSError as error:
            raise unreadable(self, name, error) from error

    def read(self, name: str) -> bytes:
        try:
            return (self._path / _inside(name)).read_bytes()
        except OSError as error:
            raise unreadable(self, name, error) from error

    def where(self, name: str) -> str:
        return str(self._path / name)


class Archive:
    """Files in a zip archive: at its top level, or in one folder.

    The folder is `folder`, by default named like the archive; if all files of the archive are in
    one folder, that one counts, whatever its name.
    """

    def __init__(self, path: Path, folder: str | None = None) -> None:
        self._path = path
        # A ZipFile locks its single file handle while reading, so each thread opens its own.
        self._local = threading.local()
        self._all = [
            (member.filename.replace("\\", "/"), member)
            for member in self._open().infolist()
            if not member.is_dir()
        ]
        bases = [f"{folder}/", f"{path.stem}/{folder}/"] if folder else ["", f"{path.stem}/"]
        tops = {name.partition("/")[0] if "/" in name else "" for name, _ in self._all}
        if folder is None and len(tops) == 1:
            bases.append(f"{tops.pop()}/")
        self._members: dict[str, list[zipfile.ZipInfo]] = defaultdict(list)
        for name, member in self._all:
            for base in dict.fromkeys(bases):
                if name.startswith(base):
                    self._members[name[len(base) :]].append(member)

    def _open(self) -> zipfile.ZipFile:
        if not hasattr(self._local, "archive"):
            try:
                self._local.archive = zipfile.ZipFile(self._path)
            except UNREADABLE as error:
                if is_web_page(self._path):
                    problem = "is a web page (HTML)."
                else:
                    problem = f"is not a complete zip archive ({brief(error)})."
                raise Advised(f"{self._path} {problem}", self.again) from error
            except OSError as error:
                raise UserError(
                    f"{self._path} cannot be read: {error.strerror or error}."
                ) from error
        archive: zipfile.ZipFile = self._local.archive
        return archive

    @property
    def place(self) -> str:
        return str(self._path)

    @property
    def again(self) -> str:
        # Removed first: `kit data` keeps an archive that has the right size.
        return f"Remove the archive and download it again: {removal(self._path)}."

    def names(self) -> Iterable[str]:
        return (name for name, _ in self._all)

    def sizes(self, names: Iterable[str]) -> Mapping[str, int]:
        return {
            one: self._member(one).file_size for one in map(_inside, names) if one in self._members
        }

    def checksums(self, names: Iterable[str]) -> Mapping[str, int]:
        return {name: member.CRC for name, member in self._found(names)}

    def _found(self, names: Iterable[str]) -> Iterator[tuple[str, zipfile.ZipInfo]]:
        there = (name for name in map(_inside, names) if name in self._members)
        return ((name, self._member(name)) for name in there)

    def _member(self, name: str) -> zipfile.ZipInfo:
        """A file of the archive; UserError when several have its name."""
        members = self._members[name]
        if len(members) > 1:
            raise UserError(
                f"{self._path} has several files for {name}: "
                f"{listed(member.filename for member in members)}. Remove all but one, or unpack "
                "the right ones into a folder of the archive's name."
            )
        return members[0]

    def open(self, name: str) -> BinaryIO:
        member = self._member(name)
        if member.flag_bits & _ENCRYPTED:
            raise UserError(
                f"{self.where(name)} is encrypted. Unpack the archive with its password."
            )
        if member.file_size > max(MOST_UNPACKED, MOST_TIMES * member.compress_size):
            raise UserError(
                f"{self.where(name)} unpacks to over {volume(MOST_UNPACKED)}, more than "
                f"{MOST_TIMES} times its size. If it is right, unpack the archive."
            )
        try:
            return self._open().open(member)  # type: ignore[return-value]
        except (*UNREADABLE, OSError) as error:
            raise unreadable(self, name, error) from error

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            try:
                return file.read()
            except (*UNREADABLE, OSError) as error:
                raise unreadable(self, name, error) from error

    def where(self, name: str) -> str:
        return f"{self._path}:{name}"


def find_source(folder: Path, name: str) -> Source | None:
    """The images of a data folder in `<name>/`, else in `<name>.zip`; None if neither exists.

    For a name such as `train/images`, also in the folder `images/` of `train.zip`.
    """
    if (folder / name).is_dir():
        return Folder(folder / name)
    if (folder / f"{name}.zip").is_file():
        return Archive(folder / f"{name}.zip")
    parts = PurePosixPath(name).parts
    for end in range(len(parts) - 1, 0, -1):
        archive = folder.joinpath(*parts[:end]).with_suffix(".zip")
        if archive.is_file():
            return Archive(archive, "/".join(parts[end:]))
    return None


def unreadable(source: Source, name: str, error: BaseException) -> UserError:
    """The error for a file, or member of an archive, that cannot be read."""
    where = source.where(name)
    if isinstance(error, OSError):
        return UserError(f"{where} cannot be read: {error.strerror or error}.")
    return Advised(f"{where} cannot be read ({brief(error)}).", source.again)


def _inside(name: str) -> str:
    """The name of a file, unless it leads out of its folder."""
    if "\0" in name or name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise UserError(f"{name!r} is not the name of a file below its folder. Correct the id.")
    return name
