"""Sends the dataset and the notebook to Kaggle. Safe to interrupt; rerun to resume."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit.core.disk import digest, digest_file, read_json, write_json
from kit.core.kernel_paths import KernelFiles
from kit.kaggle.client import Kaggle
from kit.kaggle.clock import Clock
from kit.kaggle.push import (
    create_dataset,
    dataset_status,
    push_notebook,
    send_part,
    wait_for_dataset,
)


def push_kernel(files: KernelFiles, kaggle: Kaggle, clock: Clock) -> None:
    """Send what is not on Kaggle yet: the dataset and, once that is ready, the notebook.

    Each is recorded after it is sent, so a second push sends neither again. Raises UserError as
    `kit.kaggle.push` does.
    """
    metadata = read_json(files.dataset.metadata)
    ref, notebook_ref = str(metadata["id"]), str(read_json(files.metadata)["id"])
    dataset = {"ref": ref, "inputs": read_json(files.dataset.marker)["inputs"]}
    notebook = {
        "ref": notebook_ref,
        "digest": digest([digest_file(files.notebook), digest_file(files.metadata)]),
    }
    before: dict[str, Any] = read_json(files.pushed) if files.pushed.exists() else {}
    if before.get("dataset") != dataset or dataset_status(kaggle, ref) is None:
        _send_dataset(files, kaggle, metadata)
        before = {"dataset": dataset}
        write_json(files.pushed, before)
    kaggle.reporter.say(
        f"Sent https://www.kaggle.com/datasets/{ref}; waiting until Kaggle has unpacked it."
    )
    wait_for_dataset(kaggle, ref, clock)
    if before.get("notebook") == notebook:
        kaggle.reporter.say(f"The notebook is up to date on Kaggle: {before['url']}")
        return
    pushed = push_notebook(kaggle, files.kernel, notebook_ref)
    write_json(
        files.pushed,
        {"dataset": dataset, "notebook": notebook, "url": pushed.url},
    )
    kaggle.reporter.say(f"Version {pushed.version} of the notebook is running: {pushed.url}")
    kaggle.reporter.say("When it has finished, submit its submission.csv on that page.")


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
        path = Path(temporary) / f"{entry.name}.zip"
        # Stored uncompressed, because weights hardly compress.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for part in sorted(entry.rglob("*")):
                if part.is_file():
                    archive.write(part, part.relative_to(entry))
        yield path
