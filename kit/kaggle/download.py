"""Downloads a competition's files: disk space checked first, resumed after a break, verified.

The client's own `competition_download_file` writes to the final file name, so a partial file
looks complete, and it waits and retries on its own. Here the client only requests the file, and
this module writes the response.
"""

import errno
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from kit.core.disk import atomic, is_web_page, read_json, removal, write_json
from kit.core.errors import UserError, brief
from kit.core.faults import fault_of, require_space, unwritten
from kit.core.paths import partial_of, partial_source
from kit.core.progress import Reporter, volume
from kit.core.unpack import UNREADABLE
from kit.kaggle.answers import StorageError
from kit.kaggle.client import TIMEOUT, Kaggle

CHUNK = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """One file to download: its target and what arrives (`name.zip` for a zipped table).

    `size` is the transfer size in bytes; `tag` identifies the version of the file.
    """

    name: str
    target: Path
    size: int
    tag: str | None

    @property
    def is_packed(self) -> bool:
        return self.target.name != self.name

    @property
    def is_there(self) -> bool:
        """Whether it is already downloaded; UserError for a file of another size."""
        unpacked = self.target.with_name(self.name)
        if self.is_packed and unpacked.exists():
            return True
        if not self.target.exists():
            return False
        if (found := self.target.stat().st_size) != self.size:
            raise UserError(
                f"{self.target} has {found} bytes, Kaggle's has {self.size}. "
                f"Remove it to download it again: {removal(self.target)}"
            )
        return not self.is_packed

    def done(self) -> int:
        """How many of its bytes are already here, usually from an interrupted download."""
        if self.target.exists():
            return self.size
        part = partial_of(self.target)
        try:
            is_same = read_json(partial_source(self.target)) == self._source()
        except UserError:  # missing or damaged: it is unknown of what this is a part
            return 0
        return min(part.stat().st_size, self.size) if is_same and part.exists() else 0

    def begin_anew(self) -> None:
        """Discard any partial download and record the version that arrives now."""
        partial_of(self.target).unlink(missing_ok=True)
        write_json(partial_source(self.target), self._source())

    def discard(self) -> None:
        """Remove what has arrived."""
        partial_of(self.target).unlink(missing_ok=True)
        partial_source(self.target).unlink(missing_ok=True)

    def finish(self) -> None:
        """Rename the complete file to its final name."""
        part = partial_of(self.target)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(self.target)
        partial_source(self.target).unlink(missing_ok=True)

    def _source(self) -> dict[str, Any]:
        return {"size": self.size, "tag": self.tag}


