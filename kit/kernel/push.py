"""Sends the dataset and the notebook to Kaggle. Safe to interrupt; rerun to resume."""

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.core.disk import digest, digest_file, read_json
from kit.core.faults import require_space
from kit.core.formats import Format, Unreadable
from kit.core.kernel_paths import KernelFiles
from kit.core.progress import Reporter
from kit.kaggle.client import Kaggle
from kit.kaggle.clock import Clock
from kit.kaggle.push import (
    create_dataset,
    dataset_status,
    push_notebook,
    send_part,
    wait_for_dataset,
)
from kit.kernel.marker import read_marker

_PUSHED = Format(
    "the record of what was pushed", 1, "Dataset and notebook are sent again.", oldest=0
)


@dataclass(frozen=True)
class _Pushed:
    """What Kaggle has: the dataset's and the notebook's names and digests, and the page."""

    dataset: Mapping[str, str] | None = None
    notebook: Mapping[str, str] | None = None
    url: str | None = None


def push_kernel(files: KernelFiles, kaggle: Kaggle, clock: Clock) -> None:
    """Send what is not on Kaggle yet: the dataset and, once that is ready, the notebook.

    Each is recorded after it is sent, so a second push sends neither again. Raises UserError as
    `kit.kaggle.push` does.
    """
    metadata = read_json(files.dataset.metadata)
    ref, notebook_ref = str(metadata["id"]), str(read_json(files.metadata)["id"])
    dataset = {"ref": ref, "inputs": read_marker(files.dataset).inputs}
    notebook = {
        "ref": notebook_ref,
        "digest": digest([digest_file(files.notebook), digest_file(files.metadata)]),
    }
    before = read_pushed(files, kaggle.reporter)
    if before.dataset != dataset or dataset_status(kaggle, ref) is None:
        _send_dataset(files, kaggle, metadata)
        before = _Pushed(dataset)
        _PUSHED.write(files.pushed, asdict(before))
    kaggle.reporter.say(
        f"Sent https://www.kaggle.com/datasets/{ref}; waiting until Kaggle has unpacked it."
    )
    wait_for_dataset(kaggle, ref, clock)
    if before.notebook == notebook:
        kaggle.reporter.say(f"The notebook is up to date on Kaggle: {before.url}")
        return
    pushed = push_notebook(kaggle, files.kernel, notebook_ref)
    _PUSHED.write(files.pushed, asdict(_Pushed(dataset, notebook, pushed.url)))
    kaggle.reporter.say(f"Version {pushed.version} of the notebook is running: {pushed.url}")
    kaggle.reporter.say("When it has finished, submit its submission.csv on that page.")


def read_pushed(files: KernelFiles, reporter: Reporter) -> _Pushed:
    """What was sent before; nothing if that is not known."""
    try:
        return _PUSHED.read_as(files.pushed, _Pushed) if files.pushed.exists() else _Pushed()
    except Unreadable as error:
        reporter.say(f"{error}")
        return _Pushed()


def _send_dataset(files: KernelFiles, kaggle: Kaggle, metadata: dict[str, Any]) -> None:
    tokens, done = [], 0
    size = sum(path.stat().st_size for path in files.dataset.all_files())
    megabytes = max(1, size // 10**6)
    with kaggle.reporter.bar("sending the dataset (MB)", megabytes, lines=True) as progress:

        def sent(count: int) -> None:
            progress.move_to((done + count) // 10**6)

        for entry in files.dataset.parts():
            with _as_file(entry) as path:
                tokens.append(send_part(kaggle, str(metadata["id"]), path, sent))
                done += path.stat().st_size
    create_dataset(kaggle, metadata, tokens, note=f"{len(tokens)} parts")


@contextmanager
def _as_file(entry: Path) -> Iterator[Path]:
    """A file unchanged; a folder as a zip archive, which Kaggle unpacks to a folder again."""
    if entry.is_file():
        yield entry
        return
    with tempfile.TemporaryDirectory() as temporary:
        size = sum(part.stat().st_size for part in entry.rglob("*") if part.is_file())
        require_space(Path(temporary), size, f"The archive of {entry}")
        path = Path(temporary) / f"{entry.name}.zip"
        # Stored uncompressed, because weights hardly compress.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for part in sorted(entry.rglob("*")):
                if part.is_file():
                    archive.write(part, part.relative_to(entry))
        yield path
