"""The marker of a notebook's folder: what it was made from, and the seals of all its files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kit.core.disk import digest_file, read_json
from kit.core.errors import UserError
from kit.core.formats import Format, Unreadable
from kit.core.kernel_paths import KernelDatasetFiles, KernelFiles
from kit.core.seal import Damage, Seal, find_damage, seal, seal_of
from kit.kernel.rules import NO_OWNER

_FORMAT = Format("the marker of a notebook's dataset", 1, "Write the notebook again.", oldest=0)


@dataclass(frozen=True)
class Marker:
    """What a notebook's folder was made from; `inputs` is the digest of everything.

    `packing` is what decodes test images as they were packed here. `files` are the seals of what is
    sent with the dataset, by path in it. `editable` are those of the notebook and of both metadata
    files as the kit wrote them, by path in the folder: these may be edited. Folders of earlier
    versions have none of them.
    """

    title: str
    competition: str
    blend: str
    runs: tuple[str, ...]
    versions: Mapping[str, str]
    push: str
    inputs: str
    packing: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Seal] = field(default_factory=dict)
    editable: Mapping[str, Seal] = field(default_factory=dict)


def write_marker(files: KernelFiles, marker: Marker, texts: Mapping[Path, str]) -> None:
    """Write the marker with the seals of all files; call it after they are written.

    `texts` are the notebook and the metadata as the kit writes them. Their seals are taken, not
    those of edited files, which would then count as the kit's.
    """
    ours = (*files.editable, files.dataset.marker)
    sent = [path for path in files.dataset.all_files() if path not in ours]
    # What was checked is remembered beside the dataset, not in it, where it would be sent, too.
    seals = seal(files.folder, sent)
    inside = f"{files.dataset.folder.name}/"
    editable = {
        path.relative_to(files.folder).as_posix(): asdict(seal_of(text.encode()))
        for path, text in texts.items()
    }
    sealed = {name.removeprefix(inside): asdict(one) for name, one in seals.items()}
    _FORMAT.write(files.dataset.marker, {**asdict(marker), "files": sealed, "editable": editable})


def read_marker(dataset: KernelDatasetFiles) -> Marker:
    """Read what `write_marker` wrote; Unreadable for anything else."""
    return _FORMAT.read_as(dataset.marker, Marker)


def known_marker(dataset: KernelDatasetFiles) -> Marker | None:
    """As `read_marker`; None if there is none, or if it is damaged."""
    try:
        return read_marker(dataset) if dataset.marker.exists() else None
    except Unreadable:
        return None


def require_dataset(dataset: Path) -> Marker:
    """The marker of a dataset on Kaggle; UserError if a file is not what it says."""
    marker = read_marker(KernelDatasetFiles(dataset))
    for name, expected in marker.files.items():
        path = dataset / name
        # All contents are read: nothing can be remembered in a folder that cannot be written.
        if not path.is_file() or Seal(path.stat().st_size, digest_file(path)) != expected:
            raise UserError(
                f"{path} is missing or has changed. Push the dataset again: {marker.push}"
            )
    return marker


def find_kernel_damage(files: KernelFiles, thorough: bool = False) -> tuple[Damage, ...]:
    """Every file of a folder that is missing or damaged; edited ones do not count.

    Empty for a folder without a marker: it is unfinished.
    """
    if not files.dataset.marker.exists():
        return ()
    try:
        marker = read_marker(files.dataset)
    except Unreadable:
        return (Damage(files.dataset.marker, "is damaged"),)
    inside = files.dataset.folder.name
    seals = {f"{inside}/{name}": one for name, one in marker.files.items()}
    useless = [
        Damage(path, "is not JSON" if path.exists() else "is missing")
        for path in files.editable
        if not is_json(path)
    ]
    return (*find_damage(files.folder, seals, thorough), *useless)


def owner_of(files: KernelFiles) -> str | None:
    """The account named in a written folder; None if there is none yet."""
    owner, _, _ = str(_read_metadata(files).get("id", NO_OWNER)).partition("/")
    return None if owner == NO_OWNER else owner


def title_of(files: KernelFiles) -> str | None:
    """The title of a written folder; None if there is none yet."""
    marker = known_marker(files.dataset)
    if marker is not None:
        return marker.title
    title = _read_metadata(files).get("title")
    return None if title is None else str(title)


def _read_metadata(files: KernelFiles) -> dict[str, Any]:
    """The notebook's metadata; empty if there are none, or if they are damaged."""
    return dict(read_json(files.metadata)) if is_json(files.metadata) else {}


def is_json(path: Path) -> bool:
    """Whether a file is JSON, and an object, as the notebook and the metadata files are."""
    try:
        return isinstance(read_json(path), dict)
    except UserError:
        return False