def download_files(kaggle: Kaggle, slug: str, names: Sequence[str], folder: Path) -> None:
    """Download files into a folder, skipping those that are already there.

    Zipped tables are unpacked; other archives stay packed. Raises UserError when the disk has too
    little space, when a file exists with another size, and when an archive has names that point
    outside the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [_size_up(kaggle, slug, name, folder) for name in names]
    missing = [one for one in wanted if not one.is_there]
    for one in wanted:
        if one not in missing:
            kaggle.reporter.say(f"{folder / one.name} is there.")
    needed = sum(one.size - one.done() for one in missing)
    free = shutil.disk_usage(folder).free
    if missing:
        listed = ", ".join(f"{one.target.name} {volume(one.size)}" for one in missing)
        kaggle.reporter.say(
            f"{volume(needed)} to download into {folder}, {volume(free)} free there: {listed}."
        )
    if needed > free:
        raise UserError(
            f"The disk of {folder} has {volume(free)} free, {volume(needed)} needed. Free some "
            "space, or set KIT_DATA to a folder on another disk."
        )
    for one in missing:
        if not one.target.exists():
            _download(kaggle, slug, one)
        if one.is_packed:
            _unpack(one)


def _size_up(kaggle: Kaggle, slug: str, name: str, folder: Path) -> Wanted:
    """Request a file and read only the headers."""
    with kaggle.open_file(slug, name) as answer:
        arrives = unquote(urlsplit(answer.url).path).rsplit("/", 1)[1]
        packed = arrives == f"{name}.zip"
        size = answer.headers.get("Content-Length")
        if size is None:
            raise UserError(
                f"Kaggle did not report the size of {name}. Download it from the competition's "
                f"page to {folder}."
            )
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    return Wanted(name, folder / (arrives if packed else name), int(size), tag)


def _download(kaggle: Kaggle, slug: str, wanted: Wanted) -> None:
    """Download until the file is complete, resuming after broken connections."""

    def once() -> None:
        done = wanted.done()
        if done == wanted.size:
            return  # already complete, only not renamed yet
        with _from(kaggle, slug, wanted, done) as answer:
            if answer.status_code != 206:
                wanted.begin_anew()
                done = 0
            _write(answer, wanted, done, kaggle.reporter)

    kaggle.patiently(f"downloading {wanted.name}", slug, once, wanted.done)
    if (arrived := partial_of(wanted.target).stat().st_size) != wanted.size:
        partial_of(wanted.target).unlink()
        raise UserError(
            f"{wanted.name}: received {arrived} bytes, expected {wanted.size}. Rerun the command."
        )
    if is_web_page(partial_of(wanted.target)):
        wanted.discard()
        raise UserError(
            f"{wanted.name}: a web page (HTML) arrived instead of the file. Download it from "
            f"https://www.kaggle.com/competitions/{slug}/data to {wanted.target.parent}, or rerun "
            "the command later."
        )
    wanted.finish()


def _from(kaggle: Kaggle, slug: str, wanted: Wanted, done: int) -> requests.Response:
    """The file's bytes from `done` on, or the whole file if the server ignores ranges."""
    whole = kaggle.open_file(slug, wanted.name)
    if done == 0 or not whole.history or wanted.tag is None:
        return whole
    whole.close()
    # The URL that the request was redirected to is signed and needs no credentials. If-Range: if
    # the file has changed meanwhile, the server sends it from the beginning.
    headers = {"Range": f"bytes={done}-", "If-Range": wanted.tag, "Accept-Encoding": "identity"}
    rest = requests.get(whole.url, headers=headers, stream=True, timeout=TIMEOUT)
    if not rest.ok:
        raise StorageError(rest.status_code)
    return rest


def _write(answer: requests.Response, wanted: Wanted, done: int, reporter: Reporter) -> None:
    """Append what arrives; UserError when the disk is full."""
    part = partial_of(wanted.target)
    megabytes = max(1, wanted.size // 10**6)
    name = f"{wanted.target.name} (MB)"
    with reporter.bar(name, megabytes, done // 10**6, lines=True) as progress:
        try:
            with part.open("ab") as file:
                for piece in answer.iter_content(CHUNK):
                    file.write(piece)
                    file.flush()
                    done += len(piece)
                    progress.move_to(done // 10**6)
        except OSError as error:
            if fault_of(error):
                raise unwritten(part, error) from error
            raise


def _unpack(wanted: Wanted) -> None:
    """Extract a table from the archive it arrived in and remove the archive."""
    target = wanted.target.with_name(wanted.name)
    try:
        with zipfile.ZipFile(wanted.target) as archive:
            _refuse_escapes(wanted.target, archive.namelist())
            if wanted.name not in archive.namelist():
                raise UserError(f"{wanted.target} does not contain {wanted.name}.")
            unpacked = archive.getinfo(wanted.name).file_size
            require_space(target.parent, unpacked, f"Unpacking {wanted.name}")
            with (
                archive.open(wanted.name) as packed,
                atomic(target) as temporary,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file, CHUNK)
    except (*UNREADABLE, ValueError, OSError) as error:
        # A seek to where no archive has anything is an invalid argument of no file.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise UserError(
            f"{wanted.target} is damaged or encrypted ({brief(error)}). "
            f"Remove it, then rerun the command: {removal(wanted.target)}"
        ) from None
    wanted.target.unlink()


def _refuse_escapes(archive: Path, names: Sequence[str]) -> None:
    """Raise UserError for a name that would escape the folder an archive is unpacked in."""
    for name in names:
        paths = (PurePosixPath(name), PureWindowsPath(name))
        if any(path.is_absolute() or path.drive or ".." in path.parts for path in paths):
            raise UserError(
                f"{archive} contains '{name}', which points outside the folder; nothing was "
                "unpacked. Kaggle's archives have no such names: delete it and tell the "
                "competition's host."
            )
