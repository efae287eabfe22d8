"""Optuna studies that several processes share: in a journal file, or in a database."""

import json
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.disk import digest, make_folder
from kit.core.errors import UserError, brief
from kit.core.faults import fault_of, unwritten
from kit.core.owner import Busy, own, without_passwords
from kit.core.progress import SILENT, Reporter

if TYPE_CHECKING:
    import optuna
    from optuna.storages.journal import JournalFileOpenLock

Search = Callable[[int, "optuna.Study"], None]

# How Optuna begins a line of its journal.
_BEGINNING = b'{"op_code":'
# Optuna has operations 0 to 9.
_OPERATIONS = range(10)
# The packages that have a driver's module, where the names differ.
_DISTRIBUTIONS = {
    "psycopg": "psycopg-binary psycopg",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
_SQLITE = b"SQLite format 3\x00"
# Seconds that SQLite waits for another process to finish writing.
_SQLITE_WAIT = 60


@dataclass(frozen=True)
class Journal:
    """Where Optuna keeps studies that several processes, on one or more machines, share.

    `place` is a file on a disk that all of them see, or the URL of a database as Optuna takes it:
    `sqlite:///x.db`, `postgresql://...`; `optuna-dashboard PLACE` plots it meanwhile. A study
    belongs to one process at a time, so its trials depend on their numbers alone. That is ensured
    by lock files beside the file, which end with their process. A database on a server has no
    folder that all machines see: its lock files are in the folder for temporary files, so they
    exclude the processes of one machine, and machines that share it should take different runs.
    Whom a process waits for, it says to `reporter`.
    """

    place: Path | str
    reporter: Reporter = SILENT

    @property
    def url(self) -> str | None:
        """The URL of a database; None for a file."""
        # Path would make one slash of two.
        return self.place if isinstance(self.place, str) and "://" in self.place else None

    @property
    def file(self) -> Path:
        """The journal file, or the database file of SQLite, or a name in place of a server's."""
        if self.url is None:
            return Path(self.place)
        inside = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", self.url)
        if inside is not None and inside[1] != ":memory:":
            return Path(inside[1])
        return Path(tempfile.gettempdir()) / f"kit-journal-{digest(self.url)[:12]}"

    def __str__(self) -> str:
        """The place without the password of a URL."""
        return without_passwords(str(self.place))

    def require(self) -> None:
        """Raise UserError unless the place can be opened; an existing file is only read."""
        if self.url is None:
            _require_journal(self.file)
            return
        with _storage_errors(str(self)), _faults_of(self.file):
            self._open()

    def share(self, name: str, columns: Sequence[int], search: Search) -> None:
        """Run the study of every column, starting with those that no other process holds."""
        with _storage_errors(str(self)), _faults_of(self.file):
            storage = self._open()
            waiting = [one for one in columns if not self._try(storage, name, one, search)]
            for column in waiting:
                with own(self._target(column), self._what(column), True, self.reporter):
                    self._run(storage, name, column, search)

    def _open(self) -> "optuna.storages.BaseStorage":
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self.url is not None:
            is_sqlite = self.url.startswith("sqlite")
            arguments = {"connect_args": {"timeout": _SQLITE_WAIT}} if is_sqlite else {}
            # Two processes that create the tables of one database at a time break each other.
            with own(self.file, f"Database {self}", wait=True):
                return RDBStorage(self.url, engine_kwargs=arguments)
        _require_journal(self.file)
        make_folder(self.file.parent)
        lock = _cutting_lock(self.file)
        lock.acquire()
        lock.release()
        backend = JournalFileBackend(str(self.file), lock_obj=lock)
        try:
            return JournalStorage(backend)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            # Whole lines, which only another version or another program writes.
            raise UserError(
                f"--journal {self.file} has lines that Optuna cannot read ({type(error).__name__}: "
                f"{brief(error)}). Name another file."
            ) from error

    def _try(
        self, storage: "optuna.storages.BaseStorage", name: str, column: int, search: Search
    ) -> bool:
        """Run a column's study if no other process holds it; whether it ran."""
        try:
            with own(self._target(column), self._what(column)):
                self._run(storage, name, column, search)
        except Busy:
            return False
        return True

    def _run(
        self, storage: "optuna.storages.BaseStorage", name: str, column: int, search: Search
    ) -> None:
        import optuna  # late: the offline notebook has none

        study = optuna.create_study(
            study_name=f"{name} {column}",
            storage=storage,
            load_if_exists=True,
            direction="maximize",
        )
        search(column, study)

    def _target(self, column: int) -> Path:
        return self.file.with_name(f"{self.file.name}.{column}")

    def _what(self, column: int) -> str:
        return f"Study {column} in {self}"


def _cutting_lock(file: Path) -> "JournalFileOpenLock":
    """Optuna's lock of a journal; once it is held, an incomplete last line is cut off.

    Whoever writes holds it, so such a line was left by a process that was killed or found the disk
    full. The next line would be glued to it, and nobody could read the journal again.
    """
    from optuna.storages.journal import JournalFileOpenLock

    class Cutting(JournalFileOpenLock):
        def acquire(self) -> bool:
            acquired = super().acquire()
            try:
                _cut_incomplete_line(file)
            except BaseException:
                self.release()
                raise
            return acquired

    return Cutting(str(file))


def _cut_incomplete_line(file: Path) -> None:
    if not file.exists() or not file.stat().st_size:
        return
    with file.open("rb+") as journal:
        journal.seek(-1, 2)
        if journal.read(1) == b"\n":
            return
        journal.seek(0)
        journal.truncate(journal.read().rfind(b"\n") + 1)


def _require_journal(file: Path) -> None:
    """Raise UserError unless a file is Optuna's journal, empty, or not there yet."""
    if re.match(r"(sqlite|postgres|mysql|mariadb|oracle|mssql|redis)[^/]*:", str(file)):
        raise UserError(f"--journal {file} is not a URL that Optuna takes, such as sqlite:///x.db.")
    if not file.exists():
        return
    if not stat.S_ISREG(file.stat().st_mode):
        kind = "folder" if file.is_dir() else "device"
        raise UserError(f"--journal {file} is a {kind}. Name a file.")
    content = file.read_bytes()
    if content.startswith(_SQLITE):
        raise UserError(
            f"--journal {file} is a database. To keep Optuna's studies in it, give its URL: "
            f"--journal sqlite:///{file}"
        )
    *lines, last = content.split(b"\n")
    # Without a complete line, it may be the beginning of the first one.
    ours = (
        lines[0].startswith(_BEGINNING) if lines else _BEGINNING.startswith(last[: len(_BEGINNING)])
    )
    # With the line ends of another system, all would look like one incomplete line, and be cut.
    if not ours or b"\r" in last:
        raise UserError(
            f"--journal {file} is not a journal of Optuna, and was not touched. Name another file."
        )
    for number, line in enumerate(lines, start=1):
        if not _is_operation(line):
            name, mended = shlex.quote(str(file)), shlex.quote(f"{file}.mended")
            raise UserError(
                f"--journal {file}: line {number} of {len(lines)} is damaged. To keep the lines "
                f"before it: head -n {number - 1} {name} > {mended} && mv {mended} {name}"
            )


def _is_operation(line: bytes) -> bool:
    """Whether a line of a journal is one of Optuna's operations."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(read, dict) or "worker_id" not in read:
        return False
    return type(read.get("op_code")) is int and read["op_code"] in _OPERATIONS


@contextmanager
def _faults_of(file: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that names the journal."""
    try:
        yield
    except OSError as error:
        if fault_of(error):
            raise unwritten(file, error) from error
        raise


@contextmanager
def _storage_errors(place: str) -> Iterator[None]:
    """Turn the errors of a database and of its driver into one line each."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        reason = without_passwords(str(error))
        raise UserError(f"--journal {place} is not a URL that Optuna takes: {reason}") from None
    except ImportError as error:
        driver = error.__cause__ or error.__context__ or error
        name = getattr(driver, "name", None) or "its driver"
        raise UserError(
            f"--journal {place} needs the package {name}, which is not installed. Install it: "
            f"pip install {_DISTRIBUTIONS.get(name, name)}"
        ) from None
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = getattr(error, "orig", None) or error.__cause__ or error
        reason = without_passwords(" ".join(str(cause).split()))
        raise UserError(f"--journal {place} could not be used: {reason}.") from None
