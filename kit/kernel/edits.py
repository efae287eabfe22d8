"""What users edit in a notebook's folder: kept while it fits, and never deleted.

The notebook is the user's once it is written, and nothing else has what was changed in it. So an
edited file is replaced only after it was moved aside, whatever ends the process in between.
"""

from collections.abc import Mapping
from pathlib import Path

from kit.core.disk import has_text, make_folder, write_text
from kit.core.kernel_paths import KernelFiles
from kit.core.progress import Reporter
from kit.core.seal import find_damage
from kit.kernel.marker import is_json, known_marker
from kit.kernel.rules import NO_OWNER


def edited_files(files: KernelFiles) -> list[Path]:
    """The notebook and metadata files that were changed since the kit wrote them.

    Empty if the marker, which knows how the kit wrote them, is missing or damaged.
    """
    marker = known_marker(files.dataset)
    if marker is None:
        return []
    return [damage.path for damage in find_damage(files.folder, marker.editable)]


def lacks_owner(files: KernelFiles) -> bool:
    """Whether a metadata file has the placeholder in place of the account name."""
    texts = (_text(path) for path in (files.metadata, files.dataset.metadata))
    return any(NO_OWNER in text for text in texts)


def write_editable(
    files: KernelFiles,
    texts: Mapping[Path, str],
    inputs: str,
    owner: str | None,
    reporter: Reporter,
) -> None:
    """Write these texts, but keep files that were edited for the same `inputs`.

    In what is kept, only the account name is filled in, if `owner` is given. A file of other
    inputs, or one that is not JSON, is moved aside, with a line.
    """
    marker = known_marker(files.dataset)
    # Without a marker, the notebook says what it was written for.
    is_same = inputs in _text(files.notebook) if marker is None else marker.inputs == inputs
    sealed = {} if marker is None else marker.editable
    edited = [damage.path for damage in find_damage(files.folder, sealed)]
    untouched = [path for name in sealed if (path := files.folder / name) not in edited]
    for path, text in texts.items():
        if has_text(path, text):
            continue
        if path in untouched or not path.exists():
            write_text(path, text)
        elif is_same and is_json(path):
            if owner is not None and NO_OWNER in (kept := _text(path)):
                write_text(path, kept.replace(NO_OWNER, owner))
        else:
            _set_aside(files, path, reporter)
            write_text(path, text)


def _set_aside(files: KernelFiles, path: Path, reporter: Reporter) -> None:
    """Move a file away under the first free name, and say so."""
    make_folder(files.replaced)
    number, aside = 1, files.replaced / path.name
    while aside.exists():
        number += 1
        aside = files.replaced / f"{path.stem}-{number}{path.suffix}"
    path.rename(aside)
    reporter.say(f"{path} is written again. Its former content is kept as {aside}.")


def _text(path: Path) -> str:
    """A file's text; empty if it has none."""
    try:
        return path.read_bytes().decode()
    except (OSError, ValueError):
        return ""
