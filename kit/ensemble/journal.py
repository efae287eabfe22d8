"""A journal of Optuna studies that several processes, on one machine or many, work on together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Journal:
    """A journal file; `optuna-dashboard FILE` draws it while the studies run.

    Lies on a disk that all processes see. Each study is one process's at a time, which is what
    makes its trials follow from their numbers alone; a lock beside the journal says whose. The
    locks are the operating system's, and fall with the process that holds them.
    """

    file: Path

    def share(
        self, name: str, columns: Sequence[int], search: Callable[[int, "optuna.Study"], None]
    ) -> None:
        """Search the study of every column, those first that no other process has in hand."""
        storage = self._open()
        waiting = [column for column in columns if not self._try(storage, name, column, search, 0)]
        for column in waiting:
            self._try(storage, name, column, search, timeout=-1)

    def _open(self) -> "optuna.storages.JournalStorage":
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        self.file.parent.mkdir(parents=True, exist_ok=True)
        path = str(self.file)
        return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))

    def _try(
        self,
        storage: "optuna.storages.BaseStorage",
        name: str,
        column: int,
        search: Callable[[int, "optuna.Study"], None],
        timeout: float,
    ) -> bool:
        """Search a column's study when its lock can be had in time (-1: wait); whether it was."""
        import optuna

        try:
            with FileLock(f"{self.file}.{column}.lock", timeout=timeout):
                study = optuna.create_study(
                    study_name=f"{name} {column}",
                    storage=storage,
                    load_if_exists=True,
                    direction="maximize",
                )
                search(column, study)
        except Timeout:
            return False
        return True
