"""Downloading a competition's files: sized up beforehand, gone on with after a break, checked.

The client's own `competition_download_file` writes into the file's final name, so that a part of
it looks like the whole, and waits and retries by itself. Here the client asks for the file, and
what it answers with is written.
"""

import os
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from kit.core.disk import atomic, disk_full, is_disk_full, read_json, write_json
from kit.core.errors import UserError
from kit.core.paths import partial_of, partial_source
from kit.core.progress import Reporter, volume
from kit.kaggle.answers import StorageError
from kit.kaggle.client import TIMEOUT, Kaggle

CHUNK = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """One file to download: where it is to lie, what arrives (`name.zip` for a packed table).

    `size` is in bytes as it arrives; `tag` tells one version of the file from the next.
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
        """Whether it was downloaded before; UserError for a file of another size."""
        unpacked = self.target.with_name(self.name)
        if self.is_packed and unpacked.exists():
            return True
        if not self.target.exists():
            return False
        if (found := self.target.stat().st_size) != self.size:
            raise UserError(
                f"{self.target} has {found} bytes, Kaggle's has {self.size}. "
                "Delete it to download it anew."
            )
        return not self.is_packed

    def done(self) -> int:
        """How many of its bytes are here already, most often of a download that broke off."""
        if self.target.exists():
            return self.size
        part, source = partial_of(self.target), partial_source(self.target)
        if not part.exists() or not source.exists() or read_json(source) != self._source():
            return 0
        return min(part.stat().st_size, self.size)

    def begin_anew(self) -> None:
        """Forget what is here of it; what arrives now is of this version."""
        partial_of(self.target).unlink(missing_ok=True)
        write_json(partial_source(self.target), self._source())

    def finish(self) -> None:
        """Give the whole file its name."""
        part = partial_of(self.target)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(self.target)
        partial_source(self.target).unlink(missing_ok=True)

    def _source(self) -> dict[str, Any]:
        return {"size": self.size, "tag": self.tag}


def download_files(kaggle: Kaggle, slug: str, names: Sequence[str], folder: Path) -> None:
    """Download files into a folder; those that are there already are left as they are.

    Tables that arrive packed are unpacked, other archives stay as they are. Raises UserError
    when the disk is too small for them, when a file is there with another size, and for an
    archive with names that lead out of the folder.
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
            f"The disk of {folder} has {volume(free)} free, {volume(needed)} are needed. Free "
            "some, or let KIT_DATA name a folder on another disk."
        )
    for one in missing:
        if not one.target.exists():
            _download(kaggle, slug, one)
        if one.is_packed:
            _unpack(one)


def _size_up(kaggle: Kaggle, slug: str, name: str, folder: Path) -> Wanted:
    """Ask for a file, and read only what is said before its bytes."""
    with kaggle.open_file(slug, name) as answer:
        arrives = unquote(urlsplit(answer.url).path).rsplit("/", 1)[1]
        packed = arrives == f"{name}.zip"
        size = answer.headers.get("Content-Length")
        if size is None:
            raise UserError(
                f"Kaggle does not say how large {name} is. Download it from the competition's "
                f"page into {folder}."
            )
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    return Wanted(name, folder / (arrives if packed else name), int(size), tag)


def _download(kaggle: Kaggle, slug: str, wanted: Wanted) -> None:
    """Download until the file is whole, going on where a broken connection left it."""

    def once() -> None:
        done = wanted.done()
        if done == wanted.size:
            return  # it was whole already, and had not been given its name
        with _from(kaggle, slug, wanted, done) as answer:
            if answer.status_code != 206:
                wanted.begin_anew()
                done = 0
            _write(answer, wanted, done, kaggle.reporter)

    kaggle.patiently(f"downloading {wanted.name}", slug, once, wanted.done)
    if (arrived := partial_of(wanted.target).stat().st_size) != wanted.size:
        partial_of(wanted.target).unlink()
        raise UserError(
            f"{wanted.name} arrived with {arrived} bytes, {wanted.size} were announced. "
            "Run kit data again."
        )
    wanted.finish()


def _from(kaggle: Kaggle, slug: str, wanted: Wanted, done: int) -> requests.Response:
    """The file's bytes from `done` on, or all of them where the server gives only all."""
    whole = kaggle.open_file(slug, wanted.name)
    if done == 0 or not whole.history or wanted.tag is None:
        return whole
    whole.close()
    # The address that the request was led to is signed, and wants no credentials. If-Range: a
    # file that has changed meanwhile is sent from its beginning.
    headers = {"Range": f"bytes={done}-", "If-Range": wanted.tag, "Accept-Encoding": "identity"}
    rest = requests.get(whole.url, headers=headers, stream=True, timeout=TIMEOUT)
    if not rest.ok:
        raise StorageError(rest.status_code)
    return rest


def _write(answer: requests.Response, wanted: Wanted, done: int, reporter: Reporter) -> None:
    """Append what arrives; a full disk is a UserError."""
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
            if is_disk_full(error):
                raise disk_full(part) from error
            raise


def _unpack(wanted: Wanted) -> None:
    """Take a table out of the archive it arrived in, and remove the archive."""
    target = wanted.target.with_name(wanted.name)
    try:
        with zipfile.ZipFile(wanted.target) as archive:
            _refuse_escapes(wanted.target, archive.namelist())
            if wanted.name not in archive.namelist():
                raise UserError(f"{wanted.target} has no {wanted.name} in it.")
            with (
                archive.open(wanted.name) as packed,
                atomic(target) as temporary,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file, CHUNK)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{wanted.target} is damaged ({error}). Delete it, and run kit data again."
        ) from None
    wanted.target.unlink()


def _refuse_escapes(archive: Path, names: Sequence[str]) -> None:
    """Raise UserError for a name that would lead out of the folder an archive is unpacked in."""
    for name in names:
        paths = (PurePosixPath(name), PureWindowsPath(name))
        if any(path.is_absolute() or path.drive or ".." in path.parts for path in paths):
            raise UserError(
                f"{archive} holds '{name}', which leads out of the folder: nothing was unpacked. "
                "Kaggle's archives hold no such names: delete it, and tell the competition's host."
            )
