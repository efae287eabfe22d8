"""JSON files with a format version, so that other versions of the kit can read or refuse them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from kit.core.disk import digest, read_json, write_json
from kit.core.errors import Advised, UserError
from kit.core.version import VERSION


def _read_floats(value: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError("lists of different lengths") from None
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError("expected finite numbers")
    return array.astype(np.float64)


# An array of floats, which pydantic reads from and writes to lists.
Floats = Annotated[
    NDArray[np.float64],
    PlainValidator(_read_floats),
    PlainSerializer(lambda array: np.asarray(array).tolist()),
]


class EqualByValue:
    """The equality of a dataclass that has arrays: all fields alike. Declare it with eq=False."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            np.array_equal(value, vars(other)[name]) for name, value in vars(self).items()
        )

    __hash__ = None  # type: ignore[assignment]


# A file without a version was written by the first release, which wrote none.
UNVERSIONED = 0
_HEADER = ("format", "kit", "kind", "sha256")

Kind = TypeVar("Kind")


def has_digest(path: Path) -> bool:
    """Whether a JSON file has the digest of its contents; those of earlier versions have none."""
    content = read_json(path)
    return isinstance(content, dict) and "sha256" in content


def _is_whole(content: Any) -> bool:
    """Whether JSON is as its digest says; True if it has none."""
    if not isinstance(content, dict) or "sha256" not in content:
        return True
    written = {key: value for key, value in content.items() if key != "sha256"}
    return bool(content["sha256"] == digest(written))


@cache  # building one takes longer than reading the file
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


class Unreadable(Advised):
    """A file that is damaged or too old to read; making it again fixes it."""


@dataclass(frozen=True)
class Format:
    """One kind of JSON file: its name, its version, and how to make it again.

    The name is used in messages and written in the files, so it never changes.
    `oldest` is the oldest version that is still read; the caller converts it. `remake` ends the
    message for older files: a sentence that says what to do. If files without a version were a bare
    list, it is read under the key `items`. Each file holds the digest of its own contents, so that
    a damaged one is refused; files of earlier versions without it are read unchecked.
    """

    name: str
    version: int
    remake: str
    oldest: int = 1
    items: str | None = None

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write `content` below a header of versions, its kind and a digest, atomically."""
        whole = {"format": self.version, "kit": VERSION, "kind": self.name, **content}
        # As JSON reads it back: tuples are lists, and all keys are text.
        write_json(path, {**whole, "sha256": digest(json.loads(json.dumps(whole)))})

    def spare(self, path: Path, kind: type, typed: str) -> None:
        """Raise UserError if `path`, which the user typed as `typed`, is a file of another kind.

        Writing would destroy it. A damaged file may be replaced: that is how one is made again.
        """
        try:
            if not _is_whole(read_json(path)):
                return
        except UserError:  # missing, or no JSON any more
            return
        try:
            self.read_as(path, kind)
        except Unreadable as error:
            raise UserError(f"{typed}: {error.problem} Name another.") from None

    def read(self, path: Path) -> dict[str, Any]:
        """Read what `write` wrote, version included; a one-line UserError for any other file.

        The error for a format that is too new or too old names the kit that wrote the file.
        """
        content = self._parse(path)
        if self.items is not None and isinstance(content, list):
            content = {self.items: content}
        version = content.get("format", UNVERSIONED) if isinstance(content, dict) else None
        if type(version) is not int:
            raise Unreadable(f"{path} is not {self.name}.", self.remake)
        # First, because a changed version number would blame another release.
        if not _is_whole(content):
            raise Unreadable(f"{path} has changed since it was written.", self.remake)
        # Or one whose fields all have defaults would be read from a complete file of another kind.
        if (kind := content.get("kind", self.name)) != self.name:
            raise Unreadable(f"{path} is {kind}, not {self.name}.", self.remake)
        maker = f"hpa-kit {content['kit']}" if "kit" in content else "hpa-kit 0.1"
        if version > self.version:
            raise UserError(
                f"{path} is {self.name} of format {version}, written by {maker}. This is hpa-kit "
                f"{VERSION}, which reads formats up to {self.version}: update it."
            )
        if version < self.oldest:
            raise Unreadable(
                f"{path} is {self.name} of format {version}, written by {maker}, which hpa-kit "
                f"{VERSION} no longer reads.",
                self.remake,
            )
        return content

    def _parse(self, path: Path) -> Any:
        """The JSON of a file; a missing one is not Unreadable, any other failure is."""
        try:
            return read_json(path)
        except Advised as error:
            raise Unreadable(error.problem, self.remake) from None

    def read_body(self, path: Path) -> dict[str, Any]:
        """As `read`, without the versions."""
        return {key: value for key, value in self.read(path).items() if key not in _HEADER}

    def read_as(self, path: Path, kind: type[Kind]) -> Kind:
        """The file as a value of this dataclass or Pydantic model, without the header.

        Keys that a dataclass does not have are dropped, and fields that the file does not have get
        their default, so a field can be added without a new version. Raises a one-line UserError as
        `read` does, and for a value that is missing or has the wrong type.
        """
        return self.as_kind(self.read_body(path), kind, path)

    def as_kind(self, content: Any, kind: type[Kind], path: Path) -> Kind:
        """Plain values from `path` as this dataclass or model; UserError as above."""
        # Or any JSON would be one whose fields all have their defaults.
        if content and is_dataclass(kind) and not {one.name for one in fields(kind)} & {*content}:
            raise Unreadable(f"{path} is not {self.name}.", self.remake)
        try:
            return _adapter(kind).validate_python(content)  # type: ignore[arg-type]  # it is hashable
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            reason = first["msg"].removeprefix("Value error, ")
            raise Unreadable(f"{path} is not valid: {place}: {reason}.", self.remake) from None
