"""Kaggle's rules for datasets and notebooks, checked first so that a push does not fail halfway.

The client (2.2.4) enforces some in `dataset_create_new` and `kernels_push` of its
`kaggle_api_extended.py`; the rest come from docs/datasets_metadata.md and
docs/kernels_metadata.md of github.com/Kaggle/kaggle-api and from kaggle.com/docs/datasets.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from kit.core.disk import read_json, removal
from kit.core.errors import UserError, brief, some
from kit.core.kernel_paths import KernelFiles
from kit.core.progress import volume

# Placeholder until the account is known; no account has this name.
NO_OWNER = "INSERT_OWNER_HERE"

KERNEL_TITLE = (5, 50)
DATASET_TITLE = (6, 50)
DATASET_SLUG = (6, 50)  # documented minimum 3, but the client refuses less than 6

LICENSES = (
    *("CC0-1.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", "GPL-2.0", "ODbL-1.0"),
    *("DbCL-1.0", "copyright-authors", "other", "unknown", "CC-BY-4.0", "CC-BY-NC-4.0", "PDDL"),
    *("CC-BY-3.0", "CC-BY-3.0-IGO", "US-Government-Works", "CC-BY-NC-SA-3.0-IGO"),
    *("CDLA-Permissive-1.0", "CDLA-Sharing-1.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0"),
    *("ODC-BY-1.0", "LGPL-3.0", "AGPL-3.0", "FDL-1.3", "EU-ODP-Legal-Notice", "apache-2.0"),
    "GPL-3.0",
)

MOST_BYTES = 200_000_000_000  # of a dataset, and of all private ones together
MOST_ENTRIES = 50  # files and folders at a dataset's top level


def _as_in_url(text: str) -> str:
    if not re.fullmatch(r"[\w-]+/[\w-]+", text):
        raise ValueError("expected OWNER/NAME")
    return text


def _as_source(text: str) -> str:
    # It may also have a version, and a model its framework and variation.
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+", text):
        raise ValueError("expected OWNER/NAME")
    return text


_Ref = Annotated[str, AfterValidator(_as_in_url)]
_Source = Annotated[str, AfterValidator(_as_source)]


class _Shape(BaseModel):
    """The base of what files must contain; further keys are Kaggle's business."""

    model_config = ConfigDict(strict=True)


class _License(_Shape):
    name: str


class _Dataset(_Shape):
    id: _Ref
    title: str
    licenses: list[_License]


class _Kernel(_Shape):
    id: _Ref
    title: str
    code_file: str
    dataset_sources: list[_Source]
    competition_sources: list[str] = []
    kernel_sources: list[_Source] = []
    model_sources: list[_Source] = []
    keywords: list[str] = []
    docker_image: str | None = None
    docker_image_pinning_type: Literal["original", "latest"] | None = None
    machine_shape: str | None = None
    enable_gpu: bool = False
    enable_tpu: bool = False


class _Cell(_Shape):
    cell_type: str
    source: str | list[str]


class _Notebook(_Shape):
    cells: list[_Cell]


def require_shapes(files: KernelFiles) -> None:
    """Raise UserError for a notebook or metadata file without what Kaggle and the kit read in it.

    Kaggle's client takes them as they are, and fails on the first key that is missing.
    """
    _require_shape(files.dataset.metadata, _Dataset)
    _require_shape(files.metadata, _Kernel)
    _require_shape(files.notebook, _Notebook)


def _require_shape(path: Path, shape: type[_Shape]) -> None:
    try:
        shape.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its content"
        reason = first["msg"].removeprefix("Value error, ")
        wrong = f"{place}: {reason}, got {brief(repr(first['input']), 60)}"
        if first["type"] == "missing":
            wrong = f"{place} is missing"
        raise UserError(
            f"{path}: {wrong}. Correct it, or remove it and rerun the command: {removal(path)}"
        ) from None


def words_of(text: str) -> str:
    """The text reduced to words of ASCII letters and digits, separated by single spaces."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[A-Za-z0-9]+", plain))


def slug_of(title: str) -> str:
    """A title as it appears in a URL: lower case, words joined by dashes."""
    return words_of(title).lower().replace(" ", "-")


def metadata_problems(dataset: Mapping[str, Any], kernel: Mapping[str, Any]) -> list[str]:
    """Everything Kaggle would refuse in the two metadata files; a missing account is allowed."""
    title, dataset_title = str(kernel.get("title", "")), str(dataset.get("title", ""))
    _, _, slug = str(kernel.get("id", "")).partition("/")
    _, _, dataset_slug = str(dataset.get("id", "")).partition("/")
    licenses = [one.get("name") for one in dataset.get("licenses", [])]
    wanted = {
        "code_file": KernelFiles(Path()).notebook.name,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_internet": False,
    }
    found = [
        *_length("the notebook's title", title, KERNEL_TITLE),
        *_length("the dataset's title", dataset_title, DATASET_TITLE),
        *_length("the dataset's name", dataset_slug, DATASET_SLUG),
        *(
            f"{key} is {kernel.get(key)!r}, not {value!r}"
            for key, value in wanted.items()
            if kernel.get(key) != value
        ),
    ]
    if slug != slug_of(title):
        found.append(f"the notebook's id ends in '{slug}', but its title in '{slug_of(title)}'")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", dataset_slug):
        found.append(f"the dataset's name '{dataset_slug}' may have a-z, 0-9, single dashes only")
    if len(licenses) != 1 or licenses[0] not in LICENSES:
        found.append(f"licenses are {licenses}, expected one of {some(LICENSES, 8)}")
    if dataset.get("id") not in kernel.get("dataset_sources", []):
        found.append(f"dataset_sources is missing the dataset, {dataset.get('id')}")
    return found


def _length(what: str, text: str, limits: tuple[int, int]) -> list[str]:
    least, most = limits
    if least <= len(text) <= most:
        return []
    return [f"{what} '{text}' has {len(text)} characters, allowed: {least} to {most} (--title)"]


def folder_problems(files: KernelFiles) -> list[str]:
    """Everything Kaggle would refuse in the folders: sizes, counts, empty or missing files."""
    every, parts = files.dataset.all_files(), files.dataset.parts()
    size = sum(path.stat().st_size for path in every)
    found = []
    if size > MOST_BYTES:
        found.append(f"the dataset has {volume(size)}, allowed: {volume(MOST_BYTES)}")
    if len(parts) > MOST_ENTRIES:
        found.append(f"the dataset has {len(parts)} runs and files, allowed: {MOST_ENTRIES}")
    if empty := [path.name for path in every if path.stat().st_size == 0]:
        found.append(f"empty files: {some(empty)}")
    if not files.notebook.is_file():
        found.append(f"{files.notebook} is missing")
    return found
